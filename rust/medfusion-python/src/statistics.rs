//! The area under the ROC curve.

use medfusion_core::statistics::{self, Resampling, StatisticsError};
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::interrupt::detached;

/// Area under the ROC curve, ties counted half; NaN without both classes.
///
/// Args:
///     target: uint8 `[n]`, 0 or 1.
///     score: float64 `[n]`, higher for 1.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, a target that is not 0 or 1, a NaN score.
#[pyfunction]
pub fn auc(py: Python<'_>, target: &Bound<'_, PyAny>, score: &Bound<'_, PyAny>) -> PyResult<f64> {
    let target: Vec<u8> = values(target, "target", "uint8")?;
    let score: Vec<f64> = values(score, "score", "float64")?;
    py.detach(|| statistics::auc(&target, &score)).map_err(|error| value_error(&error))
}

/// Bootstrap distribution of the area under the ROC curve.
///
/// Replicate r depends on the data, `seed` and r alone: not on the number of threads, nor on that
/// of replicates.
///
/// Args:
///     target: uint8 `[n]`, 0 or 1.
///     score: float64 `[n]`, higher for 1.
///     group: int64 `[n]` to draw whole groups with replacement (patients, not images), or None.
///     replicates: How many.
///     seed: 0 to 2^64 - 1.
///     stratified: Draw positives and negatives apart; with groups, the groups that hold a
///         positive case and those that hold none.
///     threads: 0 for all cores.
///
/// Returns:
///     float64 `[replicates]`; NaN for a replicate with one class only.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, a target that is not 0 or 1, a NaN score.
#[pyfunction]
#[pyo3(signature = (target, score, group, replicates, seed, stratified = false, threads = 0))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn bootstrap_auc<'py>(
    py: Python<'py>,
    target: &Bound<'py, PyAny>,
    score: &Bound<'py, PyAny>,
    group: Option<&Bound<'py, PyAny>>,
    replicates: usize,
    seed: u64,
    stratified: bool,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let target: Vec<u8> = values(target, "target", "uint8")?;
    let score: Vec<f64> = values(score, "score", "float64")?;
    let group: Option<Vec<i64>> = group.map(|group| values(group, "group", "int64")).transpose()?;
    let mut out = Vec::new();
    out.try_reserve_exact(replicates)
        .map_err(|_| PyMemoryError::new_err(format!("no memory for {replicates} replicates")))?;
    out.resize(replicates, f64::NAN);
    let resampling = Resampling { seed, stratified, threads };
    detached(py, |watch| {
        statistics::bootstrap_auc(&target, &score, group.as_deref(), resampling, &mut out, watch)
    })?
    .map_err(|error| value_error(&error))?;
    Ok(out.into_pyarray(py))
}

/// Copies a one-dimensional array, contiguous or not.
fn values<T: Element + Copy>(array: &Bound<'_, PyAny>, name: &str, kind: &str) -> PyResult<Vec<T>> {
    let array = array.cast::<PyArray1<T>>().map_err(|_| {
        PyTypeError::new_err(format!("{name} must be a one-dimensional NumPy array of {kind}"))
    })?;
    Ok(array.try_readonly()?.as_array().iter().copied().collect())
}

fn value_error(error: &StatisticsError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
