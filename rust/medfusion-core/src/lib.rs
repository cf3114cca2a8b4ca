//! The data core of MedFusion in pure Rust: images in, arrays out, and the statistics that need
//! millions of draws.
//!
//! - [`image`]: PNG, JPEG and TIFF files decoded, resampled and normalised into the caller's memory.
//! - [`statistics`]: the area under the ROC curve and its bootstrap distribution.
//! - [`hash`]: content hashes of files.
//! - [`likeness`]: pairs of perceptual hashes that are alike.
//! - [`parallel`]: scoped threads; every result is the same for any number of them.

pub mod codec;
pub mod hash;
pub mod image;
pub mod likeness;
pub mod parallel;
pub mod statistics;
