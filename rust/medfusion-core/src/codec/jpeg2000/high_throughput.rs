//! Code-blocks of High-Throughput JPEG 2000 (ITU-T T.814 | ISO/IEC 15444-15, clause 7).
//!
//! Samples are decoded in quads of two by two, two quads at a time: what of them is significant
//! (variable-length codes and runs, read from both ends of one segment), then their values
//! (plain bits, whose number the codes gave).

use super::codestream::style;
use super::damaged;
use super::quads::{EMPTY, FIRST, OTHER, Quad};
use crate::codec::CodecError;

/// The longest part of the clean-up segment that runs and codes can take.
const MAX_SUFFIX: usize = 4079;
const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;
/// The topmost bit of a value is its sign.
const SIGN: u32 = 1 << 31;

/// Memory for code-blocks, used again for each.
#[derive(Default)]
pub(super) struct HighThroughput {
    width: usize,
    height: usize,
    /// Twice the sizes of the coefficients and their signs.
    values: Vec<u32>,
    /// What is significant: 1 since the clean-up pass, 2 since the pass behind it. One sample more
    /// on each side.
    significant: Vec<u8>,
    /// Exponents of the row above and of the current one: one sample more on the left, and some on
    /// the right.
    above: Vec<u8>,
    exponents: Vec<u8>,
}

impl HighThroughput {
    /// Decodes the passes of a code-block: the clean-up segment, then that of the others.
    ///
    /// `planes` are those that the clean-up pass leaves below its own and itself, `zeros` those
    /// above.
    pub(super) fn decode(
        &mut self,
        (width, height): (usize, usize),
        kind: u8,
        (planes, zeros): (u32, u32),
        (cleanup, others): (&[u8], &[u8]),
        passes: u8,
    ) -> Result<(), CodecError> {
        (self.width, self.height) = (width, height);
        self.values.clear();
        self.values.resize(width * height, 0);
        self.significant.clear();
        self.significant.resize((width + 2) * (height + 2), 0);
        if planes == 0 {
            return Err(damaged("a code-block of too many zero bit planes"));
        }
        if passes > 3 {
            return Err(super::unsupported("several sets of passes in a code-block"));
        }
        self.cleanup(cleanup, planes, zeros)?;
        if passes > 1 && !others.is_empty() && planes > 1 {
            self.significance(others, planes, kind & style::CAUSAL != 0);
            if passes > 2 {
                self.refinement(others, planes);
            }
        }
        Ok(())
    }

