//! Compressed frames of DICOM files: one frame in, its stored values out.
//!
//! Nothing in a frame is trusted: what its header declares must equal what the DICOM header
//! declares, before memory is taken.

use thiserror::Error;

/// What the DICOM header says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameShape {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Samples per pixel: 1, or 3 (colour).
    pub samples: usize,
    /// Bits allocated: 8, 16 or 32.
    pub bits_allocated: usize,
    /// Bits stored, at most those allocated.
    pub bits_stored: usize,
    /// Stored values are signed (pixel representation 1).
    pub signed: bool,
}

/// How a frame is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// RLE Lossless (PS3.5 annex G).
    Rle,
    /// JPEG baseline and extended, 8 or 12 bits, and lossless (processes 1, 2, 4, 14).
    Jpeg,
    /// JPEG-LS, lossless and near-lossless.
    JpegLs,
    /// JPEG 2000 and High-Throughput JPEG 2000.
    Jpeg2000,
}

/// The stored values of a frame, row by row, the samples of a pixel together. Bits above those
/// stored are as the codec gives them: signs are not extended yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// 8 bits allocated.
    U8(Vec<u8>),
    /// 16 bits allocated.
    U16(Vec<u16>),
    /// 32 bits allocated.
    U32(Vec<u32>),
}

/// A decoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Its values.
    pub stored: Stored,
    /// The codec turned YBR into RGB already (JPEG 2000 with its own transform, RLE never).
    pub rgb: bool,
}

/// Why a frame can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The frame ends before the image does.
    #[error("the {0} frame is truncated")]
    Truncated(&'static str),
    /// The content contradicts the format or the DICOM header.
    #[error("the {codec} frame is damaged: {reason}")]
    Damaged {
        /// Name of the codec.
        codec: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A valid kind of frame that isn't read.
    #[error("this kind of {codec} is not supported: {reason}")]
    Unsupported {
        /// Name of the codec.
        codec: &'static str,
        /// The kind.
        reason: String,
    },
}
