//! The bit planes of a code-block (ISO/IEC 15444-1, annex D).
//!
//! A word of flags holds what is known of four samples of a column and of those around them:
//! bits 0 to 17 which of six rows of three are significant, 18 to 23 the signs of the middle
//! column, 24 to 27 which of the four came in the plane already, 28 to 31 which were refined.

use super::arithmetic::{Coder, Mq, RUN, Raw, START, UNIFORM};
use super::codestream::style;

/// The neighbours of a sample in its window of nine.
const AROUND: u32 = 0x1ef;
/// The significance of the four samples.
const OWN: u32 = 1 << 4 | 1 << 7 | 1 << 10 | 1 << 13;
const CAME: u32 = 0xf << 24;

/// Contexts of zeros (table D.1) for LL and LH, HL, HH.
const ZEROS: [[u8; 512]; 3] = {
    let mut tables = [[0; 512]; 3];
    let mut window = 0;
    while window < 512 {
        let h = (window >> 3 & 1) + (window >> 5 & 1);
        let v = (window >> 1 & 1) + (window >> 7 & 1);
        let d = (window & 1) + (window >> 2 & 1) + (window >> 6 & 1) + (window >> 8 & 1);
        tables[0][window] = zero_context(h, v, d);
        tables[1][window] = zero_context(v, h, d);
        tables[2][window] = match (d, h + v) {
            (0, 0) => 0,
            (0, 1) => 1,
            (0, _) => 2,
            (1, 0) => 3,
            (1, 1) => 4,
            (1, _) => 5,
            (2, 0) => 6,
            (2, _) => 7,
            _ => 8,
        };
        window += 1;
    }
    tables
};

const fn zero_context(h: usize, v: usize, d: usize) -> u8 {
    match (h, v, d) {
        (2, _, _) => 8,
        (1, 1.., _) => 7,
        (1, 0, 1..) => 6,
        (1, 0, 0) => 5,
        (_, 2, _) => 4,
        (_, 1, _) => 3,
        (_, _, 2..) => 2,
        (_, _, 1) => 1,
        _ => 0,
    }
}

/// Contexts of signs (table D.3), and in the lowest bit whether the sign is turned round. Odd bits
/// are the significance of the samples above, left, right and below, even ones their signs.
const SIGNS: [u8; 256] = {
    let mut table = [0; 256];
    let mut index = 0_usize;
    while index < 256 {
        let mut sums = [0_i32; 4];
        let mut at = 0;
        while at < 4 {
            let pair = index >> (2 * at) & 3;
            sums[at] = if pair & 2 == 0 {
                0
            } else if pair & 1 == 0 {
                1
            } else {
                -1
            };
            at += 1;
        }
        let v = (sums[0] + sums[3]).signum();
        let h = (sums[1] + sums[2]).signum();
        let (context, turned) = match (h, v) {
            (1, 1) => (13, 0),
            (1, 0) => (12, 0),
            (1, _) => (11, 0),
            (0, 1) => (10, 0),
            (0, 0) => (9, 0),
            (0, _) => (10, 1),
            (_, 1) => (11, 1),
            (_, 0) => (12, 1),
            _ => (13, 1),
        };
        table[index] = context << 1 | turned;
        index += 1;
    }
    table
};

/// A codeword segment: its bytes and its passes.
pub(super) struct Segment<'a> {
    pub data: &'a [u8],
    pub passes: u8,
}

/// Memory for code-blocks, used again for each.
#[derive(Default)]
pub(super) struct BitPlanes {
    width: usize,
    height: usize,
    /// Words of a row of flags: one more on each side.
    stride: usize,
    flags: Vec<u32>,
    /// Twice the sizes of the coefficients; the lowest decoded bit is followed by a one, which is
    /// the middle of what it may be. Columns of four samples follow each other.
    sizes: Vec<u32>,
    /// Contexts of zeros.
    zeros: usize,
    causal: bool,
}

