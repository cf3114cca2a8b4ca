//! The MQ decoder (ISO/IEC 15444-1, annex C), and bits that bypass it.

/// A decision of the bit-plane decoder.
pub(super) trait Coder: Copy {
    /// Bits are plain: contexts don't matter, and signs aren't predicted.
    const RAW: bool;
    fn bit(&mut self, context: usize) -> u32;
}

/// A state of the probability estimation: the less probable symbol's probability, and the next
/// states after either. The lowest bit of a state's number is the more probable symbol.
#[derive(Clone, Copy)]
struct State {
    qe: u16,
    more: u8,
    less: u8,
}

/// Table C.2: probability, next state after the more probable symbol, after the less probable
/// one, and whether the symbols change places then.
const ESTIMATION: [(u16, u8, u8, bool); 47] = [
    (0x5601, 1, 1, true),
    (0x3401, 2, 6, false),
    (0x1801, 3, 9, false),
    (0x0ac1, 4, 12, false),
    (0x0521, 5, 29, false),
    (0x0221, 38, 33, false),
    (0x5601, 7, 6, true),
    (0x5401, 8, 14, false),
    (0x4801, 9, 14, false),
    (0x3801, 10, 14, false),
    (0x3001, 11, 17, false),
    (0x2401, 12, 18, false),
    (0x1c01, 13, 20, false),
    (0x1601, 29, 21, false),
    (0x5601, 15, 14, true),
    (0x5401, 16, 14, false),
    (0x5101, 17, 15, false),
    (0x4801, 18, 16, false),
    (0x3801, 19, 17, false),
    (0x3401, 20, 18, false),
    (0x3001, 21, 19, false),
    (0x2801, 22, 19, false),
    (0x2401, 23, 20, false),
    (0x2201, 24, 21, false),
    (0x1c01, 25, 22, false),
    (0x1801, 26, 23, false),
    (0x1601, 27, 24, false),
    (0x1401, 28, 25, false),
    (0x1201, 29, 26, false),
    (0x1101, 30, 27, false),
    (0x0ac1, 31, 28, false),
    (0x09c1, 32, 29, false),
    (0x08a1, 33, 30, false),
    (0x0521, 34, 31, false),
    (0x0441, 35, 32, false),
    (0x02a1, 36, 33, false),
    (0x0221, 37, 34, false),
    (0x0141, 38, 35, false),
    (0x0111, 39, 36, false),
    (0x0085, 40, 37, false),
    (0x0049, 41, 38, false),
    (0x0025, 42, 39, false),
    (0x0015, 43, 40, false),
    (0x0009, 44, 41, false),
    (0x0005, 45, 42, false),
    (0x0001, 45, 43, false),
    (0x5601, 46, 46, false),
];

/// The states of both more probable symbols, filled up so that seven bits are always a place.
const STATES: [State; 128] = {
    let mut states = [State { qe: 0x5601, more: 92, less: 92 }; 128];
    let mut at = 0;
    while at < 94 {
        let (qe, more, less, switch) = ESTIMATION[at / 2];
        #[expect(clippy::cast_possible_truncation, reason = "0 or 1")]
        let symbol = (at % 2) as u8;
        let less_symbol = if switch { 1 - symbol } else { symbol };
        states[at] = State { qe, more: 2 * more + symbol, less: 2 * less + less_symbol };
        at += 1;
    }
    states
};

/// Contexts: 0 to 8 of zeros, 9 to 13 of signs, 14 to 16 of refinements, and these.
pub(super) const RUN: usize = 17;
/// Equal probabilities.
pub(super) const UNIFORM: usize = 18;

/// The states that a code-block starts with (table D.7).
pub(super) const START: [u8; 32] = {
    let mut states = [0; 32];
    (states[0], states[RUN], states[UNIFORM]) = (2 * 4, 2 * 3, 2 * 46);
    states
};

/// The arithmetic decoder.
#[derive(Clone, Copy)]
pub(super) struct Mq<'a> {
    data: &'a [u8],
    at: usize,
    /// The interval.
    a: u32,
    /// The code: its topmost 16 bits are compared, those below follow.
    c: u64,
    /// Bits of the code that are there.
    filled: u32,
    pub states: [u8; 32],
}

impl<'a> Mq<'a> {
    pub(super) fn new(data: &'a [u8], states: [u8; 32]) -> Self {
        let first = data.first().copied().unwrap_or(0xff);
        let c = u64::from(first) << 55;
        let mut decoder = Self { data, at: 0, a: 0x8000, c, filled: 9, states };
        decoder.fill();
        decoder
    }

