//! Random numbers from a counter: Philox 4x32-10 (Salmon et al. 2011,
//! <https://doi.org/10.1145/2063384.2063405>).
//!
//! A number is a function of its stream and its position in it, so any part of a stream can be
//! had in any order and on any thread.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

/// Blocks that are worked on together; a power of two.
pub const LANES: usize = 32;

const MULTIPLIERS: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// One of 2^128 streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    high: [u32; 2],
}

impl Stream {
    /// Returns the stream of one purpose in one sample.
    ///
    /// Philox is a bijection of its counter: under one seed, different (epoch, sample, purpose)
    /// have different streams for certain.
    #[must_use]
    pub fn new(seed: u64, epoch: u32, sample: u64, purpose: u32) -> Self {
        let [low, high] = halves(sample);
        Self::from_words(philox([low, high, epoch, purpose], halves(seed)))
    }

    /// Returns the stream that [`Self::words`] names.
    #[must_use]
    pub const fn from_words([a, b, c, d]: [u32; 4]) -> Self {
        Self { key: [a, b], high: [c, d] }
    }

    /// Returns the four numbers that name the stream.
    #[must_use]
    pub const fn words(self) -> [u32; 4] {
        [self.key[0], self.key[1], self.high[0], self.high[1]]
    }

    /// Returns the four numbers of block `index`.
    #[must_use]
    pub fn block(self, index: u64) -> [u32; 4] {
        let [low, high] = halves(index);
        philox([low, high, self.high[0], self.high[1]], self.key)
    }

    /// Writes blocks `LANES * index..LANES * (index + 1)`, one a lane: `words[word][lane]`.
    #[inline(always)]
    pub fn lanes(self, index: u64, words: &mut [[u32; LANES]; 4]) {
        // Within so many blocks the lower half of the number never overflows.
        let [low, high] = halves(index.wrapping_mul(LANES as u64));
        let [a, b, c, d] = words;
        let mut lane = low;
        for at in 0..LANES {
            let counter = [lane, high, self.high[0], self.high[1]];
            [a[at], b[at], c[at], d[at]] = philox(counter, self.key);
            lane = lane.wrapping_add(1);
        }
    }

    /// Fills `out` with the stream's first numbers, uniform in 0 <= u < 1, multiples of 2^-53.
    pub fn uniform(self, out: &mut [f64]) {
        for (index, pair) in (0_u64..).zip(out.chunks_mut(2)) {
            let [a, b, c, d] = self.block(index);
            for (value, [low, high]) in pair.iter_mut().zip([[a, b], [c, d]]) {
                *value = f64::from(high) / TWO_32 + f64::from(low >> 11) / TWO_53;
            }
        }
    }
}

const TWO_32: f64 = 4_294_967_296.0;
const TWO_53: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::cast_possible_truncation, reason = "the halves are asked for")]
#[inline(always)]
const fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [a, b, c, d] = counter;
        let [first_low, first_high] = halves(u64::from(a) * MULTIPLIERS[0]);
        let [second_low, second_high] = halves(u64::from(c) * MULTIPLIERS[1]);
        counter = [second_high ^ b ^ key[0], second_low, first_high ^ d ^ key[1], first_low];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_known_answers() {
        // The known-answer tests of Random123, philox 4x32 10.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(
            philox(pi, [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn lanes_are_blocks() {
        let stream = Stream::new(7, 1, u64::MAX - 3, 2);
        for index in [0, 1, 5, u64::from(u32::MAX) / 32, u64::MAX / 32] {
            let mut words = [[0; LANES]; 4];
            stream.lanes(index, &mut words);
            for lane in 0..LANES {
                let block = stream.block(index * LANES as u64 + lane as u64);
                assert_eq!(words.map(|word| word[lane]), block);
            }
        }
    }

    #[test]
    fn words_name_a_stream() {
        let stream = Stream::new(u64::MAX, 3, 4, 5);
        assert_eq!(Stream::from_words(stream.words()), stream);
        assert_ne!(Stream::new(u64::MAX, 3, 5, 5), stream);
    }
}
