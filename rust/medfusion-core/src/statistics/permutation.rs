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
    let observed = pooled.difference(&[1, 0].repeat(target.len()), &mut Vec::new());
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
                    let difference = pooled.difference(&scratch.sides, &mut scratch.running);
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
    /// `sides` holds 1 for each entry that belongs to the first score now, else 0.
    fn difference(&self, sides: &[u8], running: &mut Vec<u32>) -> i64 {
        running.resize(self.large.len() + 1, 0);
        let mut total = 0;
        for (slot, &entry) in running[1..].iter_mut().zip(&self.large) {
            total += u32::from(sides[entry as usize]);
            *slot = total;
        }
        let mut wins = 0_i64;
        for &(entry, below, upto) in &self.small {
            // Of the larger class's entries: those of the first score count where this entry is of
            // the first too, else those of the second score are taken off.
            let mine = i64::from(running[below as usize]) + i64::from(running[upto as usize]);
            let other = i64::from(1 - sides[entry as usize]);
            wins += mine - other * (i64::from(below) + i64::from(upto));
        }
        if self.positive_small { wins } else { -wins }
    }
}

/// Scratch memory of one thread.
#[derive(Default)]
struct Scratch {
    sides: Vec<u8>,
    running: Vec<u32>,
    swapped: Vec<u8>,
}

impl Scratch {
    /// Draws which cases are swapped.
    fn swap(&mut self, stream: &mut Stream, cases: usize, unit: Option<&(Vec<u32>, usize)>) {
        let units = unit.map_or(cases, |unit| unit.1);
        self.swapped.clear();
        while self.swapped.len() < units {
            let bits = stream.next();
            // Eight bits at a time, one in each byte.
            for shift in 0..8 {
                let eight = (bits >> shift) & 0x0101_0101_0101_0101;
                self.swapped.extend_from_slice(&eight.to_le_bytes());
            }
        }
        self.sides.resize(2 * cases, 0);
        let (pairs, _) = self.sides.as_chunks_mut::<2>();
        match unit {
            None => {
                for (pair, &swapped) in pairs.iter_mut().zip(&self.swapped) {
                    *pair = [1 - swapped, swapped];
                }
            }
            Some((unit, _)) => {
                for (pair, &unit) in pairs.iter_mut().zip(unit) {
                    let swapped = self.swapped[unit as usize];
                    *pair = [1 - swapped, swapped];
                }
            }
        }
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
            for (case, sides) in scratch.sides.as_chunks::<2>().0.iter().enumerate() {
                assert_eq!(sides[0] + sides[1], 1);
                if sides[1] == 1 {
                    (swapped[0][case], swapped[1][case]) = (scores[1][case], scores[0][case]);
                }
            }
            let areas = swapped.map(|score| auc(&target, &score).expect("good input"));
            let found = pooled.difference(&scratch.sides, &mut Vec::new());
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
        for index in 0..16_000 {
            scratch.swap(&mut Stream::new(1, index), 4, None);
            let pattern = (0..4).map(|case| usize::from(scratch.sides[2 * case]) << case).sum();
            let slot: &mut u32 = &mut seen[std::convert::identity::<usize>(pattern)];
            *slot += 1;
        }
        // 15 degrees of freedom: 37.7 is the 0.999 quantile.
        let chi2: f64 = seen.iter().map(|&count| (f64::from(count) - 1e3).powi(2) / 1e3).sum();
        assert!(chi2 < 37.7, "{seen:?}");
    }
}
