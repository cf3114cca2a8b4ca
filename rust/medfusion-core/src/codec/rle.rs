//! RLE Lossless: one `PackBits` segment for each byte plane, most significant byte first.
//!
//! DICOM PS3.5, annex G.

use super::{CodecError, Decoded, FrameShape, Stored};

/// Pixels decoded at a time: the planes of a block stay in the processor's nearest memory.
const BLOCK: usize = 4096;
/// Bytes that the longest run or literal gives.
const LONGEST: usize = 128;
/// Bytes copied at once; a shorter run or literal is overwritten by what follows it.
const STRIDE: usize = 32;
const HEADER: usize = 64;
const MAX_SEGMENTS: usize = 15;

pub(super) fn decode(
    bytes: &[u8],
    shape: &FrameShape,
    decoded: &mut Decoded,
) -> Result<(), CodecError> {
    let mut planes = planes(bytes, shape)?;
    decoded.stored.fit(shape)?;
    match &mut decoded.stored {
        Stored::U8(out) if shape.samples == 1 => {
            blocks(&mut planes, out, 1, |[a]: [&[u8]; 1], out| out.copy_from_slice(a))
        }
        Stored::U8(out) => blocks(&mut planes, out, 3, |[a, b, c], out| {
            for (to, ((&a, &b), &c)) in out.as_chunks_mut::<3>().0.iter_mut().zip(zip(a, b).zip(c))
            {
                *to = [a, b, c];
            }
        }),
        Stored::U16(out) if shape.samples == 1 => blocks(&mut planes, out, 1, |[a, b], out| {
            for (to, (&a, &b)) in out.iter_mut().zip(zip(a, b)) {
                *to = u16::from_be_bytes([a, b]);
            }
        }),
        Stored::U16(out) => blocks(&mut planes, out, 3, |planes: [&[u8]; 6], out| {
            for (sample, pair) in planes.as_chunks::<2>().0.iter().enumerate() {
                for (to, (&a, &b)) in
                    out.iter_mut().skip(sample).step_by(3).zip(zip(pair[0], pair[1]))
                {
                    *to = u16::from_be_bytes([a, b]);
                }
            }
        }),
        Stored::U32(out) if shape.samples == 1 => blocks(&mut planes, out, 1, words::<4>),
        Stored::U32(out) => blocks(&mut planes, out, 3, words::<12>),
    }
}

fn zip<'a>(a: &'a [u8], b: &'a [u8]) -> impl Iterator<Item = (&'a u8, &'a u8)> {
    a.iter().zip(b)
}

/// Joins four byte planes for each sample.
fn words<const N: usize>(planes: [&[u8]; N], out: &mut [u32]) {
    let samples = N / 4;
    for (sample, four) in planes.as_chunks::<4>().0.iter().enumerate() {
        for (at, to) in out.iter_mut().skip(sample).step_by(samples).enumerate() {
            *to = u32::from_be_bytes(four.map(|plane| plane[at]));
        }
    }
}

/// Decodes N planes block by block and lets `join` write each block.
fn blocks<const N: usize, T>(
    planes: &mut [Plane<'_>],
    out: &mut [T],
    samples: usize,
    join: impl Fn([&[u8]; N], &mut [T]),
) -> Result<(), CodecError> {
    let planes: &mut [Plane<'_>; N] = planes.try_into().expect("as many planes as were asked");
    for block in out.chunks_mut(BLOCK * samples) {
        let length = block.len() / samples;
        for plane in &mut *planes {
            plane.advance(length)?;
        }
        join(planes.each_ref().map(|plane| &plane.block[..length]), block);
    }
    Ok(())
}

/// Cuts a frame into its segments.
fn planes<'a>(bytes: &'a [u8], shape: &FrameShape) -> Result<Vec<Plane<'a>>, CodecError> {
    let damaged = |reason| CodecError::Damaged { codec: "RLE", reason };
    let header = bytes.first_chunk::<HEADER>().ok_or(CodecError::Truncated("RLE"))?;
    let mut words = header.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word) as usize);
    let count = words.next().unwrap_or(0);
    let expected = shape.samples * shape.bits_allocated / 8;
    if count != expected || count > MAX_SEGMENTS {
        return Err(damaged(format!("it has {count} segments, not {expected}")));
    }
    // Two bytes give at most 128: what can't be long enough is known before memory is taken.
    let pixels = shape.rows * shape.columns;
    if bytes.len().saturating_mul(LONGEST / 2) < pixels.saturating_mul(count) {
        return Err(CodecError::Truncated("RLE"));
    }
    let starts: Vec<usize> = words.take(count).chain([bytes.len()]).collect();
    starts
        .windows(2)
        .map(|ends| {
            bytes
                .get(ends[0]..ends[1])
                .map(Plane::new)
                .ok_or_else(|| damaged(format!("a segment from byte {} to {}", ends[0], ends[1])))
        })
        .collect()
}

/// A segment, decoded as it is asked for.
struct Plane<'a> {
    rest: &'a [u8],
    /// The current block, then what its last run or literal gives beyond it, then room to write.
    block: Vec<u8>,
    filled: usize,
    used: usize,
}

impl<'a> Plane<'a> {
    fn new(segment: &'a [u8]) -> Self {
        Self { rest: segment, block: vec![0; BLOCK + 2 * LONGEST], filled: 0, used: 0 }
    }

