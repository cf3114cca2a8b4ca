//! What one frame is: its size, its samples, and how they are stored (PS3.3 C.7.6.3).

use super::dataset::PixelPlace;
use super::header::{Header, Object};
use super::syntax::Compression;
use super::{DicomError, tag};
use crate::codec::FrameShape;

/// The type of the values of an array, as NumPy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a value.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Meaning of the samples of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    YbrFull422,
    /// Any other that the standard has: its samples are left as they are.
    Other,
}

impl Photometric {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "MONOCHROME1" => Self::Monochrome1,
            "MONOCHROME2" => Self::Monochrome2,
            "PALETTE COLOR" => Self::Palette,
            "RGB" => Self::Rgb,
            "YBR_FULL" => Self::YbrFull,
            "YBR_FULL_422" => Self::YbrFull422,
            "YBR_ICT" | "YBR_RCT" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420" | "HSV" | "ARGB"
            | "CMYK" => Self::Other,
            _ => return None,
        })
    }
}

/// What one frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Format {
    pub rows: usize,
    pub columns: usize,
    pub samples: usize,
    /// 1, 8, 16, 32 or 64.
    pub bits_allocated: usize,
    pub bits_stored: usize,
    /// Type of the decoded values.
    pub kind: Kind,
    /// Integers of a size that isn't read here; `kind` is one that holds them.
    pub is_wide: bool,
    pub photometric: Photometric,
    /// The samples of a pixel are apart: all of red, then of green and blue.
    pub planar: bool,
    /// Frames that the header declares.
    pub frames: usize,
    pub big_endian: bool,
    /// Big endian swapped the bytes of pairs of 8-bit samples (stored as OW).
    pub swapped_pairs: bool,
    pub compression: Compression,
}

impl Format {
    /// Returns the format of frames that are read here.
    pub fn new(object: &Object) -> Result<Self, DicomError> {
        let format = Self::described(object)?;
        if format.is_wide {
            let reason = format!("{} bits allocated", format.bits_allocated);
            return Err(DicomError::Unsupported(reason));
        }
        if format.compression == Compression::Unknown {
            let uid = object.header.transfer_syntax.as_deref().unwrap_or("none");
            return Err(DicomError::Unsupported(format!("transfer syntax {uid}")));
        }
        Ok(format)
    }

    /// Checks the image description, with the limits of the standard, as pydicom does.
    pub fn described(object: &Object) -> Result<Self, DicomError> {
        let Object { header, syntax, .. } = object;
        let place = object.pixels.ok_or(DicomError::NoPixels)?;
        let bits_allocated = within("Bits Allocated", header.bits_allocated, 1, 64)?;
        let rows = within("Rows", header.rows, 1, 65_535)?;
        let columns = within("Columns", header.columns, 1, 65_535)?;
        let samples = within("Samples per Pixel", header.samples_per_pixel, 1, 3)?;
        if samples == 2 {
            return Err(DicomError::Value("2 samples per pixel".to_owned()));
        }
        let photometric =
            header.photometric.as_deref().ok_or(DicomError::Lacks("Photometric Interpretation"))?;
        let photometric = Photometric::parse(photometric)
            .ok_or_else(|| DicomError::Value(format!("photometric {photometric:?}")))?;
        let (kind, bits_stored) = kind(header, place, bits_allocated)?;
        let planar = samples == 3 && within("Planar", header.planar.or(Some(0)), 0, 1)? == 1;
        let format = Self {
            rows,
            columns,
            samples,
            bits_allocated,
            bits_stored,
            kind,
            is_wide: kind == Kind::F64 && place.tag == tag::PIXELS,
            photometric,
            planar,
            frames: header.frame_count()?,
            big_endian: syntax.big_endian,
            swapped_pairs: syntax.big_endian && bits_allocated == 8 && &place.vr == b"OW",
            compression: syntax.compression,
        };
        if format.is_ybr() && (samples != 3 || kind != Kind::U8) {
            return Err(DicomError::Value("YBR, but not 3 samples of 8 bits".to_owned()));
        }
        Ok(format)
    }

