//! Prepared images: decoded once, kept in their own depth, normalised for each batch.

use std::path::PathBuf;

use medfusion_core::hash;
use medfusion_core::image::{self, Changes, Image, Layout, Planes, Prepared, Samples};
use medfusion_core::stamp::{self, Stamp};
use numpy::{
    Element, IntoPyArray, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray3,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arrays;
use crate::images::{batch_error, writeable};
use crate::interrupt::{detached, stopped};

/// Decode image files and resample them to one size, each in its own depth.
///
/// Samples are rounded to the nearest, as Pillow's resize does. A grey file has one plane also
/// where `channels` is 3; a colour file becomes grey (BT.601) where it is 1. The result is the same
/// for any number of threads.
///
/// Args:
///     paths: Files, PNG or JPEG.
///     channels: 1 or 3.
///     height: Of the result.
///     width: Of the result.
///     threads: 0 for all cores.
///
/// Returns:
///     For each file uint8 or uint16 `[1 or channels, height, width]`, or why it can't be read.
///
/// Raises:
///     ValueError: A size that no image has.
#[pyfunction]
#[pyo3(signature = (paths, channels, height, width, threads = 0))]
pub fn decode_samples(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    channels: usize,
    height: usize,
    width: usize,
    threads: usize,
) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let size = [channels, height, width];
    detached(py, |watch| image::prepare_batch(&paths, size, threads, watch))?
        .map_err(batch_error)?
        .into_iter()
        .map(|found| match found {
            Ok(prepared) => array(py, prepared, height, width),
            Err(error) => Ok(PyString::new(py, &error.to_string()).into_any()),
        })
        .collect()
}

/// Resample an image that is decoded already, as `decode_samples` does the images of files.
///
/// Args:
///     image: C-contiguous uint8 or uint16 `[H, W, C]`, C 1 or 3.
///     channels: 1 or 3.
///     height: Of the result.
///     width: Of the result.
///
/// Returns:
///     `[1 or channels, height, width]` of the image's type.
///
/// Raises:
///     TypeError: The image is not such an array.
///     ValueError: A size that no image has.
#[pyfunction]
pub fn resize_samples<'py>(
    py: Python<'py>,
    image: &Bound<'py, PyAny>,
    channels: usize,
    height: usize,
    width: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let (shape, samples) = if let Ok(array) = image.cast::<PyArray3<u8>>() {
        (array.dims(), Samples::U8(readonly(array, 0)?.as_slice()?.to_vec()))
    } else if let Ok(array) = image.cast::<PyArray3<u16>>() {
        (array.dims(), Samples::U16(readonly(array, 0)?.as_slice()?.to_vec()))
    } else {
        return Err(PyTypeError::new_err("image must be a uint8 or uint16 array [H, W, C]"));
    };
    let image = Image { height: shape[0], width: shape[1], channels: shape[2], samples };
    if image.height == 0 || image.width == 0 || ![1, 3].contains(&image.channels) {
        return Err(PyValueError::new_err(format!(
            "image must have 1 or 3 channels and at least one pixel, not [{}, {}, {}]",
            image.height, image.width, image.channels
        )));
    }
    let prepared = py
        .detach(|| image::prepare_image(&image, [channels, height, width]))
        .map_err(batch_error)?
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    array(py, prepared, height, width)
}

fn array(
    py: Python<'_>,
    Prepared { channels, samples }: Prepared,
    height: usize,
    width: usize,
) -> PyResult<Bound<'_, PyAny>> {
    let shape = [channels, height, width];
    Ok(match samples {
        Samples::U8(samples) => samples.into_pyarray(py).reshape(shape)?.into_any(),
        Samples::U16(samples) => samples.into_pyarray(py).reshape(shape)?.into_any(),
    })
}

