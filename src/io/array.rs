//! Arrays as files store them, and their conversion to `f32`, `f64`, and flags.

use super::bytes::Bytes;
use super::element::{Element, Kind, unsupported};
use super::hdf5_error::reason;
use super::view::{AxisOrder, View};
use crate::error::{Error, Result, bytes_text, shape_text};
use crate::volume::{Centered, Shape};
use hdf5::{Hyperslab, SliceOrIndex};
use ndarray::{Array3, ArrayD, IxDyn};
use num_complex::Complex32;
use std::ops::Range;
use std::path::PathBuf;

/// Where an array's numbers are.
pub(super) enum Values {
    /// In bytes as they are in the file, read when they are converted.
    Bytes(Bytes),
    /// Still in HDF5 data sets, to be joined along the first axis; HDF5 converts while it reads.
    Datasets(Vec<Part>),
}

/// A part of an array that is spread over several data sets.
pub(super) enum Part {
    /// A data set, and the range of its first axis that is read.
    Dataset(hdf5::Dataset, Range<usize>),
    /// As many frames of which the file is lost.
    Lost(usize),
}

/// An array as a file stores it, not yet converted.
pub(super) struct RawArray {
    /// The file, with the path inside: for messages.
    pub name: PathBuf,
    /// Extents of the stored axes.
    pub shape: Vec<usize>,
    pub element: Element,
    /// First index fastest (numpy's Fortran order).
    pub fortran: bool,
    pub values: Values,
}

impl RawArray {
    /// An array of which the numbers are in memory.
    pub fn from_bytes(name: PathBuf, shape: Vec<usize>, element: Element, bytes: Vec<u8>) -> Self {
        RawArray { name, shape, element, fortran: false, values: Values::Bytes(Bytes::Memory(bytes)) }
    }

    /// Adds a part after those that are there.
    pub fn push(&mut self, part: Part, frames: usize) {
        if let Values::Datasets(parts) = &mut self.values {
            parts.push(part);
            self.shape[0] += frames;
        }
    }

    /// Adds a part before those that are there.
    pub fn push_front(&mut self, part: Part, frames: usize) {
        if let Values::Datasets(parts) = &mut self.values {
            parts.insert(0, part);
            self.shape[0] += frames;
        }
    }

    /// Never reads `frames` of the first axis: HDF5 fails where the source of a virtual data set
    /// ends too early.
    pub fn skip(&mut self, frames: &Range<usize>) {
        let Values::Datasets(parts) = &mut self.values else { return };
        let (mut start, mut split) = (0, Vec::new());
        for part in parts.drain(..) {
            match part {
                Part::Lost(length) => {
                    start += length;
                    split.push(Part::Lost(length));
                }
                Part::Dataset(dataset, range) => {
                    let inside = |frame: usize| frame.clamp(start, start + range.len()) - start + range.start;
                    let (first, last) = (inside(frames.start), inside(frames.end));
                    start += range.len();
                    if first == last {
                        split.push(Part::Dataset(dataset, range));
                        continue;
                    }
                    split.push(Part::Dataset(dataset.clone(), range.start..first));
                    split.push(Part::Lost(last - first));
                    split.push(Part::Dataset(dataset, last..range.end));
                }
            }
        }
        split.retain(|part| !matches!(part, Part::Dataset(_, range) if range.is_empty()));
        *parts = split;
    }

    /// The array as a volume; with `index` into its first axes.
    pub fn view(&self, index: &[usize], order: AxisOrder) -> Result<View> {
        View::new(&self.shape, index, order).map_err(|problem| Error::file(&self.name, problem))
    }

    /// The array as a volume, with its axes as they are.
    pub fn whole(&self) -> Result<View> {
        self.view(&[], AxisOrder::default())
    }

    /// Intensities or other real numbers.
    pub fn to_f32(&self, view: &View) -> Result<Centered<f32>> {
        self.convert(
            view,
            |dataset, slab, flags| match flags {
                true => Ok(dataset.read_slice::<bool, _, IxDyn>(slab)?.mapv(|flag| f32::from(u8::from(flag)))),
                false => dataset.read_slice(slab),
            },
            |value| value as f32,
        )
    }

