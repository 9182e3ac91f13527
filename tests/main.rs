//! All integration tests in one binary: linking HDF5 once is enough.

mod interop;
