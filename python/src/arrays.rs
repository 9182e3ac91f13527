//! NumPy arrays in and out.
//!
//! In: any real numbers, in any order of bytes and axes, are converted once, into memory of the
//! library. Out: read-only views of that memory, which their owner keeps alive.

use crate::errors::raised;
use lacuna::error::shape_text;
use lacuna::pixels::bit;
use lacuna::volume::Centered;
use ndarray::{Array3, ArrayBase, ArrayViewD, Axis, Data, Dimension};
use numpy::{Element, PyArray, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

/// Real numbers, and how they were stored.
pub struct Real {
    /// Numbers, `(z, y, x)`.
    pub values: Centered<f32>,
    /// Name of their type, `uint16`.
    pub element: String,
    /// Largest value of an integer type.
    pub maximum: Option<f64>,
}

/// The array that something is or can be made, `numpy.asarray`.
pub fn array<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = object.py().import("numpy")?.call_method1("asarray", (object,))?;
    Ok(array.cast_into()?)
}

/// Intensities; `what` is named in messages.
pub fn real(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Real> {
    let array = array(object)?;
    let element = array.dtype().str()?.to_string();
    let maximum = match array.dtype().kind() {
        b'u' => Some(2f64.powi(8 * array.dtype().itemsize() as i32) - 1.0),
        b'i' => Some(2f64.powi(8 * array.dtype().itemsize() as i32 - 1) - 1.0),
        _ => None,
    };
    let values = converted(&array, what, &Numbers { from_f64: |value| value as f32, from_f32: |value| value })?;
    Ok(Real { values, element, maximum })
}

/// A mask, not zero where a pixel was not measured, as CXI bits: those that it has, or
/// [`bit::BAD`] where it has flags.
pub fn mask(object: &Bound<'_, PyAny>) -> PyResult<Centered<u32>> {
    let array = array(object)?;
    let integer = matches!(array.dtype().kind(), b'u' | b'i');
    let largest = 2f64.powi(8 * array.dtype().itemsize() as i32);
    let values = converted(&array, "mask", &Numbers { from_f64: |value| value, from_f32: f64::from })?;
    // 255 is how pictures say true.
    let flag = |value: f64| value == 0.0 || value == 1.0 || value == largest - 1.0 || value == largest / 2.0 - 1.0;
    let flags = !integer || values.as_slice().iter().all(|&value| flag(value));
    Ok(values.map(|&value| match value {
        0.0 => 0,
        _ if flags || !(0.0..=f64::from(u32::MAX)).contains(&value) => bit::BAD,
        _ => value as u32,
    }))
}

/// A support, true where not zero.
pub fn support(object: &Bound<'_, PyAny>) -> PyResult<Centered<bool>> {
    let array = array(object)?;
    converted(&array, "support", &Numbers { from_f64: |value| value != 0.0, from_f32: |value| value != 0.0 })
}

/// How numbers are converted.
struct Numbers<T> {
    from_f64: fn(f64) -> T,
    from_f32: fn(f32) -> T,
}

/// An array of two or three axes as `(z, y, x)`, in C order.
fn converted<T>(array: &Bound<'_, PyUntypedArray>, what: &str, numbers: &Numbers<T>) -> PyResult<Centered<T>> {
    let py = array.py();
    let shape = match *array.shape() {
        [y, x] => [1, y, x],
        [z, y, x] => [z, y, x],
        ref other => {
            let text = format!("{what} has {} axes ({}): give two or three", other.len(), shape_text(other));
            return Err(raised(py, "PatternError", text));
        }
    };
    let values = native(array, numbers)?;
    let Some(values) = values else {
        let text = format!("{what} is of type {}: give real numbers", array.dtype().str()?);
        return Err(raised(py, "PatternError", text));
    };
    let volume = Array3::from_shape_vec(shape, values);
    volume.map(Centered).map_err(|error| raised(py, "PatternError", format!("{what}: {error}")))
}

/// The numbers in C order; `None` for those that are not real.
fn native<T>(array: &Bound<'_, PyUntypedArray>, numbers: &Numbers<T>) -> PyResult<Option<Vec<T>>> {
    let (f64, f32) = (numbers.from_f64, numbers.from_f32);
    macro_rules! of {
        ($type:ty, $convert:expr) => {
            if let Ok(array) = array.cast::<PyArrayDyn<$type>>() {
                return Ok(Some(ordered(array.try_readonly()?.as_array(), $convert)));
            }
        };
    }
    of!(f32, f32);
    of!(f64, f64);
    of!(u8, |value| f32(value.into()));
    of!(u16, |value| f32(value.into()));
    of!(u32, |value| f64(value.into()));
    of!(i8, |value| f32(value.into()));
    of!(i16, |value| f32(value.into()));
    of!(i32, |value| f64(value.into()));
    of!(u64, |value| f64(value as f64));
    of!(i64, |value| f64(value as f64));
    of!(bool, |value| f32(value.into()));
    // Half and long double numbers, and the other order of bytes: NumPy makes one copy more.
    let name = match (array.dtype().kind(), array.dtype().itemsize()) {
        (b'f', 0..4) => "float32",
        (b'f' | b'u' | b'i', _) => "float64",
        _ => return Ok(None),
    };
    let copy: Bound<'_, PyUntypedArray> = array.call_method1("astype", (name,))?.cast_into()?;
    native(&copy, numbers)
}

fn ordered<S: Copy, T>(array: ArrayViewD<'_, S>, convert: impl Fn(S) -> T) -> Vec<T> {
    match array.as_slice() {
        Some(values) => values.iter().map(|&value| convert(value)).collect(),
        None => array.iter().map(|&value| convert(value)).collect(),
    }
}

/// An array that nobody else holds; 2D where there is one frame.
pub fn owned<T: Element>(py: Python<'_>, array: Centered<T>) -> Bound<'_, PyAny> {
    if array.0.dim().0 == 1 {
        PyArray::from_owned_array(py, array.0.index_axis_move(Axis(0), 0)).into_any()
    } else {
        PyArray::from_owned_array(py, array.0).into_any()
    }
}

/// A view of an array of an object that never changes; 2D where there is one frame.
pub fn view<'py, C, T>(
    owner: &Bound<'py, C>,
    of: impl for<'a> FnOnce(&'a C) -> &'a Centered<T>,
) -> PyResult<Bound<'py, PyAny>>
where
    C: PyClass<Frozen = True> + Sync,
    T: Element,
{
    let array = &of(owner.get()).0;
    if array.dim().0 == 1 { shared(owner, &array.index_axis(Axis(0), 0)) } else { shared(owner, array) }
}

