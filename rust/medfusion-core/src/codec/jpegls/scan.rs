//! The coded samples of a scan: context modelling, Golomb codes and runs.
//!
//! ISO/IEC 14495-1, annex A; names are those of the standard where it gives one letter.

#![allow(
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "indices are clamped to be positive, and lines of three components are borrowed by turns"
)]

use std::cmp::Ordering;

use super::{Interleave, Preset, damaged};
use crate::codec::CodecError;
use crate::codec::bits::Bits;
use crate::codec::segments::split_at_restart;

/// Orders of the codes of run lengths (A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
/// Contexts, of which 365 are used: a power of two, so that a place needs no check.
const CONTEXTS: usize = 512;

/// The numbers that a scan is coded with.
#[derive(Debug, Clone)]
pub(super) struct Coding {
    max_value: i32,
    near: i32,
    /// Distance of two reconstructed values.
    step: i32,
    range: i32,
    qbpp: u32,
    limit: u32,
    reset: i32,
    /// Quantised gradients from -T3 to T3.
    gradients: Vec<i8>,
    farthest: i32,
}

impl Coding {
    pub(super) fn new(precision: u32, near: i32, preset: &Preset) -> Result<Self, CodecError> {
        let full = (1 << precision) - 1;
        let max_value = if preset.max_value == 0 { full } else { preset.max_value };
        if max_value > full || near > 255.min(max_value / 2) {
            return Err(damaged(format!("an error of {near} in values up to {max_value}")));
        }
        let [t1, t2, t3] = thresholds(max_value, near, preset.thresholds)?;
        let reset = if preset.reset == 0 { 64 } else { preset.reset };
        if reset < 3 || reset > max_value.max(255) {
            return Err(damaged(format!("a reset after {reset} samples")));
        }
        let step = 2 * near + 1;
        let range = (max_value + 2 * near) / step + 1;
        let bits = |values: i32| 32 - (values - 1).leading_zeros();
        let bpp = bits(max_value + 1).max(2);
        let gradients = (-t3..=t3)
            .map(|difference| {
                let size: i32 = difference.abs();
                let level = i8::from(size > near)
                    + i8::from(size > near && size >= t1)
                    + i8::from(size > near && size >= t2)
                    + i8::from(size > near && size >= t3);
                if difference < 0 { -level } else { level }
            })
            .collect();
        Ok(Self {
            max_value,
            near,
            step,
            range,
            qbpp: bits(range),
            limit: 2 * (bpp + bpp.max(8)),
            reset,
            gradients,
            farthest: t3,
        })
    }

    /// Which of 729 contexts three gradients make, -364..=364.
    #[inline]
    fn context(&self, ra: i32, rb: i32, rc: i32, rd: i32) -> i32 {
        let level = |difference: i32| {
            let place = difference.clamp(-self.farthest, self.farthest) + self.farthest;
            i32::from(self.gradients[place as usize])
        };
        81 * level(rd - rb) + 9 * level(rb - rc) + level(rc - ra)
    }

    /// Brings a sum of prediction and error back into the range of values.
    #[inline]
    fn reconstruct(&self, value: i32) -> i32 {
        let value = if value < -self.near {
            value + self.range * self.step
        } else if value > self.max_value + self.near {
            value - self.range * self.step
        } else {
            value
        };
        value.clamp(0, self.max_value)
    }
}

/// The given thresholds, or the defaults of annex C.2.4.1.1.
fn thresholds(max_value: i32, near: i32, given: [i32; 3]) -> Result<[i32; 3], CodecError> {
    let clamp = |value: i32, low: i32| if value > max_value || value < low { low } else { value };
    let basic = [3, 7, 21];
    let mut found = [0; 3];
    let mut low = near + 1;
    for (at, to) in found.iter_mut().enumerate() {
        let odd = [3, 5, 7][at] * near;
        let default = if max_value >= 128 {
            let factor = (max_value.min(4095) + 128) / 256;
            clamp(factor * (basic[at] - [2, 3, 4][at]) + [2, 3, 4][at] + odd, low)
        } else {
            let factor = 256 / (max_value + 1);
            clamp((basic[at] / factor + odd).max([2, 3, 4][at]), low)
        };
        *to = if given[at] == 0 { default } else { given[at] };
        low = *to;
    }
    let [t1, t2, t3] = found;
    if near < t1 && t1 <= t2 && t2 <= t3 && t3 <= max_value.max(t1) {
        Ok(found)
    } else {
        Err(damaged(format!("thresholds {t1}, {t2}, {t3}")))
    }
}

