//! The data core of MedFusion in pure Rust: images in, arrays out, and the statistics that need
//! millions of draws.
//!
//! - [`image`]: PNG, JPEG and TIFF files decoded, resampled and normalised into the caller's memory.
//! - [`nifti`]: NIfTI volumes read into the caller's memory, whole or in part.
//! - [`dicom`]: DICOM headers, frames and their display; [`codec`]: compressed frames.
//! - [`volume`]: grids turned round and resampled; [`intensity`]: values measured and changed.
//! - [`patch`]: patches of volumes, cut and augmented in one gather.
//! - [`statistics`]: discrimination, concordance, calibration, and their resampling.
//! - [`likeness`]: pairs of perceptual hashes that are alike.
//! - [`hash`]: content hashes of files, checksums of memory; [`stamp`]: their sizes and times.
//! - [`parallel`]: scoped threads; every result is the same for any number of them.

pub mod codec;
pub mod dicom;
pub mod hash;
pub mod image;
pub mod intensity;
pub mod likeness;
pub mod nifti;
pub mod parallel;
pub mod patch;
pub mod stamp;
pub mod statistics;
mod vector;
pub mod volume;