/// An image borrowed from Python.
enum Borrowed<'py> {
    U8(PyReadonlyArray3<'py, u8>),
    U16(PyReadonlyArray3<'py, u16>),
    F32(PyReadonlyArray3<'py, f32>),
}

impl<'py> Borrowed<'py> {
    /// Borrows an array `[channels or 1, height, width]`.
    fn new(
        array: &Bound<'py, PyAny>,
        position: usize,
        [channels, height, width]: [usize; 3],
    ) -> PyResult<Self> {
        let image = if let Ok(array) = array.cast::<PyArray3<u8>>() {
            Self::U8(readonly(array, position)?)
        } else if let Ok(array) = array.cast::<PyArray3<u16>>() {
            Self::U16(readonly(array, position)?)
        } else if let Ok(array) = array.cast::<PyArray3<f32>>() {
            Self::F32(readonly(array, position)?)
        } else {
            return Err(PyTypeError::new_err(format!(
                "image {position} must be a NumPy array [C, H, W] of uint8, uint16 or float32"
            )));
        };
        match *image.shape() {
            [1, rows, columns] if (rows, columns) == (height, width) => Ok(image),
            ref shape if shape == [channels, height, width] => Ok(image),
            ref shape => Err(PyValueError::new_err(format!(
                "image {position} has the shape {shape:?}, not [{channels} or 1, {height}, {width}]"
            ))),
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::U8(array) => array.shape(),
            Self::U16(array) => array.shape(),
            Self::F32(array) => array.shape(),
        }
    }

    fn planes(&self) -> PyResult<Planes<'_>> {
        Ok(match self {
            Self::U8(array) => Planes::U8(array.as_slice()?),
            Self::U16(array) => Planes::U16(array.as_slice()?),
            Self::F32(array) => Planes::F32(array.as_slice()?),
        })
    }
}

fn readonly<'py, T: Element>(
    array: &Bound<'py, PyArray3<T>>,
    position: usize,
) -> PyResult<PyReadonlyArray3<'py, T>> {
    if !array.is_c_contiguous() || !array.data().is_aligned() {
        return Err(PyValueError::new_err(format!(
            "image {position} must be C-contiguous and aligned"
        )));
    }
    array
        .try_readonly()
        .map_err(|error| PyValueError::new_err(format!("image {position}: {error}")))
}

/// Write prepared images as a normalised batch, with or without random changes, in one pass.
///
/// A value is `(sample / largest sample - mean) / std`; the largest sample is 255, 65535, or 1 for
/// float32. Changes are an affine map (bilinear; beyond its border an image is continued by its
/// reflection; the geometry of PyTorch's affine_grid and grid_sample with align_corners=False),
/// then brightness and contrast. The result is the same for any number of threads.
///
/// Args:
///     images: C-contiguous `[C, H, W]` or `[1, H, W]` each, uint8, uint16 or float32; None for
///         an image that is missing: zeros.
///     out: C-contiguous float32 `[B, C, H, W]`, B the number of images, C 1 or 3.
///     mean: One per channel, of samples scaled to 0..1.
///     std: One per channel.
///     theta: C-contiguous float32 `[B, 2, 3]`, from a place in the result to its place in the
///         image, in -1..1, x first; None changes nothing.
///     brightness: float32 `[B]`, factor on the samples before they are normalised.
///     contrast: float32 `[B]`, factor on the distance to the channel's mean.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other, or `out` is not writeable.
#[pyfunction]
#[pyo3(signature = (
    images, out, mean, std, theta = None, brightness = None, contrast = None, threads = 0
))]
#[expect(clippy::too_many_arguments, reason = "each is an array of its own")]
pub fn normalise_samples(
    py: Python<'_>,
    images: Vec<Option<Bound<'_, PyAny>>>,
    out: &Bound<'_, PyAny>,
    mean: Vec<f64>,
    std: Vec<f64>,
    theta: Option<PyReadonlyArray3<'_, f32>>,
    brightness: Option<PyReadonlyArray1<'_, f32>>,
    contrast: Option<PyReadonlyArray1<'_, f32>>,
    threads: usize,
) -> PyResult<()> {
    let mut out = writeable(out)?;
    let &[_, channels, height, width] = out.shape() else {
        return Err(PyTypeError::new_err("out must have 4 dimensions [B, C, H, W]"));
    };
    let layout = Layout::new([channels, height, width], mean, std).map_err(batch_error)?;
    let size = [channels, height, width];
    let borrowed = images
        .iter()
        .enumerate()
        .map(|(position, image)| {
            image.as_ref().map(|image| Borrowed::new(image, position, size)).transpose()
        })
        .collect::<PyResult<Vec<_>>>()?;
    let planes: Vec<_> = borrowed
        .iter()
        .map(|image| image.as_ref().map(Borrowed::planes).transpose())
        .collect::<PyResult<_>>()?;
    let changes = match (&theta, &brightness, &contrast) {
        (None, None, None) => None,
        (Some(theta), Some(brightness), Some(contrast)) => Some(Changes {
            theta: theta.as_slice()?,
            brightness: brightness.as_slice()?,
            contrast: contrast.as_slice()?,
        }),
        _ => {
            return Err(PyValueError::new_err(
                "give all of theta, brightness and contrast, or none",
            ));
        }
    };
    let slice = out.as_slice_mut()?;
    detached(py, |watch| image::normalise_batch(&planes, &layout, changes, slice, threads, watch))?
        .map_err(batch_error)
}

