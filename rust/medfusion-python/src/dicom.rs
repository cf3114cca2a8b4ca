//! DICOM headers and frames.

use std::path::PathBuf;

use medfusion_core::dicom::{
    self, DicomError, FrameGroups, FramesError, Header, Kind, Output, Scale, Window,
};
use medfusion_core::image::{Image, Samples};
use numpy::{
    Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArray1, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::interrupt::{detached, stopped};

create_exception!(
    medfusion._rust,
    DicomReadError,
    PyValueError,
    "A DICOM file that cannot be read; the message says why, without the path."
);
create_exception!(
    medfusion._rust,
    DicomUnsupportedError,
    DicomReadError,
    "A DICOM file of a kind that is not read here; another library may read it."
);

/// Read the headers of DICOM files, up to their pixel data.
///
/// Nothing that names a patient is read. Keys are None where a file does not say; `per_frame` is
/// None or the functional groups of an enhanced multi-frame object, one entry per frame.
///
/// Args:
///     paths: Files.
///     threads: 0 for all cores.
///
/// Returns:
///     For each path a dict, or why the file is no readable DICOM.
#[pyfunction]
#[pyo3(signature = (paths, threads = 0))]
pub fn dicom_headers(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    threads: usize,
) -> PyResult<Bound<'_, PyList>> {
    let headers =
        detached(py, |watch| dicom::read_headers(&paths, threads, watch))?.map_err(stopped)?;
    let list = PyList::empty(py);
    for header in headers {
        match header {
            Ok(header) => list.append(as_dict(py, header)?)?,
            Err(error) => list.append(PyString::new(py, &error.to_string()))?,
        }
    }
    Ok(list)
}

/// Sets keys of a dict from the fields of a struct.
macro_rules! set {
    ($dict:expr, $from:expr, $($key:ident),+ $(,)?) => {
        $($dict.set_item(pyo3::intern!($dict.py(), stringify!($key)), $from.$key)?;)+
    };
}

fn as_dict(py: Python<'_>, mut header: Header) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    // A number where it is one; else the text, so that the user sees what the file says.
    match (header.frame_count(), header.frames.take()) {
        (_, None) => dict.set_item("frames", py.None())?,
        (Ok(count), Some(_)) => dict.set_item("frames", count)?,
        (Err(_), Some(text)) => dict.set_item("frames", text)?,
    }
    dict.set_item("signed", header.pixel_representation.map(|value| value == 1))?;
    let groups = header.per_frame.take().map(|groups| frames_as_dict(py, groups)).transpose()?;
    dict.set_item("per_frame", groups)?;
    set!(
        dict,
        header,
        sop_class,
        sop_uid,
        series_uid,
        study_uid,
        frame_of_reference_uid,
        modality,
        transfer_syntax,
        rows,
        columns,
        samples_per_pixel,
        bits_allocated,
        bits_stored,
        high_bit,
        photometric,
        planar,
        position,
        orientation,
        pixel_spacing,
        imager_pixel_spacing,
        slice_thickness,
        spacing_between_slices,
        instance_number,
        acquisition_number,
        echo_number,
        echo_time,
        temporal_position,
        acquisition_time,
        trigger_time,
        frame_time,
        b_value,
        gradient_direction,
        slope,
        intercept,
        rescale_type,
        window_center,
        window_width,
        voi_function,
        units,
        series_description,
        image_type,
        gantry_tilt,
        series_number,
        body_part,
        laterality,
        manufacturer,
        presentation_lut_shape,
        grid_frame_offsets,
        has_modality_lut,
        has_pixels,
        truncated,
    );
    Ok(dict)
}

fn frames_as_dict(py: Python<'_>, groups: FrameGroups) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    set!(
        all,
        groups,
        frames,
        positions,
        orientations,
        spacing,
        thickness,
        slope,
        intercept,
        rescale_type,
        window_center,
        window_width,
        stack_id,
        in_stack,
        temporal_index,
        dimension_index,
        echo_time,
        b_value,
        gradient_direction,
        frame_type,
        trigger_time,
        segment,
    );
    let dict = PyDict::new(py);
    for (key, value) in all {
        if !value.is_none() {
            dict.set_item(key, value)?;
        }
    }
    Ok(dict)
}

