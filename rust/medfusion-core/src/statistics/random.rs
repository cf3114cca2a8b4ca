//! xoshiro256++ (Blackman and Vigna, <https://prng.di.unimi.it/xoshiro256plusplus.c>), one stream
//! for every (seed, replicate): a replicate's draws don't depend on the thread that makes them.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream([u64; 4]);

impl Stream {
    /// Returns the stream of replicate `index` under `seed`.
    pub fn new(seed: u64, index: u64) -> Self {
        // Two rounds of mixing tell the streams of near seeds and near replicates apart; SplitMix64
        // then fills the state, as the authors advise. Its four words are never all zero.
        let mut key = mix(mix(seed ^ 0x6a09_e667_f3bc_c908).wrapping_add(index));
        Self(std::array::from_fn(|_| {
            key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(key)
        }))
    }

    /// Returns 64 random bits.
    #[inline]
    pub fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }
}

/// Uniform draws below a bound, without bias (Lemire, <https://arxiv.org/abs/1805.10941>).
///
/// One 64-bit number gives two draws.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    bound: u64,
    /// Low words under this are drawn again.
    rejected: u32,
}

impl Below {
    /// Returns the sampler of `0..bound`; `bound` must not be 0.
    pub fn new(bound: u32) -> Self {
        Self { bound: u64::from(bound), rejected: bound.wrapping_neg() % bound }
    }

    /// Calls `each` with `count` draws.
    #[inline]
    pub fn draw(self, stream: &mut Stream, count: usize, mut each: impl FnMut(usize)) {
        let mut left = count;
        while left > 0 {
            let bits = stream.next();
            for half in [bits >> 32, bits & 0xffff_ffff] {
                let product = half * self.bound;
                if (product & 0xffff_ffff) >= u64::from(self.rejected) && left > 0 {
                    each(usize::try_from(product >> 32).unwrap_or(usize::MAX));
                    left -= 1;
                }
            }
        }
    }
}

/// The finaliser of SplitMix64.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_reference_implementation() {
        // The first outputs of xoshiro256plusplus.c from the state 1, 2, 3, 4.
        let mut stream = Stream([1, 2, 3, 4]);
        let expected = [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386];
        assert_eq!(expected.map(|_| stream.next()), expected);
    }

    #[test]
    fn draws_are_uniform() {
        let mut counts = [0_u32; 7];
        Below::new(7).draw(&mut Stream::new(1, 2), 70_000, |value| counts[value] += 1);
        assert_eq!(counts.iter().sum::<u32>(), 70_000);
        // 6 degrees of freedom: 22.5 is the 0.999 quantile.
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi2 < 22.5, "{counts:?}");
    }

    #[test]
    fn neighbouring_streams_differ() {
        let first = |seed, index| Stream::new(seed, index).next();
        let mut seen: Vec<u64> =
            (0..100).flat_map(|seed| (0..100).map(move |index| first(seed, index))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
