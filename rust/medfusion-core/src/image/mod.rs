//! Image files: decoded, oriented, resampled, normalised.
//!
//! What a file is, its bytes say, never its name. Nothing in a file is trusted: sizes are checked
//! in the header before memory is taken, and damage of any kind is an [`ImageError`].

mod augment;
mod batch;
mod chunks;
mod colour;
mod dicom;
mod error;
mod file;
mod format;
mod jpeg;
mod labels;
mod normalise;
mod orientation;
mod perceptual;
mod png;
mod resize;
mod samples;
mod tiff;
mod unfilter;

pub use augment::Changes;
pub use batch::{BatchError, Failure, Layout, check_images, decode_batch};
pub use error::ImageError;
pub use file::{Header, probe_file, read_file, read_labels};
pub use format::{Format, MAX_BYTES, MAX_SIDE, decode, decode_labels, probe};
pub use labels::move_labels;
pub use normalise::{Planes, normalise_batch};
pub use perceptual::{perceptual_hash, perceptual_hashes};
pub use samples::{Prepared, prepare_batch, prepare_image};

/// The samples of an image, row by row, the channels of a pixel together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits, 0 to 255.
    U8(Vec<u8>),
    /// 16 bits, 0 to 65535.
    U16(Vec<u16>),
}

/// A decoded image, `[height, width, channels]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `height * width * channels` samples.
    pub samples: Samples,
}
