//! What is done to the intensities of a patch after its voxels have been gathered.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use super::blur::blur;
use super::elementary::power;
use super::noise::add_normals;
use super::stream::Stream;

/// One change of intensities.
///
/// Minimum, maximum and mean are those of the patch as it is before the step, voxels that are not
/// finite left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// `value * scale + shift`.
    Linear {
        /// Factor.
        scale: f32,
        /// Summand.
        shift: f32,
    },
    /// Values cut to a range.
    Clamp {
        /// Lowest.
        low: f32,
        /// Highest.
        high: f32,
    },
    /// The distance to the patch's mean multiplied; the patch's range is kept.
    Contrast(f32),
    /// A power of the value's place between the patch's minimum and maximum.
    Gamma(f32),
    /// Gaussian blur; standard deviations along i, j and k in voxels.
    Blur([f32; 3]),
    /// Normal noise.
    Noise {
        /// Standard deviation.
        sd: f32,
        /// Where its numbers come from: voxel n of the sample gets number n.
        stream: Stream,
    },
}

/// Blur beyond this has no use and costs much.
const MAX_BLUR: f32 = 64.0;

impl Step {
    /// The step's name, and what is wrong with its numbers, if anything is.
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str)> {
        match *self {
            Self::Linear { scale, shift } => {
                fault("linear", [scale, shift].iter().all(|value| value.is_finite()))
            }
            Self::Clamp { low, high } => (high < low || low.is_nan() || high.is_nan())
                .then_some(("clamp", "needs low <= high")),
            Self::Contrast(factor) => fault("contrast", factor.is_finite() && factor >= 0.0),
            Self::Gamma(gamma) => fault("gamma", (0.01..=100.0).contains(&gamma)),
            Self::Blur(sd) => fault("blur", sd.iter().all(|sd| (0.0..=MAX_BLUR).contains(sd))),
            Self::Noise { sd, .. } => fault("noise", sd.is_finite() && sd >= 0.0),
        }
    }

    /// The step needs the whole patch before it can begin.
    pub(super) const fn waits(&self) -> bool {
        matches!(self, Self::Contrast(_) | Self::Gamma(_) | Self::Blur(_))
    }
}

const fn fault(step: &'static str, valid: bool) -> Option<(&'static str, &'static str)> {
    if valid { None } else { Some((step, "has a number out of its range")) }
}

/// Does steps that need no more than the values at hand; `first` is the position of `values` in
/// the sample.
#[inline(always)]
pub(super) fn at_once(values: &mut [f32], steps: &[Step], first: u64) {
    for step in steps {
        match *step {
            Step::Linear { scale, shift } => {
                for value in values.iter_mut() {
                    *value = *value * scale + shift;
                }
            }
            Step::Clamp { low, high } => {
                for value in values.iter_mut() {
                    // Not min and max, which would turn NaN into a number.
                    let above = if *value < low { low } else { *value };
                    *value = if above > high { high } else { above };
                }
            }
            Step::Noise { sd, stream } => add_normals(values, stream, first, sd),
            Step::Contrast(_) | Step::Gamma(_) | Step::Blur(_) => {}
        }
    }
}

/// Does a step that needs the whole patch, of `size` (i, j, k).
#[inline(always)]
pub(super) fn whole(values: &mut [f32], step: Step, size: [usize; 3], scratch: &mut Vec<f32>) {
    match step {
        Step::Contrast(factor) => {
            let Facts { low, high, mean } = facts(values);
            for value in values.iter_mut() {
                let changed = (*value - mean) * factor + mean;
                let above = if changed < low { low } else { changed };
                *value = if above > high { high } else { above };
            }
        }
        Step::Gamma(gamma) => {
            let Facts { low, high, .. } = facts(values);
            let range = high - low;
            if range > 0.0 && range.is_finite() {
                for value in values.iter_mut() {
                    let place = ((*value - low) / range).clamp(0.0, 1.0);
                    let changed = low + range * power(place, gamma);
                    *value = if value.is_nan() { *value } else { changed };
                }
            }
        }
        Step::Blur(sd) => blur(values, sd, size, scratch),
        Step::Linear { .. } | Step::Clamp { .. } | Step::Noise { .. } => {}
    }
}

struct Facts {
    low: f32,
    high: f32,
    mean: f32,
}

/// Minimum, maximum and mean of the finite values; all 0 without any.
#[inline(always)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts are below 2^53"
)]
fn facts(values: &[f32]) -> Facts {
    const LANES: usize = 8;
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (mut sum, mut count) = ([0.0_f64; LANES], [0_u64; LANES]);
    let mut take = |lane: usize, value: f32| {
        let finite = value.abs() < f32::INFINITY;
        low[lane] = if finite && value < low[lane] { value } else { low[lane] };
        high[lane] = if finite && value > high[lane] { value } else { high[lane] };
        sum[lane] += if finite { f64::from(value) } else { 0.0 };
        count[lane] += u64::from(finite);
    };
    let chunks = values.chunks_exact(LANES);
    for (lane, &value) in chunks.remainder().iter().enumerate() {
        take(lane, value);
    }
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            take(lane, value);
        }
    }
    let count: u64 = count.iter().sum();
    if count == 0 {
        return Facts { low: 0.0, high: 0.0, mean: 0.0 };
    }
    Facts {
        low: low.into_iter().fold(f32::INFINITY, f32::min),
        high: high.into_iter().fold(f32::NEG_INFINITY, f32::max),
        mean: (sum.iter().sum::<f64>() / count as f64) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_stays_and_leaves_the_others_alone() {
        let mut values = vec![0.0, 1.0, f32::NAN, 2.0, 4.0];
        let mut scratch = Vec::new();
        at_once(&mut values, &[Step::Clamp { low: 0.5, high: 3.0 }], 0);
        assert!(values[2].is_nan());
        for step in [Step::Gamma(2.0), Step::Contrast(0.0)] {
            whole(&mut values, step, [5, 1, 1], &mut scratch);
            assert!(values[2].is_nan() && values.iter().filter(|v| v.is_nan()).count() == 1);
        }
        let rest: Vec<f32> = values.into_iter().filter(|value| !value.is_nan()).collect();
        assert!(rest.iter().all(|value| (value - rest[0]).abs() < 1e-6), "{rest:?}");
    }

    #[test]
    fn a_constant_patch_stays() {
        for value in [0.0, -1000.0, f32::NAN, f32::INFINITY] {
            for step in [Step::Gamma(0.5), Step::Contrast(1.5)] {
                let mut values = vec![value; 20];
                whole(&mut values, step, [20, 1, 1], &mut Vec::new());
                assert!(
                    values
                        .iter()
                        .all(|found| { found.to_bits() == value.to_bits() || !value.is_finite() })
                );
            }
        }
    }

    #[test]
    fn wrong_numbers_are_named() {
        let stream = Stream::new(0, 0, 0, 0);
        for step in [
            Step::Linear { scale: f32::NAN, shift: 0.0 },
            Step::Clamp { low: 1.0, high: 0.0 },
            Step::Contrast(-1.0),
            Step::Gamma(0.0),
            Step::Blur([0.0, 1e9, 0.0]),
            Step::Noise { sd: -1.0, stream },
        ] {
            assert!(step.fault().is_some(), "{step:?}");
        }
        assert_eq!(Step::Gamma(1.0).fault(), None);
    }
}
