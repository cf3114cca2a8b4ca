//! JPEG (ITU-T T.81): baseline, extended and progressive with 8 bits, sequential with 12 bits, and
//! lossless with 2 to 16 bits.
//!
//! Components are returned as they are coded: the DICOM header says which colours they are.

mod dct;
mod eight;
mod headers;
mod huffman;
mod lossless;

use self::headers::{Frame, ScanHeader, Tables};
use super::segments::{Segments, coded_length};
use super::{CodecError, Decoded, FrameShape, Stored};

const NAME: &str = "JPEG";
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;

fn damaged(reason: impl Into<String>) -> CodecError {
    CodecError::Damaged { codec: NAME, reason: reason.into() }
}

fn unsupported(reason: impl Into<String>) -> CodecError {
    CodecError::Unsupported { codec: NAME, reason: reason.into() }
}

pub(super) fn decode(
    bytes: &[u8],
    shape: &FrameShape,
    decoded: &mut Decoded,
) -> Result<(), CodecError> {
    let mut segments = Segments::new(bytes, NAME)?;
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut done = Vec::new();
    while let Some(segment) = segments.next()? {
        let content = segment.content;
        match segment.marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                if frame.is_some() {
                    return Err(damaged("it has two frame headers"));
                }
                let found = Frame::new(segment.marker, content, shape)?;
                // A sample takes a bit at least, a block of 64 two, or one where it is progressive.
                let most = if found.process == 3 { 8 } else { 512 };
                if shape.rows * shape.columns > bytes.len().saturating_mul(most) {
                    return Err(CodecError::Truncated(NAME));
                }
                describe(&found, decoded);
                if found.process < 3 && found.precision == 8 {
                    return eight::decode(bytes, &found, shape, decoded);
                }
                if found.process == 2 {
                    return Err(unsupported("progressive with 12 bits"));
                }
                decoded.stored.fit(shape)?;
                frame = Some(found);
            }
            APP0 => decoded.ybr |= content.starts_with(b"JFIF"),
            SOS => {
                let frame =
                    frame.as_ref().ok_or(damaged("a scan comes before the frame header"))?;
                let header = ScanHeader::new(content, frame)?;
                if header.components.iter().any(|(place, _, _)| done.contains(place)) {
                    return Err(damaged("a component comes twice"));
                }
                let length = coded_length(segments.rest(), 1, tables.restart > 0);
                let coded = &segments.rest()[..length];
                match &mut decoded.stored {
                    Stored::U8(out) => scan(frame, &header, &tables, coded, shape.columns, out)?,
                    Stored::U16(out) => scan(frame, &header, &tables, coded, shape.columns, out)?,
                    Stored::U32(out) => scan(frame, &header, &tables, coded, shape.columns, out)?,
                }
                segments.skip(length);
                done.extend(header.components.iter().map(|&(place, _, _)| place));
                if done.len() == shape.samples {
                    return Ok(());
                }
            }
            marker => tables.read(marker, content)?,
        }
    }
    Err(CodecError::Truncated(NAME))
}

/// Notes what the frame says of itself.
fn describe(frame: &Frame, decoded: &mut Decoded) {
    decoded.precision = frame.precision as usize;
    let ids: Vec<u8> = frame.components.iter().map(|one| one.id).collect();
    decoded.rgb = matches!(ids.as_slice(), b"RGB" | b"rgb");
    decoded.ybr &= !decoded.rgb;
}

fn scan<T: TryFrom<i32> + Copy>(
    frame: &Frame,
    header: &ScanHeader,
    tables: &Tables,
    coded: &[u8],
    columns: usize,
    out: &mut [T],
) -> Result<(), CodecError> {
    if frame.process == 3 {
        lossless::scan(frame, header, tables, coded, columns, out)
    } else {
        dct::scan(frame, header, tables, coded, columns, out)
    }
}
