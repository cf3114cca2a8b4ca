//! The data core of MedFusion in pure Rust: images in, arrays out, and the statistics that need
//! millions of draws.
//!
//! - [`image`]: PNG and JPEG files decoded, resampled and normalised into the caller's memory.
//! - [`nifti`]: NIfTI volumes read into the caller's memory, whole or in part.
//! - [`statistics`]: the area under the ROC curve and its bootstrap distribution.
//! - [`hash`]: content hashes of files, checksums of memory.
//! - [`stamp`]: size and times of files.
//! - [`dicom`]: DICOM headers, frames and their display.
//! - [`hash`]: content hashes of files.
//! - [`patch`]: patches of volumes, cut and augmented in one gather.
//! - [`volume`]: grids turned round and resampled; [`intensity`]: values measured and changed.
//! - [`image`]: PNG, JPEG and TIFF files decoded, resampled and normalised into the caller's memory.
//! - [`statistics`]: the area under the ROC curve and its bootstrap distribution.
//! - [`hash`]: content hashes of files.
//! - [`likeness`]: pairs of perceptual hashes that are alike.
//! - [`parallel`]: scoped threads; every result is the same for any number of them.

pub mod codec;
pub mod dicom;
pub mod hash;
pub mod image;
pub mod intensity;
pub mod nifti;
pub mod likeness;
pub mod parallel;
pub mod stamp;
pub mod patch;
pub mod statistics;
mod vector;
pub mod volume;
