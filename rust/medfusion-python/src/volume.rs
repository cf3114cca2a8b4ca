//! Volumes turned round, resampled and measured.

use medfusion_core::volume::{
    self, Bounds, Linear, Matrix, Normalise, Preparation, Shape, Turn, VolumeError,
};
use numpy::{Element, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::arrays::{shape_of, with_values, writeable};
use crate::interrupt::detached;

/// Copy volumes along other axes.
///
/// Args:
///     volume: C-contiguous `[N, D, H, W]` of unsigned integers: the bits of values of any type.
///     out: Likewise, other memory, `[N, ...]` with the sides of the result.
///     axes: For each new axis i, j, k (columns, rows, slices) the old one that it is.
///     flips: For each new axis whether it runs the other way.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other, or `axes` is no permutation.
#[pyfunction]
#[pyo3(signature = (volume, out, axes, flips, threads = 0))]
pub fn orient_volume(
    py: Python<'_>,
    volume: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    axes: [usize; 3],
    flips: [bool; 3],
    threads: usize,
) -> PyResult<()> {
    let shape = shape_of(volume, "volume")?;
    shape_of(out, "out")?;
    let turn = Turn { axes, flips };
    with_values!(volume, "volume", [u8, u16, u32, u64], values => {
        orient(py, values, shape, out, turn, threads)
    })
}

fn orient<T: Element + Copy + Send + Sync>(
    py: Python<'_>,
    values: &[T],
    shape: Shape,
    out: &Bound<'_, PyAny>,
    turn: Turn,
    threads: usize,
) -> PyResult<()> {
    let mut out = writeable::<T>(out, "out", "the volume's type")?;
    let out = out.as_slice_mut()?;
    detached(py, |watch| volume::orient(values, shape, out, turn, threads, watch))?
        .map_err(volume_error)
}

/// Resample volumes linearly, clip and scale them, in one pass over the new voxels.
///
/// Args:
///     volume: C-contiguous uint8, int16, uint16, int32 or float32 `[N, D, H, W]`.
///     out: C-contiguous float32 `[N, d, h, w]`.
///     matrix: float64 `[3, 4]`, from voxel (i, j, k, 1) of the result to (i, j, k) of `volume`.
///     outside: Value more than half a voxel beyond the outermost centres; None continues the
///         border.
///     clip: Smallest and largest value, or None.
///     normalise: "z-score", "min-max" (of what was resampled and clipped, to `to`), "range" (from
///         `clip` to `to`), or None.
///     to: Where "min-max" and "range" lead.
///     per_item: Each of the N measured for itself, or all together.
///     threads: 0 for all cores; the result is the same for any number.
///
/// Returns:
///     For each item what was measured: mean and standard deviation (NaN where no value is
///     finite), or lowest and highest value (infinite there).
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other, or a number is not finite.
#[pyfunction]
#[pyo3(signature = (
    volume, out, matrix, outside = None, clip = None, normalise = None, to = (0.0, 1.0),
    per_item = true, threads = 0,
))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn resample_volume(
    py: Python<'_>,
    volume: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    matrix: PyReadonlyArray2<'_, f64>,
    outside: Option<f32>,
    clip: Option<(f32, f32)>,
    normalise: Option<&str>,
    to: (f32, f32),
    per_item: bool,
    threads: usize,
) -> PyResult<Vec<(f64, f64)>> {
    let (from, shape) = (shape_of(volume, "volume")?, shape_of(out, "out")?);
    let matrix = matrix_of(&matrix)?;
    let (low, high) = clip.unwrap_or_default();
    if low.is_nan() || high.is_nan() || low > high {
        return Err(PyValueError::new_err(format!("clip must be a range, not {low} to {high}")));
    }
    let normalise = match (normalise, clip) {
        (None, _) => Normalise::Nothing,
        (Some("z-score"), _) => Normalise::ZScore,
        (Some("min-max"), _) => Normalise::MinMax(to.0, to.1),
        (Some("range"), Some((low, high))) => Normalise::Range([low, high], [to.0, to.1]),
        (Some(name), _) => {
            return Err(PyValueError::new_err(format!("unknown normalise {name:?}")));
        }
    };
    let linear = Linear { outside, clip, measure: None };
    let options = Preparation { linear, normalise, per_item };
    let mut out = writeable::<f32>(out, "out", "float32")?;
    let out = out.as_slice_mut()?;
    with_values!(volume, "volume", [f32, i16, u8, u16, i32], values => {
        let found = detached(py, |watch| {
            volume::prepare(values, from, out, shape, &matrix, options, threads, watch)
        })?
        .map_err(volume_error)?;
        Ok(found
            .iter()
            .filter_map(|summary| match normalise {
                Normalise::ZScore if summary.count == 0 => Some((f64::NAN, f64::NAN)),
                Normalise::ZScore => Some((summary.mean, summary.deviation())),
                Normalise::MinMax(..) => Some((summary.low.into(), summary.high.into())),
                Normalise::Nothing | Normalise::Range(..) => None,
            })
            .collect())
    })
}

