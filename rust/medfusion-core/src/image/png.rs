//! PNG: 1 to 16 bits, grey, RGB or palette, with or without alpha, interlaced or not.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};

use super::format::{self, Format, Header};
use super::{Image, ImageError, Samples, chunks, orientation, unfilter};

/// Returns the image and its EXIF orientation.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, u8), ImageError> {
    let reader = open(bytes, Transformations::EXPAND)?;
    let (header, stored) = describe(&reader)?;
    let info = reader.info();
    let file = whole(bytes, header.height * info.raw_row_length())?;
    let orientation = file.exif.map_or(1, orientation::from_exif);
    let simple = !info.interlaced && info.color_type != ColorType::Indexed;
    if simple && matches!(info.bit_depth, BitDepth::Eight | BitDepth::Sixteen) {
        let quick = whole_bytes(&file.data, header, info.color_type.samples())?;
        if let Some(image) = quick {
            return Ok((image, orientation));
        }
    }
    Ok((by_rows(reader, header, stored)?, orientation))
}

/// Returns the numbers that a file with a palette, or with fewer than 8 bits, stores: the places in
/// the palette, the levels of grey as they are. `None` for the other kinds, which [`decode`] reads
/// as they are stored. Besides, the EXIF orientation.
pub(super) fn stored(bytes: &[u8]) -> Result<Option<(Image, u8)>, ImageError> {
    let mut reader = open(bytes, Transformations::IDENTITY)?;
    let info = reader.info();
    let bits = info.bit_depth as usize;
    let (height, width) = (info.height as usize, info.width as usize);
    if info.color_type != ColorType::Indexed && bits >= 8 {
        return Ok(None);
    }
    let length = info.raw_row_length() - 1;
    let file = whole(bytes, height * (length + 1))?;
    let mut packed = format::allocate::<u8>(height * length)?;
    reader.next_frame(&mut packed).map_err(error)?;
    reader.finish().map_err(error)?;
    let mut samples = format::allocate::<u8>(height * width)?;
    for (row, line) in samples.chunks_exact_mut(width).zip(packed.chunks_exact(length)) {
        for (column, sample) in row.iter_mut().enumerate() {
            let at = column * bits;
            // The first pixel of a byte is in its high bits.
            *sample = (line[at / 8] << (at % 8)) >> (8 - bits);
        }
    }
    let orientation = file.exif.map_or(1, orientation::from_exif);
    Ok(Some((Image { height, width, channels: 1, samples: Samples::U8(samples) }, orientation)))
}

/// Walks the chunks of a file whose pixels take `bytes` when they are inflated.
fn whole(content: &[u8], bytes: usize) -> Result<chunks::Chunks<'_>, ImageError> {
    let file = chunks::walk(content)?;
    if chunks::too_short(&file.data, bytes) {
        return Err(ImageError::Truncated(Format::Png));
    }
    Ok(file)
}

/// Decodes what nearly all files are: 8 or 16 bits, without palette, not interlaced. The pixels
/// are inflated in one go into the memory they stay in. `None` where anything is not as it should
/// be: the reader of rows then says what.
fn whole_bytes(data: &[u8], header: Header, stored: usize) -> Result<Option<Image>, ImageError> {
    let Header { height, width, channels, bits, .. } = header;
    let (size, kept) = (stored * bits / 8, channels * bits / 8);
    let length = width * size;
    let samples = if bits == 16 {
        let mut memory = format::allocate::<u16>((height * (length + 1)).div_ceil(2))?;
        let rows = bytemuck::cast_slice_mut::<u16, u8>(&mut memory);
        if !rows_into(data, &mut rows[..height * (length + 1)], length, size) {
            return Ok(None);
        }
        pack(rows, (height, width), size, kept);
        memory.truncate(height * width * channels);
        for sample in &mut memory {
            *sample = u16::from_be(*sample);
        }
        Samples::U16(memory)
    } else {
        let mut memory = format::allocate::<u8>(height * (length + 1))?;
        if !rows_into(data, &mut memory, length, size) {
            return Ok(None);
        }
        pack(&mut memory, (height, width), size, kept);
        memory.truncate(height * width * channels);
        Samples::U8(memory)
    };
    Ok(Some(Image { height, width, channels, samples }))
}

/// Inflates the rows and undoes their filters.
fn rows_into(data: &[u8], rows: &mut [u8], length: usize, size: usize) -> bool {
    chunks::inflate(data, rows) && unfilter::unfilter(rows, length, size).is_ok()
}

/// Moves the pixels together, without the filters' bytes and without alpha.
fn pack(rows: &mut [u8], (height, width): (usize, usize), size: usize, kept: usize) {
    let length = width * size;
    for row in 0..height {
        let start = row * (length + 1) + 1;
        if size == kept {
            rows.copy_within(start..start + length, row * length);
            continue;
        }
        for pixel in 0..width {
            let from = start + pixel * size;
            rows.copy_within(from..from + kept, (row * width + pixel) * kept);
        }
    }
}

/// Decodes any kind of PNG.
fn by_rows(
    mut reader: Reader<Cursor<&[u8]>>,
    header: Header,
    stored: usize,
) -> Result<Image, ImageError> {
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
    Ok(Image { height, width, channels, samples })
}

pub(super) fn probe(bytes: &[u8]) -> Result<Header, ImageError> {
    Ok(describe(&open(bytes, Transformations::EXPAND)?)?.0)
}

fn open(bytes: &[u8], changes: Transformations) -> Result<Reader<Cursor<&[u8]>>, ImageError> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(changes);
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
        error => damaged(error.to_string()),
    }
}

pub(super) fn damaged(reason: String) -> ImageError {
    ImageError::Damaged { format: Format::Png, reason }
}
