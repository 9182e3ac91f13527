//! The files of a crystal.

use super::Crystal;
use super::dislocation::marked;
use super::files::CrystalFiles;
use super::page::page;
use crate::error::{Error, Result};
use crate::geometry::{QGrid, norm};
use crate::io::{self, Field, Fields, Process};
use crate::report::Report;
use crate::volume::Centered;
use ndarray::s;
use std::path::Path;

/// Format of a file, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrystalFormat {
    /// HDF5 with axes in nanometres, for silx view and h5py.
    Hdf5,
    /// numpy, under the names that cdiutils has.
    Npz,
    /// MATLAB 7.3.
    Mat,
    /// VTK image data on cubes, for ParaView.
    Vti,
    /// VTK structured grid of the sheared voxels, without interpolation.
    Vts,
    /// Triangles of the surface.
    Stl,
    /// A page with pictures, and a surface that turns with the mouse.
    Html,
}

impl CrystalFormat {
    /// The format of a path.
    ///
    /// # Errors
    /// [`Error::File`] for another ending.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("cxi" | "h5" | "hdf5") => Ok(CrystalFormat::Hdf5),
            Some("npz") => Ok(CrystalFormat::Npz),
            Some("mat") => Ok(CrystalFormat::Mat),
            Some("vti") => Ok(CrystalFormat::Vti),
            Some("vts") => Ok(CrystalFormat::Vts),
            Some("stl") => Ok(CrystalFormat::Stl),
            Some("html") => Ok(CrystalFormat::Html),
            _ => {
                let problem =
                    "cannot be written: its name must end with .html, .cxi, .h5, .npz, .mat, .vti, .vts or .stl";
                Err(Error::file(path, problem))
            }
        }
    }
}

impl CrystalFiles {
    /// Makes the page that is written as `.html`.
    pub fn page(&self) -> Report {
        page(self)
    }

    /// Writes one file, in the format of its ending. Lengths are nanometres; the fields are strain,
    /// displacement, phase, modulus and support, in npz, with names and units as cdiutils has them,
    /// `het_strain` (per cent), `displacement` and `dspacing` (angstroms), `phase`, `amplitude` and `support`.
    ///
    /// # Errors
    /// [`Error::Exists`] without `force`, [`Error::Write`], [`Error::Encode`], and [`Error::File`]
    /// for another ending.
    pub fn write(&self, path: &Path, force: bool) -> Result<()> {
        let format = CrystalFormat::of(path)?;
        match format {
            CrystalFormat::Html => io::write_text(path, force, &self.page().to_html()),
            CrystalFormat::Stl => io::replace(path, force, |part| {
                std::fs::write(part, self.surface.stl()).map_err(|error| Error::write(path, error))
            }),
            _ => write(path, force, format, self),
        }
    }
}

/// Writes fields.
fn write(path: &Path, force: bool, format: CrystalFormat, files: &CrystalFiles) -> Result<()> {
    let CrystalFiles { crystal, cubes, grid, summary, command, settings, .. } = files;
    let process = Process::new(command.as_str(), settings, summary)?;
    if format == CrystalFormat::Vts {
        return write_sheared(path, force, crystal, grid, &process);
    }
    let flags = cubes.inside.map(|&inside| f32::from(u8::from(inside)));
    let displacement = cubes.displacement.map(|value| value * 1e9);
    let e = cubes.voxel;
    let steps = [[0.0, 0.0, e], [0.0, e, 0.0], [e, 0.0, 0.0]];
    if format == CrystalFormat::Npz {
        let angstroms = cubes.displacement.map(|value| value * 1e10);
        let percent = cubes.strain.map(|value| 100.0 * value);
        let d = (2.0 * std::f64::consts::PI / norm(cubes.g) * 1e10) as f32;
        let spacing = cubes.strain.map(|value| d * (1.0 + value));
        let all = [
            field("amplitude", "sqrt(photons)", &cubes.modulus),
            field("support", "1", &flags),
            field("phase", "rad", &cubes.phase),
            field("displacement", "angstrom", &angstroms),
            field("het_strain", "percent", &percent),
            field("dspacing", "angstrom", &spacing),
        ];
        return Fields { all: &all, origin: cubes.origin, steps, process: &process }.write_npz(path, force);
    }
    let all = [
        field("strain", "1", &cubes.strain),
        field("displacement", "nm", &displacement),
        field("phase", "rad", &cubes.phase),
        field("modulus", "sqrt(photons)", &cubes.modulus),
        field("support", "1", &flags),
    ];
    let vortices = (!crystal.vortices.is_empty()).then(|| marked(crystal, grid, cubes));
    let marks = vortices.as_ref().map(|marks| field("vortices", "1", marks));
    let all: Vec<Field> = all.into_iter().chain(marks).collect();
    let fields = Fields { all: &all, origin: cubes.origin, steps, process: &process };
    match format {
        CrystalFormat::Vti => fields.write_vtk(path, force, false),
        CrystalFormat::Mat => fields.write_mat(path, force),
        _ => fields.write_hdf5(path, force),
    }
}

/// The sheared voxels in the laboratory, with a margin of two around the crystal.
fn write_sheared(path: &Path, force: bool, crystal: &Crystal, grid: &QGrid, process: &Process) -> Result<()> {
    let shape = crystal.inside.shape();
    let (mut low, mut high) = (shape, [0; 3]);
    for (at, _) in crystal.inside.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        for axis in 0..3 {
            low[axis] = low[axis].min(at[axis].saturating_sub(2));
            high[axis] = high[axis].max((at[axis] + 3).min(shape[axis]));
        }
    }
    let cut = |values: &Centered<f32>| {
        Centered(values.0.slice(s![low[0]..high[0], low[1]..high[1], low[2]..high[2]]).to_owned())
    };
    let modulus = cut(&crystal.object.map(|value| value.norm()));
    let flags = cut(&crystal.inside.map(|&inside| f32::from(u8::from(inside))));
    let [strain, phase] = [&crystal.strain, &crystal.phase].map(cut);
    let displacement = cut(&crystal.displacement).map(|value| value * 1e9);
    let voxels = grid.voxels();
    let origin = grid.place(low.map(|at| at as f64));
    let all = [
        field("strain", "1", &strain),
        field("displacement", "nm", &displacement),
        field("phase", "rad", &phase),
        field("modulus", "sqrt(photons)", &modulus),
        field("support", "1", &flags),
    ];
    Fields { all: &all, origin, steps: voxels, process }.write_vtk(path, force, true)
}

fn field<'a>(name: &'a str, unit: &'a str, values: &'a Centered<f32>) -> Field<'a> {
    Field { name, unit, values }
}
