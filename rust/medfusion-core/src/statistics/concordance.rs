//! The C-index of survival times.

use super::auc::ratio;
use super::bootstrap::replicate;
use super::error::{StatisticsError, binary, few_enough, numbers, same_length};
use super::order::key;
use super::resampling::{Plan, Resampling};
use crate::parallel::Watch;

/// Comparable pairs of cases: the earlier time is an event, and the other case lived longer (a
/// case censored at the very time of an event did).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Concordance {
    /// The case with the earlier event has the higher risk.
    pub concordant: u64,
    /// It has the lower risk.
    pub discordant: u64,
    /// Both have the same risk: they count half.
    pub tied: u64,
}

impl Concordance {
    /// Returns the share of concordant pairs; NaN where no pair is comparable.
    #[must_use]
    pub fn index(&self) -> f64 {
        let pairs = self.concordant + self.discordant + self.tied;
        ratio(2 * self.concordant + self.tied, 2 * pairs)
    }
}

/// Cases from the latest time to the earliest, ready for weighted counts in O(n log n).
struct Timeline {
    /// Original positions; of one time, the censored cases come first.
    order: Vec<u32>,
    /// The rank of each case's risk, from 1; equal risks have one rank.
    rank: Vec<u32>,
    /// For each time: where its events begin in the order, and where it ends.
    times: Vec<(usize, usize)>,
    ranks: usize,
}

impl Timeline {
    fn new(time: &[f64], event: &[u8], risk: &[f64]) -> Result<Self, StatisticsError> {
        same_length(("event", event.len()), ("time", time.len()))?;
        same_length(("risk", risk.len()), ("time", time.len()))?;
        binary("event", event)?;
        numbers("time", time)?;
        numbers("risk", risk)?;
        few_enough(time.len())?;
        let mut sorted: Vec<u64> = risk.iter().map(|&value| key(value)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut cases: Vec<(u64, u8, u32)> = (0_u32..)
            .zip(time.iter().zip(event))
            .map(|(case, (&time, &event))| (!key(time), event, case))
            .collect();
        cases.sort_unstable();
        let mut times = Vec::new();
        let mut end = 0;
        for block in cases.chunk_by(|a, b| a.0 == b.0) {
            let censored = block.partition_point(|case| case.1 == 0);
            times.push((end + censored, end + block.len()));
            end += block.len();
        }
        let rank = |case: &(u64, u8, u32)| {
            let place = sorted.partition_point(|&other| other <= key(risk[case.2 as usize]));
            u32::try_from(place).unwrap_or(u32::MAX)
        };
        Ok(Self {
            rank: cases.iter().map(rank).collect(),
            order: cases.iter().map(|case| case.2).collect(),
            times,
            ranks: sorted.len(),
        })
    }

    /// Counts the comparable pairs where the cases, in order, count `weights` times.
    fn count(&self, weights: &[u8], tree: &mut Tree) -> Concordance {
        tree.clear(self.ranks);
        let mut found = Concordance::default();
        let mut start = 0;
        for &(events, end) in &self.times {
            let add = |tree: &mut Tree, range: std::ops::Range<usize>| {
                for place in range {
                    tree.add(self.rank[place], weights[place]);
                }
            };
            add(tree, start..events);
            for (&weight, &rank) in weights[events..end].iter().zip(&self.rank[events..end]) {
                let weight = u64::from(weight);
                let (below, upto) = (tree.sum(rank - 1), tree.sum(rank));
                found.concordant += weight * u64::from(below);
                found.tied += weight * u64::from(upto - below);
                found.discordant += weight * u64::from(tree.total - upto);
            }
            add(tree, events..end);
            start = end;
        }
        found
    }
}

/// Running sums over ranks that can be added to: Fenwick 1994,
/// <https://doi.org/10.1002/spe.4380240306>.
#[derive(Debug, Default)]
struct Tree {
    sums: Vec<u32>,
    total: u32,
}

impl Tree {
    fn clear(&mut self, ranks: usize) {
        self.sums.clear();
        self.sums.resize(ranks + 1, 0);
        self.total = 0;
    }

