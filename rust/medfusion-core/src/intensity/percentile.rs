//! Exact percentiles in one pass over the values.
//!
//! A sample says between which two values each percentile must lie (Floyd and Rivest 1975,
//! <https://doi.org/10.1145/360680.360691>); one pass counts the values below and keeps the few in
//! between; the percentile is found exactly among these. Values that many voxels share are counted,
//! never kept. Where the sample misleads, two passes over the digits give the same result.

use super::{BLOCK, grain, radix};
use crate::parallel::{self, Stopped, Watch};
use crate::vector::{self, Kernel};

/// Values whose percentiles can be found.
pub trait Quantiles: Copy + Send + Sync + PartialOrd + 'static {
    /// A key of 32 bits in the order of the values.
    fn key(self) -> u32;
    /// The value of a key.
    fn of_key(key: u32) -> Self;
    /// The value in double precision.
    fn to_f64(self) -> f64;
    /// Whether it counts.
    fn is_counted(self) -> bool;
    /// Whether keys have 16 bits: then their histogram is the shortest way.
    const SHORT: bool;
}

macro_rules! integer {
    ($($kind:ty, $short:expr, $zero:expr);*) => {$(
        impl Quantiles for $kind {
            const SHORT: bool = $short;

            #[allow(
                clippy::cast_sign_loss,
                clippy::cast_lossless,
                clippy::cast_possible_truncation,
                reason = "0 to 2^32 - 1"
            )]
            fn key(self) -> u32 {
                (self as i64 + $zero) as u32
            }

            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "made from such a value"
            )]
            fn of_key(key: u32) -> Self {
                (i64::from(key) - $zero) as Self
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn is_counted(self) -> bool {
                true
            }
        }
    )*};
}

integer!(u8, true, 0; u16, true, 0; i16, true, 1 << 15; i32, false, 1 << 31);

impl Quantiles for f32 {
    const SHORT: bool = false;

    fn key(self) -> u32 {
        let bits = self.to_bits();
        if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
    }

    fn of_key(key: u32) -> Self {
        Self::from_bits(if key >> 31 == 0 { !key } else { key & !(1 << 31) })
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn is_counted(self) -> bool {
        self.is_finite()
    }
}

/// Up to so many values are sorted: no sample is worth its while.
const SMALL: usize = 1 << 15;

/// Values of the sample.
const SAMPLE: usize = 1 << 14;

/// Returns the quantiles of the finite values, with linear interpolation between two values; None
/// where none is finite.
///
/// `wanted` are fractions from 0 to 1. The result is that of NumPy's default method on the same
/// values in double precision.
///
/// # Errors
/// [`Stopped`] when `watch` asked to stop.
pub fn quantiles<T: Quantiles>(
    values: &[T],
    wanted: &[f64],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Option<Vec<f64>>, Stopped> {
    if T::SHORT {
        return radix::quantiles(values, wanted, threads, watch);
    }
    if values.len() > SMALL {
        if let Some(found) = by_sample(values, wanted, threads, &mut *watch)? {
            return Ok(Some(found));
        }
        return radix::quantiles(values, wanted, threads, watch);
    }
    let mut counted: Vec<T> = values.iter().copied().filter(|value| value.is_counted()).collect();
    if counted.is_empty() {
        return Ok(None);
    }
    counted.sort_unstable_by_key(|value| value.key());
    let at = |rank: usize| counted[rank].to_f64();
    Ok(Some(wanted.iter().map(|&fraction| Ranks::of(fraction, counted.len()).mix(at)).collect()))
}

/// The two ranks around a quantile, and the weight of the second.
#[derive(Clone, Copy)]
pub(super) struct Ranks {
    pub first: usize,
    pub second: usize,
    weight: f64,
}

impl Ranks {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank below the count, which is far below 2^52"
    )]
    pub fn of(fraction: f64, count: usize) -> Self {
        let last = (count - 1) as f64;
        let place = (fraction * last).clamp(0.0, last);
        let first = place.floor() as usize;
        Self { first, second: (first + 1).min(count - 1), weight: place - first as f64 }
    }

    pub fn mix(self, at: impl Fn(usize) -> f64) -> f64 {
        let (first, second) = (at(self.first), at(self.second));
        first + (second - first) * self.weight
    }
}

/// Two values between which a quantile is looked for.
#[derive(Clone, Copy)]
struct Bracket<T> {
    low: T,
    high: T,
}

/// How many values lie where, and those strictly between the two of a bracket.
struct Tally<T> {
    below_low: usize,
    up_to_low: usize,
    up_to_high: usize,
    between: Vec<T>,
}

/// One block of values against all brackets.
struct Piece<'a, T> {
    values: &'a [T],
    counted: &'a mut usize,
    tallies: &'a mut [Tally<T>],
}

