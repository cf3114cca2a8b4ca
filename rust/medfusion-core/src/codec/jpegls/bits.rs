//! The bits of a JPEG-LS scan: behind a byte of all ones, the next byte holds only seven.

/// Reads bits, most significant first; behind the end come zeros, which are counted.
pub(super) struct Bits<'a> {
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

impl<'a> Bits<'a> {
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
            // The next byte's first bit is a zero, which lies on the last bit of this one.
            self.valid += if byte == 0xff { 7 } else { 8 };
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

    #[inline]
    fn skip(&mut self, count: u32) {
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
        let mut bits = Bits::new(&bytes);
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
    fn zeros_stop_at_a_one() {
        let mut bits = Bits::new(&[0, 0, 0b0001_0110, 0xff, 0x40]);
        assert_eq!(bits.zeros(), 19);
        assert_eq!(bits.zeros(), 1);
        assert_eq!(bits.zeros(), 0);
        assert_eq!(bits.read(1), 0);
        assert_eq!(bits.read(9), 0b1_1111_1111);
    }
}
