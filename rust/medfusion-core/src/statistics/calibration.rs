//! Probabilities in bins, with the share of class 1 in each.

use super::error::{StatisticsError, binary, numbers, same_length};
use super::order::key;

/// How probabilities are put into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// Bins of equal width; each holds its lower end, the last one its upper end too.
    Width,
    /// Bins of equally many cases, between quantiles; each holds its upper end.
    Quantile,
}

/// Cases by bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    /// The bin of each case.
    pub index: Vec<i64>,
    /// Cases of each bin.
    pub cases: Vec<i64>,
    /// Cases of class 1 of each bin.
    pub positives: Vec<i64>,
    /// Sum of the probabilities of each bin.
    pub total: Vec<f64>,
}

const MOST_BINS: usize = 1 << 16;

/// Puts probabilities into bins and counts them.
///
/// # Errors
/// Lengths that differ, a target that is not 0 or 1, a NaN probability, no bins.
///
/// ```
/// use medfusion_core::statistics::{Binning, calibrate};
/// let found = calibrate(&[0, 0, 1, 1], &[0.1, 0.2, 0.7, 0.9], 2, Binning::Width)?;
/// assert_eq!((found.cases, found.positives), (vec![2, 2], vec![0, 2]));
/// # Ok::<(), medfusion_core::statistics::StatisticsError>(())
/// ```
pub fn calibrate(
    target: &[u8],
    probability: &[f64],
    bins: usize,
    binning: Binning,
) -> Result<Bins, StatisticsError> {
    same_length(("prob", probability.len()), ("target", target.len()))?;
    binary("target", target)?;
    numbers("prob", probability)?;
    if !(1..=MOST_BINS).contains(&bins) {
        return Err(StatisticsError::Bins(bins));
    }
    let edges = edges(probability, bins, binning);
    let mut found = Bins {
        index: Vec::with_capacity(target.len()),
        cases: vec![0; bins],
        positives: vec![0; bins],
        total: vec![0.0; bins],
    };
    for (&class, &value) in target.iter().zip(probability) {
        let bin = match binning {
            Binning::Width => edges.partition_point(|&edge| edge <= value),
            Binning::Quantile => edges.partition_point(|&edge| edge < value),
        };
        found.index.push(i64::try_from(bin).unwrap_or(i64::MAX));
        found.cases[bin] += 1;
        found.positives[bin] += i64::from(class);
        found.total[bin] += value;
    }
    Ok(found)
}

/// Returns the ends between the bins.
#[expect(clippy::cast_precision_loss, reason = "bins and cases are far below 2^53")]
fn edges(probability: &[f64], bins: usize, binning: Binning) -> Vec<f64> {
    // Multiples of a rounded step, as NumPy's linspace has them.
    let step = 1.0 / bins as f64;
    let shares = (1..bins).map(|bin| bin as f64 * step);
    match binning {
        Binning::Width => shares.collect(),
        Binning::Quantile if probability.is_empty() => vec![0.0; bins - 1],
        Binning::Quantile => {
            let mut sorted = probability.to_vec();
            sorted.sort_unstable_by_key(|&value| key(value));
            shares.map(|share| quantile(&sorted, share)).collect()
        }
    }
}

/// The quantile by linear interpolation: type 7 of Hyndman and Fan 1996,
/// <https://doi.org/10.1080/00031305.1996.10473566>.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in the list"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let low = position.floor();
    let part = position - low;
    let first = sorted[low as usize];
    let second = sorted.get(low as usize + 1).copied().unwrap_or(first);
    // From the nearer end, as NumPy does: the same bits.
    if part < 0.5 {
        first + (second - first) * part
    } else {
        second - (second - first) * (1.0 - part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_belong_where_they_should() {
        let found = calibrate(&[0, 0, 1, 1], &[0.0, 0.5, 0.5, 1.0], 2, Binning::Width);
        assert_eq!(found.expect("good input").cases, [1, 3]);
        let found = calibrate(&[0, 0, 1], &[0.1, 0.5, 0.9], 2, Binning::Quantile);
        assert_eq!(found.expect("good input").index, [0, 0, 1]);
    }

    #[test]
    fn nothing_is_in_no_bin() {
        for binning in [Binning::Width, Binning::Quantile] {
            assert_eq!(calibrate(&[], &[], 3, binning).expect("good input").cases, [0; 3]);
            assert!(calibrate(&[], &[], 0, binning).is_err());
        }
    }
}
