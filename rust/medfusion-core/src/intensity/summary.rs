//! Count, range, mean and spread of values.

use super::{BLOCK, grain};
use crate::parallel::{self, Stopped, Watch};
use crate::vector::{self, Kernel};
use crate::volume::Sample;

/// What of a [`Summary`] is worked out; the rest stays empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Count, mean and squares.
    Moments,
    /// Lowest and highest value.
    Range,
}

/// Which finite values count.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// All of them.
    All,
    /// Those that are not 0.
    Nonzero,
    /// Those where this is not 0.
    Where(&'a [u8]),
}

/// What finite values are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of the squared distances to the mean.
    pub squares: f64,
    /// The smallest.
    pub low: f32,
    /// The largest.
    pub high: f32,
}

impl Summary {
    /// Of no values.
    pub const EMPTY: Self =
        Self { count: 0, mean: 0.0, squares: 0.0, low: f32::INFINITY, high: f32::NEG_INFINITY };

    /// Population standard deviation.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn deviation(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / self.count as f64).sqrt() }
    }

    /// Measures values in memory, as one block.
    #[must_use]
    pub fn of<T: Sample>(values: &[T], measure: Measure) -> Self {
        match measure {
            Measure::Moments => moments(values),
            Measure::Range => range(values),
        }
    }

    /// The summary of all values of several, by Chan's formula (1979, Stanford STAN-CS-79-773).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn together(parts: &[Self]) -> Self {
        parts.iter().fold(Self::EMPTY, |known, part| {
            let (low, high) = (known.low.min(part.low), known.high.max(part.high));
            if part.count == 0 || known.count == 0 {
                let moments = if part.count == 0 { known } else { *part };
                return Self { low, high, ..moments };
            }
            let (a, b) = (known.count as f64, part.count as f64);
            let distance = part.mean - known.mean;
            Self {
                count: known.count + part.count,
                mean: known.mean + distance * (b / (a + b)),
                squares: known.squares + part.squares + distance * distance * (a * b / (a + b)),
                low,
                high,
            }
        })
    }
}

/// Measures values, in blocks whose size does not depend on the number of threads.
///
/// A mask that is shorter than the values counts none of the rest.
///
/// # Errors
/// [`Stopped`] when `watch` asked to stop.
pub fn summarize<T: Sample>(
    values: &[T],
    counted: Counted<'_>,
    measure: Measure,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Summary, Stopped> {
    let mut parts = vec![Summary::EMPTY; values.len().div_ceil(BLOCK)];
    let work = values.chunks(BLOCK).zip(&mut parts).enumerate();
    let threads = grain(values.len(), threads);
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (at, (block, part))| {
            *part = match counted {
                Counted::All => Summary::of(block, measure),
                Counted::Nonzero => chosen(block.iter().map(|x| x.to_f32()).filter(|&x| x != 0.0)),
                Counted::Where(mask) => {
                    let mask = mask.get(at * BLOCK..).unwrap_or(&[]);
                    let inside = block.iter().zip(mask).filter(|&(_, &inside)| inside != 0);
                    chosen(inside.map(|(value, _)| value.to_f32()))
                }
            };
        },
        watch,
    )?;
    Ok(Summary::together(&parts))
}

/// Partial sums: so many that the compiler keeps them in memory and adds with wide instructions.
const LANES: usize = 64;

struct Sums<'a, T> {
    values: &'a [T],
    pivot: f64,
}

impl<T: Sample> Kernel for Sums<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = self.values.as_chunks::<LANES>();
        for chunk in chunks {
            for ((sum, square), value) in sums.iter_mut().zip(&mut squares).zip(chunk) {
                let distance = f64::from(value.to_f32()) - self.pivot;
                *sum += distance;
                *square += distance * distance;
            }
        }
        for ((sum, square), value) in sums.iter_mut().zip(&mut squares).zip(rest) {
            let distance = f64::from(value.to_f32()) - self.pivot;
            *sum += distance;
            *square += distance * distance;
        }
        (sums.iter().sum(), squares.iter().sum())
    }
}

