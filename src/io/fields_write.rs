//! Writing fields on a lattice in space: HDF5 that silx draws with its axes, npz, MATLAB 7.3, and the
//! XML formats of VTK for ParaView.

use super::cxi_write::{array, describe, write};
use super::matlab;
use super::nexus::{Outcome, attribute, group, quantity, text};
use super::npz_write::{Writer, write_archive};
use super::output::replace;
use super::process::Process;
use crate::error::{Error, Result};
use crate::volume::Centered;
use hdf5::Group;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Metres in a nanometre.
const NM: f64 = 1e-9;

/// A field of numbers, with its unit in the file.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Name, which is also that of its group or array.
    pub name: &'a str,
    /// Unit of the values as they are written.
    pub unit: &'a str,
    /// Values `(z, y, x)`.
    pub values: &'a Centered<f32>,
}

/// Fields on one lattice.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// The fields, of one shape; the first is what viewers open on.
    pub all: &'a [Field<'a>],
    /// Place `(x, y, z)` of the first point, metres.
    pub origin: [f64; 3],
    /// Vectors `(x, y, z)` from one point to the next along the axes `(z, y, x)`, metres.
    pub steps: [[f64; 3]; 3],
    /// Command line, settings and results behind them.
    pub process: &'a Process,
}

impl Fields<'_> {
    fn shape(&self) -> [usize; 3] {
        self.all.first().map_or([0; 3], |field| field.values.shape())
    }

    /// Places along an axis of a lattice along x, y and z, nanometres.
    fn places(&self, axis: usize) -> Vec<f64> {
        let along = 2 - axis;
        (0..self.shape()[axis]).map(|i| (self.origin[along] + i as f64 * self.steps[axis][along]) / NM).collect()
    }

    /// Writes HDF5: `entry_1/NAME/data` for each field, with the axes `z`, `y` and `x` in
    /// nanometres, for fields along x, y and z.
    ///
    /// # Errors
    ///
    /// As [`super::replace`].
    pub fn write_hdf5(&self, path: &Path, force: bool) -> Result<()> {
        write(path, force, |file| {
            attribute(file, "NX_class", "NXroot")?;
            attribute(file, "default", "entry_1")?;
            attribute(file, "creator", "lacuna")?;
            let entry = group(file, "entry_1", "NXentry")?;
            if let Some(first) = self.all.first() {
                attribute(&entry, "default", first.name)?;
            }
            text(&entry, "program_name", "lacuna")?;
            text(&entry, "program_version", env!("CARGO_PKG_VERSION"))?;
            self.all.iter().try_for_each(|field| self.nexus(&entry, field))?;
            describe(&entry, self.process)
        })
    }

    fn nexus(&self, entry: &Group, field: &Field) -> Outcome {
        let home = group(entry, field.name, "NXdata")?;
        attribute(&home, "signal", "data")?;
        attribute(&home, "title", field.name)?;
        let names: [hdf5::types::VarLenUnicode; 3] =
            [super::nexus::unicode("z")?, super::nexus::unicode("y")?, super::nexus::unicode("x")?];
        home.new_attr_builder().with_data(&names).create("axes")?;
        let data = array(&home, "data", field.values)?;
        attribute(&data, "units", field.unit)?;
        attribute(&data, "long_name", &format!("{} ({})", field.name, field.unit))?;
        for (axis, name) in ["z", "y", "x"].iter().enumerate() {
            let places = home.new_dataset_builder().with_data(&self.places(axis)).create(*name)?;
            attribute(&places, "units", "nm")?;
        }
        quantity(&home, "voxel_size", Some(self.steps[2][0] / NM), "nm")
    }

    /// Writes npz: each field under its name, `origin` and `steps` in metres, and JSON texts.
    ///
    /// # Errors
    ///
    /// As [`super::replace`].
    pub fn write_npz(&self, path: &Path, force: bool) -> Result<()> {
        let fill = |mut out: Writer| -> io::Result<()> {
            for field in self.all {
                out.add(field.name, "<f4", &field.values.shape(), bytes(field.values))?;
            }
            let doubles = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            out.add("origin", "<f8", &[3], doubles(&self.origin))?;
            out.add("steps", "<f8", &[3, 3], doubles(&self.steps.concat()))?;
            out.text("command", self.process.command())?;
            out.text("results", &self.process.results().to_string())?;
            out.finish()
        };
        replace(path, force, |part| write_archive(part, fill).map_err(|error| Error::write(path, error)))
    }

    /// Writes MATLAB 7.3: each field as `single`, its first index along x; the places `x`, `y`, `z` of a
    /// lattice along them, nanometres; `units`, `command` and `results` (JSON) as texts.
    ///
    /// # Errors
    ///
    /// As [`super::replace`].
    pub fn write_mat(&self, path: &Path, force: bool) -> Result<()> {
        let units: serde_json::Map<String, serde_json::Value> =
            self.all.iter().map(|field| (field.name.into(), field.unit.into())).collect();
        matlab::write(path, force, |file| {
            self.all.iter().try_for_each(|field| matlab::single(file, field.name, field.values))?;
            for (axis, name) in ["z", "y", "x"].into_iter().enumerate() {
                matlab::row(file, name, &self.places(axis))?;
            }
            matlab::text(file, "units", &serde_json::Value::Object(units).to_string())?;
            matlab::text(file, "command", self.process.command())?;
            matlab::text(file, "results", &self.process.results().to_string())
        })
    }

    /// Writes VTK's XML: image data (`.vti`) for fields along x, y and z, a structured grid
    /// (`.vts`) for sheared ones; lengths in nanometres.
    ///
    /// # Errors
    ///
    /// As [`super::replace`].
    pub fn write_vtk(&self, path: &Path, force: bool, sheared: bool) -> Result<()> {
        replace(path, force, |part| self.vtk(part, sheared).map_err(|error| Error::write(path, error)))
    }

    fn vtk(&self, path: &Path, sheared: bool) -> io::Result<()> {
        let [nz, ny, nx] = self.shape();
        let extent = format!("0 {} 0 {} 0 {}", nx - 1, ny - 1, nz - 1);
        let kind = if sheared { "StructuredGrid" } else { "ImageData" };
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "<?xml version=\"1.0\"?>")?;
        writeln!(out, "<VTKFile type=\"{kind}\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">")?;
        if sheared {
            writeln!(out, "<StructuredGrid WholeExtent=\"{extent}\">")?;
        } else {
            let [x, y, z] = self.origin.map(|value| value / NM);
            let [dx, dy, dz] = [self.steps[2][0], self.steps[1][1], self.steps[0][2]].map(|value| value / NM);
            writeln!(out, "<ImageData WholeExtent=\"{extent}\" Origin=\"{x} {y} {z}\" Spacing=\"{dx} {dy} {dz}\">")?;
        }
        writeln!(out, "<Piece Extent=\"{extent}\">")?;
        // Behind the XML: a length of eight bytes and the values, for each array.
        let mut offset = 0;
        let count = (nx * ny * nz) as u64;
        let first = self.all.first().map_or("", |field| field.name);
        writeln!(out, "<PointData Scalars=\"{first}\">")?;
        for field in self.all {
            let Field { name, unit, .. } = field;
            let label = if *unit == "1" { (*name).to_string() } else { format!("{name} ({unit})") };
            writeln!(out, "<DataArray type=\"Float32\" Name=\"{label}\" format=\"appended\" offset=\"{offset}\"/>")?;
            offset += 8 + 4 * count;
        }
        writeln!(out, "</PointData>")?;
        if sheared {
            writeln!(
                out,
                "<Points><DataArray type=\"Float32\" NumberOfComponents=\"3\" format=\"appended\" offset=\"{offset}\"/></Points>"
            )?;
        }
        writeln!(out, "</Piece>\n</{kind}>\n<AppendedData encoding=\"raw\">")?;
        write!(out, "_")?;
        for field in self.all {
            out.write_all(&(4 * count).to_le_bytes())?;
            out.write_all(&bytes(field.values))?;
        }
        if sheared {
            out.write_all(&(12 * count).to_le_bytes())?;
            for z in 0..nz {
                for y in 0..ny {
                    for x in 0..nx {
                        for i in 0..3 {
                            let along = [z, y, x].into_iter().zip(self.steps).map(|(n, step)| n as f64 * step[i]);
                            let place = (self.origin[i] + along.sum::<f64>()) / NM;
                            out.write_all(&(place as f32).to_le_bytes())?;
                        }
                    }
                }
            }
        }
        writeln!(out, "\n</AppendedData>\n</VTKFile>")?;
        out.flush()
    }
}

fn bytes(values: &Centered<f32>) -> Vec<u8> {
    values.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect()
}