/// Decode frames of DICOM files, rescaled, straight into the caller's array.
///
/// Slot n gets frame `items[n][1]` (from 0) of file `items[n][0]`. With `scale` a value is
/// `float32(stored) * float32(slope) + float32(intercept)`. Each file is read once; the result is
/// the same for any number of threads.
///
/// Args:
///     items: File and frame of each slot.
///     out: C-contiguous `[N, H, W]`, of colour `[N, H, W, 3]`: float32, or an integer type that
///         holds the stored values.
///     scale: None, or slope and intercept of each frame; only for float32.
///     threads: 0 for all cores.
///
/// Returns:
///     Position and message of each frame that failed; its slot is filled with zeros.
///
/// Raises:
///     TypeError: `out` is no such array.
///     ValueError: `out` is not writeable or not C-contiguous, or the arguments don't fit it.
#[pyfunction]
#[pyo3(signature = (items, out, scale = None, threads = 0))]
pub fn read_dicom_frames(
    py: Python<'_>,
    items: Vec<(PathBuf, usize)>,
    out: &Bound<'_, PyAny>,
    scale: Option<(Vec<f64>, Vec<f64>)>,
    threads: usize,
) -> PyResult<Vec<(usize, String)>> {
    let scales = scales(scale, items.len())?;
    if let Ok(array) = out.cast::<PyArrayDyn<f32>>() {
        return fill(py, &items, array, &scales, threads);
    }
    if !scales.is_empty() {
        return Err(PyTypeError::new_err("a scale needs an array of float32"));
    }
    if let Ok(array) = out.cast::<PyArrayDyn<i16>>() {
        return fill(py, &items, array, &scales, threads);
    }
    if let Ok(array) = out.cast::<PyArrayDyn<u16>>() {
        return fill(py, &items, array, &scales, threads);
    }
    if let Ok(array) = out.cast::<PyArrayDyn<i32>>() {
        return fill(py, &items, array, &scales, threads);
    }
    if let Ok(array) = out.cast::<PyArrayDyn<u8>>() {
        return fill(py, &items, array, &scales, threads);
    }
    Err(PyTypeError::new_err("out must be a NumPy array of float32, int16, uint16, int32 or uint8"))
}

#[expect(clippy::cast_possible_truncation, reason = "float32 is what pydicom's users compute in")]
fn scales(scale: Option<(Vec<f64>, Vec<f64>)>, count: usize) -> PyResult<Vec<Scale>> {
    let Some((slope, intercept)) = scale else { return Ok(Vec::new()) };
    if slope.len() != count || intercept.len() != count {
        return Err(PyValueError::new_err("scale must have a slope and an intercept per frame"));
    }
    let pairs = slope.into_iter().zip(intercept);
    Ok(pairs
        .map(|(slope, intercept)| Scale { slope: slope as f32, intercept: intercept as f32 })
        .collect())
}

fn fill<T: Output + Element>(
    py: Python<'_>,
    items: &[(PathBuf, usize)],
    array: &Bound<'_, PyArrayDyn<T>>,
    scales: &[Scale],
    threads: usize,
) -> PyResult<Vec<(usize, String)>> {
    if !array.is_c_contiguous() {
        return Err(PyValueError::new_err(
            "out must be C-contiguous: give the whole array, not a view with steps",
        ));
    }
    if !array.data().is_aligned() {
        return Err(PyValueError::new_err("out must be aligned to the size of its values"));
    }
    if !matches!(array.ndim(), 3 | 4) || array.shape()[0] != items.len() {
        return Err(PyValueError::new_err("out must be [N, H, W] or [N, H, W, 3], N the frames"));
    }
    let shape = array.shape()[1..].to_vec();
    let mut borrowed =
        array.try_readwrite().map_err(|error| PyValueError::new_err(format!("out: {error}")))?;
    let slice = borrowed.as_slice_mut()?;
    let failures =
        detached(py, |watch| dicom::read_frames(items, &shape, scales, slice, threads, watch))?
            .map_err(|error| match error {
                FramesError::Stopped(error) => stopped(error),
                error => PyValueError::new_err(error.to_string()),
            })?;
    Ok(failures.into_iter().map(|one| (one.position, one.error.to_string())).collect())
}