    /// Numbers in full precision.
    pub fn to_f64(&self, view: &View) -> Result<Centered<f64>> {
        self.convert(
            view,
            |dataset, slab, flags| match flags {
                true => Ok(dataset.read_slice::<bool, _, IxDyn>(slab)?.mapv(|flag| f64::from(u8::from(flag)))),
                false => dataset.read_slice(slab),
            },
            |value| value,
        )
    }

    /// An object: complex numbers, or real ones.
    pub fn to_complex(&self, view: &View) -> Result<Centered<Complex32>> {
        if self.element.kind != Kind::Complex {
            return Ok(self.to_f32(view)?.map(|&value| Complex32::new(value, 0.0)));
        }
        let fail = |problem: String| Error::file(&self.name, problem);
        let shape = view.shape();
        match &self.values {
            Values::Bytes(bytes) => {
                let mut out = Vec::new();
                out.try_reserve_exact(shape.iter().product()).map_err(|_| self.too_large(shape))?;
                out.resize(shape.iter().product(), Complex32::ZERO);
                let half = self.element.width / 2;
                let part = Element::new(Kind::Float, half, self.element.big_endian);
                let decode = part.decoder().ok_or_else(|| fail(unsupported(&self.element.name())))?;
                self.each(bytes, view, |index, bytes| {
                    out[index] = Complex32::new(decode(&bytes[..half]) as f32, decode(&bytes[half..]) as f32);
                })?;
                Array3::from_shape_vec(shape, out).map(Centered).map_err(|error| fail(error.to_string()))
            }
            Values::Datasets(parts) => {
                let [Part::Dataset(dataset, _)] = &parts[..] else {
                    return Err(fail("is spread over several data sets: give one object".into()));
                };
                let (slab, _) = slab(view, &view.stored_ranges(), None).ok_or_else(|| fail("is empty".into()))?;
                let read = dataset.read_slice(slab);
                let read = read.map_err(|error| fail(format!("cannot be read: {}", reason(&error))))?;
                to_volume(read, view).map(Centered).ok_or_else(|| fail("changed while it was read".into()))
            }
        }
    }

    /// True where not zero (and not NaN).
    pub fn to_flags(&self, view: &View) -> Result<Centered<bool>> {
        Ok(self.to_f64(view)?.map(|&value| value != 0.0 && !value.is_nan()))
    }

    fn convert<T: Clone + Default>(
        &self,
        view: &View,
        from_hdf5: impl Fn(&hdf5::Dataset, Hyperslab, bool) -> hdf5::Result<ArrayD<T>>,
        from_number: impl Fn(f64) -> T,
    ) -> Result<Centered<T>> {
        let fail = |problem: String| Error::file(&self.name, problem);
        if self.element.kind == Kind::Complex {
            return Err(fail(format!(
                "holds {} numbers, an object or an amplitude: intensities (squared moduli) are needed",
                self.element.name()
            )));
        }
        let shape = view.shape();
        let needed = shape.iter().product::<usize>();
        let mut out = Vec::new();
        out.try_reserve_exact(needed).map_err(|_| self.too_large(shape))?;
        out.resize(needed, T::default());
        match &self.values {
            Values::Bytes(bytes) => {
                let decode = self.element.decoder().ok_or_else(|| fail(unsupported(&self.element.name())))?;
                self.each(bytes, view, |index, bytes| out[index] = from_number(decode(bytes)))?;
                Array3::from_shape_vec(shape, out).map(Centered).map_err(|error| fail(error.to_string()))
            }
            Values::Datasets(parts) => {
                let mut all = Array3::from_shape_vec(shape, out).map_err(|error| fail(error.to_string()))?;
                let ranges = view.stored_ranges();
                let mut start = 0;
                for part in parts {
                    let (dataset, first, frames) = match part {
                        Part::Dataset(dataset, range) => (Some(dataset), range.start, range.len()),
                        Part::Lost(frames) => (None, 0, *frames),
                    };
                    let here = start..start + frames;
                    start = here.end;
                    let Some(dataset) = dataset else { continue };
                    // A single data set is read as it is, whatever its first axis means.
                    let here = if parts.len() > 1 { Some((here, first)) } else { None };
                    let Some((slab, place)) = slab(view, &ranges, here) else { continue };
                    let read = from_hdf5(dataset, slab, self.element.kind == Kind::Bool);
                    let read = read.map_err(|error| fail(format!("cannot be read: {}", reason(&error))))?;
                    let volume = to_volume(read, view).ok_or_else(|| fail("changed while it was read".into()))?;
                    let mut target = all.slice_mut(ndarray::s![place, .., ..]);
                    if target.dim() != volume.dim() {
                        return Err(fail("changed while it was read".into()));
                    }
                    target.assign(&volume);
                }
                Ok(Centered(all))
            }
        }
    }

