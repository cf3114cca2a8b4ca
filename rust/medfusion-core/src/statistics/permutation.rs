//! The paired permutation test of two AUCs.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{StatisticsError, binary, few_enough, numbers, same_length};
use super::order::{key, spans};
use super::random::Stream;
use super::resampling::numbered;
use crate::parallel::{self, Watch};

/// What the permutations found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Permutation {
    /// First AUC minus second; NaN without both classes.
    pub difference: f64,
    /// Permutations whose difference is at least as large, either way.
    pub extreme: u64,
}

/// Both scores of all cases in one order, of one class and of the other.
///
/// An entry is twice its case, plus one for the second score. Where the scores of a case are
/// swapped its two entries change sides; the order never changes, so a permutation is one walk.
struct Pooled {
    /// Entries of the larger class.
    large: Vec<u32>,
    /// Entries of the smaller class, with how many of the larger class's entries have a lower
    /// score, and how many no higher one.
    small: Vec<(u32, u32, u32)>,
    /// The smaller class holds the positive cases.
    positive_small: bool,
    cases: usize,
}

/// Entries that one item of work visits at least.
const GRAIN: usize = 1 << 16;

/// Compares two scores on the same cases by swapping them in a random half of the cases.
///
/// Bandos, Rockette and Gur 2005, <https://doi.org/10.1002/sim.2149>: where the scores are equally
/// good and on one scale, which is which does not matter. With `group` the cases of a group are
/// swapped together. A permutation is as extreme as the data when its difference is at least as
/// large, either way; differences are compared as whole numbers, so ties are exact.
///
/// # Errors
/// Lengths that differ, a target that is not 0 or 1, a NaN score, too many cases, or stopped by
/// `watch`.
pub fn permute_auc(
    target: &[u8],
    [first, second]: [&[f64]; 2],
    group: Option<&[i64]>,
    permutations: usize,
    (seed, threads): (u64, usize),
    watch: Watch<'_>,
) -> Result<Permutation, StatisticsError> {
    binary("target", target)?;
    few_enough(target.len())?;
    for (what, score) in [("first", first), ("second", second)] {
        same_length((what, score.len()), ("target", target.len()))?;
        numbers(what, score)?;
    }
    let unit = match group {
        None => None,
        Some(group) => {
            same_length(("group", group.len()), ("target", target.len()))?;
            Some(numbered(group))
        }
    };
    let pooled = Pooled::new(target, first, second);
    let observed = pooled.difference(&vec![0; target.len().div_ceil(64)], &mut Vec::new());
    let pairs = pooled.large.len() / 2 * (pooled.small.len() / 2);
    if pairs == 0 {
        return Ok(Permutation { difference: f64::NAN, extreme: 0 });
    }
    let chunk = GRAIN.div_ceil(2 * target.len());
    let extreme = AtomicU64::new(0);
    parallel::for_each(
        (0..permutations.div_ceil(chunk)).map(|number| number * chunk),
        threads,
        Scratch::default,
        |scratch, start| {
            let found = (start..(start + chunk).min(permutations))
                .filter(|&index| {
                    let mut stream = Stream::new(seed, index as u64);
                    scratch.swap(&mut stream, pooled.cases, unit.as_ref());
                    let difference = pooled.difference(&scratch.swapped, &mut scratch.running);
                    difference.unsigned_abs() >= observed.unsigned_abs()
                })
                .count();
            extreme.fetch_add(found as u64, Ordering::Relaxed);
        },
        watch,
    )?;
    #[expect(clippy::cast_precision_loss, reason = "the rounding of an exact quotient")]
    let difference = observed as f64 / (2 * pairs) as f64;
    Ok(Permutation { difference, extreme: extreme.into_inner() })
}

impl Pooled {
    fn new(target: &[u8], first: &[f64], second: &[f64]) -> Self {
        let positives: usize = target.iter().map(|&value| usize::from(value)).sum();
        let positive_small = 2 * positives <= target.len();
        let entries = |class: u8| {
            let mut entries: Vec<(u64, u32)> = (0_u32..)
                .zip(target)
                .zip(first.iter().zip(second))
                .filter(|((_, found), _)| **found == class)
                .flat_map(|((case, _), (&a, &b))| [(key(a), 2 * case), (key(b), 2 * case + 1)])
                .collect();
            entries.sort_unstable();
            entries
        };
        let (large, small) =
            (entries(u8::from(!positive_small)), entries(u8::from(positive_small)));
        Self {
            small: small
                .iter()
                .zip(spans(&small, &large))
                .map(|(&(_, entry), (below, upto))| (entry, below, upto))
                .collect(),
            large: large.into_iter().map(|(_, entry)| entry).collect(),
            positive_small,
            cases: target.len(),
        }
    }

