//! DICOM headers and frames.

use std::path::PathBuf;

use medfusion_core::dicom::{self, FrameGroups, Header};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::interrupt::{detached, stopped};

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
pub fn dicom_headers<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
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
        b_value,
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
