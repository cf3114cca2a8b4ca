//! The distribution of one image given to another.

use super::{BLOCK, grain};
use crate::parallel::{self, Stopped, Watch};
use crate::volume::Sample;

/// A distribution: values that rise, and the fraction at or below each.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a> {
    /// The values.
    pub values: &'a [f64],
    /// The fractions, as many, rising to 1.
    pub fractions: &'a [f64],
}

impl Distribution<'_> {
    /// The value at a fraction, by linear interpolation; beyond the ends those of the ends.
    fn at(&self, fraction: f64) -> f64 {
        let after = self.fractions.partition_point(|&known| known <= fraction);
        let Some(before) = after.checked_sub(1) else {
            return self.values.first().copied().unwrap_or(f64::NAN);
        };
        let (Some(&end), Some(&next)) = (self.values.get(after), self.fractions.get(after)) else {
            return self.values[before];
        };
        let slope = (end - self.values[before]) / (next - self.fractions[before]);
        slope * (fraction - self.fractions[before]) + self.values[before]
    }
}

/// Writes values that are distributed as a reference: each finite value becomes the reference's
/// value at the same fraction. Others are kept.
///
/// # Errors
/// [`Stopped`] when `watch` asked to stop.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts are far below 2^52; results are single precision"
)]
pub fn match_distribution<T: Sample>(
    values: &[T],
    reference: Distribution<'_>,
    out: &mut [f32],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), Stopped> {
    let finite = values.iter().map(|value| value.to_f32()).filter(|value| value.is_finite());
    // Adding 0 makes -0 and 0 one value.
    let mut sorted: Vec<f32> = finite.map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let count = sorted.len() as f64;
    let mut known: Vec<f32> = Vec::new();
    let mut becomes: Vec<f32> = Vec::new();
    let mut seen = 0;
    for same in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        seen += same.len();
        known.push(same[0]);
        becomes.push(reference.at(seen as f64 / count) as f32);
    }
    drop(sorted);
    let work = values.chunks(BLOCK).zip(out.chunks_mut(BLOCK));
    parallel::for_each(
        work,
        grain(values.len(), threads),
        || (),
        |(), (values, out)| {
            for (out, value) in out.iter_mut().zip(values) {
                let value = value.to_f32();
                *out = if value.is_finite() {
                    becomes[known.partition_point(|&known| known < value)]
                } else {
                    value
                };
            }
        },
        watch,
    )
}