/// Mean and squares about a first value, which keeps the digits of values far from 0.
#[expect(clippy::cast_precision_loss, reason = "a block has far less than 2^52 values")]
fn moments<T: Sample>(values: &[T]) -> Summary {
    let finite = values.iter().map(|value| value.to_f32()).find(|value| value.is_finite());
    let Some(pivot) = finite.map(f64::from) else { return Summary::EMPTY };
    let (sum, squares) = vector::run(Sums { values, pivot });
    if !sum.is_finite() {
        return chosen(values.iter().map(|value| value.to_f32()));
    }
    let count = values.len() as f64;
    let shift = sum / count;
    Summary {
        count: values.len() as u64,
        mean: pivot + shift,
        squares: (squares - sum * shift).max(0.0),
        ..Summary::EMPTY
    }
}

struct Extremes<'a, T>(&'a [T]);

impl<T: Sample> Kernel for Extremes<'_, T> {
    type Output = (f32, f32);

    #[inline(always)]
    fn call(self) -> (f32, f32) {
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        for value in self.0 {
            // Whole numbers in the order of the values: their minimum has no rules for NaN, which
            // stands at one of the ends.
            let key = turned(value.to_f32().to_bits().cast_signed());
            low = low.min(key);
            high = high.max(key);
        }
        let of_key = |key| f32::from_bits(turned(key).cast_unsigned());
        (of_key(low), of_key(high))
    }
}

/// Turns the order of negative numbers round; twice is nothing.
#[inline(always)]
fn turned(bits: i32) -> i32 {
    bits ^ (((bits >> 31).cast_unsigned()) >> 1).cast_signed()
}

fn range<T: Sample>(values: &[T]) -> Summary {
    let (low, high) = vector::run(Extremes(values));
    if low.is_finite() && high.is_finite() {
        return Summary { low, high, ..Summary::EMPTY };
    }
    let whole = chosen(values.iter().map(|value| value.to_f32()));
    Summary { low: whole.low, high: whole.high, ..Summary::EMPTY }
}

/// All of a summary, over the finite ones of some values.
#[expect(clippy::cast_precision_loss, reason = "a block has far less than 2^52 values")]
fn chosen(values: impl Iterator<Item = f32>) -> Summary {
    let mut finite = values.filter(|value| value.is_finite());
    let Some(first) = finite.next() else { return Summary::EMPTY };
    let pivot = f64::from(first);
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut found = Summary { count: 1, low: first, high: first, ..Summary::EMPTY };
    for value in finite {
        let distance = f64::from(value) - pivot;
        sum += distance;
        squares += distance * distance;
        found.count += 1;
        found.low = found.low.min(value);
        found.high = found.high.max(value);
    }
    let shift = sum / found.count as f64;
    Summary { mean: pivot + shift, squares: (squares - sum * shift).max(0.0), ..found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(values: &[f32], measure: Measure) -> Summary {
        summarize(values, Counted::All, measure, 2, &mut || false).expect("nothing stops it")
    }

    #[test]
    fn digits_survive_far_from_zero() {
        let values: Vec<f32> = (0_u8..=255).cycle().take(300_000).map(f32::from).collect();
        let far: Vec<f32> = values.iter().map(|value| value + 1e6).collect();
        let (near, far) = (measured(&values, Measure::Moments), measured(&far, Measure::Moments));
        assert!((near.deviation() - far.deviation()).abs() < 1e-9);
        assert!((far.mean - near.mean - 1e6).abs() < 1e-9);
    }

    #[test]
    fn only_finite_values_count() {
        let values = [f32::NAN, 1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY];
        let found = measured(&values, Measure::Moments);
        assert_eq!((found.count, found.mean, found.squares), (2, 2.0, 2.0));
        let found = measured(&values, Measure::Range);
        assert!((found.low, found.high) == (1.0, 3.0));
        assert_eq!(measured(&[f32::NAN; 40], Measure::Moments).count, 0);
        assert!(measured(&[f32::NAN; 40], Measure::Range).low > 0.0);
    }
}
