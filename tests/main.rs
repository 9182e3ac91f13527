//! All integration tests in one binary: each further one would link the whole program again.

#![allow(
    clippy::unwrap_used,
    reason = "helpers fail like the tests that use them; clippy.toml can allow it only inside of #[test]"
)]

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