    /// Values of a frame.
    pub fn values(&self) -> usize {
        self.rows * self.columns * self.samples
    }

    /// Whether decoded values are YBR, which becomes RGB.
    pub fn is_ybr(&self) -> bool {
        matches!(self.photometric, Photometric::YbrFull | Photometric::YbrFull422)
    }

    /// Bits of a native frame. Frames of single bits follow each other without padding.
    pub fn native_bits(&self) -> u64 {
        let values = self.values() as u64;
        if self.photometric == Photometric::YbrFull422 {
            // Two pixels share their chroma (PS3.3 C.7.6.3.1.2).
            return values * self.bits_allocated as u64 / 8 / 3 * 2 * 8;
        }
        values * self.bits_allocated as u64
    }

    /// Bits above those stored, which mean nothing.
    pub fn unused_bits(&self) -> u32 {
        let bits = self.kind.bytes() * 8;
        let used = if self.bits_allocated == 1 { bits } else { self.bits_stored };
        u32::try_from(bits.saturating_sub(used)).unwrap_or(0)
    }

    /// What a codec has to give.
    pub fn shape(&self) -> FrameShape {
        FrameShape {
            rows: self.rows,
            columns: self.columns,
            samples: self.samples,
            bits_allocated: self.bits_allocated.max(8),
            bits_stored: self.bits_stored,
            signed: matches!(self.kind, Kind::I8 | Kind::I16 | Kind::I32),
        }
    }

    /// Returns how many frames `available` bytes of native pixel data hold.
    ///
    /// As in pydicom those declared must be whole, and more than declared are counted.
    pub fn native_frames(&self, available: u64) -> Result<usize, DicomError> {
        let bits = self.native_bits();
        let expected = (bits * self.frames as u64).div_ceil(8);
        let padded = expected + expected % 2;
        if available < padded && available != expected {
            return Err(DicomError::Truncated { found: available, expected: padded });
        }
        if available > padded && bits > 0 {
            if self.photometric == Photometric::YbrFull422 {
                let full = expected / 2 * 3;
                if available >= full + full % 2 {
                    let reason = "YBR_FULL_422, but the chroma is not subsampled".to_owned();
                    return Err(DicomError::Value(reason));
                }
            } else {
                let whole = usize::try_from(available * 8 / bits).unwrap_or(usize::MAX);
                return Ok(whole.max(self.frames));
            }
        }
        Ok(self.frames)
    }
}

/// Returns the type of decoded values, and the bits that each uses.
fn kind(
    header: &Header,
    place: PixelPlace,
    bits_allocated: usize,
) -> Result<(Kind, usize), DicomError> {
    match (place.tag, bits_allocated) {
        (tag::FLOAT_PIXELS, _) => return Ok((Kind::F32, 32)),
        (tag::DOUBLE_PIXELS, _) => return Ok((Kind::F64, 64)),
        _ => {}
    }
    if bits_allocated != 1 && !bits_allocated.is_multiple_of(8) {
        return Err(DicomError::Value(format!("{bits_allocated} bits allocated")));
    }
    let stored = within("Bits Stored", header.bits_stored, 1, bits_allocated)?;
    let signed = within("Pixel Representation", header.pixel_representation, 0, 1)? == 1;
    let kind = match (bits_allocated, signed) {
        (1, _) | (8, false) => Kind::U8,
        (8, true) => Kind::I8,
        (16, false) => Kind::U16,
        (16, true) => Kind::I16,
        (32, false) => Kind::U32,
        (32, true) => Kind::I32,
        _ => Kind::F64,
    };
    Ok((kind, stored))
}

/// Returns a value of the image description that must be present and within limits.
fn within(
    name: &'static str,
    value: Option<i64>,
    least: usize,
    most: usize,
) -> Result<usize, DicomError> {
    let value = value.ok_or(DicomError::Lacks(name))?;
    let whole = usize::try_from(value).ok().filter(|whole| (least..=most).contains(whole));
    whole.ok_or_else(|| DicomError::Value(format!("{name} {value}")))
}
