//! NIfTI volumes.

use std::fs::File;
use std::path::PathBuf;

use medfusion_core::nifti::{
    self, BatchError, Header, Layout, Nifti, NiftiError, Number, Placement, Region, Scratch,
    Version, Want,
};
use medfusion_core::parallel::Stopped;
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::create_exception;
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySlice, PyTuple};

use crate::interrupt::detached;

create_exception!(
    medfusion._rust,
    NiftiReadError,
    PyValueError,
    "A NIfTI file that cannot be read; the message says why, without the path."
);

create_exception!(
    medfusion._rust,
    NiftiForeignError,
    NiftiReadError,
    "A file of another kind that nibabel may read: Analyze 7.5, FreeSurfer MGH, bzip2."
);

/// Bounds of the voxels along k, j and i.
type Bounds = [(usize, usize); 3];

/// Read a NIfTI image, or a region of it.
///
/// Args:
///     path: A .nii or .nii.gz file, or either half of a pair of .hdr and .img.
///     dtype: A NumPy type of 1 to 8 bytes (integers only where they hold every value), or
///         "native": as stored where there is no scaling, else float32.
///     region: Start and end along D, H and W, or None for all voxels.
///
/// Returns:
///     The array `[T, C, D, H, W]` (T and C where longer than one), and the facts of `nifti_facts`.
///
/// Raises:
///     NiftiForeignError: Another kind of file.
///     NiftiReadError: A file that is missing, damaged or of an unsupported kind.
///     ValueError: An unknown type.
///     MemoryError: The voxels do not fit in memory.
#[pyfunction]
#[pyo3(signature = (path, dtype = "float32", region = None))]
pub fn read_nifti<'py>(
    py: Python<'py>,
    path: PathBuf,
    dtype: &str,
    region: Option<Bounds>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    let want = want(dtype)?;
    let region: Option<Region> = region.map(|bounds| bounds.map(|(start, end)| start..end));
    let (mut file, layout) = py
        .detach(|| {
            nifti::guard(|| {
                let file = Nifti::open(&path)?;
                let layout = file.layout(want, region.as_ref())?;
                Ok((file, layout))
            })
        })
        .map_err(|error| read_error(&error))?;
    let memory = allocate(py, &layout)?;
    {
        let mut bytes = memory.try_readwrite()?;
        let bytes = bytes.as_slice_mut()?;
        detached(py, |watch| {
            nifti::guard(|| file.read(&layout, bytes, &mut Scratch::default(), watch))
        })?
        .map_err(|error| read_error(&error))?;
    }
    let end = layout.bytes.cast_signed();
    let result = memory
        .get_item(PySlice::new(py, layout.start.cast_signed(), end, 1))?
        .call_method1("view", (layout.number.name(),))?
        .call_method1("reshape", (PyTuple::new(py, &layout.shape)?,))?;
    Ok((result, facts(py, &file)?))
}

/// What the header of a NIfTI image says; the voxels are not read.
///
/// Returns:
///     format ("NIfTI-1"), files, compressed, shape, axes, dtype (as stored), channels_interleaved
///     (RGB), big_endian, offset (bytes in front of the voxels), scaling (slope and intercept, or
///     None), affine (voxel to LPS mm, four rows), affine_from ("sform", "qform" or "base"),
///     interval (seconds, or None), intent, labels, notes. Nothing that may name a patient.
///
/// Raises:
///     NiftiForeignError: Another kind of file.
///     NiftiReadError: A file that is missing, or whose header is damaged or unsupported.
#[pyfunction]
pub fn nifti_facts(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let file =
        py.detach(|| nifti::guard(|| Nifti::open(&path))).map_err(|error| read_error(&error))?;
    facts(py, &file)
}

