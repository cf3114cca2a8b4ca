//! Patches of volumes.

use medfusion_core::patch::{
    self, Affine, Cut, Field, Mosaic, Outside, PatchError, Samples, Step, Stream, Volume,
};
use numpy::{
    IntoPyArray, PyArray1, PyArray3, PyArray4, PyArray5, PyArrayDescrMethods, PyArrayMethods,
    PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyReadonlyArray4, PyReadonlyArray5,
    PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::interrupt::detached;

type Words = (u32, u32, u32, u32);
type FieldArgument<'py> = Option<(PyReadonlyArray4<'py, f32>, [f64; 3])>;

/// Cut patches of images into a batch, augmented in the same pass.
///
/// Each voxel of a patch is mapped into its volume, interpolated there (trilinear) and sent
/// through the sample's steps. A map that only shifts and flips copies voxels as they are. The
/// result is the same for any number of threads, and that of a sample doesn't depend on the
/// others of its batch.
///
/// Args:
///     sources: One volume a sample: `[C, D, H, W]` of uint8, int16, uint16 or float32, dense in
///         memory in any order of its axes. None is copied.
///     out: C-contiguous float32 `[B, C, d, h, w]`.
///     maps: float64 `[B, 3, 4]`, from voxel (i, j, k, 1) of the patch to (i, j, k) of the volume.
///     steps: For each sample the names and numbers of what is done to its values, in order:
///         ("linear", [scale, shift]), ("clamp", [low, high]), ("contrast", [factor]),
///         ("gamma", [gamma]), ("blur", [sd along i, j, k in voxels]),
///         ("noise", [sd, and the four words of its stream]).
///     fields: For each sample None, or control points of a cubic B-spline, float32
///         `[k, j, i, 3]` in voxels of the volume along (i, j, k), and the cells in a voxel of the
///         patch along (i, j, k). The first point lies one cell before the patch.
///     outside: For each sample the stored value beyond the volume, or None for that of the
///         nearest voxel.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arguments don't fit each other, or a number makes no sense.
#[pyfunction]
#[pyo3(signature = (sources, out, maps, steps, fields = None, outside = None, threads = 0))]
#[expect(clippy::too_many_arguments, reason = "each is an array of its own")]
pub fn cut_patches<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyAny>>,
    out: &Bound<'py, PyAny>,
    maps: PyReadonlyArray3<'py, f64>,
    steps: Vec<Vec<(String, Vec<f64>)>>,
    fields: Option<Vec<FieldArgument<'py>>>,
    outside: Option<Vec<Option<f32>>>,
    threads: usize,
) -> PyResult<()> {
    let out = out
        .cast::<PyArray5<f32>>()
        .map_err(|_| PyTypeError::new_err("out must be a float32 NumPy array [B, C, D, H, W]"))?;
    let shape = batch_shape(out.as_untyped(), sources.len())?;
    let held = sources.iter().map(Held::new).collect::<PyResult<Vec<_>>>()?;
    let cuts = cuts(&held, &maps, fields.as_deref(), outside.as_deref())?;
    let steps = steps
        .iter()
        .map(|steps| steps.iter().map(|(name, numbers)| step(name, numbers)).collect())
        .collect::<PyResult<Vec<Vec<Step>>>>()?;
    let mut out = borrowed(out.try_readwrite())?;
    let slice = out.as_slice_mut()?;
    detached(py, |watch| patch::cut_images(&cuts, &steps, slice, shape, threads, watch))?
        .map_err(patch_error)
}