    /// The bytes that a view names, in the order `(z, y, x)`: what is kept of one file of a series.
    pub fn cut(&self, view: &View) -> Result<Vec<u8>> {
        let Values::Bytes(bytes) = &self.values else { return Ok(Vec::new()) };
        let width = self.element.width;
        let mut out = Vec::new();
        let needed = view.shape().iter().product::<usize>() * width;
        out.try_reserve_exact(needed).map_err(|_| self.too_large(view.shape()))?;
        out.resize(needed, 0);
        self.each(bytes, view, |index, bytes| out[index * width..][..width].copy_from_slice(bytes))?;
        Ok(out)
    }

    /// All bytes of a small array.
    pub fn all(&self) -> Result<Vec<u8>> {
        let Values::Bytes(bytes) = &self.values else { return Ok(Vec::new()) };
        self.check_length(bytes.len(), self.total()?)?;
        let mut out = Vec::new();
        let whole = 0..bytes.len();
        let read = bytes.read(std::slice::from_ref(&whole), |bytes| out = bytes.to_vec());
        read.map_err(|problem| Error::file(&self.name, problem))?;
        Ok(out)
    }

    /// Hands on the bytes of each number that a view names, with its index in the view. One slice
    /// along the slowest axis is in memory at a time.
    fn each(&self, bytes: &Bytes, view: &View, mut put: impl FnMut(usize, &[u8])) -> Result<()> {
        let (shape, width, strides) = (view.shape(), self.element.width, self.strides());
        self.check_length(bytes.len(), self.total()?)?;
        let first: usize = view.index.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        let stride = view.axes.map(|axis| axis.map_or(0, |axis| strides[axis]));
        let steps = [shape[1] * shape[2], shape[2], 1];
        let mut order = [0, 1, 2];
        order.sort_by_key(|&axis| std::cmp::Reverse(stride[axis]));
        let [slow, a, b] = order;
        let start = first + (0..3).map(|axis| view.region[axis].start * stride[axis]).sum::<usize>();
        let length = (shape[a] - 1) * stride[a] + (shape[b] - 1) * stride[b] + 1;
        let spans = (0..shape[slow]).map(|i| start + i * stride[slow]);
        let spans: Vec<Range<usize>> = spans.map(|start| start * width..(start + length) * width).collect();
        let mut at = 0;
        let read = bytes.read(&spans, |bytes| {
            for i in 0..shape[a] {
                for j in 0..shape[b] {
                    let number = (i * stride[a] + j * stride[b]) * width;
                    put(at + i * steps[a] + j * steps[b], &bytes[number..number + width]);
                }
            }
            at += steps[slow];
        });
        read.map_err(|problem| Error::file(&self.name, problem))
    }

    /// The bytes that the shape needs.
    fn total(&self) -> Result<usize> {
        let total = self.shape.iter().try_fold(self.element.width, |n, &m| n.checked_mul(m));
        total
            .filter(|&total| total <= isize::MAX as usize)
            .ok_or_else(|| Error::file(&self.name, format!("claims to hold {} numbers", shape_text(&self.shape))))
    }

    fn too_large(&self, shape: Shape) -> Error {
        let needed = bytes_text(8 * shape.iter().product::<usize>() as u64);
        let problem =
            format!("{} need {needed}, more memory than there is: read a region of it, with roi", shape_text(&shape));
        Error::file(&self.name, problem)
    }

