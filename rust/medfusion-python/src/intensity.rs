//! Values measured and changed.

use medfusion_core::intensity::{
    self, Counted, Distribution, Equalization, EqualizeError, Measure, Rescale,
};
use medfusion_core::parallel::Stopped;
use numpy::{PyArrayDyn, PyReadonlyArray1};
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::arrays::{readable, with_values, writeable};
use crate::interrupt::detached;

/// Find the lowest and the highest finite value.
///
/// Args:
///     values: C-contiguous uint8, int16, uint16, int32 or float32, of any shape.
///     threads: 0 for all cores.
///
/// Returns:
///     Both, or None where no value is finite.
///
/// Raises:
///     TypeError: `values` is not such an array.
///     ValueError: It is not C-contiguous.
#[pyfunction]
#[pyo3(signature = (values, threads = 0))]
pub fn value_range(
    py: Python<'_>,
    values: &Bound<'_, PyAny>,
    threads: usize,
) -> PyResult<Option<(f64, f64)>> {
    with_values!(values, "values", [f32, i16, u8, u16, i32], values => {
        let found = detached(py, |watch| {
            intensity::summarize(values, Counted::All, Measure::Range, threads, watch)
        })?
        .map_err(stopped)?;
        Ok((found.low <= found.high).then(|| (found.low.into(), found.high.into())))
    })
}

/// Find count, mean and population standard deviation of the finite values.
///
/// Summed in double precision, in blocks: the same for any number of threads.
///
/// Args:
///     values: C-contiguous uint8, int16, uint16, int32 or float32, of any shape.
///     mask: C-contiguous uint8 of as many values; those where it is 0 don't count.
///     nonzero: Values of 0 don't count.
///     threads: 0 for all cores.
///
/// Returns:
///     The three, or None where no value counts.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: An array is not C-contiguous, or the mask has another size.
#[pyfunction]
#[pyo3(signature = (values, mask = None, nonzero = false, threads = 0))]
pub fn value_moments(
    py: Python<'_>,
    values: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyArrayDyn<u8>>>,
    nonzero: bool,
    threads: usize,
) -> PyResult<Option<(u64, f64, f64)>> {
    let mask = mask.map(|mask| readable(mask, "mask")).transpose()?;
    let mask = mask.as_ref().map(|mask| mask.as_slice()).transpose()?;
    with_values!(values, "values", [f32, i16, u8, u16, i32], values => {
        let counted = match (mask, nonzero) {
            (Some(mask), false) if mask.len() == values.len() => Counted::Where(mask),
            (Some(_), false) => {
                return Err(PyValueError::new_err("mask and values must have the same size"));
            }
            (Some(_), true) => return Err(PyValueError::new_err("give either mask or nonzero")),
            (None, true) => Counted::Nonzero,
            (None, false) => Counted::All,
        };
        let found = detached(py, |watch| {
            intensity::summarize(values, counted, Measure::Moments, threads, watch)
        })?
        .map_err(stopped)?;
        Ok((found.count > 0).then(|| (found.count, found.mean, found.deviation())))
    })
}

/// Find exact quantiles of the finite values, with linear interpolation between two values.
///
/// Args:
///     values: C-contiguous uint8, int16, uint16, int32 or float32, of any shape.
///     fractions: 0 to 1 each.
///     threads: 0 for all cores.
///
/// Returns:
///     One for each fraction, equal to `numpy.quantile` of the values in float64; None where no
///     value is finite.
///
/// Raises:
///     TypeError: `values` is not such an array.
///     ValueError: It is not C-contiguous, or a fraction is not in 0..1.
#[pyfunction]
#[pyo3(signature = (values, fractions, threads = 0))]
pub fn value_quantiles(
    py: Python<'_>,
    values: &Bound<'_, PyAny>,
    fractions: Vec<f64>,
    threads: usize,
) -> PyResult<Option<Vec<f64>>> {
    if fractions.len() > 1024 || fractions.iter().any(|one| !(0.0..=1.0).contains(one)) {
        return Err(PyValueError::new_err("fractions must be at most 1024 numbers in 0..1"));
    }
    with_values!(values, "values", [f32, i16, u8, u16, i32], values => {
        detached(py, |watch| intensity::quantiles(values, &fractions, threads, watch))?
            .map_err(stopped)
    })
}

