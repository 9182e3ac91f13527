//! All integration tests in one binary: each further one would link the whole program again.

mod cli;
mod fills;
mod interop;
mod prepare;
mod prepare_real;
mod readme;
mod real;
mod report;
mod rules;
mod structure;
