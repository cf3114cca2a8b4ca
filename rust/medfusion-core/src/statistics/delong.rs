//! The variance of AUCs on the same cases.

use super::auc::ratio;
use super::error::{StatisticsError, binary, few_enough, numbers, same_length};
use super::order::{Entry, sorted, spans};

/// AUCs and their covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct Delong {
    /// The AUC of each score; NaN where a class is absent.
    pub areas: Vec<f64>,
    /// Their covariance, row by row; NaN where a class has fewer than two cases.
    pub covariance: Vec<f64>,
}

/// Returns the AUC of each score on the same cases, and the covariance of these AUCs.
///
/// The variance of DeLong, DeLong and Clarke-Pearson 1988, <https://doi.org/10.2307/2531595>, from
/// two sorted lists per score (after Sun and Xu 2014, <https://doi.org/10.1109/LSP.2014.2337313>):
/// a placement value is a count of cases of the other class, ties counted half.
///
/// # Errors
/// Lengths that differ, a target that is not 0 or 1, a NaN score, too many cases.
pub fn delong(target: &[u8], scores: &[&[f64]]) -> Result<Delong, StatisticsError> {
    binary("target", target)?;
    few_enough(target.len())?;
    for score in scores {
        same_length(("score", score.len()), ("target", target.len()))?;
        numbers("score", score)?;
    }
    // The place of each case among others of its class.
    let mut sizes = [0_usize; 2];
    let place: Vec<usize> = target
        .iter()
        .map(|&class| {
            sizes[usize::from(class)] += 1;
            sizes[usize::from(class)] - 1
        })
        .collect();
    let [negatives, positives] = sizes;
    let count = scores.len();
    let mut areas = Vec::with_capacity(count);
    let mut parts = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for score in scores {
        let lists = [0, 1].map(|class| sorted(score, |case| target[case] == class));
        let mut wins = 0;
        for class in [0, 1] {
            let (these, others) = (&lists[class], &lists[1 - class]);
            let mut placed = vec![0.0; these.len()];
            let twice = place_values(these, others, &place, &mut placed);
            if class == 1 {
                wins = twice;
            }
            parts[class].push(placed);
        }
        areas.push(ratio(wins, 2 * positives as u64 * negatives as u64));
    }
    let mut covariance = vec![f64::NAN; count * count];
    if positives > 1 && negatives > 1 {
        for row in 0..count {
            for column in 0..=row {
                // Both classes' placements rise with the score's other class: the signs agree.
                let value = parts.iter().map(|part| share(&part[row], &part[column])).sum();
                covariance[row * count + column] = value;
                covariance[column * count + row] = value;
            }
        }
    }
    Ok(Delong { areas, covariance })
}

/// Writes the share of `others` that each of `these` is above; returns twice the sum of the counts.
fn place_values(these: &[Entry], others: &[Entry], place: &[usize], placed: &mut [f64]) -> u64 {
    let mut total = 0;
    for (&(_, case), (below, upto)) in these.iter().zip(spans(these, others)) {
        let twice = u64::from(below) + u64::from(upto);
        placed[place[case as usize]] = ratio(twice, 2 * others.len() as u64);
        total += twice;
    }
    total
}

/// The covariance of two lists, divided by their length.
#[expect(clippy::cast_precision_loss, reason = "at most 2^24 cases")]
fn share(first: &[f64], second: &[f64]) -> f64 {
    let count = first.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (a, b) = (mean(first), mean(second));
    let products: f64 = first.iter().zip(second).map(|(x, y)| (x - a) * (y - b)).sum();
    products / (count - 1.0) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_case() {
        // Placements of the positives 0.5 and 1, of the negatives 0 and 0.5.
        let found = delong(&[0, 0, 1, 1], &[&[0.1, 0.4, 0.35, 0.8]]).expect("good input");
        assert_eq!(found.areas, [0.75]);
        assert!((found.covariance[0] - 0.125).abs() < 1e-15);
    }

    #[test]
    fn one_class_or_one_case_has_no_variance() {
        let found = delong(&[1, 1], &[&[0.1, 0.4]]).expect("good input");
        assert!(found.areas[0].is_nan() && found.covariance[0].is_nan());
        let found = delong(&[0, 1, 1], &[&[0.1, 0.4, 0.5]]).expect("good input");
        assert!((found.areas[0] - 1.0).abs() < f64::EPSILON && found.covariance[0].is_nan());
    }
}
