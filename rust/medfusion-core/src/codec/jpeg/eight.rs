//! JPEG with 8 bits per sample, sequential or progressive, by the decoder of `zune-jpeg`.

use std::borrow::Cow;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::headers::Frame;
use super::{NAME, Segments, damaged};
use crate::codec::{CodecError, Decoded, FrameShape, MAX_BYTES, Stored, zeros};

const APP9: u8 = 0xe9;
const APP14: u8 = 0xee;
/// Scans of a progressive file; encoders write about ten.
const MAX_SCANS: usize = 100;

pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    shape: &FrameShape,
    decoded: &mut Decoded,
) -> Result<(), CodecError> {
    let values = shape.values()?;
    // The coefficients of a progressive frame are kept, two bytes each.
    if frame.process == 2 && 3 * values > MAX_BYTES {
        return Err(CodecError::TooLarge { bytes: 3 * values });
    }
    // The decoder fills what a cut-off frame lacks; the marker at the end tells that it is whole.
    let mut segments = Segments::new(bytes, NAME)?;
    while let Some(segment) = segments.next()? {
        if segment.marker == super::APP0 && segment.content.starts_with(b"JFIF") {
            decoded.ybr = !decoded.rgb;
        }
    }
    let plain = without_adobe(bytes);
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut jpeg = JpegDecoder::new_with_options(ZCursor::new(&*plain), options);
    jpeg.decode_headers().map_err(error)?;
    if jpeg.dimensions() != Some((shape.columns, shape.rows)) {
        return Err(damaged("it has two sizes"));
    }
    let input = jpeg.input_colorspace().ok_or(damaged("it has no components"))?;
    match (shape.samples, input) {
        (1, ColorSpace::Luma) | (3, ColorSpace::YCbCr | ColorSpace::RGB) => {}
        _ => return Err(damaged(format!("its components are {input:?}"))),
    }
    // Components come out as they are coded.
    jpeg.set_options(options.jpeg_set_out_colorspace(input));
    decoded.stored.fit(shape)?;
    if let Stored::U8(out) = &mut decoded.stored {
        return jpeg.decode_into(out).map_err(error);
    }
    let mut narrow = zeros(values)?;
    jpeg.decode_into(&mut narrow).map_err(error)?;
    match &mut decoded.stored {
        Stored::U8(_) => {}
        Stored::U16(out) => {
            for (to, &value) in out.iter_mut().zip(&narrow) {
                *to = u16::from(value);
            }
        }
        Stored::U32(out) => {
            for (to, &value) in out.iter_mut().zip(&narrow) {
                *to = u32::from(value);
            }
        }
    }
    Ok(())
}

/// Renames the segments that say which colours the components are, which is for the caller to say;
/// the decoder refuses some of them.
fn without_adobe(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Cow::Borrowed(bytes);
    let mut at = 2;
    while let Some(&[0xff, marker @ 0xc0..=0xfe, high, low]) =
        bytes.get(at..).and_then(<[u8]>::first_chunk)
    {
        if marker == super::SOS {
            break;
        }
        if marker == APP14 {
            plain.to_mut()[at + 1] = APP9;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    plain
}

fn error(error: DecodeErrors) -> CodecError {
    match error {
        DecodeErrors::ExhaustedData => CodecError::Truncated(NAME),
        DecodeErrors::Unsupported(kind) => super::unsupported(format!("{kind:?}")),
        error => damaged(error.to_string()),
    }
}
