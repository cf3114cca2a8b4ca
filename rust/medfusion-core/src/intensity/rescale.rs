//! A straight line through values, with clipping.

use super::{BLOCK, Summary, grain};
use crate::parallel::{self, Stopped, Watch};
use crate::vector::{self, Kernel};
use crate::volume::Sample;

/// `clamp((value - subtract) / divide) * multiply + add`, each step in single precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rescale {
    /// Taken from the value.
    pub subtract: f32,
    /// What the rest is divided by.
    pub divide: f32,
    /// Smallest and largest value of the quotient, or none.
    pub clamp: Option<(f32, f32)>,
    /// Factor on the quotient.
    pub multiply: f32,
    /// Added at the end.
    pub add: f32,
    /// Values of 0 stay 0.
    pub keep_zero: bool,
}

impl Rescale {
    /// The line through the origin that changes nothing.
    pub const NONE: Self =
        Self { subtract: 0.0, divide: 1.0, clamp: None, multiply: 1.0, add: 0.0, keep_zero: false };

    /// Mean to 0, standard deviation to 1; equal values to 0.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "rounded to single precision")]
    pub fn z_score(summary: &Summary) -> Self {
        let deviation = summary.deviation() as f32;
        let divide = if deviation > 0.0 { deviation } else { 1.0 };
        Self { subtract: summary.mean as f32, divide, ..Self::NONE }
    }

    /// Smallest value to the first, largest to the second; equal values to the first.
    #[must_use]
    pub fn min_max(summary: &Summary, to: [f32; 2]) -> Self {
        Self::range([summary.low, summary.high], to)
    }

    /// One range to another.
    #[must_use]
    pub fn range(from: [f32; 2], to: [f32; 2]) -> Self {
        let width = from[1] - from[0];
        let divide = if width > 0.0 { width } else { 1.0 };
        Self { subtract: from[0], divide, multiply: to[1] - to[0], add: to[0], ..Self::NONE }
    }

    #[inline(always)]
    fn line(self, value: f32) -> f32 {
        (value - self.subtract) / self.divide
    }

    #[inline(always)]
    fn end(self, value: f32, quotient: f32) -> f32 {
        let end = quotient * self.multiply + self.add;
        if self.keep_zero && value == 0.0 { 0.0 } else { end }
    }
}

/// Writes rescaled values to `out`; what one slice has more than the other is left out.
///
/// # Errors
/// [`Stopped`] when `watch` asked to stop.
pub fn rescale<T: Sample>(
    values: &[T],
    out: &mut [f32],
    scale: Rescale,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), Stopped> {
    let threads = grain(values.len(), threads);
    let work = values.chunks(BLOCK).zip(out.chunks_mut(BLOCK));
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (values, out)| vector::run(Apply { values, out, scale }),
        watch,
    )
}

/// Rescales values where they are.
///
/// # Errors
/// [`Stopped`] when `watch` asked to stop.
pub fn rescale_in_place(
    values: &mut [f32],
    scale: Rescale,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), Stopped> {
    let threads = grain(values.len(), threads);
    let work = values.chunks_mut(BLOCK);
    parallel::for_each(
        work,
        threads,
        || (),
        |(), values| vector::run(ApplyInPlace { values, scale }),
        watch,
    )
}

struct Apply<'a, T> {
    values: &'a [T],
    out: &'a mut [f32],
    scale: Rescale,
}

impl<T: Sample> Kernel for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = self.scale;
        let pairs = self.out.iter_mut().zip(self.values);
        if let Some((low, high)) = scale.clamp {
            pairs.for_each(|(out, value)| {
                let value = value.to_f32();
                *out = scale.end(value, scale.line(value).clamp(low, high));
            });
        } else {
            pairs.for_each(|(out, value)| {
                let value = value.to_f32();
                *out = scale.end(value, scale.line(value));
            });
        }
    }
}

struct ApplyInPlace<'a> {
    values: &'a mut [f32],
    scale: Rescale,
}

impl Kernel for ApplyInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = self.scale;
        if let Some((low, high)) = scale.clamp {
            for value in self.values {
                *value = scale.end(*value, scale.line(*value).clamp(low, high));
            }
        } else {
            for value in self.values {
                *value = scale.end(*value, scale.line(*value));
            }
        }
    }
}
