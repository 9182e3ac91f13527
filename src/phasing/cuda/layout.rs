//! What kernels take: addresses, numbers, and structures whose layouts are asserted here and in
//! `kernels/`.

use crate::phasing::rules::Rule;
use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use std::marker::PhantomData;

/// Asserts the size of a structure and the offsets of its fields, bytes.
macro_rules! layout {
    ($structure:ident is $size:literal: $($field:ident at $offset:literal),+) => {
        const _: () = {
            assert!(size_of::<$structure>() == $size);
            $(assert!(std::mem::offset_of!($structure, $field) == $offset);)+
        };
    };
}
pub(super) use layout;

/// A complex number: real and imaginary part.
pub type Complex = [f32; 2];

/// The address of an array on the GPU.
#[repr(transparent)]
pub struct Pointer<T> {
    address: u64,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Pointer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Pointer<T> {}

impl<T> PartialEq for Pointer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl<T> Pointer<T> {
    /// The address of no array, for kernels that do not touch it.
    pub const NULL: Pointer<T> = Pointer::new(0);

    /// The array at this address.
    pub const fn new(address: u64) -> Self {
        Pointer { address, element: PhantomData }
    }

    /// The address as a number, for the libraries of the driver.
    pub fn address(self) -> u64 {
        self.address
    }

    /// The same memory as an array of other elements.
    pub fn cast<U>(self) -> Pointer<U> {
        Pointer::new(self.address)
    }

    /// The rest of the array from an element on.
    pub fn starting_at(self, index: usize) -> Self {
        Pointer::new(self.address + (index * size_of::<T>()) as u64)
    }
}

// SAFETY: transparent over the integer that kernels take for a pointer.
unsafe impl<T> DeviceRepr for Pointer<T> {}

/// The state of a run, as `State` in `kernels/device.cuh`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct RunState {
    pub count: u32,
    pub rms: f32,
    pub alive: u32,
    cut: f32,
    kept: u32,
    seeking: u32,
    rank: u32,
    prefix: u32,
}

layout!(RunState is 32:
    count at 0, rms at 4, alive at 8, cut at 12, kept at 16, seeking at 20, rank at 24, prefix at 28);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for RunState {}
// SAFETY: all of its numbers may be zero.
unsafe impl ValidAsZeroBits for RunState {}

impl RunState {
    /// The state of a run that begins with `count` pixels in its support.
    pub fn new(count: usize, photons: f64) -> Self {
        let rms = (photons / count.max(1) as f64).sqrt() as f32;
        RunState { count: count as u32, rms, alive: 1, ..RunState::default() }
    }
}

/// The line search of a run, as `Search` in `kernels/gradient.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LineSearch {
    old: f64,
    turn: f32,
    length: f32,
    stopped: u32,
    padding: u32,
}

layout!(LineSearch is 24: old at 0, turn at 8, length at 12, stopped at 16);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for LineSearch {}
// SAFETY: all of its numbers may be zero.
unsafe impl ValidAsZeroBits for LineSearch {}

/// The source of the values of a pass in object space, as in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(i32)]
pub enum Source {
    /// What a pass in Fourier space left.
    Fourier = 0,
    /// The object.
    Object = 1,
    /// The object inside its support, zero outside.
    CutObject = 2,
    /// The first step of the difference map.
    RelaxedObject = 3,
}

/// The output of a pass in object space, as in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(i32)]
pub enum Output {
    /// Nothing but the values themselves.
    Values = 0,
    /// The rule's new object.
    Rule = 1,
    /// The values, as an object.
    Object = 2,
    /// The density of the values.
    Density = 3,
    /// The last step of the difference map.
    DifferenceMap = 4,
}

/// The work of a pass in object space, as `ObjectWork` in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ObjectWork {
    pub source: Source,
    pub output: Output,
    /// Whether the values go on to Fourier space.
    pub forward: i32,
    /// Whether the new object is written.
    pub keep: i32,
    /// Whether the rule needs no previous object.
    pub fresh: i32,
    pub positivity: i32,
    pub real: i32,
    /// Factor on values that are taken from the object.
    pub taken: f32,
    /// Factor on values that are stored as an object.
    pub stored: f32,
    pub beta: f32,
}

layout!(ObjectWork is 40:
    source at 0, output at 4, forward at 8, keep at 12, fresh at 16, positivity at 20, real at 24, taken at 28,
    stored at 32, beta at 36);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for ObjectWork {}

impl ObjectWork {
    /// Work with this source and output; everything else is switched off.
    pub fn new(source: Source, output: Output) -> Self {
        ObjectWork {
            source,
            output,
            forward: 0,
            keep: 0,
            fresh: 0,
            positivity: 0,
            real: 0,
            taken: 1.0,
            stored: 1.0,
            beta: 1.0,
        }
    }

    /// The same, with the values going on to Fourier space.
    pub fn forward(self) -> Self {
        ObjectWork { forward: 1, ..self }
    }
}

/// The numbers of a rule, as `Rule` in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct RuleNumbers {
    inside: [f32; 2],
    outside: [f32; 2],
    weights: [f32; 2],
    threshold: f32,
    decides: i32,
    real: i32,
}

layout!(RuleNumbers is 36:
    inside at 0, outside at 8, weights at 16, threshold at 24, decides at 28, real at 32);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for RuleNumbers {}

impl RuleNumbers {
    /// The numbers of `rule`; `real` says whether imaginary parts of the projection are dropped.
    pub fn new(rule: &Rule, real: bool) -> Self {
        let decision = rule.decision;
        RuleNumbers {
            inside: rule.inside,
            outside: rule.outside,
            weights: decision.map_or([0.0; 2], |decision| decision.weights),
            threshold: decision.map_or(0.0, |decision| decision.threshold),
            decides: decision.is_some().into(),
            real: real.into(),
        }
    }
}

/// The modulus projection, as `Projection` in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Projection {
    pub scale: f32,
    pub leak: f32,
    pub released: i32,
}

layout!(Projection is 12: scale at 0, leak at 4, released at 8);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for Projection {}

/// The work of a pass of columns, as `ColumnWork` in `kernels/passes.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ColumnWork {
    pub forward: i32,
    pub inverse: i32,
    pub project: i32,
}

layout!(ColumnWork is 12: forward at 0, inverse at 4, project at 8);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for ColumnWork {}

/// The blurred coefficients of intensities along a step, as `Parabola` in `kernels/gradient.cu`;
/// null where nothing is blurred.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Parabola {
    pub constant: Pointer<f32>,
    pub slope: Pointer<f32>,
    pub curvature: Pointer<f32>,
}

layout!(Parabola is 24: constant at 0, slope at 8, curvature at 16);

// SAFETY: plain addresses, laid out as asserted.
unsafe impl DeviceRepr for Parabola {}

impl Parabola {
    /// That of sharp intensities.
    pub const NONE: Parabola = Parabola { constant: Pointer::NULL, slope: Pointer::NULL, curvature: Pointer::NULL };
}

/// What is blurred, as in `kernels/psf.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum Intensities {
    /// `|field|^2`.
    Own = 0,
    /// `Re(conj(field) step)`.
    Product = 1,
    /// `|step|^2`.
    Step = 2,
}

// SAFETY: an integer.
unsafe impl DeviceRepr for Intensities {}

/// The work of `fourier_points`, as in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum FourierWork {
    /// The modulus projection.
    Project = 1,
    /// Sums of a fit.
    Fit = 2,
}

// SAFETY: an integer.
unsafe impl DeviceRepr for FourierWork {}
