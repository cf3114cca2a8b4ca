//! Why an image can't be read.

use std::io;

use thiserror::Error;

use super::format::{Format, MAX_BYTES, MAX_SIDE};

/// Why an image can't be read. The messages don't name the file: the caller knows it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no such file.
    #[error("the file does not exist")]
    Missing,
    /// The path is a folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// The operating system refuses.
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// The file is larger than any image within the limits.
    #[error("the file has {bytes} bytes: at most {MAX_BYTES} are read")]
    FileTooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The first bytes are those of another format, or of none that is known.
    #[error("{found}: only PNG, JPEG, TIFF and DICOM images are read")]
    UnknownFormat {
        /// What the first bytes look like.
        found: &'static str,
    },
    /// The header gives a size above the limits.
    #[error(
        "the header says {width} x {height} pixels: at most {MAX_SIDE} a side and {} MiB decoded",
        MAX_BYTES >> 20
    )]
    TooLarge {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The file ends before the image does.
    #[error("the {0} file is truncated")]
    Truncated(Format),
    /// The content contradicts the format.
    #[error("the {format} file is damaged: {reason}")]
    Damaged {
        /// Format of the file.
        format: Format,
        /// What the decoder says.
        reason: String,
    },
    /// A valid kind of file that isn't read.
    #[error("this kind of {format} is not supported: {reason}")]
    Unsupported {
        /// Format of the file.
        format: Format,
        /// The kind.
        reason: String,
    },
    /// There is no memory for the decoded image.
    #[error("no memory for the decoded image of {bytes} bytes")]
    OutOfMemory {
        /// What it takes.
        bytes: usize,
    },
    /// A decoder panicked: a fault of the decoder, met on a damaged file.
    #[error("the decoder gave up on this file: {0}")]
    Decoder(String),
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}
