//! Which format a file is, and the limits for all of them.

use std::fmt;

use super::{Image, ImageError, Samples, dicom, jpeg, orientation, png, tiff};

/// The largest height and width, in pixels.
pub const MAX_SIDE: usize = 16_384;

/// The largest decoded image, and the largest file, in bytes.
pub const MAX_BYTES: u64 = 512 << 20;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Portable Network Graphics, <https://www.w3.org/TR/png-3/>.
    Png,
    /// JPEG, ITU-T T.81, baseline and progressive.
    Jpeg,
    /// TIFF 6.0 and BigTIFF.
    Tiff,
    /// DICOM (PS3.10) with one frame.
    Dicom,
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Tiff => "TIFF",
            Self::Dicom => "DICOM",
        })
    }
}

/// What the header says the decoded image is, before its orientation is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub bits: usize,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
}

/// First bytes of formats that people take for images, so that the message can name them.
const OTHERS: [(usize, &[u8], &str); 6] = [
    (0, b"GIF8", "a GIF file"),
    (0, b"BM", "a BMP file"),
    (8, b"WEBP", "a WebP file"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"PK\x03\x04", "a zip file"),
];

/// Returns the format of a file that begins with `bytes`.
pub(super) fn sniff(bytes: &[u8]) -> Result<Format, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Png);
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Ok(Format::Jpeg);
    }
    if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic)) {
        return Ok(Format::Tiff);
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return Ok(Format::Dicom);
    }
    let known = OTHERS.iter().find(|(offset, magic, _)| {
        bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic))
    });
    Err(ImageError::UnknownFormat {
        found: known.map_or("not an image that is known", |other| other.2),
    })
}

/// Refuses an image above the limits; `bytes` is what it takes while it is decoded.
pub(super) fn check_size(
    width: usize,
    height: usize,
    bytes_per_pixel: usize,
) -> Result<usize, ImageError> {
    let bytes = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(bytes_per_pixel));
    match bytes {
        Some(bytes) if width <= MAX_SIDE && height <= MAX_SIDE && bytes as u64 <= MAX_BYTES => {
            Ok(bytes)
        }
        _ => Err(ImageError::TooLarge { width, height }),
    }
}

/// Returns `count` zeros, or an error where a plain `vec!` would abort the process.
pub(super) fn allocate<T: Copy + Default>(count: usize) -> Result<Vec<T>, ImageError> {
    let mut memory = Vec::new();
    let bytes = count.saturating_mul(size_of::<T>());
    memory.try_reserve_exact(count).map_err(|_| ImageError::OutOfMemory { bytes })?;
    memory.resize(count, T::default());
    Ok(memory)
}

/// Decodes the bytes of a file: alpha dropped, palettes and fewer than 8 bits expanded, the EXIF
/// orientation honoured.
///
/// # Errors
/// Any [`ImageError`]; no content makes it panic on purpose.
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    let (image, orientation) = match sniff(bytes)? {
        Format::Png => png::decode(bytes)?,
        Format::Jpeg => jpeg::decode(bytes)?,
        Format::Tiff => tiff::decode(bytes)?,
        Format::Dicom => dicom::decode(bytes)?,
    };
    Ok(orientation::apply(image, orientation))
}

/// Decodes the bytes of a file of labels: as [`decode`], but a PNG's palette and its levels of fewer
/// than 8 bits stay the numbers that they are.
///
/// # Errors
/// As [`decode`].
pub fn decode_labels(bytes: &[u8]) -> Result<Image, ImageError> {
    if sniff(bytes)? == Format::Png
        && let Some((image, orientation)) = png::stored(bytes)?
    {
        return Ok(orientation::apply(image, orientation));
    }
    decode(bytes)
}

/// Returns height, width, channels and bits (8 or 16) of what [`decode`] would return, from the
/// header alone.
///
/// # Errors
/// Any [`ImageError`].
pub fn probe(bytes: &[u8]) -> Result<super::Header, ImageError> {
    let header = match sniff(bytes)? {
        Format::Png => png::probe(bytes)?,
        Format::Jpeg => jpeg::probe(bytes)?,
        Format::Tiff => tiff::probe(bytes)?,
        Format::Dicom => dicom::probe(bytes)?,
    };
    let turned = orientation::swaps_sides(header.orientation);
    Ok(super::Header {
        height: if turned { header.width } else { header.height },
        width: if turned { header.height } else { header.width },
        channels: header.channels,
        bits: header.bits,
    })
}

impl Samples {
    /// Returns the number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }

    /// Returns the largest sample that this depth holds.
    #[must_use]
    pub fn largest(&self) -> f64 {
        match self {
            Self::U8(_) => f64::from(u8::MAX),
            Self::U16(_) => f64::from(u16::MAX),
        }
    }

    /// Returns whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
