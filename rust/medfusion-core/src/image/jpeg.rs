//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::format::{self, Format, Header};
use super::{Image, ImageError, Samples, orientation};

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// Scans of a progressive file; encoders write about ten.
const MAX_SCANS: usize = 100;

/// Returns the image and its EXIF orientation.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, u8), ImageError> {
    let (mut decoder, header) = open(bytes)?;
    if !ends(bytes) {
        return Err(ImageError::Truncated(Format::Jpeg));
    }
    let Header { height, width, channels, orientation, .. } = header;
    let mut samples = format::allocate(height * width * channels)?;
    decoder.decode_into(&mut samples).map_err(error)?;
    Ok((Image { height, width, channels, samples: Samples::U8(samples) }, orientation))
}

pub(super) fn probe(bytes: &[u8]) -> Result<Header, ImageError> {
    Ok(open(bytes)?.1)
}

fn open(bytes: &[u8]) -> Result<(Decoder<'_>, Header), ImageError> {
    // Strict: a scan that ends early is an error, not an image half grey.
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(error)?;
    let damaged =
        || ImageError::Damaged { format: Format::Jpeg, reason: "no frame header".to_owned() };
    let (width, height) = decoder.dimensions().ok_or_else(damaged)?;
    let channels = match decoder.input_colorspace().ok_or_else(damaged)? {
        ColorSpace::Luma => {
            decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
            1
        }
        ColorSpace::YCbCr | ColorSpace::RGB | ColorSpace::CMYK | ColorSpace::YCCK => 3,
        other => {
            let reason = format!("colour space {other:?}");
            return Err(ImageError::Unsupported { format: Format::Jpeg, reason });
        }
    };
    format::check_size(width, height, channels)?;
    let orientation = decoder.exif().map_or(1, |exif| orientation::from_exif(exif));
    Ok((decoder, Header { height, width, channels, bits: 8, orientation }))
}

/// Returns whether the marker that ends an image comes after the headers, each of them whole.
///
/// The decoder fills what a cut-off file lacks in its last rows of blocks without a word.
pub(super) fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(step) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff))
    {
        at += step;
        let Some(&marker) = bytes.get(at + 1) else { return false };
        at += match marker {
            0xd9 => return true,
            0xff => 1,
            // A stuffed byte, a restart or another marker that stands alone.
            0x00 | 0x01 | 0xd0..=0xd8 => 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        };
    }
    false
}

fn error(error: DecodeErrors) -> ImageError {
    let format = Format::Jpeg;
    match error {
        DecodeErrors::ExhaustedData => ImageError::Truncated(format),
        DecodeErrors::Unsupported(kind) => {
            ImageError::Unsupported { format, reason: format!("{kind:?}") }
        }
        DecodeErrors::LargeDimensions(side) => ImageError::TooLarge { width: side, height: side },
        error => ImageError::Damaged { format, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_behind_segments_and_stuffing() {
        let whole =
            [0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9, 0xff, 0xda, 0, 2, 7, 0xff, 0, 8, 0xff, 0xd9];
        assert!(ends(&whole));
        for length in 0..whole.len() {
            assert!(!ends(&whole[..length]), "{length}");
        }
    }
}
