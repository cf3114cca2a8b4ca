//! Normally distributed numbers in blocks, by the transform of Box and Muller (1958,
//! <https://doi.org/10.1214/aoms/1177706645>).
//!
//! Number n of a stream is the same whether it is asked for alone or among others: each block of
//! numbers has states of its own, made by Philox from the block's number, from which xoshiro128++
//! (Blackman and Vigna, <https://prng.di.unimi.it/xoshiro128plusplus.c>) goes on for 32 steps. The
//! radius is made from 31 bits whose small values keep their digits, so the tails reach 6.6
//! standard deviations.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use super::elementary::{ln, sine_cosine};
use super::stream::{LANES, Stream};

/// Numbers made together: best asked for at whole multiples.
pub(super) const BLOCK: usize = 1024;
const TWO_M31: f32 = 1.0 / 2_147_483_648.0;

/// Adds `sd` times the stream's numbers from position `first` on.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a rest below BLOCK")]
pub(super) fn add_normals(out: &mut [f32], stream: Stream, first: u64, sd: f32) {
    let mut normals = [0.0; BLOCK];
    let mut index = first / BLOCK as u64;
    // Part of a block, as when a slice before this one ended within it.
    let mut skipped = (first % BLOCK as u64) as usize;
    let mut rest = out;
    while !rest.is_empty() {
        let (values, after) = rest.split_at_mut(rest.len().min(BLOCK - skipped));
        fill(&mut normals, stream, index);
        for (value, normal) in values.iter_mut().zip(&normals[skipped..]) {
            *value += normal * sd;
        }
        (index, skipped, rest) = (index + 1, 0, after);
    }
}

/// Writes the stream's numbers `BLOCK * index..BLOCK * (index + 1)`.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rounded to the digits of a float")]
fn fill(out: &mut [f32; BLOCK], stream: Stream, index: u64) {
    let mut states = [[0; LANES]; 4];
    stream.lanes(index, &mut states);
    let (parts, _) = out.as_chunks_mut::<LANES>();
    let (pairs, _) = parts.as_chunks_mut::<2>();
    for [cosines, sines] in pairs {
        let [a, b, c, d] = &mut states;
        for lane in 0..LANES {
            let mut state = [a[lane], b[lane], c[lane], d[lane]];
            let (radius, angle) = (step(&mut state), step(&mut state));
            [a[lane], b[lane], c[lane], d[lane]] = state;
            let uniform = (radius.cast_signed() as f32).abs().max(0.5) * TWO_M31;
            let radius = (-2.0 * ln(uniform)).sqrt();
            // A quarter of the circle about the first axis; one bit turns it round, one mirrors it
            // at the diagonal. The bits are below those that a float keeps of the angle.
            let (sine, cosine) = sine_cosine((angle.cast_signed() as f32) * TWO_M31);
            let cosine = f32::from_bits(cosine.to_bits() ^ (angle << 31));
            let mirrored = angle & 2 != 0;
            cosines[lane] = radius * if mirrored { sine } else { cosine };
            sines[lane] = radius * if mirrored { cosine } else { sine };
        }
    }
}

/// One step of xoshiro128++.
#[inline(always)]
fn step(s: &mut [u32; 4]) -> u32 {
    let result = s[0].wrapping_add(s[3]).rotate_left(7).wrapping_add(s[0]);
    let shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3].rotate_left(11);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(count: usize) -> Vec<f32> {
        let mut out = vec![0.0; count];
        add_normals(&mut out, Stream::new(1, 2, 3, 4), 0, 1.0);
        out
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn moments_are_those_of_the_normal_distribution() {
        let values = first(1 << 20);
        let moment = |power: i32| {
            values.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>()
                / values.len() as f64
        };
        // Four standard errors: sqrt(var(x^n) / N) with N = 2^20.
        let error = 4.0 / 1024.0;
        for (power, wanted, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0)]
        {
            let found = moment(power);
            assert!((found - wanted).abs() < error * f64::sqrt(variance), "{power}: {found}");
        }
        assert!(values.iter().all(|value| value.abs() < 6.7));
    }

    #[test]
    fn steps_equal_the_reference_implementation() {
        // The first outputs of xoshiro128plusplus.c from the state 1, 2, 3, 4.
        let mut state = [1, 2, 3, 4];
        let found = [0; 5].map(|_| step(&mut state));
        assert_eq!(found, [641, 1_573_767, 3_222_811_527, 3_517_856_514, 836_907_274]);
    }

    #[test]
    fn a_part_is_a_part_of_the_whole() {
        let all = first(2500);
        for (from, to) in [(0, 1), (1, 2), (3, 100), (1023, 1025), (1024, 2048), (77, 2500), (5, 5)]
        {
            let mut part = vec![0.0; to - from];
            add_normals(&mut part, Stream::new(1, 2, 3, 4), from as u64, 1.0);
            assert_eq!(part, all[from..to]);
        }
    }
}
