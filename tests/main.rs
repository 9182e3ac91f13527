//! All integration tests in one binary: each further one would link the whole program again.

mod interop;
mod rules;