    /// Gives each row of the block: twice its coefficients' sizes, with their signs.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, impl Iterator<Item = (u32, bool)>)> {
        self.values
            .chunks_exact(self.width)
            .map(|row| row.iter().map(|&value| (value & !SIGN, value & SIGN != 0)))
            .enumerate()
    }

    fn cleanup(&mut self, data: &[u8], planes: u32, zeros: u32) -> Result<(), CodecError> {
        let wrong = || damaged("a code-block's clean-up pass can't be");
        let &[.., low, high] = data else { return Err(wrong()) };
        let suffix = usize::from(high) << 4 | usize::from(low & 15);
        if suffix < 2 || suffix > data.len().min(MAX_SUFFIX) {
            return Err(wrong());
        }
        let (plain, suffix) = data.split_at(data.len() - suffix);
        let mut runs = Runs::new(suffix);
        let mut codes = Backward::codes(suffix);
        let mut plain = Forward::new(plain, 0xff);
        let room = self.width + 6;
        self.above.clear();
        self.above.resize(room, 0);
        self.exponents.clear();
        self.exponents.resize(room, 0);
        for y in (0..self.height).step_by(2) {
            // Which samples are inside the block, upper and lower, in each quad.
            let rows = if y + 1 < self.height { 0b1111 } else { 0b0101 };
            let mut before = 0;
            for x in (0..self.width).step_by(4) {
                let mut quads = [EMPTY; 2];
                for (at, quad) in quads.iter_mut().enumerate() {
                    let left = x + 2 * at;
                    if left >= self.width {
                        break;
                    }
                    let context = if y == 0 {
                        before
                    } else {
                        let over = &self.above[left..left + 4];
                        before
                            | usize::from(over[0] > 0 || over[1] > 0)
                            | usize::from(over[2] > 0 || over[3] > 0) << 2
                    };
                    if context > 0 || runs.event() {
                        let table = if y == 0 { &FIRST } else { &OTHER };
                        *quad =
                            table[context << 7 | usize::from(codes.peek().to_le_bytes()[0] & 0x7f)];
                        codes.skip(u32::from(quad.length));
                    }
                    let s = usize::from(quad.significant);
                    before = if y == 0 { s & 1 | s >> 1 } else { (s >> 1 & 2) | (s >> 2 & 2) };
                    let columns = if left + 1 < self.width { 0b1111 } else { 0b0011 };
                    if quad.significant & !(rows & columns) != 0 {
                        return Err(wrong());
                    }
                }
                let offsets = (quads[0].offset, quads[1].offset);
                let both = y == 0 && offsets == (true, true) && runs.event();
                let bounds = codes.bounds(offsets, y == 0, both);
                for (at, (quad, mut bound)) in quads.into_iter().zip(bounds).enumerate() {
                    let left = x + 2 * at;
                    if y > 0 && quad.significant.count_ones() > 1 {
                        let over = self.above[left..left + 4].iter().max().copied().unwrap_or(0);
                        bound += u32::from(over).saturating_sub(2);
                    }
                    if bound > zeros + 2 {
                        return Err(wrong());
                    }
                    self.quad(quad, bound, planes, (left, y), &mut plain);
                }
            }
            std::mem::swap(&mut self.above, &mut self.exponents);
            self.exponents.fill(0);
        }
        Ok(())
    }

    /// Reads the values of a quad: `bound` is what their exponents are at most.
    fn quad(
        &mut self,
        quad: Quad,
        bound: u32,
        planes: u32,
        (left, top): (usize, usize),
        plain: &mut Forward<'_>,
    ) {
        for at in 0..4 {
            if quad.significant >> at & 1 == 0 {
                continue;
            }
            let known = u32::from(quad.known >> at & 1);
            let count = bound.saturating_sub(known);
            let bits = plain.read(count);
            let leading = u32::from(quad.leading >> at & 1);
            // Twice the size less one, and a one behind the last bit.
            let value = bits | leading << count | 1;
            let (x, y) = (left + at / 2, top + at % 2);
            self.values[y * self.width + x] =
                (bits & 1) << 31 | (value.wrapping_add(2) << (planes - 1)) & !SIGN;
            self.significant[(y + 1) * (self.width + 2) + x + 1] = 1;
            if at % 2 == 1 {
                self.exponents[x + 1] = u8::try_from(32 - value.leading_zeros()).unwrap_or(0);
            }
        }
    }

    /// Decodes which neighbours of significant samples become so, four columns at a time, and
    /// behind those their signs (7.4).
    fn significance(&mut self, data: &[u8], planes: u32, causal: bool) {
        let mut bits = Forward::new(data, 0);
        let stride = self.width + 2;
        for top in (0..self.height).step_by(4) {
            let bottom = (top + 4).min(self.height);
            for left in (0..self.width).step_by(4) {
                let right = (left + 4).min(self.width);
                let mut new = [0; 16];
                let mut count = 0;
                for x in left..right {
                    for y in top..bottom {
                        let place = (y + 1) * stride + x + 1;
                        let row = |start: usize| self.significant[start - 1..=start + 1] != [0; 3];
                        let below = !(causal && y == top + 3);
                        let around =
                            row(place - stride) || row(place) || below && row(place + stride);
                        if self.significant[place] == 0 && around && bits.read(1) == 1 {
                            self.significant[place] = 2;
                            new[count] = y * self.width + x;
                            count += 1;
                        }
                    }
                }
                for &place in &new[..count] {
                    self.values[place] = bits.read(1) << 31 | 3 << (planes - 2);
                }
            }
        }
    }

    /// Decodes a bit more of what the clean-up pass found significant (7.5).
    fn refinement(&mut self, data: &[u8], planes: u32) {
        let mut bits = Backward::refinement(data);
        for top in (0..self.height).step_by(4) {
            for x in 0..self.width {
                for y in top..(top + 4).min(self.height) {
                    if self.significant[(y + 1) * (self.width + 2) + x + 1] == 1 {
                        let value = &mut self.values[y * self.width + x];
                        *value ^= (1 - bits.read(1)) << (planes - 1);
                        *value |= 1 << (planes - 2);
                    }
                }
            }
        }
    }
}

/// The adaptive code of runs of events (7.3.3).
struct Runs<'a> {
    data: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
    state: usize,
    /// Events that don't happen, and whether one happens then.
    run: u32,
    ends: bool,
}

impl<'a> Runs<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, byte: 0, left: 0, state: 0, run: 0, ends: false }
    }

    fn bit(&mut self) -> u32 {
        if self.left == 0 {
            self.left = if self.byte == 0xff { 7 } else { 8 };
            // The last byte but one is shared with the codes; behind it come ones.
            self.byte = match (self.data.get(self.at), self.at + 2) {
                (Some(&byte), next) if next < self.data.len() => byte,
                (Some(&byte), next) if next == self.data.len() => byte | 15,
                _ => 0xff,
            };
            self.at += 1;
        }
        self.left -= 1;
        u32::from(self.byte >> self.left & 1)
    }

    /// Returns whether the next event happens.
    fn event(&mut self) -> bool {
        const EXPONENTS: [u32; 13] = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5];
        if self.run == 0 && !self.ends {
            let exponent = EXPONENTS[self.state];
            if self.bit() == 1 {
                self.run = 1 << exponent;
                self.state = (self.state + 1).min(12);
            } else {
                self.run = (0..exponent).fold(0, |value, _| value << 1 | self.bit());
                self.ends = true;
                self.state = self.state.saturating_sub(1);
            }
        }
        if self.run > 0 {
            self.run -= 1;
            return false;
        }
        self.ends = false;
        true
    }
}

