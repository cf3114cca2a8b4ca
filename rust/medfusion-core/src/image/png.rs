//! PNG: 1 to 16 bits, grey, RGB or palette, with or without alpha, interlaced or not.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};

use super::format::{self, Format, Header};
use super::{Image, ImageError, Samples, orientation};

/// Returns the image and its EXIF orientation.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, u8), ImageError> {
    let mut reader = open(bytes)?;
    let (header, stored) = describe(&reader)?;
    let mut data = format::allocate(header.width * header.height * stored * header.bits / 8)?;
    reader.next_frame(&mut data).map_err(error)?;
    // The end is read too: a file that is cut off behind the pixels is not a whole file.
    reader.finish().map_err(error)?;
    let samples = if header.bits == 16 {
        let kept = |pixel: &[u8]| -> [u16; 3] {
            std::array::from_fn(|channel| {
                let at = 2 * channel.min(header.channels - 1);
                u16::from_be_bytes([pixel[at], pixel[at + 1]])
            })
        };
        let mut samples = Vec::new();
        let bytes = header.width * header.height * header.channels * 2;
        samples.try_reserve_exact(bytes / 2).map_err(|_| ImageError::OutOfMemory { bytes })?;
        for pixel in data.chunks_exact(2 * stored) {
            samples.extend_from_slice(&kept(pixel)[..header.channels]);
        }
        Samples::U16(samples)
    } else {
        if stored > header.channels {
            drop_alpha(&mut data, stored);
        }
        Samples::U8(data)
    };
    let Header { height, width, channels, .. } = header;
    Ok((Image { height, width, channels, samples }, exif_orientation(&reader)))
}

pub(super) fn probe(bytes: &[u8]) -> Result<Header, ImageError> {
    Ok(describe(&open(bytes)?)?.0)
}

fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, ImageError> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(error)?;
    // 8 bytes a pixel is the most that any kind takes; the exact figure is checked once it is known.
    let (width, height) = (info.width as usize, info.height as usize);
    format::check_size(width, height, 1)?;
    decoder.read_info().map_err(error)
}

/// Returns the header and the channels as stored, alpha among them.
fn describe(reader: &Reader<Cursor<&[u8]>>) -> Result<(Header, usize), ImageError> {
    let (colour, depth) = reader.output_color_type();
    let (stored, channels) = match colour {
        ColorType::Grayscale => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgb | ColorType::Indexed => (3, 3),
        ColorType::Rgba => (4, 3),
    };
    let bits = if depth == BitDepth::Sixteen { 16 } else { 8 };
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    format::check_size(width, height, stored * bits / 8)?;
    Ok((Header { height, width, channels, bits, orientation: exif_orientation(reader) }, stored))
}

fn exif_orientation(reader: &Reader<Cursor<&[u8]>>) -> u8 {
    reader.info().exif_metadata.as_deref().map_or(1, orientation::from_exif)
}

/// Moves the colours together, in place.
fn drop_alpha(data: &mut Vec<u8>, stored: usize) {
    let kept = stored - 1;
    let pixels = data.len() / stored;
    for pixel in 1..pixels {
        data.copy_within(pixel * stored..pixel * stored + kept, pixel * kept);
    }
    data.truncate(pixels * kept);
}

fn error(error: DecodingError) -> ImageError {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated(Format::Png)
        }
        DecodingError::LimitsExceeded => ImageError::Unsupported {
            format: Format::Png,
            reason: "its header takes too much memory".to_owned(),
        },
        error => ImageError::Damaged { format: Format::Png, reason: error.to_string() },
    }
}
