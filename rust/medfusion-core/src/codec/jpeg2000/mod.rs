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
        let half = 1_i64 << (self.size.precision - 1);
        let shift = if self.size.signed { 0 } else { half };
        if let (Ok(half), Ok(shift), 0..=22) =
            (i32::try_from(half), i32::try_from(shift), self.size.precision)
        {
            let (low, high) = (-half, half - 1);
            return match samples {
                Samples::Whole(planes) => {
                    self.planes(planes, out, |&value| narrow(value.clamp(low, high) + shift));
                }
                Samples::Real(planes) => {
                    self.planes(planes, out, |&value| narrow(nearest(value, low, high) + shift));
                }
            };
        }
        let clip = |value: i64| {
            let value = value.clamp(-half, half - 1) + shift;
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
        if samples == 1 && self.whole() {
            for (to, value) in out.iter_mut().zip(&planes[0]) {
                *to = convert(value);
            }
            return;
        }
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

    /// Whether the tile is all of the frame.
    fn whole(&self) -> bool {
        let Rect { x0, y0, x1, y1 } = self.rect;
        self.size.x == [x0, x1] && self.size.y == [y0, y1]
    }
}

/// The nearest whole number between two of at most 22 bits, the even one of two.
///
/// Adding and taking away a number of 24 bits rounds, many values at a time.
#[inline]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "few bits")]
fn nearest(value: f32, low: i32, high: i32) -> i32 {
    const HALF: f32 = 12_582_912.0;
    ((value.clamp(low as f32, high as f32) + HALF) - HALF) as i32
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn rounding_is_to_the_nearest_and_even() {
        for step in -1000..1000_i16 {
            let value = f32::from(step) / 8.0;
            let expected = value.round_ties_even().clamp(-100.0, 90.0);
            assert!((f64::from(nearest(value, -100, 90)) - f64::from(expected)).abs() < 0.1);
        }
        assert_eq!(nearest(f32::INFINITY, -5, 5), 5);
        assert_eq!(nearest(f32::NEG_INFINITY, -5, 5), -5);
    }
}