/// Bits from the front, lowest first: behind a byte of all ones, the next holds only seven.
struct Forward<'a> {
    data: &'a [u8],
    /// What comes behind the end.
    filler: u8,
    bits: u64,
    valid: u32,
    stuffed: bool,
}

impl<'a> Forward<'a> {
    fn new(data: &'a [u8], filler: u8) -> Self {
        Self { data, filler, bits: 0, valid: 0, stuffed: false }
    }

    /// Reads up to 32 bits.
    #[inline]
    fn read(&mut self, count: u32) -> u32 {
        if self.valid < count {
            self.fill(count);
        }
        let value = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.valid -= count;
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    /// Makes so many bits ready. Those above may hold bits of the next byte already.
    fn fill(&mut self, count: u32) {
        if let (false, Some(&eight)) = (self.stuffed, self.data.first_chunk()) {
            let word = u64::from_le_bytes(eight);
            // No byte is 0xff: no byte of the complement is zero.
            if (!word).wrapping_sub(ONES) & word & TOPS == 0 {
                let bytes = (63 - self.valid) / 8;
                self.bits |= word << self.valid;
                self.valid += 8 * bytes;
                self.data = &self.data[bytes as usize..];
                return;
            }
        }
        while self.valid < count {
            let byte = match self.data.split_first() {
                Some((&byte, rest)) => {
                    self.data = rest;
                    byte
                }
                None => self.filler,
            };
            self.bits |= u64::from(byte) << self.valid;
            self.valid += if self.stuffed { 7 } else { 8 };
            self.stuffed = byte == 0xff;
        }
    }
}

/// Bits from the back, lowest first: a byte that would look like stuffing holds only seven.
struct Backward<'a> {
    data: &'a [u8],
    bits: u64,
    valid: u32,
    stuffed: bool,
}

impl<'a> Backward<'a> {
    /// The codes of quads, which begin with half a byte.
    fn codes(data: &'a [u8]) -> Self {
        let (data, byte) = match data {
            [rest @ .., byte, _] => (rest, *byte),
            _ => (data, 0),
        };
        let half = byte >> 4;
        let valid = if half & 7 == 7 { 3 } else { 4 };
        Self { data, bits: u64::from(half), valid, stuffed: byte | 15 > 0x8f }
    }

    fn refinement(data: &'a [u8]) -> Self {
        Self { data, bits: 0, valid: 0, stuffed: true }
    }

    /// Makes at least 32 bits ready.
    #[inline]
    fn fill(&mut self) {
        if self.valid < 32 {
            self.fill_up();
        }
    }

    fn fill_up(&mut self) {
        if let Some(&eight) = self.data.last_chunk() {
            let word = u64::from_be_bytes(eight);
            // No byte ends with seven ones, so none is stuffed.
            let low = word & !TOPS ^ !TOPS;
            if low.wrapping_sub(ONES) & !low & TOPS == 0 {
                let bytes = (63 - self.valid) / 8;
                self.bits |= word << self.valid;
                self.valid += 8 * bytes;
                self.stuffed = word >> (8 * bytes - 8) & 0xff > 0x8f;
                self.data = &self.data[..self.data.len() - bytes as usize];
                return;
            }
        }
        while self.valid < 32 {
            let byte = match self.data.split_last() {
                Some((&byte, rest)) => {
                    self.data = rest;
                    byte
                }
                None => 0,
            };
            self.bits |= u64::from(byte) << self.valid;
            self.valid += if self.stuffed && byte & 0x7f == 0x7f { 7 } else { 8 };
            self.stuffed = byte > 0x8f;
        }
    }

    #[inline]
    fn peek(&mut self) -> u64 {
        self.fill();
        self.bits
    }

    #[inline]
    fn skip(&mut self, count: u32) {
        self.bits >>= count;
        self.valid -= count;
    }

    fn read(&mut self, count: u32) -> u32 {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count);
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    /// Reads the first part of an exponent's code: its value, and the bits of the second.
    fn prefix(&mut self) -> (u32, u32) {
        let bits = self.peek() & 7;
        let (length, found) = match bits {
            bits if bits & 1 == 1 => (1, (1, 0)),
            bits if bits & 2 == 2 => (2, (2, 0)),
            4 => (3, (3, 1)),
            _ => (3, (5, 5)),
        };
        self.skip(length);
        found
    }

    /// Reads what the exponents of two quads are at most (7.3.6); `both` is the event that says
    /// that both of a first pair are large.
    fn bounds(&mut self, offsets: (bool, bool), first: bool, both: bool) -> [u32; 2] {
        match offsets {
            (false, false) => [1, 1],
            (true, false) => {
                let (value, more) = self.prefix();
                [1 + value + self.read(more), 1]
            }
            (false, true) => {
                let (value, more) = self.prefix();
                [1, 1 + value + self.read(more)]
            }
            (true, true) => {
                let base = if both { 3 } else { 1 };
                let one = self.prefix();
                if first && !both && one.0 > 2 {
                    // Only one bit is left for the second.
                    let second = 2 + self.read(1);
                    return [1 + one.0 + self.read(one.1), second];
                }
                let two = self.prefix();
                [base + one.0 + self.read(one.1), base + two.0 + self.read(two.1)]
            }
        }
    }
}
