//! Why a DICOM file can't be read.

use std::io;

use thiserror::Error;

use crate::codec::CodecError;

/// Why a DICOM file can't be read. The messages don't name the file: the caller knows it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DicomError {
    /// There is no such file.
    #[error("the file does not exist")]
    Missing,
    /// The path is a folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// The operating system refuses.
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
    /// The content is not DICOM.
    #[error("not a DICOM file: {0}")]
    NotDicom(&'static str),
    /// The structure contradicts the standard so that nothing can be read after it.
    #[error("the DICOM file is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file is deeper, longer or larger than any within the limits.
    #[error("the DICOM file exceeds a limit: {0}")]
    Limit(String),
    /// The object has no pixel data.
    #[error("the file has no pixel data")]
    NoPixels,
    /// An element of the image description is absent.
    #[error("the header lacks {0}")]
    Lacks(&'static str),
    /// An element of the image description has a value that can't be.
    #[error("the header says {0}")]
    Value(String),
    /// The pixel data ends before the image does.
    #[error(
        "the pixel data has {found} bytes of {expected}: the file is truncated or its header wrong"
    )]
    Truncated {
        /// Bytes that are there.
        found: u64,
        /// Bytes the header asks for.
        expected: u64,
    },
    /// The compressed frames don't fit the header.
    #[error("the compressed pixel data is damaged: {0}")]
    Fragments(String),
    /// There is no such frame.
    #[error("frame {frame} does not exist: the file has {frames}")]
    Frame {
        /// What was asked for, from 0.
        frame: usize,
        /// How many there are.
        frames: usize,
    },
    /// A valid kind of file that isn't read.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// A compressed frame can't be decoded.
    #[error(transparent)]
    Codec(CodecError),
    /// A decoder panicked: a fault of the decoder, met on a damaged file.
    #[error("the decoder gave up on this file: {0}")]
    Decoder(String),
    /// What is wrong with the file that several frames come from.
    #[error("{0}")]
    Shared(String),
    /// There is no memory for the result.
    #[error("no memory for {0} bytes of pixels")]
    OutOfMemory(u64),
    /// The caller's array can't hold the frame.
    #[error("the frame is {found}, the array asks for {expected}")]
    Shape {
        /// What the file has.
        found: String,
        /// What the caller wants.
        expected: String,
    },
}

impl DicomError {
    /// Whether the file is sound as far as is known, but of a kind that isn't read here.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::Codec(CodecError::Unsupported { .. }))
    }
}

impl From<io::Error> for DicomError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

impl From<CodecError> for DicomError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}
