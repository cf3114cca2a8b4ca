//! Compressed frames of DICOM files: one frame in, its stored values out.
//!
//! Nothing in a frame is trusted: what its header declares must equal what the DICOM header
//! declares, before memory is taken.

mod bits;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod rle;
mod segments;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;

/// Bytes of the largest frame that is decoded. Decoders may take as much again for their work.
pub const MAX_BYTES: usize = 1 << 28;

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

impl Stored {
    /// Gives the values the type and the length of `shape`, keeping memory that fits already.
    /// What they hold afterwards is unspecified.
    fn fit(&mut self, shape: &FrameShape) -> Result<(), CodecError> {
        let length = shape.values()?;
        match (shape.bits_allocated, &mut *self) {
            (8, Self::U8(values)) => resize(values, length)?,
            (16, Self::U16(values)) => resize(values, length)?,
            (32, Self::U32(values)) => resize(values, length)?,
            (8, _) => *self = Self::U8(zeros(length)?),
            (16, _) => *self = Self::U16(zeros(length)?),
            _ => *self = Self::U32(zeros(length)?),
        }
        Ok(())
    }
}

impl Stored {
    /// Makes values of `bits` bits signed or unsigned: bits above become the top bit or 0.
    fn settle(&mut self, bits: usize, signed: bool) {
        match self {
            Self::U8(values) if bits < 8 => {
                let shift = 8 - bits;
                for value in values {
                    let high = *value << shift;
                    *value = if signed {
                        (high.cast_signed() >> shift).cast_unsigned()
                    } else {
                        high >> shift
                    };
                }
            }
            Self::U16(values) if bits < 16 => {
                let shift = 16 - bits;
                for value in values {
                    let high = *value << shift;
                    *value = if signed {
                        (high.cast_signed() >> shift).cast_unsigned()
                    } else {
                        high >> shift
                    };
                }
            }
            Self::U32(values) if bits < 32 => {
                let shift = 32 - bits;
                for value in values {
                    let high = *value << shift;
                    *value = if signed {
                        (high.cast_signed() >> shift).cast_unsigned()
                    } else {
                        high >> shift
                    };
                }
            }
            _ => {}
        }
    }
}

impl Default for Stored {
    fn default() -> Self {
        Self::U8(Vec::new())
    }
}

/// Makes `values` as long as asked, or says that there is no memory.
fn resize<T: Default + Clone>(values: &mut Vec<T>, length: usize) -> Result<(), CodecError> {
    if values.capacity() < length {
        *values = zeros(length)?;
    } else {
        values.resize(length, T::default());
    }
    Ok(())
}

/// Takes memory, or says that there is none.
fn zeros<T: Default + Clone>(length: usize) -> Result<Vec<T>, CodecError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(length)
        .map_err(|_| CodecError::TooLarge { bytes: length.saturating_mul(size_of::<T>()) })?;
    values.resize(length, T::default());
    Ok(values)
}

impl FrameShape {
    /// Values of the frame, once it is known to be one that is decoded.
    fn values(&self) -> Result<usize, CodecError> {
        let Self { rows, columns, samples, bits_allocated, bits_stored, .. } = *self;
        if rows == 0 || columns == 0 || !matches!(samples, 1 | 3) {
            let reason = format!("{rows} rows, {columns} columns, {samples} samples per pixel");
            return Err(CodecError::Shape(reason));
        }
        if !matches!(bits_allocated, 8 | 16 | 32) || !(1..=bits_allocated).contains(&bits_stored) {
            let reason = format!("{bits_allocated} bits allocated, {bits_stored} stored");
            return Err(CodecError::Shape(reason));
        }
        let values = rows.saturating_mul(columns).saturating_mul(samples);
        let bytes = values.saturating_mul(bits_allocated / 8);
        if bytes > MAX_BYTES { Err(CodecError::TooLarge { bytes }) } else { Ok(values) }
    }
}

impl FrameShape {
    /// Compares what a frame declares with what the DICOM header does.
    fn agrees(
        &self,
        codec: &'static str,
        rows: usize,
        columns: usize,
        samples: usize,
    ) -> Result<(), CodecError> {
        if (rows, columns, samples) == (self.rows, self.columns, self.samples) {
            return Ok(());
        }
        let reason = format!(
            "it has {rows} rows, {columns} columns, {samples} samples per pixel, the DICOM header \
             says {}, {}, {}",
            self.rows, self.columns, self.samples
        );
        Err(CodecError::Damaged { codec, reason })
    }
}

/// A decoded frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Its values.
    pub stored: Stored,
    /// The codec turned YBR into RGB already (JPEG 2000 with its own transform, RLE never).
    pub rgb: bool,
    /// The frame says that it is YBR whatever the DICOM header says (a JFIF marker in a JPEG).
    pub ybr: bool,
    /// The values have their signs, all bits allocated are as they should be. Where it is false,
    /// bits above those stored must be replaced by the caller.
    pub extended: bool,
    /// Bits per sample that the frame itself declares; the bits allocated where it does not.
    pub precision: usize,
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
    /// The DICOM header describes no frame that can be.
    #[error("no frame is like that: {0}")]
    Shape(String),
    /// The frame is larger than any that is decoded, or than the memory left.
    #[error("the frame takes {bytes} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Decoded {
    /// Gives the values their signs where the codec did not, and clears unused bits.
    pub fn settle(&mut self, shape: &FrameShape) {
        if !self.extended {
            self.stored.settle(shape.bits_stored, shape.signed);
            self.extended = true;
        }
    }
}

/// Decodes one frame.
///
/// # Errors
/// Any [`CodecError`].
pub fn decode(codec: Codec, bytes: &[u8], shape: &FrameShape) -> Result<Decoded, CodecError> {
    let mut decoded = Decoded::default();
    decode_into(codec, bytes, shape, &mut decoded)?;
    Ok(decoded)
}

/// Decodes one frame into memory that is used again where it fits. After an error the values are
/// unspecified.
///
/// # Errors
/// Any [`CodecError`].
pub fn decode_into(
    codec: Codec,
    bytes: &[u8],
    shape: &FrameShape,
    decoded: &mut Decoded,
) -> Result<(), CodecError> {
    shape.values()?;
    (decoded.rgb, decoded.ybr, decoded.extended) = (false, false, false);
    decoded.precision = shape.bits_allocated;
    // No decoder is known to panic; damaged frames of every kind are tried in the tests.
    catch_unwind(AssertUnwindSafe(|| match codec {
        Codec::Rle => rle::decode(bytes, shape, decoded),
        Codec::JpegLs => jpegls::decode(bytes, shape, decoded),
        Codec::Jpeg => jpeg::decode(bytes, shape, decoded),
        Codec::Jpeg2000 => jpeg2000::decode(bytes, shape, decoded),
    }))
    .unwrap_or_else(|panic| {
        let reason = format!("the decoder gave up: {}", message(&*panic));
        Err(CodecError::Damaged { codec: codec.name(), reason })
    })
}

impl Codec {
    /// The name that messages give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rle => "RLE",
            Self::Jpeg => "JPEG",
            Self::JpegLs => "JPEG-LS",
            Self::Jpeg2000 => "JPEG 2000",
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown reason".to_owned())
}