    fn check_length(&self, found: usize, needed: usize) -> Result<()> {
        match found.cmp(&needed) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => {
                Err(Error::file(&self.name, format!("is cut short: {needed} bytes of data expected, {found} found")))
            }
            std::cmp::Ordering::Greater => Err(Error::file(
                &self.name,
                format!(
                    "holds {} bytes more than its header says ({needed}): the header and the data do not belong together",
                    found - needed
                ),
            )),
        }
    }

    /// Elements from one index to the next along each stored axis.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        for axis in 1..self.shape.len() {
            if self.fortran {
                strides[axis] = strides[axis - 1] * self.shape[axis - 1];
            } else {
                let axis = self.shape.len() - 1 - axis;
                strides[axis] = strides[axis + 1] * self.shape[axis + 1];
            }
        }
        strides
    }
}

/// What to read of a data set and the frames of the result that it fills. One of several has the
/// range of the joined array that it covers, and the frame of its own with which that begins.
fn slab(
    view: &View,
    ranges: &[Range<usize>],
    here: Option<(Range<usize>, usize)>,
) -> Option<(Hyperslab, Range<usize>)> {
    let mut ranges = ranges.to_vec();
    let mut place = 0..view.region[0].len();
    if let Some((here, own)) = here {
        let first = ranges.first()?.clone();
        let common = first.start.max(here.start)..first.end.min(here.end);
        if common.is_empty() {
            return None;
        }
        if view.axes[0] == Some(0) {
            place = common.start - first.start..common.end - first.start;
        }
        ranges[0] = common.start - here.start + own..common.end - here.start + own;
    }
    let slice = |range: &Range<usize>| SliceOrIndex::SliceTo { start: range.start, step: 1, end: range.end, block: 1 };
    Some((Hyperslab::from(ranges.iter().map(slice).collect::<Vec<_>>()), place))
}

/// What was read, in the order `(z, y, x)`.
fn to_volume<T: Clone>(read: ArrayD<T>, view: &View) -> Option<Array3<T>> {
    let used: Vec<usize> = view.axes.iter().flatten().copied().collect();
    let others = (0..read.ndim()).filter(|axis| !used.contains(axis));
    let order: Vec<usize> = others.chain(used.iter().copied()).collect();
    let extents: Vec<usize> = used.iter().map(|&axis| read.shape()[axis]).collect();
    let shape = match extents[..] {
        [y, x] => [1, y, x],
        [z, y, x] => [z, y, x],
        _ => return None,
    };
    let turned = read.permuted_axes(IxDyn(&order));
    let values =
        if turned.is_standard_layout() { turned.into_raw_vec_and_offset().0 } else { turned.iter().cloned().collect() };
    Array3::from_shape_vec(shape, values).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_agree() {
        let stored = |bytes| {
            RawArray::from_bytes("test".into(), vec![2, 2], Element::new(Kind::Float, 4, false), vec![0; bytes])
        };
        let error = |bytes| {
            let stored = stored(bytes);
            stored.to_f32(&stored.whole().unwrap()).unwrap_err().to_string()
        };
        assert_eq!(error(15), "test: is cut short: 16 bytes of data expected, 15 found");
        assert_eq!(
            error(17),
            "test: holds 1 bytes more than its header says (16): the header and the data do not belong together"
        );
    }

    #[test]
    fn regions_and_orders_are_those_of_the_whole() {
        let bytes = (0..60).collect::<Vec<u8>>();
        let stored = RawArray::from_bytes("test".into(), vec![3, 4, 5], Element::new(Kind::Unsigned, 1, false), bytes);
        let mut view = stored.view(&[], "xyz".parse().unwrap()).unwrap();
        let whole = stored.to_f32(&view).unwrap();
        assert_eq!((whole.shape(), whole.0[[4, 2, 1]]), ([5, 4, 3], 34.0));
        view.region = [1..3, 2..4, 0..2];
        assert_eq!(stored.to_f32(&view).unwrap().0, whole.0.slice(ndarray::s![1..3, 2..4, 0..2]));
        let mut view = stored.whole().unwrap();
        view.region = [0..3, 1..3, 2..5];
        assert_eq!(stored.cut(&view).unwrap()[..4], [7, 8, 9, 12]);
    }
}