/// Cut patches of labels into a batch: the value of the nearest voxel.
///
/// Args:
///     sources: One volume a sample: `[C, D, H, W]` of uint8, int16, uint16, int32 or int64, dense
///         in memory in any order of its axes.
///     out: C-contiguous uint8, int16 or int64 `[B, C, d, h, w]`.
///     maps: As in `cut_patches`.
///     fields: As in `cut_patches`.
///     outside: For each sample the label beyond the volume, or None for that of the nearest
///         voxel.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arguments don't fit each other, or `out` cannot hold a label.
#[pyfunction]
#[pyo3(signature = (sources, out, maps, fields = None, outside = None, threads = 0))]
pub fn cut_label_patches<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyAny>>,
    out: &Bound<'py, PyAny>,
    maps: PyReadonlyArray3<'py, f64>,
    fields: Option<Vec<FieldArgument<'py>>>,
    outside: Option<Vec<Option<i64>>>,
    threads: usize,
) -> PyResult<()> {
    let wrong =
        || PyTypeError::new_err("out must be a uint8, int16 or int64 NumPy array [B, C, D, H, W]");
    let shape = batch_shape(out.cast::<PyUntypedArray>().map_err(|_| wrong())?, sources.len())?;
    let held = sources.iter().map(Held::new).collect::<PyResult<Vec<_>>>()?;
    let cuts = cuts(&held, &maps, fields.as_deref(), outside.as_deref())?;
    macro_rules! cut {
        ($array:expr) => {{
            let mut out = borrowed($array.try_readwrite())?;
            let slice = out.as_slice_mut()?;
            detached(py, |watch| patch::cut_labels(&cuts, slice, shape, threads, watch))?
                .map_err(patch_error)
        }};
    }
    if let Ok(array) = out.cast::<PyArray5<u8>>() {
        cut!(array)
    } else if let Ok(array) = out.cast::<PyArray5<i16>>() {
        cut!(array)
    } else if let Ok(array) = out.cast::<PyArray5<i64>>() {
        cut!(array)
    } else {
        Err(wrong())
    }
}

/// Count the voxels of each class in each row of a volume of labels.
///
/// Args:
///     labels: `[1, D, H, W]` of uint8, int16, uint16, int32 or int64, dense in memory.
///     classes: The labels that are counted.
///     threads: 0 for all cores.
///
/// Returns:
///     uint32 `[classes, D, H]`.
///
/// Raises:
///     TypeError: `labels` is not such an array.
///     ValueError: It has no voxels, or more than one channel.
#[pyfunction]
#[pyo3(signature = (labels, classes, threads = 0))]
pub fn count_classes<'py>(
    py: Python<'py>,
    labels: &Bound<'py, PyAny>,
    classes: Vec<i64>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray3<u32>>> {
    let held = Held::new(labels)?;
    let volume = held.volume()?;
    let [_, depth, height, _] = volume.shape;
    let mut out = vec![0; classes.len().saturating_mul(depth * height)];
    detached(py, |watch| patch::count_classes(&volume, &classes, &mut out, threads, watch))?
        .map_err(patch_error)?;
    out.into_pyarray(py).reshape([classes.len(), depth, height])
}

