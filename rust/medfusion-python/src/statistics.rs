//! Statistics of predictions.

use medfusion_core::statistics::{self, Binning, Resampling, StatisticsError};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
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
    let mut out = room(replicates)?;
    let resampling = Resampling { seed, stratified, threads };
    detached(py, |watch| {
        statistics::bootstrap_auc(&target, &score, group.as_deref(), resampling, &mut out, watch)
    })?
    .map_err(|error| value_error(&error))?;
    Ok(out.into_pyarray(py))
}

/// AUC of each score on the same cases, and DeLong's covariance of these AUCs.
///
/// Args:
///     target: uint8 `[n]`, 0 or 1.
///     scores: float64 `[n]` each, higher for 1.
///
/// Returns:
///     float64 `[k]`, NaN where a class is absent, and float64 `[k, k]`, NaN where a class has
///     fewer than two cases.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, a target that is not 0 or 1, a NaN score.
#[pyfunction]
pub fn delong<'py>(
    py: Python<'py>,
    target: &Bound<'py, PyAny>,
    scores: Vec<Bound<'py, PyAny>>,
) -> PyResult<(Floats<'py>, Bound<'py, PyArray2<f64>>)> {
    let target: Vec<u8> = values(target, "target", "uint8")?;
    let scores: Vec<Vec<f64>> =
        scores.iter().map(|score| values(score, "score", "float64")).collect::<PyResult<_>>()?;
    let slices: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
    let found =
        py.detach(|| statistics::delong(&target, &slices)).map_err(|error| value_error(&error))?;
    let count = found.areas.len();
    let covariance = found.covariance.into_pyarray(py).reshape([count, count])?;
    Ok((found.areas.into_pyarray(py), covariance))
}

/// Paired permutation test of two AUCs: the scores of random cases (or groups) are swapped.
///
/// Args:
///     target: uint8 `[n]`, 0 or 1.
///     first: float64 `[n]`, higher for 1.
///     second: float64 `[n]`, on the same scale.
///     group: int64 `[n]` to swap whole groups (patients, not images), or None.
///     permutations: How many.
///     seed: 0 to 2^64 - 1.
///     threads: 0 for all cores; the result is the same for any number.
///
/// Returns:
///     First AUC minus second (NaN without both classes), and how many permutations have a
///     difference at least as large, either way.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, a target that is not 0 or 1, a NaN score.
#[pyfunction]
#[pyo3(signature = (target, first, second, group, permutations, seed, threads = 0))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn permute_auc(
    py: Python<'_>,
    target: &Bound<'_, PyAny>,
    first: &Bound<'_, PyAny>,
    second: &Bound<'_, PyAny>,
    group: Option<&Bound<'_, PyAny>>,
    permutations: usize,
    seed: u64,
    threads: usize,
) -> PyResult<(f64, u64)> {
    let target: Vec<u8> = values(target, "target", "uint8")?;
    let first: Vec<f64> = values(first, "first", "float64")?;
    let second: Vec<f64> = values(second, "second", "float64")?;
    let group: Option<Vec<i64>> = group.map(|group| values(group, "group", "int64")).transpose()?;
    let pair: [&[f64]; 2] = [&first, &second];
    let found = detached(py, |watch| {
        let draws = (seed, threads);
        statistics::permute_auc(&target, pair, group.as_deref(), permutations, draws, watch)
    })?
    .map_err(|error| value_error(&error))?;
    Ok((found.difference, found.extreme))
}

/// Comparable pairs of censored survival times, by whether the risk agrees with the times.
///
/// Two events at one time are no pair; an event and a censoring at one time are, the event first.
///
/// Args:
///     time: float64 `[n]`.
///     event: uint8 `[n]`, 1 where the time is that of the event, 0 where it is censored.
///     risk: float64 `[n]`, higher for earlier events.
///
/// Returns:
///     Concordant pairs, discordant pairs, and pairs of equal risk.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, an event that is not 0 or 1, NaN.
#[pyfunction]
pub fn concordance(
    py: Python<'_>,
    time: &Bound<'_, PyAny>,
    event: &Bound<'_, PyAny>,
    risk: &Bound<'_, PyAny>,
) -> PyResult<(u64, u64, u64)> {
    let time: Vec<f64> = values(time, "time", "float64")?;
    let event: Vec<u8> = values(event, "event", "uint8")?;
    let risk: Vec<f64> = values(risk, "risk", "float64")?;
    let found = py
        .detach(|| statistics::concordance(&time, &event, &risk))
        .map_err(|error| value_error(&error))?;
    Ok((found.concordant, found.discordant, found.tied))
}