    /// Returns the first AUC minus the second, times twice the number of pairs of cases.
    ///
    /// `swapped` has one bit for each case.
    fn difference(&self, swapped: &[u64], running: &mut Vec<u32>) -> i64 {
        running.resize(self.large.len() + 1, 0);
        let mut total = 0;
        for (slot, &entry) in running[1..].iter_mut().zip(&self.large) {
            total += 1 - other_side(swapped, entry);
            *slot = total;
        }
        let mut wins = 0_i64;
        for &(entry, below, upto) in &self.small {
            // Of the larger class's entries: those of the first score count where this entry is of
            // the first too, else those of the second score are taken off.
            let mine = i64::from(running[below as usize]) + i64::from(running[upto as usize]);
            let other = i64::from(other_side(swapped, entry));
            wins += mine - other * (i64::from(below) + i64::from(upto));
        }
        if self.positive_small { wins } else { -wins }
    }
}

/// Returns 1 where an entry belongs to the second score now, else 0.
fn other_side(swapped: &[u64], entry: u32) -> u32 {
    let word = swapped[(entry >> 7) as usize] >> (entry >> 1 & 63);
    u32::from(word & 1 != 0) ^ (entry & 1)
}

/// Scratch memory of one thread.
#[derive(Default)]
struct Scratch {
    running: Vec<u32>,
    /// One bit for each case.
    swapped: Vec<u64>,
    units: Vec<u64>,
}

impl Scratch {
    /// Draws which cases are swapped.
    fn swap(&mut self, stream: &mut Stream, cases: usize, unit: Option<&(Vec<u32>, usize)>) {
        let Some((unit, units)) = unit else {
            self.swapped.resize(cases.div_ceil(64), 0);
            self.swapped.fill_with(|| stream.next());
            return;
        };
        self.units.resize(units.div_ceil(64), 0);
        self.units.fill_with(|| stream.next());
        self.swapped.clear();
        self.swapped.extend(unit.chunks(64).map(|units| {
            (0_u32..).zip(units).fold(0, |word, (place, &unit)| {
                let bit = self.units[(unit >> 6) as usize] >> (unit & 63) & 1;
                word | bit << place
            })
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::auc;

    #[test]
    fn a_difference_is_that_of_the_two_swapped_scores() {
        for rare in [0, 1] {
            let mut stream = Stream::new(4, rare);
            let mut draw = |levels: u64| stream.next() % levels;
            let target: Vec<u8> =
                (0..60).map(|_| u8::from(draw(4) == 0) ^ u8::from(rare == 1)).collect();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let scores = [0, 1].map(|_| (0..60).map(|_| draw(20) as f64).collect::<Vec<_>>());
            let pooled = Pooled::new(&target, &scores[0], &scores[1]);
            let mut scratch = Scratch::default();
            scratch.swap(&mut Stream::new(7, 7), 60, None);
            let mut swapped = scores.clone();
            for case in (0..60).filter(|case| scratch.swapped[0] >> case & 1 == 1) {
                (swapped[0][case], swapped[1][case]) = (scores[1][case], scores[0][case]);
            }
            let areas = swapped.map(|score| auc(&target, &score).expect("good input"));
            let found = pooled.difference(&scratch.swapped, &mut Vec::new());
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let found =
                found as f64 / (2 * (pooled.large.len() / 2) * (pooled.small.len() / 2)) as f64;
            assert!((found - (areas[0] - areas[1])).abs() < 1e-14);
        }
    }

    #[test]
    fn every_pattern_of_swaps_is_as_likely() {
        let mut seen = [0_u32; 16];
        let mut scratch = Scratch::default();
        let groups = (vec![3, 0, 2, 1, 0], 4);
        for index in 0..16_000 {
            scratch.swap(&mut Stream::new(1, index), 5, Some(&groups));
            let pattern = scratch.swapped[0];
            assert_eq!(pattern >> 1 & 1, pattern >> 4 & 1);
            seen[usize::try_from(pattern & 15).expect("four bits")] += 1;
        }
        // 15 degrees of freedom: 37.7 is the 0.999 quantile.
        let chi2: f64 = seen.iter().map(|&count| (f64::from(count) - 1e3).powi(2) / 1e3).sum();
        assert!(chi2 < 37.7, "{seen:?}");
    }
}
