//! Numbers as files store them: every width, sign and byte order, and their conversion to `f32`, mask bits and flags.

use crate::error::{Error, Result, bytes_text, shape_text};
use crate::pixels::bit;
use crate::volume::{Centered, Shape};
use ndarray::{Array3, ArrayD, IxDyn, ShapeBuilder};
use std::path::PathBuf;

/// The kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    Complex,
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub kind: Kind,
    /// Bytes in one element.
    pub width: usize,
    pub big_endian: bool,
}

impl Element {
    pub fn new(kind: Kind, width: usize, big_endian: bool) -> Self {
        Element { kind, width, big_endian: big_endian && width > 1 }
    }

    /// The name that numpy gives it: `uint16 big-endian`.
    pub fn name(&self) -> String {
        let bits = 8 * self.width;
        let order = if self.big_endian { " big-endian" } else { "" };
        match self.kind {
            Kind::Bool => "bool".into(),
            Kind::Signed => format!("int{bits}{order}"),
            Kind::Unsigned => format!("uint{bits}{order}"),
            Kind::Float => format!("float{bits}{order}"),
            Kind::Complex => format!("complex{bits}{order}"),
        }
    }

    /// The largest value of an integer type: what detectors write into saturated or missing pixels.
    pub fn maximum(&self) -> Option<f64> {
        let bits = 8 * self.width as i32;
        match self.kind {
            Kind::Unsigned => Some(2f64.powi(bits) - 1.0),
            Kind::Signed => Some(2f64.powi(bits - 1) - 1.0),
            _ => None,
        }
    }

    fn is_integer(&self) -> bool {
        matches!(self.kind, Kind::Signed | Kind::Unsigned)
    }

    /// One value; `None` for a type that is not a number of a known width.
    fn decoder(&self) -> Option<fn(&[u8]) -> f64> {
        macro_rules! decode {
            ($type:ty) => {
                if self.big_endian {
                    |bytes| <$type>::from_be_bytes(bytes.try_into().unwrap_or_default()) as f64
                } else {
                    |bytes| <$type>::from_le_bytes(bytes.try_into().unwrap_or_default()) as f64
                }
            };
        }
        Some(match (self.kind, self.width) {
            (Kind::Bool, 1) => |bytes| f64::from(bytes[0] != 0),
            (Kind::Unsigned, 1) => decode!(u8),
            (Kind::Unsigned, 2) => decode!(u16),
            (Kind::Unsigned, 4) => decode!(u32),
            (Kind::Unsigned, 8) => decode!(u64),
            (Kind::Signed, 1) => decode!(i8),
            (Kind::Signed, 2) => decode!(i16),
            (Kind::Signed, 4) => decode!(i32),
            (Kind::Signed, 8) => decode!(i64),
            (Kind::Float, 2) if self.big_endian => |bytes| half(u16::from_be_bytes([bytes[0], bytes[1]])),
            (Kind::Float, 2) => |bytes| half(u16::from_le_bytes([bytes[0], bytes[1]])),
            (Kind::Float, 4) => decode!(f32),
            (Kind::Float, 8) => decode!(f64),
            _ => return None,
        })
    }
}

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        exponent => sign * (1.0 + fraction) * 2f64.powi(i32::from(exponent) - 15),
    }
}

/// Where an array's numbers are.
pub(super) enum Values {
    /// In memory, as they were in the file.
    Bytes(Vec<u8>),
    /// Still in HDF5 data sets, to be joined along the first axis; HDF5 converts while it reads.
    Datasets(Vec<hdf5::Dataset>),
}

/// An array as a file stores it, not yet converted.
pub(super) struct Stored {
    /// The file, with the path inside: for messages.
    pub name: PathBuf,
    pub shape: Vec<usize>,
    pub element: Element,
    /// First index fastest (numpy's Fortran order).
    pub fortran: bool,
    pub values: Values,
}

/// What the values of a mask mean; zero is always a good pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskConvention {
    /// Anything but zero is bad; bits are kept if some value is neither 0, 1 nor the type's maximum.
    Flags,
    /// CXI bits.
    Cxi,
    /// NeXus and Eiger `pixel_mask` bits.
    Nexus,
}

impl Stored {
    /// Intensities or other real numbers.
    pub fn into_f32(self) -> Result<Centered<f32>> {
        self.into_array(f32_values, |value| value as f32)
    }

    /// Numbers in full precision.
    pub fn into_f64(self) -> Result<Centered<f64>> {
        self.into_array(f64_values, |value| value)
    }

