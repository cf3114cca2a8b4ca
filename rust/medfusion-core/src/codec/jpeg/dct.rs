//! Sequential JPEG with 12 bits per sample (ITU-T T.81; processes 2 and 4).

use super::headers::{Frame, ScanHeader, Tables};
use super::huffman::{Huffman, extend};
use super::{NAME, damaged, unsupported};
use crate::codec::CodecError;
use crate::codec::bits::Bits;
use crate::codec::segments::split_at_restart;

/// Place of each coefficient of a block in the order in which they are coded.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// One component of a scan.
struct Part<'a> {
    place: usize,
    dc: &'a Huffman,
    ac: &'a Huffman,
    quantisation: &'a [u16; 64],
    last: i32,
}

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
        return Err(unsupported("12 bits with components of other sizes"));
    }
    let samples = frame.components.len();
    let mut parts = Vec::new();
    for &(place, dc, ac) in &header.components {
        let missing = || damaged("a table is missing");
        let quantisation = usize::from(frame.components[place].quantisation);
        parts.push(Part {
            place,
            dc: tables.dc[dc].as_ref().ok_or_else(missing)?,
            ac: tables.ac[ac].as_ref().ok_or_else(missing)?,
            quantisation: tables
                .quantisation
                .get(quantisation)
                .and_then(Option::as_ref)
                .ok_or_else(missing)?,
            last: 0,
        });
    }
    let cosines = cosines();
    let across = columns.div_ceil(8);
    let mut rest = coded;
    let mut bits = Bits::new(&[]);
    let mut unit = 0_usize;
    for band in out.chunks_mut(8 * columns * samples) {
        for column in 0..across {
            if unit == 0 || tables.restart > 0 && unit.is_multiple_of(tables.restart) {
                let (piece, after) =
                    if tables.restart == 0 { (rest, rest) } else { split_at_restart(rest) };
                rest = after;
                bits = Bits::new(piece);
                for part in &mut parts {
                    part.last = 0;
                }
            }
            unit += 1;
            for part in &mut parts {
                let block = inverse(&part.block(&mut bits)?, &cosines);
                let rows = band.chunks_exact_mut(columns * samples);
                for (row, values) in rows.zip(block.as_chunks::<8>().0) {
                    let places = row[8 * column * samples..].iter_mut();
                    let places = places.skip(part.place).step_by(samples);
                    for (to, &value) in places.zip(values) {
                        *to = T::try_from(value)
                            .map_err(|_| damaged("a sample beyond the bits allocated"))?;
                    }
                }
            }
            if bits.exhausted() {
                return Err(CodecError::Truncated(NAME));
            }
        }
    }
    Ok(())
}

impl Part<'_> {
    /// Decodes the coefficients of a block, dequantised (F.2.2).
    fn block(&mut self, bits: &mut Bits<'_, 8>) -> Result<[f32; 64], CodecError> {
        let mut block = [0.0; 64];
        bits.fill();
        let size = self.dc.symbol(bits)?;
        if size > 16 {
            return Err(damaged("a coefficient of more than 16 bits"));
        }
        self.last = self.last.wrapping_add(extend(bits, u32::from(size)));
        block[0] = self.dequantised(self.last, 0);
        let mut at = 1;
        while at < 64 {
            bits.fill();
            let symbol = self.ac.symbol(bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += run;
            let place = *ZIGZAG.get(at).ok_or(damaged("more coefficients than a block has"))?;
            block[usize::from(place)] = self.dequantised(extend(bits, size), at);
            at += 1;
        }
        Ok(block)
    }

    #[expect(clippy::cast_precision_loss, reason = "coefficients have at most 16 bits")]
    fn dequantised(&self, value: i32, at: usize) -> f32 {
        value as f32 * f32::from(self.quantisation[at])
    }
}

/// The cosine transform's matrix, [frequency][place].
fn cosines() -> [[f32; 8]; 8] {
    let mut matrix = [[0.0; 8]; 8];
    for (frequency, row) in (0_u8..).zip(&mut matrix) {
        for (place, to) in (0_u8..).zip(row) {
            let angle =
                f64::from(2 * place + 1) * f64::from(frequency) * std::f64::consts::PI / 16.0;
            let norm = if frequency == 0 { 0.125_f64.sqrt() } else { 0.5 };
            #[expect(clippy::cast_possible_truncation, reason = "computed in double precision")]
            let value = (norm * angle.cos()) as f32;
            *to = value;
        }
    }
    matrix
}

/// The inverse cosine transform, shifted to the middle of 12 bits and clipped (A.3.3).
#[expect(clippy::cast_possible_truncation, reason = "values are clipped to 12 bits")]
fn inverse(block: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [i32; 64] {
    let mut half = [[0.0_f32; 8]; 8];
    for (line, to) in block.as_chunks::<8>().0.iter().zip(&mut half) {
        for (&value, row) in line.iter().zip(cosines) {
            for (sum, &cosine) in to.iter_mut().zip(row) {
                *sum += value * cosine;
            }
        }
    }
    let mut out = [0; 64];
    for (place, to) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mut sums = [0.0_f32; 8];
        for (line, row) in half.iter().zip(cosines) {
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += value * row[place];
            }
        }
        *to = sums.map(|sum| (sum + 2048.0).round().clamp(0.0, 4095.0) as i32);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_of_one_frequency() {
        let mut block = [0.0; 64];
        block[0] = 800.0;
        assert_eq!(inverse(&block, &cosines()), [2148; 64]);
        block[0] = -1e6;
        assert_eq!(inverse(&block, &cosines()), [0; 64]);
    }
}
