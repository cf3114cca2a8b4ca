//! The Python module `medfusion._rust`: NumPy arrays and paths in, arrays out.
//!
//! It translates arguments and errors and does nothing else; the work is in `medfusion-core`.
//! Every function that may take long gives up the interpreter's lock while it works, and stops on
//! Ctrl-C.

#![allow(clippy::needless_pass_by_value, reason = "arguments come from Python as owned values")]
#![allow(clippy::doc_markdown, reason = "the documentation is that of the Python functions")]

mod arrays;
mod codec;
mod dicom;
mod images;
mod intensity;
mod interrupt;
mod loading;
mod nifti;
mod patch;
mod statistics;
mod volume;

use pyo3::pymodule;

/// Medical images read, prepared, cut and measured in Rust.
#[pymodule(gil_used = false)]
mod _rust {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::codec::{FrameDecodeError, decode_frame};
    #[pymodule_export]
    use super::dicom::{
        DicomReadError, DicomUnsupportedError, dicom_headers, read_dicom_frames, read_dicom_pixels,
        show_dicom,
    };
    #[pymodule_export]
    use super::images::{
        ImageDecodeError, check_images, decode_images, hash_files, near_pairs, perceptual_hashes,
        probe_image, read_image, read_labels,
    };
    #[pymodule_export]
    use super::intensity::{
        equalize_slices, match_histogram, rescale_values, value_moments, value_quantiles,
        value_range,
    };
    #[pymodule_export]
    use super::loading::{
        checksums, decode_samples, file_stamps, move_labels, normalise_samples, resize_samples,
    };
    #[pymodule_export]
    use super::nifti::{
        NiftiForeignError, NiftiReadError, nifti_facts, read_nifti, read_nifti_batch,
    };
    #[pymodule_export]
    use super::patch::{
        add_patches, count_classes, cut_label_patches, cut_patches, random_stream, random_uniform,
    };
    #[pymodule_export]
    use super::statistics::{
        auc, bootstrap_auc, bootstrap_concordance, calibration_bins, concordance, delong,
        permute_auc,
    };
    #[pymodule_export]
    use super::volume::{foreground_bounds, orient_volume, resample_nearest, resample_volume};

    /// The version of the Rust crates.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// "release" or "debug": a slow build shows itself in a report of a fault.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "a Python module attribute")]
    const build_profile: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.getattr("__version__").map(drop)
    }
}