    fn add(&mut self, rank: u32, weight: u8) {
        self.total += u32::from(weight);
        let mut at = rank;
        while let Some(sum) = self.sums.get_mut(at as usize) {
            *sum += u32::from(weight);
            at += at & at.wrapping_neg();
        }
    }

    /// The sum up to and with `rank`.
    fn sum(&self, rank: u32) -> u32 {
        let (mut at, mut sum) = (rank, 0);
        while at > 0 {
            sum += self.sums[at as usize];
            at &= at - 1;
        }
        sum
    }
}

/// Counts the comparable pairs of censored survival times by whether the risk agrees.
///
/// Harrell et al. 1982, <https://doi.org/10.1001/jama.1982.03320430047030>. Two events at one time
/// are no pair; an event and a censoring at one time are.
///
/// # Errors
/// Lengths that differ, an event that is not 0 or 1, NaN, too many cases.
///
/// ```
/// use medfusion_core::statistics::concordance;
/// let found = concordance(&[1.0, 2.0, 3.0], &[1, 0, 1], &[0.9, 0.5, 0.5])?;
/// assert_eq!((found.concordant, found.discordant, found.tied), (2, 0, 0));
/// # Ok::<(), medfusion_core::statistics::StatisticsError>(())
/// ```
pub fn concordance(
    time: &[f64],
    event: &[u8],
    risk: &[f64],
) -> Result<Concordance, StatisticsError> {
    let timeline = Timeline::new(time, event, risk)?;
    Ok(timeline.count(&vec![1; time.len()], &mut Tree::default()))
}

/// Fills `out` with one C-index per replicate; NaN where a replicate has no comparable pair.
///
/// Draws are those of [`bootstrap_auc`](super::bootstrap_auc); stratified, those with an event are
/// drawn apart from the censored.
///
/// # Errors
/// As [`concordance`], or stopped by `watch`.
pub fn bootstrap_concordance(
    (time, event, risk): (&[f64], &[u8], &[f64]),
    group: Option<&[i64]>,
    resampling: Resampling,
    out: &mut [f64],
    watch: Watch<'_>,
) -> Result<(), StatisticsError> {
    let timeline = Timeline::new(time, event, risk)?;
    let with_event = |place: usize| event[timeline.order[place] as usize] == 1;
    let apart: Option<&dyn Fn(usize) -> bool> =
        if resampling.stratified { Some(&with_event) } else { None };
    let plan = Plan::new(&timeline.order, group, apart)?;
    replicate(&plan, time.len(), resampling, out, watch, |weights, tree: &mut Tree| {
        timeline.count(weights, tree).index()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Stream;

    #[test]
    fn equals_the_definition_over_all_pairs() {
        let mut stream = Stream::new(8, 0);
        let mut draw = |levels: u64| u8::try_from(stream.next() % levels).expect("small");
        for levels in [3, 200] {
            let cases: Vec<(u8, u8, u8)> =
                (0..150).map(|_| (draw(20), draw(2), draw(levels))).collect();
            let mut expected = Concordance::default();
            for a in cases.iter().filter(|case| case.1 == 1) {
                for b in cases.iter().filter(|b| b.0 > a.0 || (b.0 == a.0 && b.1 == 0)) {
                    match a.2.cmp(&b.2) {
                        std::cmp::Ordering::Greater => expected.concordant += 1,
                        std::cmp::Ordering::Less => expected.discordant += 1,
                        std::cmp::Ordering::Equal => expected.tied += 1,
                    }
                }
            }
            let time: Vec<f64> = cases.iter().map(|case| f64::from(case.0)).collect();
            let event: Vec<u8> = cases.iter().map(|case| case.1).collect();
            let risk: Vec<f64> = cases.iter().map(|case| f64::from(case.2)).collect();
            assert_eq!(concordance(&time, &event, &risk).expect("good input"), expected);
        }
    }

    #[test]
    fn without_events_there_is_no_pair() {
        let found = concordance(&[1.0, 2.0], &[0, 0], &[1.0, 2.0]).expect("good input");
        assert!(found.index().is_nan());
        assert!(concordance(&[], &[], &[]).expect("good input").index().is_nan());
    }
}