impl BitPlanes {
    /// Decodes the segments of a code-block that has so many bit planes.
    pub(super) fn decode<'a>(
        &mut self,
        (width, height): (usize, usize),
        kind: u32,
        style: u8,
        planes: u32,
        segments: impl Iterator<Item = Segment<'a>>,
    ) {
        (self.width, self.height, self.stride) = (width, height, width + 2);
        let stripes = height.div_ceil(4);
        self.flags.clear();
        self.flags.resize(self.stride * (stripes + 2), 0);
        self.sizes.clear();
        self.sizes.resize(4 * width * stripes, 0);
        self.zeros = [0, 1, 0, 2][kind as usize];
        self.causal = style & style::CAUSAL != 0;
        let mut states = START;
        // The first plane has only a clean-up pass, the third of three.
        let mut pass = 2;
        for segment in segments {
            let raw = style & style::BYPASS != 0 && pass >= 12 && pass % 3 < 2;
            if raw {
                let mut coder = Raw::new(segment.data);
                for _ in 0..segment.passes {
                    self.pass(&mut coder, pass, planes);
                    pass += 1;
                }
                continue;
            }
            let mut coder = Mq::new(segment.data, states);
            for _ in 0..segment.passes {
                self.pass(&mut coder, pass, planes);
                if pass % 3 == 2 && style & style::SYMBOLS != 0 {
                    for _ in 0..4 {
                        coder.bit(UNIFORM);
                    }
                }
                if style & style::RESET != 0 {
                    coder.states = START;
                }
                pass += 1;
            }
            states = coder.states;
        }
    }

    /// Decodes a pass; those below the lowest plane are left out.
    fn pass<C: Coder>(&mut self, coder: &mut C, pass: u32, planes: u32) {
        let Some(plane) = planes.checked_sub(pass / 3 + 1) else { return };
        // The coder is worked with as a copy, so that it stays in registers.
        let mut local = *coder;
        match pass % 3 {
            0 => self.significance(&mut local, plane),
            1 => self.refinement(&mut local, plane),
            _ => self.cleanup(&mut local, plane),
        }
        *coder = local;
    }

    fn significance<C: Coder>(&mut self, coder: &mut C, plane: u32) {
        let value = 3 << plane;
        for stripe in 0..self.height.div_ceil(4) {
            let rows = (self.height - 4 * stripe).min(4);
            let start = (stripe + 1) * self.stride + 1;
            for x in 0..self.width {
                let mut flags = self.flags[start + x];
                if flags == 0 {
                    continue;
                }
                let column = (start + x, 4 * (stripe * self.width + x));
                self.maybe::<C, 0>(coder, &mut flags, column, value);
                if rows > 1 {
                    self.maybe::<C, 1>(coder, &mut flags, column, value);
                }
                if rows > 2 {
                    self.maybe::<C, 2>(coder, &mut flags, column, value);
                }
                if rows > 3 {
                    self.maybe::<C, 3>(coder, &mut flags, column, value);
                }
                self.flags[start + x] = flags;
            }
        }
    }

    /// Decodes whether a sample with significant neighbours becomes significant.
    #[inline]
    fn maybe<C: Coder, const ROW: u32>(
        &mut self,
        coder: &mut C,
        flags: &mut u32,
        column: (usize, usize),
        value: u32,
    ) {
        let window = *flags >> (3 * ROW);
        if window & AROUND == 0 || window & 1 << 4 != 0 {
            return;
        }
        let context = ZEROS[self.zeros][(window & AROUND) as usize];
        if coder.bit(usize::from(context)) == 1 {
            self.becomes::<C, ROW>(coder, flags, column, value);
        }
        *flags |= 1 << (24 + ROW);
    }

    /// Decodes the sign of a sample that becomes significant, and tells its neighbours.
    #[inline]
    fn becomes<C: Coder, const ROW: u32>(
        &mut self,
        coder: &mut C,
        flags: &mut u32,
        (word, sample): (usize, usize),
        value: u32,
    ) {
        let sign = if C::RAW {
            coder.bit(0)
        } else {
            let (left, right) = (self.flags[word - 1], self.flags[word + 1]);
            let index = *flags >> (3 * ROW) & 0xaa
                | *flags >> (18 + ROW) & 1
                | (left >> (19 + ROW) & 1) << 2
                | (right >> (19 + ROW) & 1) << 4
                | (*flags >> (20 + ROW) & 1) << 6;
            let entry = SIGNS[index as usize];
            coder.bit(usize::from(entry >> 1)) ^ u32::from(entry & 1)
        };
        self.sizes[sample + ROW as usize] = value;
        *flags |= 1 << (3 * ROW + 4) | sign << (19 + ROW);
        self.flags[word - 1] |= 1 << (3 * ROW + 5);
        self.flags[word + 1] |= 1 << (3 * ROW + 3);
        if ROW == 0 && !self.causal {
            let above = word - self.stride;
            self.flags[above - 1] |= 1 << 17;
            self.flags[above] |= 1 << 16 | sign << 23;
            self.flags[above + 1] |= 1 << 15;
        }
        if ROW == 3 {
            let below = word + self.stride;
            self.flags[below - 1] |= 1 << 2;
            self.flags[below] |= 1 << 1 | sign << 18;
            self.flags[below + 1] |= 1;
        }
    }

    fn refinement<C: Coder>(&mut self, coder: &mut C, plane: u32) {
        for stripe in 0..self.height.div_ceil(4) {
            let start = (stripe + 1) * self.stride + 1;
            let columns = self.flags[start..start + self.width].iter_mut();
            let sizes = self.sizes[4 * stripe * self.width..].as_chunks_mut::<4>().0;
            for (word, sizes) in columns.zip(sizes) {
                if *word & OWN == 0 {
                    continue;
                }
                let mut flags = *word;
                refine::<C, 0>(coder, &mut flags, &mut sizes[0], plane);
                refine::<C, 1>(coder, &mut flags, &mut sizes[1], plane);
                refine::<C, 2>(coder, &mut flags, &mut sizes[2], plane);
                refine::<C, 3>(coder, &mut flags, &mut sizes[3], plane);
                *word = flags;
            }
        }
    }

    fn cleanup<C: Coder>(&mut self, coder: &mut C, plane: u32) {
        let value = 3 << plane;
        for stripe in 0..self.height.div_ceil(4) {
            let rows = (self.height - 4 * stripe).min(4);
            let start = (stripe + 1) * self.stride + 1;
            for x in 0..self.width {
                let mut flags = self.flags[start + x];
                let column = (start + x, 4 * (stripe * self.width + x));
                let mut first = 0;
                if flags == 0 && rows == 4 {
                    // A run of four zeros, or the place of the first one.
                    if coder.bit(RUN) == 0 {
                        continue;
                    }
                    first = coder.bit(UNIFORM) << 1 | coder.bit(UNIFORM);
                    match first {
                        0 => self.becomes::<C, 0>(coder, &mut flags, column, value),
                        1 => self.becomes::<C, 1>(coder, &mut flags, column, value),
                        2 => self.becomes::<C, 2>(coder, &mut flags, column, value),
                        _ => self.becomes::<C, 3>(coder, &mut flags, column, value),
                    }
                    first += 1;
                }
                if first == 0 {
                    self.rest::<C, 0>(coder, &mut flags, column, value);
                }
                if first <= 1 && rows > 1 {
                    self.rest::<C, 1>(coder, &mut flags, column, value);
                }
                if first <= 2 && rows > 2 {
                    self.rest::<C, 2>(coder, &mut flags, column, value);
                }
                if first <= 3 && rows > 3 {
                    self.rest::<C, 3>(coder, &mut flags, column, value);
                }
                self.flags[start + x] = flags & !CAME;
            }
        }
    }

    /// Decodes whether a sample that has not come in this plane becomes significant.
    #[inline]
    fn rest<C: Coder, const ROW: u32>(
        &mut self,
        coder: &mut C,
        flags: &mut u32,
        column: (usize, usize),
        value: u32,
    ) {
        if *flags & (1 << (3 * ROW + 4) | 1 << (24 + ROW)) != 0 {
            return;
        }
        let window = *flags >> (3 * ROW) & AROUND;
        if coder.bit(usize::from(ZEROS[self.zeros][window as usize])) == 1 {
            self.becomes::<C, ROW>(coder, flags, column, value);
        }
    }

    /// Gives each row of the block: twice its coefficients' sizes, with their signs.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, impl Iterator<Item = (u32, bool)>)> {
        (0..self.height).map(move |y| {
            let (stripe, row) = (y / 4, y % 4);
            let flags = &self.flags[(stripe + 1) * self.stride + 1..];
            let sizes = self.sizes[4 * stripe * self.width..].as_chunks::<4>().0;
            let values = sizes.iter().zip(flags).take(self.width);
            (y, values.map(move |(four, flags)| (four[row], flags >> (19 + row) & 1 == 1)))
        })
    }
}

/// Decodes a bit more of a significant sample.
#[inline]
fn refine<C: Coder, const ROW: u32>(coder: &mut C, flags: &mut u32, size: &mut u32, plane: u32) {
    let own = 1 << (3 * ROW + 4);
    if *flags & (own | 1 << (24 + ROW)) != own {
        return;
    }
    let context = if *flags & 1 << (28 + ROW) != 0 {
        16
    } else if *flags >> (3 * ROW) & AROUND != 0 {
        15
    } else {
        14
    };
    // The one behind the last bit becomes this bit, followed by a one.
    let bit = coder.bit(context);
    *size = (*size ^ (1 - bit) << (plane + 1)) | 1 << plane;
    *flags |= 1 << (28 + ROW);
}
