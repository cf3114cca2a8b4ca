//! The area under the ROC curve as the Mann-Whitney statistic, ties counted half.

use super::error::{StatisticsError, binary, few_enough, numbers, same_length};
use super::order::{sorted, spans};

/// Cases in the order of their scores, ready for any number of weighted AUCs in O(n) each.
///
/// The class with more cases comes first, then the other, each in ascending order of the score. A
/// weighted AUC is then a running sum over the first class that each case of the second looks up
/// twice: no branch depends on the data.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Original position of each case in this order.
    order: Vec<u32>,
    /// Cases of the larger class.
    larger: usize,
    /// The smaller class holds the positive cases.
    positive_last: bool,
    /// For each case of the smaller class, how many of the larger have a lower score, and how
    /// many no higher one.
    spans: Vec<(u32, u32)>,
}

impl Ranked {
    /// Sorts the cases by score.
    ///
    /// # Errors
    /// Lengths that differ, a target that is not 0 or 1, a NaN score, more than
    /// [`MAX_CASES`](super::MAX_CASES).
    pub fn new(target: &[u8], score: &[f64]) -> Result<Self, StatisticsError> {
        same_length(("score", score.len()), ("target", target.len()))?;
        binary("target", target)?;
        numbers("score", score)?;
        few_enough(target.len())?;
        let positives: usize = target.iter().map(|&value| usize::from(value)).sum();
        let positive_last = 2 * positives <= target.len();
        let first = u8::from(!positive_last);
        let large = sorted(score, |case| target[case] == first);
        let small = sorted(score, |case| target[case] != first);
        Ok(Self {
            spans: spans(&small, &large).collect(),
            larger: large.len(),
            positive_last,
            order: large.iter().chain(&small).map(|entry| entry.1).collect(),
        })
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

    /// Returns the original position of each case in the order that weights are given in.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Returns whether the case in this place of the order is positive.
    pub(super) fn is_positive(&self, place: usize) -> bool {
        (place >= self.larger) == self.positive_last
    }

    /// Returns the AUC where the cases, in [`order`](Self::order), count `weights` times; NaN
    /// without both classes. `running` is scratch memory.
    ///
    /// Sums are exact integers.
    pub fn weighted_auc(&self, weights: &[u8], running: &mut Vec<u32>) -> f64 {
        let (large, small) = weights.split_at(self.larger);
        running.resize(self.larger + 1, 0);
        let mut total = 0;
        for (slot, &weight) in running[1..].iter_mut().zip(large) {
            total += u32::from(weight);
            *slot = total;
        }
        // Twice the pairs in which the case of the larger class has the lower score.
        let (mut wins, mut others) = (0_u64, 0_u64);
        for (&(below, upto), &weight) in self.spans.iter().zip(small) {
            let twice = u64::from(running[below as usize]) + u64::from(running[upto as usize]);
            wins += u64::from(weight) * twice;
            others += u64::from(weight);
        }
        let pairs = 2 * u64::from(total) * others;
        ratio(if self.positive_last { wins } else { pairs - wins }, pairs)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the one rounding of an exact quotient")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
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
    let ranked = Ranked::new(target, score)?;
    Ok(ranked.weighted_auc(&vec![1; ranked.len()], &mut Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_over_all_pairs() {
        let mut stream = super::super::random::Stream::new(3, 0);
        for (levels, rare) in [(2_u64, 0), (5, 1), (1000, 0), (1000, 1)] {
            let cases: Vec<(u8, u64, u8)> = (0..200)
                .map(|_| {
                    let class = u8::from(stream.next() >> 62 == 0) ^ rare;
                    let weight = u8::try_from(stream.next() % 4).expect("small");
                    (class, stream.next() % levels, weight)
                })
                .collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for &(_, positive, a) in cases.iter().filter(|case| case.0 == 1) {
                for &(_, negative, b) in cases.iter().filter(|case| case.0 == 0) {
                    let weight = f64::from(a) * f64::from(b);
                    pairs += weight;
                    wins += weight
                        * match positive.cmp(&negative) {
                            std::cmp::Ordering::Greater => 1.0,
                            std::cmp::Ordering::Equal => 0.5,
                            std::cmp::Ordering::Less => 0.0,
                        };
                }
            }
            let target: Vec<u8> = cases.iter().map(|case| case.0).collect();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let score: Vec<f64> = cases.iter().map(|case| case.1 as f64).collect();
            let ranked = Ranked::new(&target, &score).expect("good input");
            let weights: Vec<u8> =
                ranked.order().iter().map(|&case| cases[case as usize].2).collect();
            let found = ranked.weighted_auc(&weights, &mut Vec::new());
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
        let message = |found: Result<f64, StatisticsError>| found.expect_err("bad").to_string();
        assert_eq!(
            message(auc(&[0, 1], &[0.5])),
            "score has 1 values where target has 2: give one for each case"
        );
        assert_eq!(
            message(auc(&[0, 2], &[0.5, 0.5])),
            "target is 2 in position 1: only 0 and 1 are known"
        );
        assert!(message(auc(&[0, 1], &[0.5, f64::NAN])).starts_with("score is NaN in position 1"));
    }
}
