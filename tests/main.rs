//! All integration tests in one binary: each further one would link the whole program again.

mod fills;
mod interop;
mod prepare;
mod prepare_real;
mod rules;
