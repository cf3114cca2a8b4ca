//! JPEG 2000 (ISO/IEC 15444-1) and High-Throughput JPEG 2000 (ITU-T T.814): codestreams and those
//! in JP2 files, of components of one size and one precision.

mod arithmetic;
mod bitplanes;
mod codestream;
mod high_throughput;
mod packets;
mod quads;
mod structure;
mod tag_tree;
mod tile;
mod wavelet;

use self::codestream::{Codestream, Rect, Size};
use self::tile::{Memory, Samples};
use super::{CodecError, Decoded, FrameShape, Stored};

const NAME: &str = "JPEG 2000";

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
    let bytes = if bytes.starts_with(&[0xff, 0x4f]) { bytes } else { contiguous(bytes)? };
    let stream = Codestream::new(bytes, shape)?;
    decoded.stored.fit(shape)?;
    let mut memory = Memory::default();
    for (index, tile) in stream.tiles.iter().enumerate() {
        let tile = tile.as_ref().ok_or(CodecError::Truncated(NAME))?;
        let parameters = tile.parameters.as_deref().unwrap_or(&stream.parameters);
        let rect = stream.size.tile(index);
        if rect.width() == 0 || rect.height() == 0 {
            continue;
        }
        let samples = tile::decode(&stream.size, parameters, rect, &tile.parts, &mut memory)?;
        let target = Target { size: &stream.size, rect };
        match &mut decoded.stored {
            Stored::U8(out) => target.write(&samples, out, |value| value.to_le_bytes()[0]),
            Stored::U16(out) => target.write(&samples, out, |value| {
                let [low, high, ..] = value.to_le_bytes();
                u16::from_le_bytes([low, high])
            }),
            Stored::U32(out) => target.write(&samples, out, i32::cast_unsigned),
        }
        decoded.rgb |= parameters.mixed && stream.size.components == 3;
    }
    decoded.precision = stream.size.precision as usize;
    decoded.extended = true;
    if stream.size.signed || shape.signed {
        // Values have the sign that the DICOM header says, even where the codestream has not.
        decoded.stored.settle(decoded.precision, shape.signed);
    }
    Ok(())
}

/// Finds the codestream among the boxes of a JP2 file (annex I).
fn contiguous(bytes: &[u8]) -> Result<&[u8], CodecError> {
    let mut rest = bytes;
    while let Some((&[l0, l1, l2, l3, kind @ ..], content)) = rest.split_first_chunk::<8>() {
        let short = u32::from_be_bytes([l0, l1, l2, l3]);
        let (content, length) = match short {
            0 => (content, content.len()),
            1 => {
                let (long, content) =
                    content.split_first_chunk().ok_or(CodecError::Truncated(NAME))?;
                let length = usize::try_from(u64::from_be_bytes(*long)).unwrap_or(usize::MAX);
                (content, length.saturating_sub(16))
            }
            length => (content, (length as usize).saturating_sub(8)),
        };
        if &kind == b"jp2c" {
            return Ok(&content[..length.min(content.len())]);
        }
        rest = content.get(length..).unwrap_or(&[]);
    }
    Err(damaged("it is neither a codestream nor a JP2 file"))
}

/// A tile's place in the frame.
struct Target<'a> {
    size: &'a Size,
    rect: Rect,
}

impl Target<'_> {
    /// Writes the samples of a tile to their places, shifted to their range and clipped to it.
    fn write<T>(&self, samples: &Samples, out: &mut [T], narrow: impl Fn(i32) -> T) {
        let (low, high, shift) = if self.size.signed {
            let half = 1_i64 << (self.size.precision - 1);
            (-half, half - 1, 0)
        } else {
            (0, (1_i64 << self.size.precision) - 1, 1_i64 << (self.size.precision - 1))
        };
        let clip = |value: i64| {
            let value = (value + shift).clamp(low, high);
            // Unsigned values of 32 bits keep their bits.
            narrow(value.to_le_bytes().first_chunk().map_or(0, |&four| i32::from_le_bytes(four)))
        };
        match samples {
            Samples::Whole(planes) => {
                self.planes(planes, out, |&value| clip(i64::from(value)));
            }
            Samples::Real(planes) => {
                #[expect(clippy::cast_possible_truncation, reason = "far values are clipped")]
                self.planes(planes, out, |&value| clip(value.round_ties_even() as i64));
            }
        }
    }

    fn planes<S, T>(&self, planes: &[Vec<S>], out: &mut [T], convert: impl Fn(&S) -> T) {
        let samples = planes.len();
        let columns = (self.size.x[1] - self.size.x[0]) as usize;
        let (left, top) = (self.rect.x0 - self.size.x[0], self.rect.y0 - self.size.y[0]);
        for (component, plane) in planes.iter().enumerate() {
            for (row, line) in plane.chunks_exact(self.rect.width()).enumerate() {
                let start = ((top as usize + row) * columns + left as usize) * samples + component;
                for (to, value) in out[start..].iter_mut().step_by(samples).zip(line) {
                    *to = convert(value);
                }
            }
        }
    }
}
