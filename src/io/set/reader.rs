//! Reading sets. HDF5 says where the chunks are; they are read and decoded without it, as many at a
//! time as there are threads.

use super::columns::Column;
use super::pack::unpack;
use super::{ALWAYS, ARRAYS, Entry, FORMAT, Measurement, SetHeader, Split};
use crate::error::{Error, Result, shape_text};
use crate::io::hdf5_error::reason;
use crate::io::tree::Tree;
use crate::pixels::{Calculated, trimmed};
use crate::volume::{Centered, Shape};
use bytemuck::Pod;
use hdf5::filters::Filter;
use hdf5::{Datatype, H5Type};
use ndarray::Array3;
use num_complex::Complex32;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A set open for reading, by any number of threads.
#[derive(Debug)]
pub struct Set {
    path: PathBuf,
    file: File,
    header: SetHeader,
    /// Place of the chunk of each pattern in the file and its length, for each array.
    chunks: Vec<Vec<(u64, usize)>>,
    splits: Vec<Split>,
    particles: Vec<u64>,
    parameters: BTreeMap<String, Column>,
}

impl Set {
    /// Opens a set.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is cut short or no set as lacuna writes them,
    /// [`Error::Missing`] or [`Error::Read`] for one that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::read(path, error))?;
        let tree = Tree::open(path)?;
        let wrong = |problem: String| Error::file(path, format!("is no data set of lacuna: {problem}"));
        if tree.attribute("", "format").as_deref() != Some(FORMAT.0) {
            return Err(wrong("make one with lacuna simulate".into()));
        }
        let header = header(&tree).map_err(|error| wrong(reason(&error)))?;
        let mut places = vec![
            chunks::<f32>(&tree, &header, 0)?,
            chunks::<u32>(&tree, &header, 1)?,
            chunks::<u16>(&tree, &header, 2)?,
            chunks::<Complex32>(&tree, &header, 3)?,
            chunks::<u8>(&tree, &header, 4)?,
        ];
        if tree.dataset(&format!("/{}", ARRAYS[ALWAYS])).is_some() {
            places.extend([chunks::<f32>(&tree, &header, 5)?, chunks::<f32>(&tree, &header, 6)?]);
        }
        let column = |name: &str| {
            let dataset = tree.dataset(name).ok_or_else(|| tree.missing(name))?;
            let column = Column::read(&dataset).map_err(|error| Error::file(tree.name(name), reason(&error)))?;
            let length = column.len();
            if length == header.count {
                return Ok(column);
            }
            Err(Error::file(tree.name(name), format!("has {length} values for {} patterns", header.count)))
        };
        let Column::Flags(splits) = column("/split")? else { return Err(wrong("/split is not uint8".into())) };
        let splits: Option<Vec<Split>> =
            splits.iter().map(|&number| Split::ALL.get(usize::from(number)).copied()).collect();
        let splits = splits.ok_or_else(|| wrong("/split has numbers other than 0, 1 and 2".into()))?;
        let particles = tree.dataset("/particle").and_then(|dataset| dataset.read_raw::<u64>().ok());
        let particles = particles.filter(|particles| particles.len() == header.count);
        let particles = particles.ok_or_else(|| wrong("/particle cannot be read".into()))?;
        let names = tree.members("/parameters").into_iter();
        let parameters = names.map(|name| Ok((name.clone(), column(&format!("/parameters/{name}"))?)));
        let parameters = parameters.collect::<Result<_>>()?;
        Ok(Set { path: path.to_path_buf(), file, header, chunks: places, splits, particles, parameters })
    }

    /// Number of patterns in the set.
    pub fn len(&self) -> usize {
        self.header.count
    }

    /// Whether the set has no patterns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of each pattern, `z = 1` in 2D.
    pub fn shape(&self) -> Shape {
        self.header.shape
    }

    /// Whether its patterns were phased, so that each has what phasing calculates.
    pub fn is_phased(&self) -> bool {
        self.chunks.len() > ALWAYS
    }

    /// Origin and size of the set.
    pub fn header(&self) -> &SetHeader {
        &self.header
    }

    /// Text of the recipe, TOML.
    pub fn recipe(&self) -> &str {
        &self.header.recipe_text
    }

    /// Indices of the patterns of a split, in order.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        (0..self.len()).filter(|&index| self.splits[index] == split).collect()
    }

    /// Names of the parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    /// Values of a parameter for all patterns, NaN where a pattern has none; flags are 0 or 1.
    ///
    /// # Errors
    /// [`Error::File`] if there is none of this name, or it is text or lists.
    pub fn parameter(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.parameters.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            Error::file(&self.path, format!("has no parameter {name}: there are {}", names.join(", ")))
        })?;
        column.numbers().ok_or_else(|| Error::file(&self.path, format!("parameter {name} is not one number a pattern")))
    }

    /// Reads pattern `index` with its truth.
    ///
    /// # Errors
    /// [`Error::File`] if the file is damaged there or ends too soon.
    ///
    /// # Panics
    /// If `index` is not below [`Set::len`].
    pub fn entry(&self, index: usize) -> Result<Entry> {
        let Measurement { intensity, counts, mask, calculated } = self.measurement(index)?;
        let parameters = self.parameters.iter().map(|(name, column)| (name.clone(), column.value(index))).collect();
        Ok(Entry {
            intensity,
            counts,
            mask,
            object: self.array(3, index)?,
            support: self.array::<u8>(4, index)?.map(|&flag| flag != 0),
            calculated,
            parameters,
            split: self.splits[index],
            particle: self.particles[index],
        })
    }

    /// Reads the measurement of pattern `index` without its object, in less than half the time of
    /// [`Set::entry`].
    ///
    /// # Errors
    /// [`Error::File`] if the file is damaged there or ends too soon.
    ///
    /// # Panics
    /// If `index` is not below [`Set::len`].
    pub fn measurement(&self, index: usize) -> Result<Measurement> {
        Ok(Measurement {
            intensity: self.array(0, index)?,
            counts: self.array(1, index)?,
            mask: self.array::<u16>(2, index)?.map(|&bits| bits.into()),
            calculated: match self.is_phased() {
                true => Some(Calculated { mean: self.array(5, index)?, spread: self.array(6, index)? }),
                false => None,
            },
        })
    }

    /// Address and length of a chunk in the file.
    pub(super) fn chunk_of(&self, array: usize, index: usize) -> (u64, usize) {
        self.chunks[array][index]
    }

    fn array<T: Pod>(&self, array: usize, index: usize) -> Result<Centered<T>> {
        let (address, length) = self.chunk_of(array, index);
        let fail = |problem: String| {
            Error::file(format!("{}:/{}", self.path.display(), ARRAYS[array]), format!("pattern {index} {problem}"))
        };
        let mut chunk = vec![0; length];
        read_at(&self.file, &mut chunk, address).map_err(|error| fail(format!("cannot be read: {error}")))?;
        let shape = self.shape();
        unpack(&chunk, shape.iter().product())
            .and_then(|values| Array3::from_shape_vec(shape, values).ok())
            .map(Centered)
            .ok_or_else(|| fail("is damaged".into()))
    }
}