    /// CXI mask bits.
    pub fn into_mask(self, convention: MaskConvention) -> Result<Centered<u32>> {
        let element = self.element;
        let values = self.into_f64()?;
        // 255 is how image editors write "true".
        let plain = |value: f64| value == 0.0 || value == 1.0 || Some(value) == element.maximum();
        let flags = match convention {
            MaskConvention::Flags => !element.is_integer() || values.as_slice().iter().all(|&value| plain(value)),
            MaskConvention::Cxi | MaskConvention::Nexus => !element.is_integer(),
        };
        Ok(values.map(|&value| match value {
            0.0 => 0,
            _ if flags || !(0.0..=f64::from(u32::MAX)).contains(&value) => bit::BAD,
            _ if convention == MaskConvention::Nexus => from_nexus(value as u32),
            _ => value as u32,
        }))
    }

    /// True where not zero (and not NaN).
    pub fn into_flags(self) -> Result<Centered<bool>> {
        Ok(self.into_f64()?.map(|&value| value != 0.0 && !value.is_nan()))
    }

    fn into_array<T: Clone>(
        self,
        from_hdf5: impl Fn(&hdf5::Dataset, bool) -> hdf5::Result<Vec<T>>,
        from_number: impl Fn(f64) -> T,
    ) -> Result<Centered<T>> {
        let fail = |problem: String| Error::file(&self.name, problem);
        if self.element.kind == Kind::Complex {
            return Err(fail(format!(
                "holds {} numbers, an object or an amplitude: intensities (squared moduli) are needed",
                self.element.name()
            )));
        }
        let shape = volume_shape(&self.shape).map_err(fail)?;
        let count = shape.iter().try_fold(1usize, |n, &m| n.checked_mul(m)).filter(|&n| n <= isize::MAX as usize / 8);
        let count = count.ok_or_else(|| fail(format!("claims to hold {} numbers", shape_text(&self.shape))))?;
        let mut out = Vec::new();
        out.try_reserve_exact(count).map_err(|_| {
            fail(format!(
                "{} need {}, more memory than there is: cut it before",
                shape_text(&self.shape),
                bytes_text(8 * count as u64)
            ))
        })?;
        match &self.values {
            Values::Bytes(bytes) => {
                let decode = self.element.decoder().ok_or_else(|| fail(unsupported(&self.element.name())))?;
                let needed = count * self.element.width;
                let bytes = bytes.get(..needed).ok_or_else(|| {
                    fail(format!("is cut short: {needed} bytes of data expected, {} found", bytes.len()))
                })?;
                out.extend(bytes.chunks_exact(self.element.width).map(|bytes| from_number(decode(bytes))));
            }
            Values::Datasets(datasets) => {
                for dataset in datasets {
                    let part = from_hdf5(dataset, self.element.kind == Kind::Bool)
                        .map_err(|error| fail(format!("cannot be read: {}", super::tree::reason(&error))))?;
                    out.extend(part);
                }
            }
        }
        let array = if self.fortran {
            let array = ArrayD::from_shape_vec(IxDyn(&self.shape).f(), out).map_err(|error| fail(error.to_string()))?;
            array.as_standard_layout().into_owned().into_raw_vec_and_offset().0
        } else {
            out
        };
        Array3::from_shape_vec(shape, array).map(Centered).map_err(|error| fail(error.to_string()))
    }
}

fn f32_values(dataset: &hdf5::Dataset, flags: bool) -> hdf5::Result<Vec<f32>> {
    match flags {
        true => Ok(dataset.read_raw::<bool>()?.into_iter().map(|flag| f32::from(u8::from(flag))).collect()),
        false => dataset.read_raw(),
    }
}

fn f64_values(dataset: &hdf5::Dataset, flags: bool) -> hdf5::Result<Vec<f64>> {
    match flags {
        true => Ok(dataset.read_raw::<bool>()?.into_iter().map(|flag| f64::from(u8::from(flag))).collect()),
        false => dataset.read_raw(),
    }
}

/// The message for an element type that nothing here can decode.
pub(super) fn unsupported(name: &str) -> String {
    let name = name.replace(char::is_control, "?");
    format!("holds elements of type {name}: integers and floating point numbers up to 64 bits can be read")
}

/// `(z, y, x)` of an array with any number of leading axes of length 1; what is wrong with it otherwise.
pub(super) fn volume_shape(shape: &[usize]) -> Result<Shape, String> {
    let text = shape_text(shape);
    if shape.contains(&0) {
        return Err(format!("is empty ({text})"));
    }
    let leading = shape.iter().take_while(|&&n| n == 1).count().min(shape.len().saturating_sub(2));
    match shape[leading..] {
        [y, x] => Ok([1, y, x]),
        [z, y, x] => Ok([z, y, x]),
        [] => Err("is a single number: 2D or 3D data are needed".into()),
        [n] => Err(format!("is one-dimensional ({n} numbers): 2D or 3D data are needed")),
        _ => Err(format!("is {}-dimensional ({text}): 2D or 3D data are needed, select one volume", shape.len())),
    }
}

