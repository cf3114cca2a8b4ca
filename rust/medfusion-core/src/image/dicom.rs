//! DICOM files with one frame as images: grey or RGB of 8 bits, as they are shown on a screen.

use super::format::{Format, Header, check_size};
use super::{Image, ImageError};
use crate::dicom::{self, DicomError};

/// Returns what the image will be, from the header alone.
pub(super) fn probe(bytes: &[u8]) -> Result<Header, ImageError> {
    let header = dicom::parse_header(bytes).map_err(|error| image_error(&error))?;
    if !header.has_pixels {
        return Err(image_error(&DicomError::NoPixels));
    }
    let frames = header.frame_count().map_err(|error| image_error(&error))?;
    if frames > 1 {
        let reason = format!("it has {frames} frames: read it as a volume");
        return Err(ImageError::Unsupported { format: Format::Dicom, reason });
    }
    let side = |value: Option<i64>, name| {
        let side = value.and_then(|value| usize::try_from(value).ok()).filter(|&side| side > 0);
        side.ok_or_else(|| image_error(&DicomError::Lacks(name)))
    };
    let (height, width) = (side(header.rows, "Rows")?, side(header.columns, "Columns")?);
    let is_colour = header.samples_per_pixel == Some(3)
        || header.photometric.as_deref() == Some("PALETTE COLOR");
    let channels = if is_colour { 3 } else { 1 };
    // The values are floating point on their way to the screen.
    check_size(width, height, 8)?;
    Ok(Header { height, width, channels, bits: 8, orientation: 1 })
}

/// Decodes the frame: rescaled, windowed by the file's own window, palettes and YBR as RGB.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, u8), ImageError> {
    probe(bytes)?;
    let image = dicom::parse_display(bytes, 0, None).map_err(|error| image_error(&error))?;
    Ok((image, 1))
}

fn image_error(error: &DicomError) -> ImageError {
    let (format, reason) = (Format::Dicom, error.to_string());
    match error {
        DicomError::Truncated { .. } => ImageError::Truncated(format),
        DicomError::NoPixels => ImageError::Unsupported { format, reason },
        error if error.is_unsupported() => ImageError::Unsupported { format, reason },
        _ => ImageError::Damaged { format, reason },
    }
}