/// The same of an array that may be missing.
pub fn view_of_some<'py, C, T>(
    owner: &Bound<'py, C>,
    of: impl for<'a> Fn(&'a C) -> Option<&'a Centered<T>>,
) -> PyResult<Option<Bound<'py, PyAny>>>
where
    C: PyClass<Frozen = True> + Sync,
    T: Element,
{
    let Some(array) = of(owner.get()).map(|array| &array.0) else { return Ok(None) };
    if array.dim().0 == 1 { shared(owner, &array.index_axis(Axis(0), 0)) } else { shared(owner, array) }.map(Some)
}

/// A read-only view of memory that `owner` holds.
#[allow(unsafe_code)]
fn shared<'py, C, S, D>(owner: &Bound<'py, C>, array: &ArrayBase<S, D>) -> PyResult<Bound<'py, PyAny>>
where
    C: PyClass<Frozen = True>,
    S: Data<Elem: Element>,
    D: Dimension,
{
    // SAFETY: callers hand arrays that the owner holds; it is frozen, so that they are neither
    // changed nor moved before it is dropped, and the view keeps it alive.
    let view = unsafe { PyArray::borrow_from_array(array, owner.clone().into_any()) };
    view.getattr("flags")?.setattr("writeable", false)?;
    Ok(view.into_any())
}
