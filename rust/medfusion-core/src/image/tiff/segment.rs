//! The compressed parts of a TIFF image: strips and tiles.

use libdeflater::Decompressor;
use weezl::{BitOrder, LzwStatus, decode::Decoder as Lzw};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::super::ImageError;
use super::super::format::Format;
use super::{damaged, unsupported};

/// How strips and tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
}

impl Compression {
    pub fn new(number: u64) -> Result<Self, ImageError> {
        Ok(match number {
            1 => Self::None,
            5 => Self::Lzw,
            7 => Self::Jpeg,
            8 | 32_946 => Self::Deflate,
            32_773 => Self::PackBits,
            2..=4 => return Err(unsupported("compressed as a fax")),
            6 => return Err(unsupported("compressed as JPEG in the old way of 1992")),
            34_712 | 33_003 | 33_005 => return Err(unsupported("compressed as JPEG 2000")),
            50_000 => return Err(unsupported("compressed by Zstandard")),
            other => return Err(unsupported(&format!("compressed by method {other}"))),
        })
    }
}

/// Decompresses `bytes` into exactly `out`; what they hold beyond is left.
pub(super) fn expand(
    compression: Compression,
    bytes: &[u8],
    out: &mut [u8],
) -> Result<(), ImageError> {
    let whole = match compression {
        Compression::None => bytes.get(..out.len()).map(|bytes| out.copy_from_slice(bytes)),
        Compression::Lzw => lzw(bytes, out)?,
        Compression::Deflate => inflate(bytes, out)?,
        Compression::PackBits => pack_bits(bytes, out),
        Compression::Jpeg => return Err(damaged("JPEG has no bytes of its own")),
    };
    whole.ok_or(ImageError::Truncated(Format::Tiff))
}

fn lzw(mut bytes: &[u8], mut out: &mut [u8]) -> Result<Option<()>, ImageError> {
    let mut decoder = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    while !out.is_empty() {
        let step = decoder.decode_bytes(bytes, out);
        bytes = &bytes[step.consumed_in..];
        out = &mut out[step.consumed_out..];
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(_) => return Err(damaged("its LZW codes are corrupt")),
        }
    }
    Ok(out.is_empty().then_some(()))
}

fn inflate(bytes: &[u8], out: &mut [u8]) -> Result<Option<()>, ImageError> {
    match Decompressor::new().zlib_decompress(bytes, out) {
        Ok(length) => Ok((length == out.len()).then_some(())),
        Err(_) => Err(damaged("its deflated pixels are corrupt or cut off")),
    }
}

/// Apple's run lengths: TIFF 6.0, section 9.
fn pack_bits(mut bytes: &[u8], mut out: &mut [u8]) -> Option<()> {
    while !out.is_empty() {
        let (&count, rest) = bytes.split_first()?;
        bytes = rest;
        match count.cast_signed() {
            -128 => {}
            copies @ ..0 => {
                let (&value, rest) = bytes.split_first()?;
                bytes = rest;
                let length = (1 + usize::from(copies.unsigned_abs())).min(out.len());
                let (run, after) = out.split_at_mut(length);
                run.fill(value);
                out = after;
            }
            literal => {
                let given = 1 + usize::from(literal.unsigned_abs());
                let length = given.min(out.len());
                let (run, after) = out.split_at_mut(length);
                run.copy_from_slice(bytes.get(..length)?);
                out = after;
                bytes = bytes.get(given..).unwrap_or_default();
            }
        }
    }
    Some(())
}

/// Decodes a JPEG stream of `channels` samples a pixel into exactly `out`.
///
/// `tables` is the stream that holds what all segments share. The samples of `ycbcr` become RGB,
/// others stay as they are stored.
pub(super) fn jpeg(
    (tables, bytes): (&[u8], &[u8]),
    (width, height, channels): (usize, usize, usize),
    ycbcr: bool,
    out: &mut [u8],
) -> Result<(), ImageError> {
    let joined;
    let stream = match tables.strip_suffix(b"\xff\xd9") {
        Some(tables) if tables.len() > 2 => {
            joined = [tables, bytes.get(2..).unwrap_or_default()].concat();
            &joined
        }
        _ => bytes,
    };
    let options = DecoderOptions::new_fast().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream), options);
    let wrong = |error: zune_jpeg::errors::DecodeErrors| damaged(&error.to_string());
    decoder.decode_headers().map_err(wrong)?;
    if decoder.dimensions() != Some((width, height)) {
        return Err(damaged("a JPEG part has another size than its place"));
    }
    let colours = match (decoder.input_colorspace(), channels) {
        (Some(ColorSpace::Luma), 1) => ColorSpace::Luma,
        (Some(ColorSpace::YCbCr), 3) if !ycbcr => ColorSpace::YCbCr,
        (Some(ColorSpace::YCbCr | ColorSpace::RGB), 3) => ColorSpace::RGB,
        _ => return Err(unsupported("its JPEG parts have other colours than the page")),
    };
    if !super::super::jpeg::ends(stream) {
        return Err(ImageError::Truncated(Format::Tiff));
    }
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    decoder.decode_into(out).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_bits_is_that_of_the_specification() {
        let packed = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0x80,
            0xf7, 0xaa,
        ];
        let mut out = [0; 24];
        assert_eq!(pack_bits(&packed, &mut out), Some(()));
        let expected = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        assert_eq!(out, expected);
        for length in 0..packed.len() {
            assert_eq!(pack_bits(&packed[..length], &mut out), None);
        }
    }
}
