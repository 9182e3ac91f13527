//! What a pass over memory works on, and the transforms that it does.

use super::layout::{Complex, Pointer, RunState};

/// The arrays of a pass in object space; null where there is none.
#[derive(Clone, Copy)]
pub struct PassArrays {
    pub values: Pointer<Complex>,
    pub object: Pointer<Complex>,
    pub support: Pointer<u8>,
    pub second: Pointer<Complex>,
    pub density: Pointer<f32>,
    pub states: Pointer<RunState>,
}

/// The arrays that a modulus projection reads.
#[derive(Clone, Copy)]
pub struct BoundArrays {
    pub entries: Pointer<u32>,
    pub table: Pointer<[f32; 2]>,
}

/// The transforms that a pass in Fourier space does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Directions {
    /// The forward transform, before what is done in Fourier space.
    Forward,
    /// The inverse transform, after it.
    Inverse,
    /// Both.
    Both,
}