fn by_sample<T: Quantiles>(
    values: &[T],
    wanted: &[f64],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Option<Vec<f64>>, Stopped> {
    let Some(brackets) = brackets(values, wanted) else { return Ok(None) };
    let blocks = values.len().div_ceil(BLOCK);
    let mut counted = vec![0; blocks];
    let mut tallies: Vec<Tally<T>> = Vec::new();
    tallies.resize_with(blocks * brackets.len(), || Tally {
        below_low: 0,
        up_to_low: 0,
        up_to_high: 0,
        between: Vec::new(),
    });
    let work = values
        .chunks(BLOCK)
        .zip(&mut counted)
        .zip(tallies.chunks_exact_mut(brackets.len().max(1)))
        .map(|((values, counted), tallies)| Piece { values, counted, tallies });
    let threads = grain(values.len(), threads);
    parallel::for_each(
        work,
        threads,
        || (),
        |(), piece| {
            // Small enough to stay in the innermost cache for every bracket.
            for values in piece.values.chunks(1 << 12) {
                *piece.counted += vector::run(CountFinite(values));
                for (bracket, tally) in brackets.iter().zip(&mut *piece.tallies) {
                    vector::run(Sort { values, bracket: *bracket, tally });
                }
            }
        },
        watch,
    )?;
    if counted.iter().sum::<usize>() < values.len() {
        return Ok(None);
    }
    let mut found = Vec::with_capacity(wanted.len());
    for (at, (&bracket, &fraction)) in brackets.iter().zip(wanted).enumerate() {
        let own = || tallies.iter().skip(at).step_by(brackets.len());
        let ranks = Ranks::of(fraction, values.len());
        let below = own().map(|tally| tally.below_low).sum::<usize>();
        let low = own().map(|tally| tally.up_to_low).sum::<usize>();
        let high = own().map(|tally| tally.up_to_high).sum::<usize>();
        let mut between = Vec::with_capacity(own().map(|tally| tally.between.len()).sum());
        own().for_each(|tally| between.extend_from_slice(&tally.between));
        if ranks.first < below || ranks.second >= high {
            return Ok(None);
        }
        let mut at_rank = |rank: usize| {
            if rank < low {
                bracket.low
            } else if rank < low + between.len() {
                *between.select_nth_unstable_by_key(rank - low, |value| value.key()).1
            } else {
                bracket.high
            }
        };
        let (first, second) = (at_rank(ranks.first).to_f64(), at_rank(ranks.second).to_f64());
        found.push(ranks.mix(|rank| if rank == ranks.first { first } else { second }));
    }
    Ok(Some(found))
}

/// Returns between which values of a sample each quantile lies, almost certainly.
///
/// None where the sample can't bound one from both sides, or holds a value that is not finite.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks of the sample"
)]
fn brackets<T: Quantiles>(values: &[T], wanted: &[f64]) -> Option<Vec<Bracket<T>>> {
    let stride = values.len() / SAMPLE;
    let mut sample = Vec::with_capacity(SAMPLE + 2);
    for slot in 0..SAMPLE {
        // Somewhere in its part of the array (a multiplicative hash), so that no period of rows
        // or slices is met in step.
        let hash = (slot as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        sample.push(values[slot * stride + hash as usize % stride]);
    }
    if sample.iter().any(|value| !value.is_counted()) {
        return None;
    }
    sample.sort_unstable_by_key(|value| value.key());
    let last = (SAMPLE - 1) as f64;
    let bracket = |&fraction: &f64| {
        let spread = (SAMPLE as f64 * fraction * (1.0 - fraction)).max(0.0).sqrt();
        let reach = 5.0 * spread + 8.0;
        let (low, high) = (fraction * last - reach, fraction * last + reach);
        let low = if low < 0.0 { T::of_key(0) } else { sample[low as usize] };
        let high = if high > last { T::of_key(u32::MAX) } else { sample[high as usize] };
        Bracket { low, high }
    };
    Some(wanted.iter().map(bracket).collect())
}

struct CountFinite<'a, T>(&'a [T]);

impl<T: Quantiles> Kernel for CountFinite<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let counted: u32 = self.0.iter().map(|value| u32::from(value.is_counted())).sum();
        counted as usize
    }
}

struct Sort<'a, T> {
    values: &'a [T],
    bracket: Bracket<T>,
    tally: &'a mut Tally<T>,
}

/// Values that are looked at for one in between together.
const STEP: usize = 32;

impl<T: Quantiles> Kernel for Sort<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { values, bracket: Bracket { low, high }, tally } = self;
        let (mut below_low, mut up_to_low, mut up_to_high) = (0_u32, 0_u32, 0_u32);
        let (steps, rest) = values.as_chunks::<STEP>();
        for step in steps {
            let mut any = 0;
            for &value in step {
                below_low += u32::from(value < low);
                up_to_low += u32::from(value <= low);
                up_to_high += u32::from(value <= high);
                any |= u32::from(value > low) & u32::from(value < high);
            }
            if any != 0 {
                for &value in step {
                    if value > low && value < high {
                        tally.between.push(value);
                    }
                }
            }
        }
        for &value in rest {
            below_low += u32::from(value < low);
            up_to_low += u32::from(value <= low);
            up_to_high += u32::from(value <= high);
            if value > low && value < high {
                tally.between.push(value);
            }
        }
        tally.below_low += below_low as usize;
        tally.up_to_low += up_to_low as usize;
        tally.up_to_high += up_to_high as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order() {
        let rising = [f32::NEG_INFINITY, -3.0, -1e-40, -0.0, 0.0, 1e-40, 2.5, f32::INFINITY];
        assert!(rising.is_sorted_by_key(|value| value.key()));
        assert!(rising.iter().all(|&value| f32::of_key(value.key()).to_bits() == value.to_bits()));
        assert_eq!(i16::of_key((-7_i16).key()), -7);
        assert_eq!(i32::of_key(i32::MIN.key()), i32::MIN);
    }

    #[test]
    fn a_misleading_sample_does_not_mislead() {
        // Only what the sample does not see is different.
        let mut values = vec![1.0_f32; 1 << 20];
        let stride = values.len() / SAMPLE;
        for (at, value) in values.iter_mut().enumerate() {
            let slot = at / stride;
            let hash = (slot as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            if usize::try_from(hash).expect("32 bits") % stride != at % stride {
                *value = 5.0;
            }
        }
        let found = quantiles(&values, &[0.5], 2, &mut || false).expect("nothing stops it");
        assert_eq!(found, Some(vec![5.0]));
    }
}