/// Write the labels of images as a batch, moved as `normalise_samples` moves the images.
///
/// Each pixel takes the nearest label; beyond the border labels are continued by their reflection,
/// as the images are. The result is the same for any number of threads.
///
/// Args:
///     labels: C-contiguous uint8 `[1, H, W]` each; None for an image without labels: zeros.
///     out: C-contiguous uint8 `[B, H, W]`, B the number of labels.
///     theta: As for `normalise_samples`; None moves nothing.
///     threads: 0 for all cores.
///
/// Raises:
///     TypeError: An argument is not such an array.
///     ValueError: The arrays don't fit each other, or `out` is not writeable.
#[pyfunction]
#[pyo3(signature = (labels, out, theta = None, threads = 0))]
pub fn move_labels(
    py: Python<'_>,
    labels: Vec<Option<Bound<'_, PyArray3<u8>>>>,
    out: &Bound<'_, PyAny>,
    theta: Option<PyReadonlyArray3<'_, f32>>,
    threads: usize,
) -> PyResult<()> {
    let mut out = arrays::writeable::<u8>(out, "out", "uint8")?;
    let &[_, height, width] = out.shape() else {
        return Err(PyTypeError::new_err("out must have 3 dimensions [B, H, W]"));
    };
    let borrowed = labels
        .iter()
        .enumerate()
        .map(|(position, label)| {
            let Some(label) = label else { return Ok(None) };
            if label.shape() != [1, height, width] {
                return Err(PyValueError::new_err(format!(
                    "labels {position} have the shape {:?}, not [1, {height}, {width}]",
                    label.shape()
                )));
            }
            readonly(label, position).map(Some)
        })
        .collect::<PyResult<Vec<_>>>()?;
    let planes: Vec<_> = borrowed
        .iter()
        .map(|label| label.as_ref().map(PyReadonlyArray3::as_slice).transpose())
        .collect::<Result<_, _>>()?;
    let map = theta.as_ref().map(PyReadonlyArray3::as_slice).transpose()?;
    let slice = out.as_slice_mut()?;
    let size = (height, width);
    detached(py, |watch| image::move_labels(&planes, size, map, slice, threads, watch))?
        .map_err(batch_error)
}

/// CRC-32 (that of zlib) of blocks of memory.
///
/// Args:
///     blocks: C-contiguous uint8 arrays, one-dimensional.
///     threads: 0 for all cores.
#[pyfunction]
#[pyo3(signature = (blocks, threads = 0))]
pub fn checksums(
    py: Python<'_>,
    blocks: Vec<PyReadonlyArray1<'_, u8>>,
    threads: usize,
) -> PyResult<Vec<u32>> {
    let slices: Vec<&[u8]> =
        blocks.iter().map(|block| Ok(block.as_slice()?)).collect::<PyResult<_>>()?;
    detached(py, |watch| hash::checksums(&slices, threads, watch))?.map_err(stopped)
}

/// Size, time of the last change of content and of entry (nanoseconds since 1970), and number of
/// each file; None where there is no such regular file.
///
/// Args:
///     paths: Files.
#[pyfunction]
pub fn file_stamps(py: Python<'_>, paths: Vec<PathBuf>) -> Vec<Option<(u64, i64, i64, u64)>> {
    let numbers = |Stamp { size, modified, changed, inode }| (size, modified, changed, inode);
    py.detach(|| stamp::stamps(&paths)).into_iter().map(|found| found.map(numbers)).collect()
}
