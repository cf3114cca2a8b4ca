//! Lossless JPEG (ITU-T T.81, annex H; process 14): predicted samples and Huffman coded errors.

use super::headers::{Frame, ScanHeader, Tables};
use super::huffman::{Huffman, extend};
use super::{NAME, damaged, unsupported};
use crate::codec::CodecError;
use crate::codec::bits::Bits;
use crate::codec::segments::split_at_restart;

/// Decodes a scan into the samples of its components.
pub(super) fn scan<T: TryFrom<i32> + Copy>(
    frame: &Frame,
    header: &ScanHeader,
    tables: &Tables,
    coded: &[u8],
    columns: usize,
    out: &mut [T],
) -> Result<(), CodecError> {
    if !frame.full() {
        return Err(unsupported("lossless components of other sizes"));
    }
    let point = u32::from(header.point & 15);
    if point >= frame.precision || !(1..=7).contains(&header.start) {
        return Err(damaged("its predictor or point transform can't be"));
    }
    let huffman = header.components.iter().map(|&(_, table, _)| {
        tables.dc[table].as_ref().ok_or(damaged("a Huffman table is missing"))
    });
    let huffman: Vec<&Huffman> = huffman.collect::<Result<_, _>>()?;
    let places: Vec<usize> = header.components.iter().map(|&(place, _, _)| place).collect();
    if !tables.restart.is_multiple_of(columns) {
        return Err(unsupported("restarts within a line"));
    }
    let samples = frame.components.len();
    let width = columns * samples;
    let lines = match tables.restart / columns {
        0 => out.len() / width,
        lines => lines,
    };
    let mut rest = coded;
    for part in out.chunks_mut(lines.saturating_mul(width)) {
        let (piece, after) =
            if tables.restart == 0 { (rest, rest) } else { split_at_restart(rest) };
        rest = after;
        let mut decoder = Decoder {
            bits: Bits::new(piece),
            huffman: &huffman,
            start: 1 << (frame.precision - point - 1),
            point,
        };
        decoder.part(header.start, &places, samples, columns, part)?;
    }
    Ok(())
}

struct Decoder<'a> {
    bits: Bits<'a, 8>,
    /// For each component of the scan.
    huffman: &'a [&'a Huffman],
    /// What the very first sample is predicted as.
    start: i32,
    point: u32,
}

impl Decoder<'_> {
    /// Decodes the lines up to a restart or the end.
    fn part<T: TryFrom<i32> + Copy>(
        &mut self,
        predictor: u8,
        places: &[usize],
        samples: usize,
        columns: usize,
        out: &mut [T],
    ) -> Result<(), CodecError> {
        let count = places.len();
        let mut above = vec![0_i32; columns * count];
        let mut current = vec![0_i32; columns * count];
        for (line, row) in out.chunks_exact_mut(columns * samples).enumerate() {
            if line == 0 {
                self.first_line(&mut current)?;
            } else {
                // One loop for each predictor; `a` is left, `b` above, `c` above left.
                match predictor {
                    1 => self.line(&above, &mut current, |a, _, _| a),
                    2 => self.line(&above, &mut current, |_, b, _| b),
                    3 => self.line(&above, &mut current, |_, _, c| c),
                    4 => self.line(&above, &mut current, |a, b, c| a + b - c),
                    5 => self.line(&above, &mut current, |a, b, c| a + ((b - c) >> 1)),
                    6 => self.line(&above, &mut current, |a, b, c| b + ((a - c) >> 1)),
                    _ => self.line(&above, &mut current, |a, b, _| (a + b) >> 1),
                }?;
            }
            if self.bits.exhausted() {
                return Err(CodecError::Truncated(NAME));
            }
            for (at, &place) in places.iter().enumerate() {
                let values = current.iter().skip(at).step_by(count);
                for (to, &value) in row.iter_mut().skip(place).step_by(samples).zip(values) {
                    *to = T::try_from(value << self.point)
                        .map_err(|_| damaged("a sample beyond the bits allocated"))?;
                }
            }
            std::mem::swap(&mut above, &mut current);
        }
        Ok(())
    }

    fn first_line(&mut self, current: &mut [i32]) -> Result<(), CodecError> {
        let count = self.huffman.len();
        for at in 0..current.len() {
            let guess = if at < count { self.start } else { current[at - count] };
            current[at] = self.sample(at % count, guess)?;
        }
        Ok(())
    }

    #[inline]
    fn line(
        &mut self,
        above: &[i32],
        current: &mut [i32],
        predict: impl Fn(i32, i32, i32) -> i32,
    ) -> Result<(), CodecError> {
        let count = self.huffman.len();
        for at in 0..count {
            current[at] = self.sample(at, above[at])?;
        }
        if count == 1 {
            let mut a = current[0];
            let mut c = above[0];
            for (to, &b) in current[1..].iter_mut().zip(&above[1..]) {
                a = self.sample(0, predict(a, b, c))?;
                c = b;
                *to = a;
            }
            return Ok(());
        }
        let mut one = 0;
        for at in count..current.len() {
            let guess = predict(current[at - count], above[at], above[at - count]);
            current[at] = self.sample(one, guess)?;
            one = if one + 1 == count { 0 } else { one + 1 };
        }
        Ok(())
    }

    /// Adds a coded error to a prediction, modulo 2^16.
    #[inline]
    fn sample(&mut self, component: usize, guess: i32) -> Result<i32, CodecError> {
        self.bits.fill();
        let error = match self.huffman[component].symbol(&mut self.bits)? {
            size @ 0..16 => extend(&mut self.bits, u32::from(size)),
            16 => 1 << 15,
            _ => return Err(damaged("an error of more than 16 bits")),
        };
        Ok((guess + error) & 0xffff)
    }
}
