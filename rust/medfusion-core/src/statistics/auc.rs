//! The area under the ROC curve as the Mann-Whitney statistic, ties counted half.

use thiserror::Error;

/// Why no statistic can be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatisticsError {
    /// Two arrays that belong together have different lengths.
    #[error("{what} has {found} values where target has {expected}: give one for each case")]
    Length {
        /// The array.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the target.
        expected: usize,
    },
    /// A target is neither 0 nor 1.
    #[error("target is {value} in position {position}: only 0 and 1 are known")]
    Target {
        /// Where.
        position: usize,
        /// What it is.
        value: u8,
    },
    /// A score is not a number.
    #[error("score is NaN in position {position}: remove or fill the missing scores")]
    Nan {
        /// Where.
        position: usize,
    },
    /// More cases than 32-bit counts hold.
    #[error("{count} cases are too many: at most {max}", max = u32::MAX)]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The watcher asked to stop.
    #[error(transparent)]
    Stopped(#[from] crate::parallel::Stopped),
}

/// Cases in the order of their scores, ready for any number of weighted AUCs in O(n) each.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Original positions in ascending order of the score.
    pub(super) order: Vec<u32>,
    /// Bit 0: the case is positive. Bit 1: it is the last one of its score.
    flags: Vec<u8>,
}

const POSITIVE: u8 = 1;
const LAST_OF_TIE: u8 = 2;

impl Ranked {
    /// Sorts the cases by score.
    ///
    /// # Errors
    /// Lengths that differ, a target that is not 0 or 1, a NaN score.
    pub fn new(target: &[u8], score: &[f64]) -> Result<Self, StatisticsError> {
        let count = target.len();
        if score.len() != count {
            return Err(StatisticsError::Length {
                what: "score",
                found: score.len(),
                expected: count,
            });
        }
        if let Some(position) = target.iter().position(|&value| value > 1) {
            return Err(StatisticsError::Target { position, value: target[position] });
        }
        if let Some(position) = score.iter().position(|value| value.is_nan()) {
            return Err(StatisticsError::Nan { position });
        }
        let size = u32::try_from(count).map_err(|_| StatisticsError::TooMany { count })?;
        // Adding 0.0 makes -0.0 and 0.0 one score.
        let key = |index: u32| score[index as usize] + 0.0;
        let mut order: Vec<u32> = (0..size).collect();
        order.sort_unstable_by(|&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
        let flags = (0..count)
            .map(|rank| {
                let here = order[rank];
                let last =
                    order.get(rank + 1).is_none_or(|&next| key(next).total_cmp(&key(here)).is_ne());
                target[here as usize] * POSITIVE + u8::from(last) * LAST_OF_TIE
            })
            .collect();
        Ok(Self { order, flags })
    }

    /// Returns the number of cases.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns whether there are no cases.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns whether the case of this rank is positive.
    pub(super) fn is_positive(&self, rank: usize) -> bool {
        self.flags[rank] & POSITIVE != 0
    }

    /// Returns the AUC where the case of each rank counts `weights` times; NaN without both classes.
    ///
    /// Sums are exact integers up to 2^32 cases in all.
    pub fn weighted_auc(&self, weights: impl Iterator<Item = u32>) -> f64 {
        let (mut below, mut positives, mut wins) = (0_u64, 0_u64, 0_u64);
        let (mut tied_positive, mut tied_negative) = (0_u64, 0_u64);
        for (weight, &flag) in weights.zip(&self.flags) {
            let positive = u64::from(weight) & 0_u64.wrapping_sub(u64::from(flag & POSITIVE));
            tied_positive += positive;
            tied_negative += u64::from(weight) - positive;
            if flag & LAST_OF_TIE != 0 {
                // Twice the wins: 2 for each negative below, 1 for each negative of the same score.
                wins += tied_positive * (2 * below + tied_negative);
                below += tied_negative;
                positives += tied_positive;
                (tied_positive, tied_negative) = (0, 0);
            }
        }
        ratio(wins, 2 * positives * below)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the one rounding of an exact quotient")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::NAN } else { part as f64 / whole as f64 }
}

/// Returns the area under the ROC curve, ties counted half; NaN without both classes.
///
/// Mann and Whitney 1947, <https://doi.org/10.1214/aoms/1177730491>; Hanley and McNeil 1982,
/// <https://doi.org/10.1148/radiology.143.1.7063747>.
///
/// # Errors
/// Lengths that differ, a target that is not 0 or 1, a NaN score.
///
/// ```
/// let auc = medfusion_core::statistics::auc(&[0, 0, 1, 1], &[0.1, 0.4, 0.35, 0.8])?;
/// assert_eq!(auc, 0.75);
/// # Ok::<(), medfusion_core::statistics::StatisticsError>(())
/// ```
pub fn auc(target: &[u8], score: &[f64]) -> Result<f64, StatisticsError> {
    Ok(Ranked::new(target, score)?.weighted_auc(std::iter::repeat(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_over_all_pairs() {
        let mut stream = super::super::random::Stream::new(3, 0);
        for levels in [2_u64, 5, 1000] {
            let cases: Vec<(u8, u64)> = (0..200)
                .map(|_| (u8::from(stream.next() >> 62 == 0), stream.next() % levels))
                .collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for &(_, positive) in cases.iter().filter(|case| case.0 == 1) {
                for &(_, negative) in cases.iter().filter(|case| case.0 == 0) {
                    pairs += 1.0;
                    wins += match positive.cmp(&negative) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            let target: Vec<u8> = cases.iter().map(|case| case.0).collect();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let score: Vec<f64> = cases.iter().map(|case| case.1 as f64).collect();
            let found = auc(&target, &score).expect("good input");
            assert!((found - wins / pairs).abs() < 1e-15);
        }
    }

    #[test]
    fn one_class_has_no_auc() {
        assert!(auc(&[1, 1], &[0.1, 0.2]).expect("good input").is_nan());
        assert!(auc(&[], &[]).expect("good input").is_nan());
    }

    #[test]
    fn infinities_and_signed_zeros_are_scores() {
        let found = auc(&[0, 1, 0, 1], &[f64::NEG_INFINITY, f64::INFINITY, 0.0, -0.0]);
        assert!((found.expect("good input") - 0.875).abs() < f64::EPSILON);
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(
            auc(&[0, 1], &[0.5]),
            Err(StatisticsError::Length { what: "score", found: 1, expected: 2 })
        );
        assert_eq!(
            auc(&[0, 2], &[0.5, 0.5]),
            Err(StatisticsError::Target { position: 1, value: 2 })
        );
        assert_eq!(auc(&[0, 1], &[0.5, f64::NAN]), Err(StatisticsError::Nan { position: 1 }));
    }
}