/// Bootstrap distribution of the C-index, with the draws of `bootstrap_auc`.
///
/// Args:
///     time: float64 `[n]`.
///     event: uint8 `[n]`, 0 or 1.
///     risk: float64 `[n]`, higher for earlier events.
///     group: int64 `[n]` to draw whole groups with replacement, or None.
///     replicates: How many.
///     seed: 0 to 2^64 - 1.
///     stratified: Draw cases with an event apart from the censored ones.
///     threads: 0 for all cores.
///
/// Returns:
///     float64 `[replicates]`; NaN for a replicate without a comparable pair.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, an event that is not 0 or 1, NaN.
#[pyfunction]
#[pyo3(signature = (time, event, risk, group, replicates, seed, stratified = false, threads = 0))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn bootstrap_concordance<'py>(
    py: Python<'py>,
    time: &Bound<'py, PyAny>,
    event: &Bound<'py, PyAny>,
    risk: &Bound<'py, PyAny>,
    group: Option<&Bound<'py, PyAny>>,
    replicates: usize,
    seed: u64,
    stratified: bool,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let time: Vec<f64> = values(time, "time", "float64")?;
    let event: Vec<u8> = values(event, "event", "uint8")?;
    let risk: Vec<f64> = values(risk, "risk", "float64")?;
    let group: Option<Vec<i64>> = group.map(|group| values(group, "group", "int64")).transpose()?;
    let mut out = room(replicates)?;
    let resampling = Resampling { seed, stratified, threads };
    detached(py, |watch| {
        let cases = (&time[..], &event[..], &risk[..]);
        let group = group.as_deref();
        statistics::bootstrap_concordance(cases, group, resampling, &mut out, watch)
    })?
    .map_err(|error| value_error(&error))?;
    Ok(out.into_pyarray(py))
}

/// Put probabilities into bins and count them.
///
/// Args:
///     target: uint8 `[n]`, 0 or 1.
///     prob: float64 `[n]`.
///     bins: How many.
///     quantile: Bins of equally many cases between the quantiles (type 7), each with its upper
///         end, in place of bins of equal width over 0..1, each with its lower end.
///
/// Returns:
///     Bin of each case int64 `[n]`; cases and cases of class 1 of each bin, int64 `[bins]`; sum
///     of the probabilities of each bin, float64 `[bins]`.
///
/// Raises:
///     TypeError: An array of another type or number of dimensions.
///     ValueError: Lengths that differ, a target that is not 0 or 1, a NaN probability, no bins.
#[pyfunction]
#[pyo3(signature = (target, prob, bins, quantile = false))]
pub fn calibration_bins<'py>(
    py: Python<'py>,
    target: &Bound<'py, PyAny>,
    prob: &Bound<'py, PyAny>,
    bins: usize,
    quantile: bool,
) -> PyResult<CalibrationBins<'py>> {
    let target: Vec<u8> = values(target, "target", "uint8")?;
    let prob: Vec<f64> = values(prob, "prob", "float64")?;
    let binning = if quantile { Binning::Quantile } else { Binning::Width };
    let found = py
        .detach(|| statistics::calibrate(&target, &prob, bins, binning))
        .map_err(|error| value_error(&error))?;
    Ok((
        found.index.into_pyarray(py),
        found.cases.into_pyarray(py),
        found.positives.into_pyarray(py),
        found.total.into_pyarray(py),
    ))
}

type Ints<'py> = Bound<'py, PyArray1<i64>>;
type Floats<'py> = Bound<'py, PyArray1<f64>>;
type CalibrationBins<'py> = (Ints<'py>, Ints<'py>, Ints<'py>, Floats<'py>);

/// Returns memory for the replicates, or an error where a plain `vec!` would abort the process.
fn room(replicates: usize) -> PyResult<Vec<f64>> {
    let mut out = Vec::new();
    out.try_reserve_exact(replicates)
        .map_err(|_| PyMemoryError::new_err(format!("no memory for {replicates} replicates")))?;
    out.resize(replicates, f64::NAN);
    Ok(out)
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