    /// Takes in bytes. The first may be the second of a pair with a carry, which must not come
    /// before its turn: fewer than 16 bits must be needed of those that are there.
    fn fill(&mut self) {
        let mut last = self.data.get(self.at).copied().unwrap_or(0xff);
        let mut early = false;
        while self.filled <= 48 {
            let next = self.data.get(self.at + 1).copied().unwrap_or(0xff);
            if last == 0xff {
                if next > 0x8f {
                    // The end: ones for ever.
                    self.c += 0xff << (56 - self.filled);
                    self.filled += 8;
                    early = true;
                    continue;
                }
                if early && next > 0x7f {
                    return;
                }
                self.c = self.c.wrapping_add(u64::from(next) << (57 - self.filled));
                self.filled += 7;
            } else {
                self.c += u64::from(next) << (56 - self.filled);
                self.filled += 8;
            }
            self.at += 1;
            last = next;
            early = true;
        }
    }

    #[inline]
    fn shift(&mut self, count: u32) {
        self.a <<= count;
        self.c <<= count;
        self.filled -= count;
    }

    #[inline]
    fn renormalise(&mut self) {
        let count = self.a.leading_zeros() - 16;
        if self.filled >= 16 + count {
            self.shift(count);
        } else {
            self.renormalise_and_fill(count);
        }
    }

    #[cold]
    fn renormalise_and_fill(&mut self, mut count: u32) {
        loop {
            let part = count.min(self.filled - 16);
            self.shift(part);
            count -= part;
            if count == 0 {
                return;
            }
            self.fill();
        }
    }
}

impl Coder for Mq<'_> {
    const RAW: bool = false;

    #[inline]
    fn bit(&mut self, context: usize) -> u32 {
        let number = self.states[context & 31];
        let state = STATES[usize::from(number & 127)];
        let symbol = u32::from(number & 1);
        let qe = u32::from(state.qe);
        self.a -= qe;
        let below = self.c >> 48 < u64::from(qe);
        if !below {
            self.c -= u64::from(qe) << 48;
            if self.a & 0x8000 != 0 {
                return symbol;
            }
        }
        // The symbols change places where the less probable one has the larger part.
        let more = (self.a < qe) == below;
        if below {
            self.a = qe;
        }
        self.states[context & 31] = if more { state.more } else { state.less };
        self.renormalise();
        if more { symbol } else { 1 - symbol }
    }
}

/// Bits that bypass the arithmetic decoder: behind a byte of all ones, the next holds only seven.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    data: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
}

impl<'a> Raw<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, byte: 0, left: 0 }
    }
}

impl Coder for Raw<'_> {
    const RAW: bool = true;

    fn bit(&mut self, _context: usize) -> u32 {
        if self.left == 0 {
            self.left = if self.byte == 0xff { 7 } else { 8 };
            self.byte = self.data.get(self.at).copied().unwrap_or(0xff);
            self.at += 1;
        }
        self.left -= 1;
        u32::from(self.byte >> self.left & 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_sequence_of_the_standard() {
        // ISO/IEC 15444-1, annex C gives that of ISO/IEC 14492 (JBIG2), H.2.
        let coded = [
            0x84, 0xc7, 0x3b, 0xfc, 0xe1, 0xa1, 0x43, 0x04, 0x02, 0x20, 0x00, 0x00, 0x41, 0x0d,
            0xbb, 0x86, 0xf4, 0x31, 0x7f, 0xff, 0x88, 0xff, 0x37, 0x47, 0x1a, 0xdb, 0x6a, 0xdf,
            0xff, 0xac,
        ];
        let plain = [
            0x00, 0x02, 0x00, 0x51, 0x00, 0x00, 0x00, 0xc0, 0x03, 0x52, 0x87, 0x2a, 0xaa, 0xaa,
            0xaa, 0xaa, 0x82, 0xc0, 0x20, 0x00, 0xfc, 0xd7, 0x9e, 0xf6, 0xbf, 0x7f, 0xed, 0x90,
            0x4f, 0x46, 0xa3, 0xbf,
        ];
        let mut decoder = Mq::new(&coded, [0; 32]);
        for byte in plain {
            let found = (0..8).fold(0, |value, _| value << 1 | decoder.bit(0));
            assert_eq!(found, byte);
        }
    }
}