/// Statistics of a context.
#[derive(Clone, Copy)]
struct Context {
    /// Sum of the sizes of errors.
    a: u32,
    /// Sum of the errors, kept small by the correction.
    b: i32,
    /// Correction of the prediction.
    c: i32,
    /// Errors seen.
    n: i32,
}

/// Statistics of the samples that end runs.
#[derive(Clone, Copy)]
struct RunContext {
    a: u32,
    n: i32,
    negative: i32,
}

/// A scan, its components side by side in the samples of a pixel.
pub(super) struct Scan {
    pub coding: Coding,
    pub columns: usize,
    /// Samples of a pixel in the output.
    pub samples: usize,
    /// The scan's first component.
    pub first: usize,
    /// Its number of components.
    pub count: usize,
    pub interleave: Interleave,
    /// Lines after which all starts anew; 0 for never.
    pub restart: usize,
}

impl Scan {
    pub(super) fn decode<T: TryFrom<i32> + Copy>(
        &self,
        coded: &[u8],
        out: &mut [T],
    ) -> Result<(), CodecError> {
        let lines = out.len() / (self.columns * self.samples);
        let interval = if self.restart == 0 { lines } else { self.restart };
        let mut rest = coded;
        let whole = interval.saturating_mul(self.columns * self.samples);
        for part in out.chunks_mut(whole) {
            let (piece, after) =
                if self.restart == 0 { (rest, rest) } else { split_at_restart(rest) };
            rest = after;
            if self.coding.near == 0 {
                Decoder::<false>::new(&self.coding, piece).part(self, part)?;
            } else {
                Decoder::<true>::new(&self.coding, piece).part(self, part)?;
            }
        }
        Ok(())
    }
}

/// A line above and the line being decoded, with one value more on the left and on the right.
struct Lines {
    above: Vec<i32>,
    current: Vec<i32>,
    run_index: usize,
}

impl Lines {
    fn new(columns: usize) -> Self {
        Self { above: vec![0; columns + 2], current: vec![0; columns + 2], run_index: 0 }
    }

    /// Makes the current line the one above, and gives both their borders.
    fn turn(&mut self) {
        std::mem::swap(&mut self.above, &mut self.current);
        let last = self.above.len() - 1;
        self.above[last] = self.above[last - 1];
        self.current[0] = self.above[1];
    }
}

struct Decoder<'a, const NEAR: bool> {
    coding: &'a Coding,
    bits: Bits<'a, 1>,
    contexts: Box<[Context; CONTEXTS]>,
    runs: [RunContext; 2],
    /// A code was met that no encoder writes.
    wrong: bool,
}

impl<'a, const NEAR: bool> Decoder<'a, NEAR> {
    fn new(coding: &'a Coding, coded: &'a [u8]) -> Self {
        let a = ((coding.range + 32) / 64).max(2).unsigned_abs();
        Self {
            coding,
            bits: Bits::new(coded),
            contexts: Box::new([Context { a, b: 0, c: 0, n: 1 }; CONTEXTS]),
            runs: [RunContext { a, n: 1, negative: 0 }; 2],
            wrong: false,
        }
    }