/// `array` with the extents `shape`: as it is, or one 2D frame repeated along z. `None` if neither fits.
pub(super) fn fit<T: Clone>(array: Centered<T>, shape: Shape) -> Option<Centered<T>> {
    if array.shape() == shape {
        return Some(array);
    }
    (array.shape() == [1, shape[1], shape[2]])
        .then(|| array.0.broadcast(shape).map(|view| Centered(view.as_standard_layout().into_owned())))
        .flatten()
}

/// NeXus NXdetector `pixel_mask`: bit 0 no sensor, 1 dead, 2 under- and 3 over-responding, 4 noisy, 6 in a cluster, 8 user-defined.
fn from_nexus(bits: u32) -> u32 {
    let known = [(0x1, bit::MISSING), (0x2, bit::DEAD), (0x8, bit::HOT)];
    let mapped = known.iter().filter(|(nexus, _)| bits & nexus != 0).fold(0, |sum, (_, cxi)| sum | cxi);
    if bits & !0xb != 0 { mapped | bit::BAD } else { mapped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(shape: &[usize], element: Element, bytes: Vec<u8>) -> Stored {
        Stored { name: "test".into(), shape: shape.to_vec(), element, fortran: false, values: Values::Bytes(bytes) }
    }

    #[test]
    fn half_floats_are_those_of_ieee() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (1, 2f64.powi(-24)), (0x3555, 0.333251953125)]
        {
            assert_eq!(half(bits), value);
        }
        assert_eq!(half(0x7c00), f64::INFINITY);
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn shapes_lose_leading_ones_only() {
        assert_eq!(volume_shape(&[4, 5]), Ok([1, 4, 5]));
        assert_eq!(volume_shape(&[1, 4, 5]), Ok([1, 4, 5]));
        assert_eq!(volume_shape(&[1, 1, 3, 4, 5]), Ok([3, 4, 5]));
        assert_eq!(volume_shape(&[1, 1, 1, 5]), Ok([1, 1, 5]));
        for (shape, message) in [
            (&[][..], "is a single number: 2D or 3D data are needed"),
            (&[7][..], "is one-dimensional (7 numbers): 2D or 3D data are needed"),
            (&[2, 3, 4, 5][..], "is 4-dimensional (2x3x4x5): 2D or 3D data are needed, select one volume"),
            (&[0, 4][..], "is empty (0x4)"),
        ] {
            assert_eq!(volume_shape(shape), Err(message.into()));
        }
    }

    #[test]
    fn masks_keep_their_bits_and_flags_become_bad() {
        let bytes = Element::new(Kind::Unsigned, 1, false);
        let mask = |values: &[u8], convention| {
            let mask = stored(&[1, values.len()], bytes, values.to_vec()).into_mask(convention).unwrap();
            mask.as_slice().to_vec()
        };
        assert_eq!(mask(&[0, 1, 255], MaskConvention::Flags), [0, bit::BAD, bit::BAD]);
        assert_eq!(mask(&[0, 1, 0x10], MaskConvention::Flags), [0, 1, 0x10]);
        assert_eq!(mask(&[0, 1, 1], MaskConvention::Cxi), [0, 1, 1]);
        assert_eq!(mask(&[0, 1, 8], MaskConvention::Nexus), [0, bit::MISSING, bit::HOT]);
        let negative = stored(&[1, 2], Element::new(Kind::Signed, 1, false), vec![0xff, 0]);
        assert_eq!(negative.into_mask(MaskConvention::Cxi).unwrap().as_slice(), [bit::BAD, 0]);
    }

    #[test]
    fn a_frame_is_repeated_along_z() {
        let frame = Centered(Array3::from_shape_vec((1, 2, 2), vec![1, 2, 3, 4]).unwrap());
        assert_eq!(fit(frame.clone(), [2, 2, 2]).unwrap().as_slice(), [1, 2, 3, 4, 1, 2, 3, 4]);
        assert_eq!(fit(frame, [2, 2, 3]), None);
    }

    #[test]
    fn short_data_are_an_error() {
        let error = stored(&[2, 2], Element::new(Kind::Float, 4, false), vec![0; 15]).into_f32().unwrap_err();
        assert_eq!(error.to_string(), "test: is cut short: 16 bytes of data expected, 15 found");
    }
}