/// Read the stored values of a DICOM file, as pydicom's `pixel_array` has them.
///
/// Args:
///     path: The file.
///     frames: Numbers of the frames, from 0; None for all.
///
/// Returns:
///     `[H, W]`, `[H, W, 3]`, `[F, H, W]` or `[F, H, W, 3]`; with the axis of frames where the
///     file has several or `frames` is given. YBR_FULL and YBR_FULL_422 are turned into RGB.
///
/// Raises:
///     DicomReadError: The file is missing or damaged.
///     DicomUnsupportedError: The file is of a kind that is not read.
#[pyfunction]
#[pyo3(signature = (path, frames = None))]
pub fn read_dicom_pixels(
    py: Python<'_>,
    path: PathBuf,
    frames: Option<Vec<usize>>,
) -> PyResult<Bound<'_, PyUntypedArray>> {
    let pixels = py
        .detach(|| dicom::read_pixels(&path, frames.as_deref()))
        .map_err(|error| read_error(&error))?;
    let mut shape = vec![pixels.rows, pixels.columns];
    if let Some(count) = pixels.frames {
        shape.insert(0, count);
    }
    if pixels.samples > 1 {
        shape.push(pixels.samples);
    }
    let kind = match pixels.kind {
        Kind::U8 => "u1",
        Kind::I8 => "i1",
        Kind::U16 => "u2",
        Kind::I16 => "i2",
        Kind::U32 => "u4",
        Kind::I32 => "i4",
        Kind::F32 => "f4",
        Kind::F64 => "f8",
    };
    let array = pixels.bytes.into_pyarray(py).call_method1("view", (kind,))?;
    Ok(array.call_method1("reshape", (shape,))?.cast_into::<PyUntypedArray>()?)
}

fn read_error(error: &DicomError) -> PyErr {
    if error.is_unsupported() {
        DicomUnsupportedError::new_err(error.to_string())
    } else {
        DicomReadError::new_err(error.to_string())
    }
}

/// Return a frame as it is shown: grey or RGB of 8 bits.
///
/// Args:
///     path: The file.
///     frame: Number of the frame, from 0.
///     window: Centre and width, in the units of the rescaled values; None for the file's own.
///     stored: Stored values of the frame where another library decoded them, float64, in the
///         order of `read_dicom_pixels`.
///
/// Returns:
///     uint8 `[H, W]` or `[H, W, 3]`.
///
/// Raises:
///     DicomReadError: The file is missing or damaged.
///     DicomUnsupportedError: The file is of a kind that is not read.
#[pyfunction]
#[pyo3(signature = (path, frame = 0, window = None, stored = None))]
pub fn show_dicom<'py>(
    py: Python<'py>,
    path: PathBuf,
    frame: usize,
    window: Option<(f64, f64)>,
    stored: Option<PyReadonlyArray1<'py, f64>>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let window = window.map(|(center, width)| Window { center, width });
    let stored = stored.map(|values| values.as_slice().map(<[f64]>::to_vec)).transpose()?;
    let image = py
        .detach(|| match stored {
            None => dicom::display(&path, frame, window),
            Some(values) => dicom::display_values(&path, frame, window, values),
        })
        .map_err(|error| read_error(&error))?;
    let Image { height, width, channels, samples } = image;
    let array = match samples {
        Samples::U8(samples) => samples.into_pyarray(py).as_untyped().clone(),
        Samples::U16(samples) => samples.into_pyarray(py).as_untyped().clone(),
    };
    let shape = if channels == 1 { vec![height, width] } else { vec![height, width, channels] };
    Ok(array.call_method1("reshape", (shape,))?.cast_into::<PyUntypedArray>()?)
}
