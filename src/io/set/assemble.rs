//! The finished file of a set, from its parts.

use super::columns::columns;
use super::pack::{LEVEL, MANTISSA};
use super::part::Part;
use super::raw::write_chunk;
use super::{ALWAYS, ARRAYS, FORMAT, SetHeader, Split};
use crate::error::{Error, Result};
use crate::io::hdf5_error::reason;
use crate::io::nexus::attribute;
use crate::parameters::Parameters;
use crate::pixels::trimmed;
use hdf5::{Dataset, File, Group, H5Type};
use num_complex::Complex32;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Splits, particles and parameters of the patterns.
#[derive(Default)]
struct Table {
    splits: Vec<Split>,
    particles: Vec<u64>,
    parameters: Vec<Parameters>,
}

/// Writes the whole set to `path`, asking for its parts in order.
pub(super) fn write(path: &Path, header: &SetHeader, mut part: impl FnMut(usize) -> Result<Part>) -> Result<()> {
    let fail = |error: hdf5::Error| Error::write(path, io::Error::other(reason(&error)));
    // No times, of groups either: the same entries are the same bytes.
    let file = File::with_options().with_fcpl(|root| root.obj_track_times(false)).create(path).map_err(fail)?;
    let mut reserve = Reserve { path: path.with_extension("new") };
    let joined = reserve.grow((1 << 20) + 1024 * header.count).map_err(|error| Error::write(path, error));
    let joined = joined.and_then(|()| {
        let mut arrays = Vec::new();
        let mut table = Table::default();
        let mut texts = 0;
        for index in 0..header.count {
            let part = part(index)?;
            if index == 0 {
                arrays = create_arrays(&file, header, part.chunks.len()).map_err(fail)?;
            } else if arrays.len() != part.chunks.len() {
                let problem = "has not the arrays of the first pattern: either all patterns were phased, or none";
                return Err(Error::Entry { pattern: index, problem: problem.into() });
            }
            for (array, chunk) in arrays.iter().zip(&part.chunks) {
                write_chunk(array, index, chunk).map_err(fail)?;
            }
            texts += serde_json::to_string(&part.head.parameters).map_or(0, |text| text.len());
            table.splits.push(part.head.split);
            table.particles.push(part.head.particle);
            table.parameters.push(part.head.parameters);
        }
        // A value takes at least four characters, and up to 40 bytes of the file.
        reserve.grow(10 * texts).map_err(|error| Error::write(path, error))?;
        Ok(table)
    });
    drop(reserve);
    let written = joined.and_then(|table| describe(&file, header, &table).and_then(|()| file.flush()).map_err(fail));
    // Closed even after an error: HDF5 would otherwise write on, into a file that is gone.
    let closed = file.close().map_err(fail);
    written.and(closed)
}

/// Space on the disk for what HDF5 keeps in memory until it flushes, the indices of the chunks
/// above all: it crashes (H5Fflush, release 2.0) where a disk is full only then.
struct Reserve {
    path: PathBuf,
}

impl Reserve {
    fn grow(&mut self, bytes: usize) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        io::copy(&mut io::repeat(1).take(bytes as u64), &mut file).map(drop)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // Whatever stays is removed with the parts.
        let _ = fs::remove_file(&self.path);
    }
}

/// The empty data sets of the first `count` arrays, in the order of [`ARRAYS`].
fn create_arrays(file: &File, header: &SetHeader, count: usize) -> hdf5::Result<Vec<Dataset>> {
    let [intensity, counts, mask, object, support, calculated, spread] = ARRAYS;
    let mut arrays = vec![
        array::<f32>(file, header, intensity)?,
        array::<u32>(file, header, counts)?,
        array::<u16>(file, header, mask)?,
        array::<Complex32>(file, header, object)?,
        array::<u8>(file, header, support)?,
    ];
    if count > ALWAYS {
        arrays.extend([array::<f32>(file, header, calculated)?, array::<f32>(file, header, spread)?]);
    }
    let rounded = format!("to the nearest number of {MANTISSA} bits of mantissa, a relative error of up to 3e-5");
    for index in [0, 3, 5, 6].into_iter().filter(|&index| index < arrays.len()) {
        attribute(&arrays[index], "rounded", &rounded)?;
    }
    for calculated in &arrays[ALWAYS..] {
        attribute(calculated, "units", "ln(1 + photons)")?;
    }
    for (index, unit) in [(0, "photons"), (1, "photons"), (3, "square roots of photons")] {
        attribute(&arrays[index], "units", unit)?;
    }
    attribute(&arrays[2], "convention", "CXI 1.6 bits, 0 is good")?;
    Ok(arrays)
}

fn array<T: H5Type>(file: &File, header: &SetHeader, name: &str) -> hdf5::Result<Dataset> {
    let shape = trimmed(header.shape);
    let all = [&[header.count][..], &shape].concat();
    let chunk = [&[1][..], &shape].concat();
    let dataset = file.new_dataset::<T>().shape(all).chunk(chunk).shuffle().deflate(LEVEL).create(name)?;
    attribute(&dataset, "interpretation", "image")?;
    Ok(dataset)
}

/// Everything but the arrays. `patterns` is the group on which viewers open.
fn describe(file: &File, header: &SetHeader, table: &Table) -> hdf5::Result<()> {
    attribute(file, "NX_class", "NXroot")?;
    attribute(file, "default", "patterns")?;
    attribute(file, "creator", "lacuna")?;
    attribute(file, "lacuna_version", env!("CARGO_PKG_VERSION"))?;
    attribute(file, "format", FORMAT.0)?;
    file.new_attr::<u32>().create("format_version")?.write_scalar(&FORMAT.1)?;
    attribute(file, "recipe_name", &header.recipe_name)?;
    file.new_attr::<u64>().create("seed")?.write_scalar(&header.seed)?;
    file.new_attr::<u64>().create("count")?.write_scalar(&(header.count as u64))?;
    let shape: Vec<u64> = header.shape.iter().map(|&n| n as u64).collect();
    file.new_attr_builder().with_data(&shape).create("shape")?;
    attribute(file, "recipe", &header.recipe_text)?;

    let view = group(file, "patterns")?;
    attribute(&view, "NX_class", "NXdata")?;
    attribute(&view, "signal", "counts")?;
    for name in ["counts", "intensity", "mask"] {
        view.link_soft(&format!("/{name}"), name)?;
    }

    let numbers: Vec<u8> = table.splits.iter().map(|&split| split as u8).collect();
    let split = file.new_dataset_builder().with_data(&numbers).create("split")?;
    attribute(&split, "values", "0 train, 1 validation, 2 test")?;
    let lists = group(file, "splits")?;
    for split in Split::ALL {
        let members: Vec<u64> = (0u64..).zip(&table.splits).filter(|(_, s)| **s == split).map(|(i, _)| i).collect();
        lists.new_dataset_builder().with_data(&members).create(split.name())?;
    }
    file.new_dataset_builder().with_data(&table.particles).create("particle")?;
    let parameters = group(file, "parameters")?;
    for (name, column) in columns(&table.parameters) {
        column.write(&parameters, &name)?;
    }
    Ok(())
}

fn group(file: &File, name: &str) -> hdf5::Result<Group> {
    file.create_group_builder().obj_track_times(false).create(name)
}