/// Write `clamp((values - subtract) / divide) * multiply + add`, in single precision.
///
/// Args:
///     values: C-contiguous uint8, int16, uint16, int32 or float32, of any shape.
///     out: C-contiguous float32 of as many values; None to change float32 `values` in place.
///     subtract: Taken from the values.
///     divide: What the rest is divided by.
///     clamp: Smallest and largest quotient, or None.
///     multiply: Factor on the quotient.
///     add: Added at the end.
///     keep_zero: Values of 0 stay 0.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays differ in size or share memory, or one is not C-contiguous.
#[pyfunction]
#[pyo3(signature = (
    values, out, subtract = 0.0, divide = 1.0, clamp = None, multiply = 1.0, add = 0.0,
    keep_zero = false, threads = 0,
))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn rescale_values(
    py: Python<'_>,
    values: &Bound<'_, PyAny>,
    out: Option<&Bound<'_, PyAny>>,
    subtract: f32,
    divide: f32,
    clamp: Option<(f32, f32)>,
    multiply: f32,
    add: f32,
    keep_zero: bool,
    threads: usize,
) -> PyResult<()> {
    if clamp.is_some_and(|(low, high)| low.is_nan() || high.is_nan() || low > high) {
        return Err(PyValueError::new_err("clamp must be a range"));
    }
    let scale = Rescale { subtract, divide, clamp, multiply, add, keep_zero };
    let Some(out) = out else {
        let mut values = writeable::<f32>(values, "values", "float32")?;
        let values = values.as_slice_mut()?;
        return detached(py, |watch| intensity::rescale_in_place(values, scale, threads, watch))?
            .map_err(stopped);
    };
    let mut out = writeable::<f32>(out, "out", "float32")?;
    let out = out.as_slice_mut()?;
    with_values!(values, "values", [f32, i16, u8, u16, i32], values => {
        same_size(values.len(), out.len())?;
        detached(py, |watch| intensity::rescale(values, out, scale, threads, watch))?
            .map_err(stopped)
    })
}

/// Write values that are distributed as a reference, by matching cumulative histograms.
///
/// Args:
///     values: C-contiguous uint8, int16, uint16, int32 or float32, of any shape.
///     out: C-contiguous float32 of as many values.
///     reference: float64, values of the reference, rising.
///     fractions: float64, the fraction of the reference at or below each of them, rising.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other, or one is not C-contiguous.
#[pyfunction]
#[pyo3(signature = (values, out, reference, fractions, threads = 0))]
pub fn match_histogram(
    py: Python<'_>,
    values: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    reference: PyReadonlyArray1<'_, f64>,
    fractions: PyReadonlyArray1<'_, f64>,
    threads: usize,
) -> PyResult<()> {
    let reference =
        Distribution { values: reference.as_slice()?, fractions: fractions.as_slice()? };
    if reference.values.is_empty() || reference.values.len() != reference.fractions.len() {
        return Err(PyValueError::new_err("reference and fractions must be of one length from 1"));
    }
    let mut out = writeable::<f32>(out, "out", "float32")?;
    let out = out.as_slice_mut()?;
    with_values!(values, "values", [f32, i16, u8, u16, i32], values => {
        same_size(values.len(), out.len())?;
        detached(py, |watch| {
            intensity::match_distribution(values, reference, out, threads, watch)
        })?
        .map_err(stopped)
    })
}

/// Equalise slices by contrast-limited adaptive histogram equalisation (CLAHE), to 0..1.
///
/// The levels `round(out * (bins - 1))` are those of OpenCV's createCLAHE.
///
/// Args:
///     values: C-contiguous float32 `[..., H, W]`.
///     out: C-contiguous float32 of the same shape.
///     size: H and W.
///     tiles: Along a row and along a column.
///     clip: Largest bin as a multiple of the mean one; 0 is no limit.
///     bins: Grey levels.
///     low: Value of the lowest level.
///     high: Value of the highest level.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays or the tiles don't fit.
#[pyfunction]
#[pyo3(signature = (values, out, size, tiles, clip, bins, low, high, threads = 0))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn equalize_slices(
    py: Python<'_>,
    values: &Bound<'_, PyArrayDyn<f32>>,
    out: &Bound<'_, PyAny>,
    size: [usize; 2],
    tiles: [usize; 2],
    clip: f64,
    bins: usize,
    low: f32,
    high: f32,
    threads: usize,
) -> PyResult<()> {
    let options = Equalization { tiles, clip, bins, range: [low, high] };
    let values = readable(values, "values")?;
    let values = values.as_slice()?;
    let mut out = writeable::<f32>(out, "out", "float32")?;
    let out = out.as_slice_mut()?;
    detached(py, |watch| intensity::equalize(values, out, size, options, threads, watch))?.map_err(
        |error| match error {
            EqualizeError::Stopped(error) => stopped(error),
            error => PyValueError::new_err(error.to_string()),
        },
    )
}

fn same_size(values: usize, out: usize) -> PyResult<()> {
    if values == out {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!("values has {values} values, but out {out}")))
}

fn stopped(error: Stopped) -> PyErr {
    PyKeyboardInterrupt::new_err(error.to_string())
}