fn header(tree: &Tree) -> hdf5::Result<SetHeader> {
    let root = tree.group("").ok_or("it has no root")?;
    let version: u32 = root.attr("format_version")?.read_scalar()?;
    if version != FORMAT.1 {
        return Err(format!("its format has version {version}, this lacuna reads version {}", FORMAT.1).into());
    }
    let shape: Vec<u64> = root.attr("shape")?.read_raw()?;
    let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let shape = shape.try_into().map_err(|_| "its shape is not three numbers")?;
    let count: u64 = root.attr("count")?.read_scalar()?;
    let text = |name| tree.attribute("", name).ok_or_else(|| hdf5::Error::from(format!("it has no {name}")));
    Ok(SetHeader {
        shape,
        count: count as usize,
        seed: root.attr("seed")?.read_scalar()?,
        recipe_name: text("recipe_name")?,
        recipe_text: text("recipe")?,
    })
}

/// Places of the chunks of an array; refuses arrays that are not stored as lacuna stores them.
fn chunks<T: H5Type>(tree: &Tree, header: &SetHeader, array: usize) -> Result<Vec<(u64, usize)>> {
    let at = format!("/{}", ARRAYS[array]);
    let dataset = tree.dataset(&at).ok_or_else(|| tree.missing(&at))?;
    let wrong = |problem: String| Error::file(tree.name(&at), problem);
    let pattern = trimmed(header.shape);
    let shape = [&[header.count][..], &pattern].concat();
    if dataset.shape() != shape {
        return Err(wrong(format!("is {}, not {}", shape_text(&dataset.shape()), shape_text(&shape))));
    }
    let stored = [&[1][..], &pattern].concat();
    let same_type = dataset.dtype().and_then(|found| Ok(found == Datatype::from_type::<T>()?)).unwrap_or(false);
    let same_filters = matches!(dataset.filters()[..], [Filter::Shuffle, Filter::Deflate(_)]);
    if !same_type || !same_filters || dataset.chunk() != Some(stored) {
        return Err(wrong("is not stored as lacuna does it, another program wrote it: take the original file".into()));
    }
    let mut chunks = vec![None; header.count];
    let visited = dataset.chunks_visit(|chunk| {
        if let Some(place) = chunks.get_mut(chunk.offset[0] as usize).filter(|_| chunk.filter_mask == 0) {
            *place = Some((chunk.addr, chunk.size as usize));
        }
        0
    });
    visited.map_err(|error| wrong(reason(&error)))?;
    chunks.into_iter().collect::<Option<_>>().ok_or_else(|| wrong("does not hold all patterns".into()))
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], address: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, address)
}

#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut address: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, address)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        address += read as u64;
    }
    Ok(())
}