/// Read NIfTI images of one shape straight into the caller's array, several at a time.
///
/// Args:
///     paths: One for each volume of `out`.
///     out: C-contiguous float32, `[N, D, H, W]` or with T and C behind N.
///     threads: 0 for all cores. The result is the same for any number.
///
/// Returns:
///     For each path the affine (voxel to LPS mm, four rows), or the reason why it cannot be read;
///     its slot is then filled with zeros.
///
/// Raises:
///     TypeError: `out` is no float32 array of at least 4 dimensions.
///     ValueError: `out` is not writeable or not C-contiguous, or has another number of volumes.
#[pyfunction]
#[pyo3(signature = (paths, out, threads = 0))]
pub fn read_nifti_batch<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    out: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let array = out
        .cast::<PyArrayDyn<f32>>()
        .ok()
        .filter(|array| array.ndim() >= 4)
        .ok_or_else(|| PyTypeError::new_err("out must be a float32 array [N, D, H, W]"))?;
    if !array.is_c_contiguous() || !array.data().is_aligned() {
        return Err(PyValueError::new_err("out must be C-contiguous and aligned"));
    }
    let mut array =
        array.try_readwrite().map_err(|error| PyValueError::new_err(format!("out: {error}")))?;
    let shape = array.shape()[1..].to_vec();
    if array.shape()[0] != paths.len() {
        let (slots, paths) = (array.shape()[0], paths.len());
        return Err(PyValueError::new_err(BatchError::Count { slots, paths }.to_string()));
    }
    let slice = array.as_slice_mut()?;
    let found = detached(py, |watch| nifti::read_batch(&paths, &shape, slice, threads, watch))?
        .map_err(|error| match error {
            BatchError::Stopped(error) => stopped(error),
            error @ BatchError::Count { .. } => PyValueError::new_err(error.to_string()),
        })?;
    let result = |one: Result<Header, NiftiError>| match one {
        Ok(header) => header.affine.into_pyobject(py),
        Err(error) => Ok(error.to_string().into_pyobject(py)?.into_any()),
    };
    found.into_iter().map(result).collect()
}

fn want(dtype: &str) -> PyResult<Want> {
    if dtype == "native" {
        return Ok(Want::Native);
    }
    let known = Number::ALL.into_iter().find(|number| number.name() == dtype);
    known.map(Want::As).ok_or_else(|| {
        let names = Number::ALL.map(Number::name).join(", ");
        PyValueError::new_err(format!("dtype is {dtype:?}: give \"native\" or one of {names}"))
    })
}

/// Memory from NumPy, which asks for huge pages.
fn allocate<'py>(py: Python<'py>, layout: &Layout) -> PyResult<Bound<'py, PyArray1<u8>>> {
    let make = if layout.zeroed { "zeros" } else { "empty" };
    let memory = py.import("numpy")?.call_method1(make, (layout.bytes, "uint8"))?;
    memory.cast_into().map_err(|_| PyMemoryError::new_err("NumPy gave no array of bytes"))
}

fn facts<'py>(py: Python<'py>, file: &Nifti<File>) -> PyResult<Bound<'py, PyDict>> {
    let header = file.header();
    let facts = PyDict::new(py);
    let format = match header.version {
        Version::One => "NIfTI-1",
        Version::Two => "NIfTI-2",
    };
    let placement = match header.placement {
        Placement::Sform => "sform",
        Placement::Qform => "qform",
        Placement::Base => "base",
    };
    facts.set_item("format", format)?;
    facts.set_item("files", PyTuple::new(py, file.files().iter().map(|path| path.as_os_str()))?)?;
    facts.set_item("compressed", file.compressed())?;
    facts.set_item("shape", PyTuple::new(py, header.grid.shape())?)?;
    facts.set_item("axes", header.grid.axes())?;
    facts.set_item("dtype", header.stored.name())?;
    facts.set_item("channels_interleaved", header.samples > 1)?;
    facts.set_item("big_endian", header.big_endian)?;
    facts.set_item("offset", header.offset)?;
    facts.set_item("scaling", header.scaling)?;
    facts.set_item("affine", header.affine)?;
    facts.set_item("affine_from", placement)?;
    facts.set_item("interval", header.interval)?;
    facts.set_item("intent", header.intent)?;
    // NIFTI_INTENT_LABEL and NIFTI_INTENT_NEURONAME: values are indices of names.
    facts.set_item("labels", matches!(header.intent, 1002 | 1003))?;
    facts.set_item("notes", PyTuple::new(py, &header.notes)?)?;
    Ok(facts)
}

fn read_error(error: &NiftiError) -> PyErr {
    match error {
        NiftiError::Stopped(error) => stopped(*error),
        NiftiError::Foreign(kind) => NiftiForeignError::new_err(*kind),
        NiftiError::OutOfMemory(_) => PyMemoryError::new_err(error.to_string()),
        error => NiftiReadError::new_err(error.to_string()),
    }
}

/// The watcher's own exception comes first, so this is only met should it ever be lost.
fn stopped(error: Stopped) -> PyErr {
    PyKeyboardInterrupt::new_err(error.to_string())
}