/// Write the nearest voxel's value; in the middle of two voxels that of the even one.
///
/// Args:
///     volume: C-contiguous `[N, D, H, W]` of unsigned integers: the bits of values of any type.
///     out: Likewise, `[N, d, h, w]`.
///     matrix: float64 `[3, 4]`, from voxel (i, j, k, 1) of the result to (i, j, k) of `volume`.
///     outside: Bits written more than half a voxel beyond the outermost centres; None continues
///         the border.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other.
#[pyfunction]
#[pyo3(signature = (volume, out, matrix, outside = None, threads = 0))]
pub fn resample_nearest(
    py: Python<'_>,
    volume: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    matrix: PyReadonlyArray2<'_, f64>,
    outside: Option<u64>,
    threads: usize,
) -> PyResult<()> {
    let shapes = [shape_of(volume, "volume")?, shape_of(out, "out")?];
    let matrix = matrix_of(&matrix)?;
    with_values!(volume, "volume", [u8, u16, u32, u64], values => {
        nearest(py, values, shapes, out, &matrix, outside, threads)
    })
}

fn nearest<T: Element + Copy + Send + Sync + TryFrom<u64>>(
    py: Python<'_>,
    values: &[T],
    [from, to]: [Shape; 2],
    out: &Bound<'_, PyAny>,
    matrix: &Matrix,
    outside: Option<u64>,
    threads: usize,
) -> PyResult<()> {
    let fits = |bits| T::try_from(bits).map_err(|_| PyValueError::new_err("outside is too large"));
    let outside = outside.map(fits).transpose()?;
    let mut out = writeable::<T>(out, "out", "the volume's type")?;
    let out = out.as_slice_mut()?;
    detached(py, |watch| volume::nearest(values, from, out, to, matrix, outside, threads, watch))?
        .map_err(volume_error)
}

/// Find the smallest box around all values above a threshold.
///
/// Args:
///     volume: C-contiguous uint8, int16, uint16, int32 or float32 `[N, D, H, W]`.
///     above: The threshold.
///     threads: 0 for all cores.
///
/// Returns:
///     First voxel and end along i, j and k (columns, rows, slices); None where no value is above.
///
/// Raises:
///     TypeError: `volume` is not such an array.
///     ValueError: It is empty.
#[pyfunction]
#[pyo3(signature = (volume, above, threads = 0))]
pub fn foreground_bounds(
    py: Python<'_>,
    volume: &Bound<'_, PyAny>,
    above: f32,
    threads: usize,
) -> PyResult<Option<Bounds>> {
    let shape = shape_of(volume, "volume")?;
    with_values!(volume, "volume", [f32, i16, u8, u16, i32], values => {
        detached(py, |watch| volume::foreground(values, shape, above, threads, watch))?
            .map_err(volume_error)
    })
}

fn matrix_of(array: &PyReadonlyArray2<'_, f64>) -> PyResult<Matrix> {
    if array.shape() != [3, 4] {
        return Err(PyTypeError::new_err("matrix must be float64 [3, 4]"));
    }
    let array = array.as_array();
    let mut matrix = Matrix::default();
    for ((row, column), &number) in array.indexed_iter() {
        matrix[row][column] = number;
    }
    Ok(matrix)
}

fn volume_error(error: VolumeError) -> PyErr {
    match error {
        VolumeError::Stopped(error) => PyKeyboardInterrupt::new_err(error.to_string()),
        error => PyValueError::new_err(error.to_string()),
    }
}
