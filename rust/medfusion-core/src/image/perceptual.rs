//! A hash of what an image looks like: 64 bits that change little when it is saved anew.
//!
//! The image is made grey and 32 x 32, transformed by a discrete cosine transform, and each of the
//! 8 x 8 lowest frequencies gives one bit: above their median or not. This is the `phash` of the
//! Python package `ImageHash`, bit for bit where Pillow shrinks rows before columns; Zauner 2010,
//! Implementation and Benchmarking of Perceptual Image Hash Functions, section 3.2.1.

use std::f64::consts::PI;
use std::path::Path;

use super::{Image, ImageError, Samples, colour, file};
use crate::parallel::{self, Stopped, Watch};

/// Side of the small image.
const SIDE: usize = 32;

/// Pixels of the small image.
const AREA: f64 = 1024.0;

/// Frequencies each way that give bits.
const LOW: usize = 8;

/// Pillow's weights are whole multiples of 1 / this; sums of them are then exact, and no rounding
/// of ours moves a level.
const FIXED: f64 = 4_194_304.0;

/// Below this standard deviation, in levels of the samples, the small image shows nothing.
const FLAT: f64 = 1.0;

/// Returns the hash of each image file; `None` where the image is all of one level.
///
/// # Errors
/// [`Stopped`] when `watch` asked for it. An image that can't be read has its error in its place.
pub fn perceptual_hashes<P: AsRef<Path> + Sync>(
    paths: &[P],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Result<Option<u64>, ImageError>>, Stopped> {
    let mut found: Vec<Result<Option<u64>, ImageError>> = paths.iter().map(|_| Ok(None)).collect();
    parallel::for_each(
        paths.iter().zip(&mut found),
        threads,
        Hasher::default,
        |hasher, (path, slot)| {
            *slot = file::guard(|| Ok(hasher.hash(&file::read_file(path.as_ref())?)));
        },
        watch,
    )?;
    Ok(found)
}

/// Returns the hash of an image; `None` where it is all of one level.
#[must_use]
pub fn perceptual_hash(image: &Image) -> Option<u64> {
    Hasher::default().hash(image)
}

/// Tables and scratch memory of one thread.
#[derive(Default)]
struct Hasher {
    waves: Vec<[f64; SIDE]>,
    /// The taps of the side they are for.
    across: (usize, Vec<Tap>),
    down: (usize, Vec<Tap>),
    luma8: Vec<u8>,
    luma16: Vec<u16>,
    line: Vec<f64>,
    narrow: Vec<f64>,
}

/// The first sample and the weights that make one sample of the small image.
type Tap = (usize, Vec<f64>);

impl Hasher {
    fn hash(&mut self, image: &Image) -> Option<u64> {
        if self.waves.is_empty() {
            self.waves = waves();
        }
        for (side, kept) in [(image.width, &mut self.across), (image.height, &mut self.down)] {
            if kept.0 != side {
                *kept = (side, taps(side));
            }
        }
        let grey = image.channels == 1;
        let small = match &image.samples {
            Samples::U8(samples) if grey => self.shrink(samples, image.width, whole),
            Samples::U16(samples) if grey => self.shrink(samples, image.width, |level| level),
            Samples::U8(samples) => {
                let mut luma = std::mem::take(&mut self.luma8);
                colour::luma(samples, &mut luma);
                let small = self.shrink(&luma, image.width, whole);
                self.luma8 = luma;
                small
            }
            Samples::U16(samples) => {
                let mut luma = std::mem::take(&mut self.luma16);
                colour::luma(samples, &mut luma);
                let small = self.shrink(&luma, image.width, |level| level);
                self.luma16 = luma;
                small
            }
        };
        let mean = small.iter().sum::<f64>() / AREA;
        let variance = small.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / AREA;
        if variance < FLAT * FLAT {
            return None;
        }
        let low = low_frequencies(&small, &self.waves);
        let mut sorted = low;
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted[LOW * LOW / 2 - 1].midpoint(sorted[LOW * LOW / 2]);
        Some(low.iter().fold(0, |bits, &value| bits << 1 | u64::from(value > median)))
    }

    /// Returns a grey image small, row by row. `finish` rounds the levels after each pass.
    fn shrink<T: Copy + Into<f64>>(
        &mut self,
        grey: &[T],
        width: usize,
        finish: impl Fn(f64) -> f64,
    ) -> Vec<f64> {
        self.narrow.clear();
        for row in grey.chunks_exact(width) {
            self.line.clear();
            self.line.extend(row.iter().map(|&sample| sample.into()));
            let line = &self.line;
            self.narrow.extend(
                self.across.1.iter().map(|(first, weights)| finish(dot(&line[*first..], weights))),
            );
        }
        let (rows, _) = self.narrow.as_chunks::<SIDE>();
        let mut small = Vec::with_capacity(SIDE * SIDE);
        for (first, weights) in &self.down.1 {
            let mut sums = [0.0_f64; SIDE];
            for (row, weight) in rows[*first..].iter().zip(weights) {
                for (sum, level) in sums.iter_mut().zip(row) {
                    *sum += level * weight;
                }
            }
            small.extend(sums.map(&finish));
        }
        small
    }
}

/// Rounds to a level of 8 bits, as Pillow does after each pass.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to 0 to 255")]
fn whole(level: f64) -> f64 {
    f64::from((level + 0.5) as u8)
}

/// The sum of the products, in eight partial sums that the processor can work on at once.
fn dot(values: &[f64], weights: &[f64]) -> f64 {
    let (values, values_rest) = values[..weights.len()].as_chunks::<8>();
    let (weights, weights_rest) = weights.as_chunks::<8>();
    let mut sums = [0.0_f64; 8];
    for (values, weights) in values.iter().zip(weights) {
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * weight;
        }
    }
    let mut total = 0.0;
    for (value, weight) in values_rest.iter().zip(weights_rest) {
        total += value * weight;
    }
    for sum in sums {
        total += sum;
    }
    total
}