/// Add patches to a volume that holds the weighted mean of all that covered a voxel so far.
///
/// Patches are added in their order; where all agree the mean is exactly their value. The result
/// is the same for any number of threads.
///
/// Args:
///     patches: C-contiguous float32 `[N, C, d, h, w]`.
///     origins: int64 `[N, 3]`, voxel (i, j, k) of the volume at the first voxel of the patch;
///         what lies beyond the volume is left out.
///     weights: float32 `[w]`, `[h]` and `[d]`, above 0: a voxel's weight is their product.
///     mean: C-contiguous float32 `[C, D, H, W]`, zeros before the first patch.
///     weight: C-contiguous float32 `[D, H, W]`, zeros before the first patch.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other, or a weight is not above 0.
#[pyfunction]
#[pyo3(signature = (patches, origins, weights, mean, weight, threads = 0))]
pub fn add_patches(
    py: Python<'_>,
    patches: PyReadonlyArray5<'_, f32>,
    origins: PyReadonlyArray2<'_, i64>,
    weights: [PyReadonlyArray1<'_, f32>; 3],
    mean: &Bound<'_, PyArray4<f32>>,
    weight: &Bound<'_, PyArray3<f32>>,
    threads: usize,
) -> PyResult<()> {
    let &[_, channels, height, width] = mean.shape() else {
        return Err(PyTypeError::new_err("mean must have 4 dimensions"));
    };
    let shape = [mean.shape()[0], channels, height, width];
    let expected =
        [origins.shape()[0], shape[0], weights[2].len(), weights[1].len(), weights[0].len()];
    if patches.shape() != expected || origins.shape()[1] != 3 {
        return Err(PyValueError::new_err(format!(
            "patches must be {expected:?} and origins [N, 3], as the other arrays say"
        )));
    }
    if weight.shape() != &shape[1..] {
        return Err(PyValueError::new_err("weight must be [D, H, W] of mean"));
    }
    let (mut mean, mut weight) =
        (borrowed(mean.try_readwrite())?, borrowed(weight.try_readwrite())?);
    let mosaic = Mosaic { mean: mean.as_slice_mut()?, weight: weight.as_slice_mut()?, shape };
    let origins: Vec<[i64; 3]> =
        origins.as_array().rows().into_iter().map(|row| [row[0], row[1], row[2]]).collect();
    let [along_i, along_j, along_k] = &weights;
    let weights = [along_i.as_slice()?, along_j.as_slice()?, along_k.as_slice()?];
    let patches = patches.as_slice()?;
    detached(py, |watch| patch::add_patches(mosaic, patches, &origins, weights, threads, watch))?
        .map_err(patch_error)
}

/// Return the four words that name the random numbers of one purpose in one sample.
///
/// Under one seed, different (epoch, sample, purpose) have different numbers for certain
/// (Philox 4x32-10).
///
/// Raises:
///     OverflowError: A number that is negative or too large.
#[pyfunction]
pub fn random_stream(seed: u64, epoch: u32, sample: u64, purpose: u32) -> Words {
    Stream::new(seed, epoch, sample, purpose).words().into()
}

/// Return the first numbers of a stream, float64 `[count]`, uniform in 0 <= u < 1.
///
/// Args:
///     stream: What `random_stream` gave.
///     count: How many.
#[pyfunction]
pub fn random_uniform(py: Python<'_>, stream: Words, count: usize) -> Bound<'_, PyArray1<f64>> {
    let mut out = vec![0.0; count];
    Stream::from_words(stream.into()).uniform(&mut out);
    out.into_pyarray(py)
}

/// An array that is borrowed while Rust reads it.
enum Held<'py> {
    U8(PyReadonlyArray4<'py, u8>),
    I16(PyReadonlyArray4<'py, i16>),
    U16(PyReadonlyArray4<'py, u16>),
    F32(PyReadonlyArray4<'py, f32>),
    I32(PyReadonlyArray4<'py, i32>),
    I64(PyReadonlyArray4<'py, i64>),
}

impl<'py> Held<'py> {
    fn new(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        let untyped = array
            .cast::<PyUntypedArray>()
            .map_err(|_| PyTypeError::new_err("a source must be a NumPy array [C, D, H, W]"))?;
        let size = untyped.dtype().itemsize().max(1).cast_signed();
        if !array.getattr("flags")?.getattr("aligned")?.extract::<bool>()?
            || untyped.strides().iter().any(|stride| stride % size != 0)
        {
            return Err(PyValueError::new_err("a source is not aligned: give a copy of it"));
        }
        macro_rules! hold {
            ($($kind:ident),*) => {
                $(if let Ok(array) = array.cast::<PyArray4<_>>() {
                    return Ok(Self::$kind(borrowed(array.try_readonly())?));
                })*
            };
        }
        hold!(U8, I16, U16, F32, I32, I64);
        Err(PyTypeError::new_err(format!(
            "a source must have 4 dimensions [C, D, H, W] of uint8, int16, uint16, int32, int64 \
             or float32, not {} of {}",
            untyped.ndim(),
            untyped.dtype()
        )))
    }

    fn volume(&self) -> PyResult<Volume<'_>> {
        macro_rules! volume {
            ($kind:ident, $array:expr) => {{
                let view = $array.as_array();
                let (shape, strides) = (view.shape(), view.strides());
                let start = shape
                    .iter()
                    .zip(strides)
                    .filter(|(_, stride)| **stride < 0)
                    .map(|(size, stride)| size.saturating_sub(1) * stride.unsigned_abs())
                    .sum();
                Volume {
                    start,
                    shape: [shape[0], shape[1], shape[2], shape[3]],
                    strides: [strides[0], strides[1], strides[2], strides[3]],
                    samples: Samples::$kind(view.to_slice_memory_order().ok_or_else(|| {
                        PyValueError::new_err("a source is not dense in memory: give a copy of it")
                    })?),
                }
            }};
        }
        Ok(match self {
            Self::U8(array) => volume!(U8, array),
            Self::I16(array) => volume!(I16, array),
            Self::U16(array) => volume!(U16, array),
            Self::F32(array) => volume!(F32, array),
            Self::I32(array) => volume!(I32, array),
            Self::I64(array) => volume!(I64, array),
        })
    }
}

/// Translates a refused borrow: the array is read-only, or lent to another thread.
fn borrowed<T, E: std::fmt::Display>(result: Result<T, E>) -> PyResult<T> {
    result.map_err(|error| PyValueError::new_err(format!("an array cannot be used: {error}")))
}

fn batch_shape(out: &Bound<'_, PyUntypedArray>, count: usize) -> PyResult<[usize; 4]> {
    let &[samples, channels, depth, height, width] = out.shape() else {
        return Err(PyTypeError::new_err("out must have 5 dimensions [B, C, D, H, W]"));
    };
    if samples != count {
        return Err(PyValueError::new_err(format!(
            "out has room for {samples} samples, but there are {count} sources"
        )));
    }
    if !out.is_c_contiguous() {
        return Err(PyValueError::new_err(
            "out must be C-contiguous: give the whole array, not a view with steps",
        ));
    }
    Ok([channels, depth, height, width])
}

fn cuts<'a, T: Copy>(
    held: &'a [Held<'_>],
    maps: &PyReadonlyArray3<'_, f64>,
    fields: Option<&'a [FieldArgument<'_>]>,
    outside: Option<&[Option<T>]>,
) -> PyResult<Vec<Cut<'a, T>>> {
    if maps.shape() != [held.len(), 3, 4]
        || fields.is_some_and(|fields| fields.len() != held.len())
        || outside.is_some_and(|outside| outside.len() != held.len())
    {
        return Err(PyValueError::new_err(
            "maps must be [B, 3, 4], fields and outside B long, as many as there are sources",
        ));
    }
    let maps = maps.as_array();
    held.iter()
        .enumerate()
        .map(|(index, held)| {
            let map: Affine =
                std::array::from_fn(|row| std::array::from_fn(|column| maps[[index, row, column]]));
            let outside = outside.and_then(|outside| outside[index]);
            Ok(Cut {
                volume: held.volume()?,
                map,
                field: fields.and_then(|fields| fields[index].as_ref()).map(field).transpose()?,
                outside: outside.map_or(Outside::Border, Outside::Constant),
            })
        })
        .collect()
}

fn field<'a>((points, step): &'a (PyReadonlyArray4<'_, f32>, [f64; 3])) -> PyResult<Field<'a>> {
    let &[k, j, i, 3] = points.shape() else {
        return Err(PyValueError::new_err("a field's points must be [k, j, i, 3]"));
    };
    Ok(Field { points: points.as_slice()?, counts: [i, j, k], step: *step })
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is what is worked in")]
fn step(name: &str, numbers: &[f64]) -> PyResult<Step> {
    let wrong = || PyValueError::new_err(format!("the step {name:?} with {numbers:?} is unknown"));
    Ok(match (name, numbers) {
        ("linear", &[scale, shift]) => Step::Linear { scale: scale as f32, shift: shift as f32 },
        ("clamp", &[low, high]) => Step::Clamp { low: low as f32, high: high as f32 },
        ("contrast", &[factor]) => Step::Contrast(factor as f32),
        ("gamma", &[gamma]) => Step::Gamma(gamma as f32),
        ("blur", &[i, j, k]) => Step::Blur([i, j, k].map(|sd| sd as f32)),
        ("noise", &[sd, a, b, c, d]) => {
            let mut words = [0; 4];
            for (word, number) in words.iter_mut().zip([a, b, c, d]) {
                *word = whole(number).ok_or_else(wrong)?;
            }
            Step::Noise { sd: sd as f32, stream: Stream::from_words(words) }
        }
        _ => return Err(wrong()),
    })
}

/// Returns a word that came as a float, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number of 32 bits"
)]
fn whole(number: f64) -> Option<u32> {
    ((0.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0)
        .then_some(number as u32)
}

fn patch_error(error: PatchError) -> PyErr {
    match error {
        PatchError::Stopped(error) => PyKeyboardInterrupt::new_err(error.to_string()),
        error => PyValueError::new_err(error.to_string()),
    }
}
