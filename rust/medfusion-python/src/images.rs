//! Image files and their hashes.

use std::path::PathBuf;

use medfusion_core::image::{self, BatchError, Image, Layout, Samples};
use medfusion_core::{hash, likeness};
use numpy::{
    IntoPyArray, PyArray1, PyArray4, PyArrayMethods, PyReadwriteArray4, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::interrupt::{detached, stopped};

create_exception!(
    medfusion._rust,
    ImageDecodeError,
    PyValueError,
    "An image file that cannot be read; the message says why, without the path."
);

/// Decode, resample and normalise image files straight into the caller's array.
///
/// A value is `(sample / largest sample - mean) / std`, the size that of `out` (antialiased
/// bilinear), colour made grey (BT.601) or grey made RGB as `out` has 1 or 3 channels. The result
/// is the same for any number of threads.
///
/// Args:
///     paths: Files, PNG, JPEG, TIFF or DICOM of one frame.
///     out: C-contiguous float32 `[B, C, H, W]`, B the number of paths, C 1 or 3.
///     mean: One per channel, of samples scaled to 0..1.
///     std: One per channel.
///     threads: 0 for all cores.
///
/// Returns:
///     Position and message of each image that failed; its slot is filled with zeros.
///
/// Raises:
///     TypeError: `out` is not a 4-dimensional float32 array.
///     ValueError: `out` is not writeable or not C-contiguous, or the arguments don't fit it.
#[pyfunction]
#[pyo3(signature = (paths, out, mean, std, threads = 0))]
pub fn decode_images(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    out: &Bound<'_, PyAny>,
    mean: Vec<f64>,
    std: Vec<f64>,
    threads: usize,
) -> PyResult<Vec<(usize, String)>> {
    let mut out = writeable(out)?;
    let &[_, channels, height, width] = out.shape() else {
        return Err(PyTypeError::new_err("out must have 4 dimensions [B, C, H, W]"));
    };
    let layout = Layout::new([channels, height, width], mean, std).map_err(batch_error)?;
    let slice = out.as_slice_mut()?;
    let failures =
        detached(py, |watch| image::decode_batch(&paths, &layout, slice, threads, watch))?
            .map_err(batch_error)?;
    Ok(failures.into_iter().map(|one| (one.position, one.error.to_string())).collect())
}

/// Decode one image file at its own size.
///
/// Alpha is dropped, palettes and fewer than 8 bits are expanded, the EXIF orientation is
/// honoured.
///
/// Returns:
///     `[H, W, C]`, C 1 or 3, uint8 or uint16.
///
/// Raises:
///     ImageDecodeError: The file is missing, damaged or of a kind that is not read.
#[pyfunction]
pub fn read_image(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyUntypedArray>> {
    let found = py.detach(|| image::read_file(&path)).map_err(|error| decode_error(&error))?;
    pixels(py, found)
}

/// Decode one file of labels at its own size.
///
/// As `read_image`, but a PNG's palette and its levels of fewer than 8 bits stay the numbers that
/// are stored: the index of a colour, not the colour.
///
/// Returns:
///     `[H, W, C]`, C 1 or 3, uint8 or uint16.
///
/// Raises:
///     ImageDecodeError: The file is missing, damaged or of a kind that is not read.
#[pyfunction]
pub fn read_labels(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyUntypedArray>> {
    let found = py.detach(|| image::read_labels(&path)).map_err(|error| decode_error(&error))?;
    pixels(py, found)
}

fn pixels(
    py: Python<'_>,
    Image { height, width, channels, samples }: Image,
) -> PyResult<Bound<'_, PyUntypedArray>> {
    let shape = [height, width, channels];
    Ok(match samples {
        Samples::U8(samples) => samples.into_pyarray(py).reshape(shape)?.as_untyped().clone(),
        Samples::U16(samples) => samples.into_pyarray(py).reshape(shape)?.as_untyped().clone(),
    })
}

/// Read height, width, channels and bits (8 or 16) of what `read_image` would return.
///
/// Only the header is read.
///
/// Raises:
///     ImageDecodeError: The file is missing, or its header is damaged or of another format.
#[pyfunction]
pub fn probe_image(py: Python<'_>, path: PathBuf) -> PyResult<(usize, usize, usize, usize)> {
    let header = py.detach(|| image::probe_file(&path)).map_err(|error| decode_error(&error))?;
    Ok((header.height, header.width, header.channels, header.bits))
}

/// Decode every file fully, and say for each why it can't be, or None.
///
/// Args:
///     paths: Files.
///     threads: 0 for all cores.
#[pyfunction]
#[pyo3(signature = (paths, threads = 0))]
pub fn check_images(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    threads: usize,
) -> PyResult<Vec<Option<String>>> {
    let errors =
        detached(py, |watch| image::check_images(&paths, threads, watch))?.map_err(stopped)?;
    Ok(errors.into_iter().map(|error| error.map(|error| error.to_string())).collect())
}

/// Decode every file fully, and hash what it looks like.
///
/// The 64 bits of a perceptual hash (`phash` of the package ImageHash) change little when an image
/// is scaled or saved anew.
///
/// Args:
///     paths: Files.
///     threads: 0 for all cores.
///
/// Returns:
///     For each file the hash, None where the image is all of one level, or in words why it can't
///     be read.
#[pyfunction]
#[pyo3(signature = (paths, threads = 0))]
pub fn perceptual_hashes(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    threads: usize,
) -> PyResult<Vec<Look>> {
    let found =
        detached(py, |watch| image::perceptual_hashes(&paths, threads, watch))?.map_err(stopped)?;
    Ok(found
        .into_iter()
        .map(|one| one.map_or_else(|error| Look::Unread(error.to_string()), Look::Hash))
        .collect())
}

type Pairs = (Vec<(usize, usize, u32)>, u64);

/// A perceptual hash, or why there is none.
#[derive(IntoPyObject)]
pub enum Look {
    Hash(Option<u64>),
    Unread(String),
}

/// Compare all pairs of 64-bit hashes.
///
/// Args:
///     hashes: uint64 `[n]`.
///     threshold: Bits in which the hashes of a pair may differ.
///     limit: Pairs that are listed at most.
///     threads: 0 for all cores.
///
/// Returns:
///     Pairs (first position, second position, bits that differ) in order, and how many there are
///     in all.
///
/// Raises:
///     TypeError: `hashes` is not a one-dimensional array of uint64.
#[pyfunction]
#[pyo3(signature = (hashes, threshold, limit = 10_000, threads = 0))]
pub fn near_pairs(
    py: Python<'_>,
    hashes: &Bound<'_, PyAny>,
    threshold: u32,
    limit: usize,
    threads: usize,
) -> PyResult<Pairs> {
    let array = hashes.cast::<PyArray1<u64>>().map_err(|_| {
        PyTypeError::new_err("hashes must be a one-dimensional NumPy array of uint64")
    })?;
    let hashes: Vec<u64> = array.try_readonly()?.as_array().iter().copied().collect();
    let (pairs, all) =
        detached(py, |watch| likeness::near_pairs(&hashes, threshold, limit, threads, watch))?
            .map_err(stopped)?;
    Ok((pairs.into_iter().map(|one| (one.first, one.second, one.distance)).collect(), all))
}

/// SHA-256 of the bytes of each file, in hex; None where it can't be read.
///
/// Args:
///     paths: Files.
///     threads: 0 for all cores.
#[pyfunction]
#[pyo3(signature = (paths, threads = 0))]
pub fn hash_files(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    threads: usize,
) -> PyResult<Vec<Option<String>>> {
    detached(py, |watch| hash::hash_files(&paths, threads, watch))?.map_err(stopped)
}

/// Borrows the caller's array for writing, or says what is wrong with it.
pub(crate) fn writeable<'py>(out: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArray4<'py, f32>> {
    let Ok(array) = out.cast::<PyArray4<f32>>() else {
        let found = match out.cast::<PyUntypedArray>() {
            Ok(array) => format!("a {}-dimensional array of {}", array.ndim(), array.dtype()),
            Err(_) => format!("a {}", out.get_type().name()?),
        };
        return Err(PyTypeError::new_err(format!(
            "out must be a 4-dimensional float32 NumPy array [B, C, H, W], not {found}"
        )));
    };
    if !array.is_c_contiguous() {
        return Err(PyValueError::new_err(
            "out must be C-contiguous: give the whole array, not a view with steps",
        ));
    }
    if !array.data().is_aligned() {
        return Err(PyValueError::new_err("out must be aligned to 4 bytes"));
    }
    array.try_readwrite().map_err(|error| PyValueError::new_err(format!("out: {error}")))
}

fn decode_error(error: &image::ImageError) -> PyErr {
    ImageDecodeError::new_err(error.to_string())
}

pub(crate) fn batch_error(error: BatchError) -> PyErr {
    match error {
        BatchError::Stopped(error) => stopped(error),
        error => PyValueError::new_err(error.to_string()),
    }
}