    /// Decodes the lines up to a restart or the end.
    fn part<T: TryFrom<i32> + Copy>(
        mut self,
        scan: &Scan,
        out: &mut [T],
    ) -> Result<(), CodecError> {
        let mut lines: Vec<Lines> = (0..scan.count).map(|_| Lines::new(scan.columns)).collect();
        for row in out.chunks_exact_mut(scan.columns * scan.samples) {
            lines.iter_mut().for_each(Lines::turn);
            match (scan.interleave, lines.first_chunk_mut()) {
                (Interleave::Sample, Some(lines)) => self.pixels(lines),
                _ => lines.iter_mut().for_each(|one| self.line(one)),
            }
            if self.wrong {
                return Err(damaged("its codes can't be"));
            }
            if self.bits.exhausted() {
                return Err(CodecError::Truncated(super::NAME));
            }
            for (component, one) in lines.iter().enumerate() {
                let places = row.iter_mut().skip(scan.first + component).step_by(scan.samples);
                for (to, &value) in places.zip(&one.current[1..]) {
                    // Values are at most the largest of the precision, which fits.
                    *to = T::try_from(value).unwrap_or(*to);
                }
            }
        }
        Ok(())
    }

    /// Decodes one line of one component.
    fn line(&mut self, lines: &mut Lines) {
        let columns = lines.current.len() - 2;
        let Lines { above, current, run_index } = lines;
        let above = above.as_slice();
        let mut at = 1;
        let (mut ra, mut rb, mut rc) = (current[0], above[1], above[0]);
        while at <= columns {
            let rd = above[at + 1];
            let context = self.coding.context(ra, rb, rc, rd);
            if context != 0 {
                ra = self.regular(context, predict(ra, rb, rc));
                current[at] = ra;
                at += 1;
                (rc, rb) = (rb, rd);
                continue;
            }
            let length = self.run_length(columns + 1 - at, run_index);
            current[at..at + length].fill(ra);
            at += length;
            if at <= columns {
                ra = self.run_end(ra, above[at], *run_index);
                current[at] = ra;
                *run_index = run_index.saturating_sub(1);
                at += 1;
            }
            if at <= columns {
                (rc, rb) = (above[at - 1], above[at]);
            }
        }
    }

    /// Decodes one line of three components whose samples lie together.
    fn pixels(&mut self, lines: &mut [Lines; 3]) {
        let columns = lines[0].current.len() - 2;
        let mut at = 1;
        let mut run_index = lines[0].run_index;
        while at <= columns {
            let contexts = [0, 1, 2].map(|c| {
                let Lines { above, current, .. } = &lines[c];
                self.coding.context(current[at - 1], above[at], above[at - 1], above[at + 1])
            });
            if contexts != [0; 3] {
                for (one, context) in [0, 1, 2].into_iter().zip(contexts) {
                    let Lines { above, current, .. } = &mut lines[one];
                    let guess = predict(current[at - 1], above[at], above[at - 1]);
                    current[at] = self.regular(context, guess);
                }
                at += 1;
                continue;
            }
            let length = self.run_length(columns + 1 - at, &mut run_index);
            for one in 0..3 {
                let value = lines[one].current[at - 1];
                lines[one].current[at..at + length].fill(value);
            }
            at += length;
            if at <= columns {
                for one in 0..3 {
                    let (ra, rb) = (lines[one].current[at - 1], lines[one].above[at]);
                    let error = self.run_error(0, run_index);
                    let error = if rb < ra { -error } else { error };
                    lines[one].current[at] = self.coding.reconstruct(rb + error * self.coding.step);
                }
                run_index = run_index.saturating_sub(1);
                at += 1;
            }
        }
        lines[0].run_index = run_index;
    }

    /// Decodes a sample in a context of its own (A.4 to A.6).
    #[inline]
    fn regular(&mut self, context: i32, guess: i32) -> i32 {
        let coding = self.coding;
        let sign = context >> 31;
        let seen = &mut self.contexts[context.unsigned_abs() as usize % CONTEXTS];
        let guess = (guess + ((seen.c ^ sign) - sign)).clamp(0, coding.max_value);
        let k = order(seen.n, seen.a);
        let mapped = golomb(&mut self.bits, coding, k, coding.limit);
        if mapped > 2 * coding.range.unsigned_abs() {
            self.wrong = true;
            return 0;
        }
        let mapped = mapped.cast_signed();
        let mut error = (mapped >> 1) ^ -(mapped & 1);
        if !NEAR && k == 0 && 2 * seen.b <= -seen.n {
            error = !error;
        }
        seen.a += error.unsigned_abs();
        seen.b += if NEAR { error * coding.step } else { error };
        if seen.n == coding.reset {
            seen.a >>= 1;
            seen.b >>= 1;
            seen.n >>= 1;
        }
        seen.n += 1;
        if seen.b <= -seen.n {
            seen.b = (seen.b + seen.n).max(1 - seen.n);
            seen.c = (seen.c - 1).max(-128);
        } else if seen.b > 0 {
            seen.b = (seen.b - seen.n).min(0);
            seen.c = (seen.c + 1).min(127);
        }
        let error = (error ^ sign) - sign;
        coding.reconstruct(guess + if NEAR { error * coding.step } else { error })
    }