/// Returns the first sample and the weights of each of the 32 along an axis: Lanczos with three
/// lobes, widened by the scale, as Pillow's `Image.resize(LANCZOS)`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "image sides are small, and below 0 becomes 0"
)]
fn taps(input: usize) -> Vec<Tap> {
    let scale = input as f64 / SIDE as f64;
    let widened = scale.max(1.0);
    let support = 3.0 * widened;
    (0..SIDE)
        .map(|position| {
            let centre = (position as f64 + 0.5) * scale;
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let weight = |sample| lanczos((sample as f64 + 0.5 - centre) / widened);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let total: f64 = weights.iter().sum();
            (first, weights.iter().map(|weight| (weight / total * FIXED).round() / FIXED).collect())
        })
        .collect()
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// The cosines of the lowest frequencies.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn waves() -> Vec<[f64; SIDE]> {
    let wave = |frequency: usize, place: usize| {
        (PI * frequency as f64 * (2 * place + 1) as f64 / (2 * SIDE) as f64).cos()
    };
    (0..LOW).map(|frequency| std::array::from_fn(|place| wave(frequency, place))).collect()
}

/// The lowest frequencies of the two-dimensional cosine transform, row by row.
fn low_frequencies(small: &[f64], waves: &[[f64; SIDE]]) -> [f64; LOW * LOW] {
    let along = |row: &[f64], wave: &[f64; SIDE]| -> f64 {
        row.iter().zip(wave).map(|(level, wave)| level * wave).sum()
    };
    let rows: Vec<[f64; LOW]> = small
        .chunks_exact(SIDE)
        .map(|row| std::array::from_fn(|frequency| along(row, &waves[frequency])))
        .collect();
    std::array::from_fn(|bit| {
        rows.iter().zip(&waves[bit / LOW]).map(|(row, wave)| row[bit % LOW] * wave).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, level: impl Fn(usize, usize) -> u8) -> Image {
        let samples = (0..width * width).map(|place| level(place / width, place % width)).collect();
        Image { height: width, width, channels: 1, samples: Samples::U8(samples) }
    }

    #[test]
    fn one_level_has_no_hash_and_a_slope_has() {
        assert_eq!(perceptual_hash(&image(50, |_, _| 90)), None);
        let slope = image(50, |_, x| u8::try_from(5 * x).expect("a byte"));
        assert!(perceptual_hash(&slope).is_some());
    }

    #[test]
    fn another_size_and_depth_is_the_same_look() {
        let level = |y: usize, x: usize, width: usize| {
            u8::try_from((y * 90 / width + 30) ^ (x * 100 / width)).expect("a byte")
        };
        let hash = |width: usize| {
            perceptual_hash(&image(width, |y, x| level(y, x, width))).expect("a look")
        };
        assert!((hash(64) ^ hash(320)).count_ones() <= 6);
        let deep = |factor: u16| {
            let Samples::U8(samples) = image(64, |y, x| level(y, x, 64)).samples else {
                return None;
            };
            let samples = samples.into_iter().map(|sample| u16::from(sample) * factor).collect();
            let samples = Samples::U16(samples);
            perceptual_hash(&Image { height: 64, width: 64, channels: 1, samples })
        };
        assert_eq!(deep(1), deep(200));
        assert!((deep(1).expect("a look") ^ hash(64)).count_ones() <= 2);
    }
}
