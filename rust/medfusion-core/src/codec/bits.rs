//! The bits of a coded scan. Behind a byte of all ones, JPEG puts a byte of zeros, and JPEG-LS
//! only one bit.

/// Reads bits, most significant first; behind the end come zeros, which are counted.
/// `STUFFING` is the number of bits stuffed behind a byte of all ones, 1 or 8.
pub(super) struct Bits<'a, const STUFFING: u32> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the top. Bits below the valid ones are zeros, or already those that
    /// will be or-ed in.
    cache: u64,
    valid: u32,
    /// Zeros that were added behind the end.
    added: u64,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

impl<'a, const STUFFING: u32> Bits<'a, STUFFING> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, cache: 0, valid: 0, added: 0 }
    }

    /// Returns whether more bits were read than there are.
    pub(super) fn exhausted(&self) -> bool {
        self.added > u64::from(self.valid)
    }

    /// Makes at least 56 bits ready.
    #[inline]
    pub(super) fn fill(&mut self) {
        if self.valid >= 56 {
            return;
        }
        if let Some(&eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_be_bytes(eight);
            // No byte is 0xff: no byte of the complement is zero.
            if (!word).wrapping_sub(ONES) & word & TOPS == 0 {
                let count = (64 - self.valid) / 8;
                self.cache |= word >> self.valid;
                self.valid += count * 8;
                self.at += count as usize;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while self.valid <= 56 {
            let byte = self.bytes.get(self.at).copied();
            self.at += 1;
            if byte.is_none() {
                self.added += 8;
            }
            let byte = byte.unwrap_or(0);
            self.cache |= u64::from(byte) << (56 - self.valid);
            self.valid += 8;
            if byte == 0xff {
                if STUFFING == 8 {
                    self.at += 1;
                } else {
                    // The next byte's first bit is a zero, which lies on the last bit of this one.
                    self.valid -= 1;
                }
            }
        }
    }

    /// Counts zeros up to a one and steps over them all. At most 55 can be told from more.
    #[inline]
    pub(super) fn zeros(&mut self) -> u32 {
        self.fill();
        let count = self.cache.leading_zeros().min(55);
        self.skip(count + 1);
        count
    }

    /// Shows the next bits, from the top of a word; [`Bits::fill`] makes them ready.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        self.cache
    }

    /// Reads up to 32 bits.
    #[inline]
    pub(super) fn read(&mut self, count: u32) -> u32 {
        if self.valid < count {
            self.fill();
        }
        let value = (self.cache >> 1) >> (63 - count);
        self.skip(count);
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    /// Steps over bits that are ready.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.cache <<= count;
        self.valid -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_bits_are_left_out() {
        let mut bytes = vec![0xff, 0x7f, 0xff, 0x00, 0xab];
        bytes.extend([0x12; 20]);
        let mut bits = Bits::<1>::new(&bytes);
        assert_eq!(bits.read(15), 0x7fff);
        assert_eq!(bits.read(15), 0xff << 7);
        assert_eq!(bits.read(8), 0xab);
        for _ in 0..20 {
            bits.fill();
            assert_eq!(bits.read(8), 0x12);
        }
        assert!(!bits.exhausted());
        assert_eq!(bits.read(1), 0);
        assert!(bits.exhausted());
    }

    #[test]
    fn stuffed_bytes_are_left_out() {
        let mut bits = Bits::<8>::new(&[0xff, 0x00, 0xab, 0xff, 0x00]);
        assert_eq!(bits.read(24), 0x00ff_abff);
        assert!(!bits.exhausted());
    }

    #[test]
    fn zeros_stop_at_a_one() {
        let mut bits = Bits::<1>::new(&[0, 0, 0b0001_0110, 0xff, 0x40]);
        assert_eq!(bits.zeros(), 19);
        assert_eq!(bits.zeros(), 1);
        assert_eq!(bits.zeros(), 0);
        assert_eq!(bits.read(1), 0);
        assert_eq!(bits.read(9), 0b1_1111_1111);
    }
}
