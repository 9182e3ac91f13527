//! The crystal behind a Bragg reconstruction: displacement, strain and lattice spacing in the
//! laboratory.
//!
//! A forward transform with `exp(-2 pi i)`, as everywhere here, gives an object `s(r) exp(-i
//! G.u(r))`, where
//! `s` is the crystal's density, `G` the momentum transfer of the reflection and `u` the displacement of the
//! lattice (I. Robinson and R. Harder, Nature Mater. 8, 291 (2009)). So the displacement along `G`
//! is minus the phase over `|G|`, and its derivative along `G` the strain of the lattice planes.
//!
//! An object and its twin, the complex conjugate turned around, have the same pattern: which of
//! them is the crystal, one pattern cannot tell ([`CrystalOptions::twin`]).

mod dislocation;
mod facets;
mod files;
mod isosurface;
mod output;
mod page;
mod resample;
mod spread;
mod stand;
mod strain;
mod summary;
mod surface;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use dislocation::DislocationLine;
pub use facets::{Facet, facets};
pub use files::{CrystalFiles, CrystalRequest, Origin};
pub use isosurface::{Isosurface, isosurface};
pub use output::CrystalFormat;
pub use resample::{Orthogonal, resample};
pub use spread::Spread;
pub use stand::read_stand;
pub use summary::{CrystalSummary, Found};
pub use surface::{Surface, surface};

use crate::error::{Error, Result, shape_text};
use crate::geometry::{QGrid, Vector, norm};
use crate::metrics::{Gauge, unwrap, vortices};
use crate::pixels::trimmed;
use crate::volume::{Centered, Cornered, Shape};
use ndarray::Array3;
use num_complex::Complex32;

/// Half of the width of the pipes in the surface inside which vortices are looked for, voxels.
const PIPE: usize = 2;

/// What is made of a reconstruction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CrystalOptions {
    /// Take the twin: the complex conjugate, turned around.
    pub twin: bool,
    /// Modulus at the crystal's surface, as a part of that of its bulk; `None` looks for it in the
    /// histogram.
    pub isosurface: Option<f64>,
    /// Keep the linear part of the phase, so that displacements are those from a lattice with the
    /// momentum transfer of the array's middle pixel; else it becomes a part of the momentum
    /// transfer, and the mean strain is zero.
    pub keep_ramp: bool,
    /// Miller indices of the reflection, for the lattice parameter of a cubic crystal.
    pub hkl: Option<[i32; 3]>,
}

/// A crystal on the voxels of its reconstruction. Fields are NaN outside the surface where nothing
/// else is said.
#[derive(Debug, Clone)]
pub struct Crystal {
    /// The object, without its constant phase, and without its ramp unless that was kept.
    pub object: Centered<Complex32>,
    /// Voxels inside the surface, in one piece.
    pub inside: Centered<bool>,
    /// Phase without jumps, radians.
    pub phase: Centered<f32>,
    /// Displacement along the momentum transfer, metres.
    pub displacement: Centered<f32>,
    /// Derivative of the displacement along the momentum transfer.
    pub strain: Centered<f32>,
    /// Momentum transfer of the crystal, radians per metre, in the laboratory.
    pub g: Vector,
    /// The surface.
    pub isosurface: Isosurface,
    /// Places `(z, y, x)` of the squares of four voxels around which the phase turns by 2 pi, a
    /// dislocation line pierces about one a voxel. The modulus is low there: pipes in the surface
    /// count as inside.
    pub vortices: Vec<[f64; 3]>,
    /// Pixels by which the crystal's momentum transfer is off the array's middle, `(z, y, x)`.
    pub off_centre: [f64; 3],
}

/// The crystal of a reconstruction whose pattern had the momentum transfer `grid`. `ramp` are the
/// turns across the array along `(z, y, x)` that were taken out of the object before.
///
/// # Errors
/// [`Error::Object`] for a single frame, an object of another shape than the pattern, and one that
/// is empty.
pub fn crystal(
    object: &Centered<Complex32>,
    support: &Centered<bool>,
    grid: &QGrid,
    ramp: [f64; 3],
    options: &CrystalOptions,
) -> Result<Crystal> {
    let shape = object.shape();
    needs_volume(shape)?;
    if shape != grid.shape || shape != support.shape() {
        let [object, pattern] = [shape, grid.shape].map(|shape| shape_text(&trimmed(shape)));
        return Err(Error::Object(format!("the object has {object} voxels, its pattern {pattern} pixels")));
    }
    // The twin's ramp: conj(exp(i r n)) at -n is exp(i r n) again.
    let (object, support) = match options.twin {
        true => (twin(object, |value| value.conj()), twin(support, |&inside| inside)),
        false => (object.clone(), support.clone()),
    };
    let isosurface = isosurface(&object, &support, options.isosurface)?;
    let inside = isosurface::largest(&object, &support, isosurface.modulus);
    let mut cut = object.clone();
    ndarray::Zip::from(&mut cut.0).and(&inside.0).for_each(|value, &inside| {
        if !inside {
            *value = Complex32::ZERO;
        }
    });
    let mut gauge = Gauge::of_crystal(&cut);
    let mut off_centre: [f64; 3] = std::array::from_fn(|axis| ramp[axis] + gauge.ramp[axis]);
    if options.keep_ramp {
        gauge.ramp = ramp.map(|turns| -turns);
        gauge.phase = Gauge { phase: 0.0, ..gauge }.removed(&cut).as_slice().iter().sum::<Complex32>().arg().into();
        off_centre = [0.0; 3];
    }
    let object = gauge.removed(&object);
    let g = grid.at(off_centre);
    let unwrapped = unwrap(&object, &inside)?;
    let vortices = vortices(&object, &isosurface::closed(&inside, PIPE))?;
    let length = norm(g);
    let displacement = unwrapped.phase.map(|phase| (-f64::from(*phase) / length) as f32);
    let strain = strain::along(&object, &inside, grid, g);
    Ok(Crystal { object, inside, phase: unwrapped.phase, displacement, strain, g, isosurface, vortices, off_centre })
}

/// Refuses what is no volume.
///
/// # Errors
/// [`Error::Object`] for a single frame.
pub fn needs_volume(shape: Shape) -> Result<()> {
    if shape.contains(&1) {
        let problem = "the object is of a single frame: strain along the momentum transfer needs a scan";
        return Err(Error::Object(problem.into()));
    }
    Ok(())
}

impl Crystal {
    /// Distance of the lattice planes, metres.
    pub fn spacing(&self) -> f64 {
        2.0 * std::f64::consts::PI / norm(self.g)
    }
}

/// An array turned around its origin.
fn twin<T: Clone>(array: &Centered<T>, value: impl Fn(&T) -> T) -> Centered<T> {
    let array = array.to_cornered();
    let shape = array.shape();
    let from = |at: [usize; 3]| -> [usize; 3] { std::array::from_fn(|axis| (shape[axis] - at[axis]) % shape[axis]) };
    Cornered(Array3::from_shape_fn(shape, |(z, y, x)| value(&array.0[from([z, y, x])]))).to_centered()
}
