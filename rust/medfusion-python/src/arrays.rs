//! NumPy arrays borrowed as slices, of the type they have.

use numpy::{
    Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Evaluates `$body` with `$values` the array's own slice, for the first type that it has.
macro_rules! with_values {
    ($array:expr, $name:literal, [$($kind:ty),*], $values:ident => $body:expr) => {{
        $(if let Ok(array) = $array.cast::<numpy::PyArrayDyn<$kind>>() {
            let array = $crate::arrays::readable(array, $name)?;
            let $values = array.as_slice()?;
            return $body;
        })*
        Err($crate::arrays::unknown_type($array, $name, &[$(stringify!($kind)),*]))
    }};
}
pub(crate) use with_values;

/// Borrows an array for reading.
pub fn readable<'py, T: Element>(
    array: &Bound<'py, PyArrayDyn<T>>,
    name: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    in_order(array.as_untyped(), name)?;
    array.try_readonly().map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}

/// Borrows an array for writing.
pub fn writeable<'py, T: Element>(
    array: &Bound<'py, PyAny>,
    name: &str,
    kind: &str,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let Ok(typed) = array.cast::<PyArrayDyn<T>>() else {
        return Err(unknown_type(array, name, &[kind]));
    };
    in_order(typed.as_untyped(), name)?;
    typed.try_readwrite().map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}

/// The shape of an array of four axes.
pub fn shape_of(array: &Bound<'_, PyAny>, name: &str) -> PyResult<[usize; 4]> {
    let shape = array.cast::<PyUntypedArray>().map_or(&[][..], PyUntypedArrayMethods::shape);
    <[usize; 4]>::try_from(shape)
        .map_err(|_| PyTypeError::new_err(format!("{name} must have 4 axes [N, D, H, W]")))
}

/// The error for an array of a type that is not taken, or for what is no array.
pub fn unknown_type(array: &Bound<'_, PyAny>, name: &str, kinds: &[&str]) -> PyErr {
    let found = match array.cast::<PyUntypedArray>() {
        Ok(array) => format!("an array of {}", array.dtype()),
        Err(_) => format!("{:?}", array.get_type()),
    };
    PyTypeError::new_err(format!("{name} must be an array of {}, not {found}", kinds.join(", ")))
}

fn in_order(array: &Bound<'_, PyUntypedArray>, name: &str) -> PyResult<()> {
    if array.is_c_contiguous() {
        return Ok(());
    }
    let advice = "give np.ascontiguousarray of it, or the whole array";
    Err(PyValueError::new_err(format!("{name} must be C-contiguous: {advice}")))
}
