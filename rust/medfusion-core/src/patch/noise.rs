//! Normally distributed numbers in blocks, by the transform of Box and Muller (1958,
//! <https://doi.org/10.1214/aoms/1177706645>).
//!
//! Number n of a stream is the same whether it is asked for alone or among others. The radius is
//! made from 31 bits whose small values keep their digits, so the tails reach 6.6 standard
//! deviations.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use super::elementary::{ln, sine_cosine};
use super::stream::{LANES, Stream};

/// Numbers made together.
const CHUNK: usize = 4 * LANES;
const TWO_M31: f32 = 1.0 / 2_147_483_648.0;

/// Adds `sd` times the stream's numbers from position `first` on.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a rest below CHUNK")]
pub fn add_normals(out: &mut [f32], stream: Stream, first: u64, sd: f32) {
    let chunk = CHUNK as u64;
    let mut index = first / chunk;
    // A part of a chunk, as when a slice before this one ended within it.
    let skipped = (first % chunk) as usize;
    let mut rest = out;
    if skipped > 0 {
        let (head, tail) = rest.split_at_mut(rest.len().min(CHUNK - skipped));
        let normals = normals(stream, index);
        add(head, &normals[skipped..], sd);
        index += 1;
        rest = tail;
    }
    let mut chunks = rest.chunks_exact_mut(CHUNK);
    for values in &mut chunks {
        add(values, &normals(stream, index), sd);
        index += 1;
    }
    let tail = chunks.into_remainder();
    if !tail.is_empty() {
        add(tail, &normals(stream, index), sd);
    }
}

#[inline(always)]
fn add(values: &mut [f32], normals: &[f32], sd: f32) {
    for (value, normal) in values.iter_mut().zip(normals) {
        *value += normal * sd;
    }
}

/// Returns the stream's numbers `CHUNK * index..CHUNK * (index + 1)`.
#[inline(always)]
fn normals(stream: Stream, index: u64) -> [f32; CHUNK] {
    let mut words = [[0; LANES]; 4];
    stream.lanes(index, &mut words);
    let mut out = [0.0; CHUNK];
    let (first, second) = out.split_at_mut(2 * LANES);
    pairs(&words[0], &words[1], first);
    pairs(&words[2], &words[3], second);
    out
}

/// Writes the pair of each lane to `out[lane]` and `out[LANES + lane]`.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rounded to the digits of a float")]
fn pairs(radii: &[u32; LANES], angles: &[u32; LANES], out: &mut [f32]) {
    let (cosines, sines) = out.split_at_mut(LANES);
    for (((cosines, sines), &radius), &angle) in
        cosines.iter_mut().zip(sines).zip(radii).zip(angles)
    {
        let uniform = (radius.cast_signed() as f32).abs().max(0.5) * TWO_M31;
        let radius = (-2.0 * ln(uniform)).sqrt();
        // A quarter of the circle about the first axis; one bit turns it round, one mirrors it at
        // the diagonal. The bits are below those that a float keeps of the angle.
        let (sine, cosine) = sine_cosine((angle.cast_signed() as f32) * TWO_M31);
        let cosine = f32::from_bits(cosine.to_bits() ^ (angle << 31));
        let mirrored = angle & 2 != 0;
        *cosines = radius * if mirrored { sine } else { cosine };
        *sines = radius * if mirrored { cosine } else { sine };
    }
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
    fn a_part_is_a_part_of_the_whole() {
        let all = first(500);
        for (from, to) in [(0, 1), (1, 2), (3, 100), (127, 129), (128, 256), (77, 500), (5, 5)] {
            let mut part = vec![0.0; to - from];
            add_normals(&mut part, Stream::new(1, 2, 3, 4), from as u64, 1.0);
            assert_eq!(part, all[from..to]);
        }
    }
}
