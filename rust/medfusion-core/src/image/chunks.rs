//! The chunks of a PNG file, and the compressed pixels in them.

use std::borrow::Cow;

use libdeflater::Decompressor;

use super::format::Format;
use super::{ImageError, png};

/// What the chunks of a file hold.
pub(super) struct Chunks<'a> {
    /// The pixels, compressed.
    pub data: Cow<'a, [u8]>,
    /// EXIF, wherever in the file it is.
    pub exif: Option<&'a [u8]>,
}

/// Bytes that one compressed byte makes at most: a match of 258 bytes in two bits.
const MOST: usize = 1032;

/// Walks through the chunks up to the end of the image.
pub(super) fn walk(bytes: &[u8]) -> Result<Chunks<'_>, ImageError> {
    let mut found = Chunks { data: Cow::Borrowed(&[]), exif: None };
    let mut rest = bytes.get(8..).unwrap_or_default();
    loop {
        let (kind, content, after) = chunk(rest).ok_or(ImageError::Truncated(Format::Png))?;
        rest = after;
        match kind {
            b"IDAT" | b"IEND" if !intact(*kind, content, bytes, after) => {
                let kind = String::from_utf8_lossy(kind);
                return Err(png::damaged(format!("the checksum of a {kind} chunk is wrong")));
            }
            b"IDAT" if found.data.is_empty() => found.data = Cow::Borrowed(content),
            b"IDAT" => found.data.to_mut().extend_from_slice(content),
            b"eXIf" => found.exif = Some(content),
            b"IEND" => return Ok(found),
            _ => {}
        }
    }
}

/// Returns kind and content of the first chunk, and what follows its checksum.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (content, rest) = rest.split_at_checked(length)?;
    Some((kind, content, rest.get(4..)?))
}

/// Whether the checksum behind a chunk is that of its kind and content.
fn intact(kind: [u8; 4], content: &[u8], bytes: &[u8], after: &[u8]) -> bool {
    let mut sum = libdeflater::Crc::new();
    sum.update(&kind);
    sum.update(content);
    let end = bytes.len() - after.len();
    bytes[end - 4..end] == sum.sum().to_be_bytes()
}

/// Inflates a zlib stream (RFC 1950) that fills `out` exactly; returns whether it does.
///
/// Its own checksum is not asked for: those of the chunks have been.
pub(super) fn inflate(data: &[u8], out: &mut [u8]) -> bool {
    let [first, second, stream @ ..] = data else { return false };
    let header = u16::from_be_bytes([*first, *second]);
    let known = first & 0x0f == 8 && second & 0x20 == 0 && header.is_multiple_of(31);
    known && Decompressor::new().deflate_decompress(stream, out) == Ok(out.len())
}

/// Whether so few compressed bytes can't make so many.
pub(super) fn too_short(data: &[u8], bytes: usize) -> bool {
    data.len().saturating_mul(MOST) < bytes
}