    /// Decodes how many samples repeat the last one (A.7.1).
    fn run_length(&mut self, most: usize, run_index: &mut usize) -> usize {
        let mut length = 0;
        while self.bits.read(1) == 1 {
            let whole = 1 << J[*run_index];
            let left = most - length;
            length += whole.min(left);
            if whole <= left {
                *run_index = (*run_index + 1).min(31);
            }
            if length == most {
                return most;
            }
        }
        length += self.bits.read(J[*run_index]) as usize;
        self.wrong |= length > most;
        length.min(most)
    }

    /// Decodes the sample that ends a run (A.7.2).
    fn run_end(&mut self, ra: i32, rb: i32, run_index: usize) -> i32 {
        let coding = self.coding;
        if (ra - rb).abs() <= coding.near {
            let error = self.run_error(1, run_index);
            coding.reconstruct(ra + error * coding.step)
        } else {
            let error = self.run_error(0, run_index);
            let error = if rb < ra { -error } else { error };
            coding.reconstruct(rb + error * coding.step)
        }
    }

    fn run_error(&mut self, kind: usize, run_index: usize) -> i32 {
        let coding = self.coding;
        let seen = &mut self.runs[kind];
        let flat = i32::from(kind == 1);
        let k = order(
            seen.n,
            seen.a.saturating_add(if kind == 1 { seen.n.unsigned_abs() >> 1 } else { 0 }),
        );
        let coded = golomb(&mut self.bits, coding, k, coding.limit - J[run_index] - 1);
        if coded > 2 * coding.range.unsigned_abs() {
            self.wrong = true;
            return 0;
        }
        let mapped = coded.cast_signed() + flat;
        let odd = mapped & 1;
        let size = (mapped + odd) >> 1;
        let swapped = k != 0 || 2 * seen.negative >= seen.n;
        let error = if swapped == (odd == 1) { -size } else { size };
        seen.negative += i32::from(error < 0);
        seen.a += ((coded.cast_signed() + 1 - flat) >> 1).unsigned_abs();
        if seen.n == coding.reset {
            seen.a >>= 1;
            seen.n >>= 1;
            seen.negative >>= 1;
        }
        seen.n += 1;
        error
    }
}

/// The median edge detector (A.4.1).
#[inline]
fn predict(ra: i32, rb: i32, rc: i32) -> i32 {
    (ra + rb - rc).clamp(ra.min(rb), ra.max(rb))
}

/// The smallest k with `n << k >= a` (A.5.1).
#[inline]
fn order(n: i32, a: u32) -> u32 {
    let n = n.unsigned_abs();
    let k = n.leading_zeros().saturating_sub(a.leading_zeros());
    k + u32::from(n << k < a)
}

/// Decodes a limited-length Golomb code (A.5.3); what no encoder writes is larger than any value.
#[inline]
fn golomb(bits: &mut Bits<'_, 1>, coding: &Coding, k: u32, limit: u32) -> u32 {
    let longest = limit - coding.qbpp - 1;
    let zeros = bits.zeros();
    match zeros.cmp(&longest) {
        Ordering::Less => {
            let high = u64::from(zeros) << k;
            u32::try_from(high | u64::from(bits.read(k))).unwrap_or(u32::MAX)
        }
        Ordering::Equal => bits.read(coding.qbpp) + 1,
        Ordering::Greater => u32::MAX,
    }
}