    /// Decodes the next `length` bytes to the front of the block.
    fn advance(&mut self, length: usize) -> Result<(), CodecError> {
        self.block.copy_within(self.used..self.filled, 0);
        let block = self.block.as_mut_slice();
        let mut rest = self.rest;
        let mut filled = self.filled - self.used;
        while filled < length {
            let Some((&control, tail)) = rest.split_first() else {
                return Err(CodecError::Truncated("RLE"));
            };
            match control {
                0..128 => {
                    let count = usize::from(control) + 1;
                    if tail.len() >= LONGEST {
                        let mut done = 0;
                        while done < count {
                            block[filled + done..][..STRIDE]
                                .copy_from_slice(&tail[done..][..STRIDE]);
                            done += STRIDE;
                        }
                        rest = &tail[count..];
                        filled += count;
                    } else {
                        // The last literal of a segment may be cut short by unneeded bytes.
                        let count = count.min(tail.len());
                        block[filled..][..count].copy_from_slice(&tail[..count]);
                        rest = &tail[count..];
                        filled += count;
                    }
                }
                128 => rest = tail,
                129.. => {
                    let count = 257 - usize::from(control);
                    let Some((&value, tail)) = tail.split_first() else {
                        return Err(CodecError::Truncated("RLE"));
                    };
                    let mut done = 0;
                    while done < count {
                        block[filled + done..][..STRIDE].fill(value);
                        done += STRIDE;
                    }
                    rest = tail;
                    filled += count;
                }
            }
        }
        (self.rest, self.filled, self.used) = (rest, filled, length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: usize, columns: usize, samples: usize, bits: usize) -> FrameShape {
        FrameShape {
            rows,
            columns,
            samples,
            bits_allocated: bits,
            bits_stored: bits,
            signed: false,
        }
    }

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut words = [0_u32; 16];
        words[0] = u32::try_from(segments.len()).expect("few");
        let mut start = HEADER;
        for (word, segment) in words[1..].iter_mut().zip(segments) {
            *word = u32::try_from(start).expect("small");
            start += segment.len();
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(segments.concat());
        bytes
    }

    fn run(bytes: &[u8], shape: &FrameShape) -> Result<Stored, CodecError> {
        let mut decoded = Decoded::default();
        decode(bytes, shape, &mut decoded).map(|()| decoded.stored)
    }

    #[test]
    fn runs_literals_and_nothing() {
        // The example of Apple's technical note 1023, with a control byte that does nothing.
        let packed = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0x80, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22,
            0xf7, 0xaa,
        ];
        let plain = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        let found = run(&frame(&[&packed]), &shape(4, 6, 1, 8));
        assert_eq!(found, Ok(Stored::U8(plain.to_vec())));
        assert_eq!(run(&frame(&[&packed]), &shape(5, 5, 1, 8)), Err(CodecError::Truncated("RLE")));
    }

    #[test]
    fn planes_are_joined() {
        let planes: Vec<[u8; 3]> = (0..12_u8).map(|value| [1, value, value + 100]).collect();
        let segments: Vec<&[u8]> = planes.iter().map(<[u8; 3]>::as_slice).collect();
        assert_eq!(
            run(&frame(&segments[..2]), &shape(1, 2, 1, 16)),
            Ok(Stored::U16(vec![0x0001, 0x6465]))
        );
        assert_eq!(
            run(&frame(&segments[..3]), &shape(2, 1, 3, 8)),
            Ok(Stored::U8(vec![0, 1, 2, 100, 101, 102]))
        );
        assert_eq!(
            run(&frame(&segments[..6]), &shape(2, 1, 3, 16)),
            Ok(Stored::U16(vec![0x0001, 0x0203, 0x0405, 0x6465, 0x6667, 0x6869]))
        );
        assert_eq!(
            run(&frame(&segments), &shape(2, 1, 3, 32)),
            Ok(Stored::U32(vec![
                0x0001_0203,
                0x0405_0607,
                0x0809_0a0b,
                0x6465_6667,
                0x6869_6a6b,
                0x6c6d_6e6f
            ]))
        );
    }

    #[test]
    fn blocks_join_without_a_seam() {
        let mut packed = Vec::new();
        let mut plain = Vec::new();
        let mut length = 1_usize;
        while plain.len() < 3 * BLOCK {
            let value = u8::try_from(plain.len() % 251).expect("a byte");
            if plain.len() % 2 == 0 {
                packed.extend([u8::try_from(257 - length.max(2)).expect("a byte"), value]);
                plain.extend(std::iter::repeat_n(value, length.max(2)));
            } else {
                packed.push(u8::try_from(length - 1).expect("a byte"));
                let literal = (0..length).map(|at| value ^ u8::try_from(at).expect("a byte"));
                packed.extend(literal.clone());
                plain.extend(literal);
            }
            length = length * 7 % LONGEST + 1;
        }
        let columns = plain.len();
        assert_eq!(run(&frame(&[&packed]), &shape(1, columns, 1, 8)), Ok(Stored::U8(plain)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = frame(&[&[0x81, 7]]);
        for (bytes, shape, part) in [
            (&good[..63], shape(1, 1, 1, 8), "truncated"),
            (&good, shape(1, 1, 1, 16), "1 segments, not 2"),
            (&good, shape(4000, 4000, 1, 8), "truncated"),
            (&good, shape(60_000, 60_000, 1, 8), "more than"),
        ] {
            let message = match shape.values() {
                Ok(_) => run(bytes, &shape).expect_err("it is damaged").to_string(),
                Err(error) => error.to_string(),
            };
            assert!(message.contains(part), "{message}");
        }
        let mut far = good.clone();
        far[4..8].copy_from_slice(&9_999_u32.to_le_bytes());
        assert!(run(&far, &shape(1, 1, 1, 8)).is_err());
    }
}
