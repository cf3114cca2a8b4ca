//! The bootstrap distribution of the AUC.
//!
//! The cases are sorted once. A replicate is a count for every case, so it costs n draws and one
//! walk: no replicate is ever sorted. Efron 1979, <https://doi.org/10.1214/aos/1176344552>; whole
//! groups: Field and Welsh 2007, <https://doi.org/10.1111/j.1467-9868.2007.00593.x>.

use std::collections::HashMap;

use super::auc::{Ranked, StatisticsError};
use super::random::{Below, Stream};
use crate::parallel::{self, Watch};

/// Draws that one item of work makes at least: fewer are not worth handing out.
const GRAIN: usize = 1 << 16;

/// How replicates are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// Replicate `r` depends on this and `r` alone.
    pub seed: u64,
    /// Draw the positives and the negatives apart, so that each replicate has as many of both as
    /// the data. With groups: the groups that hold a positive case and the groups that hold none.
    pub stratified: bool,
    /// Threads, 0 for all cores; the result is the same for any number.
    pub threads: usize,
}

/// Units (cases or groups) and how a replicate draws them.
struct Plan {
    /// The group of each rank; `None` where each rank is a unit of its own.
    group: Option<Vec<u32>>,
    units: usize,
    /// Units of each stratum; each stratum gives as many draws as it has units.
    strata: Vec<Vec<u32>>,
}

/// Fills `out` with one AUC per replicate; NaN where a replicate has one class only.
///
/// With `group` (one number per case) whole groups are drawn with replacement, so that cases of
/// one patient stay together.
///
/// # Errors
/// Lengths that differ, a target that is not 0 or 1, a NaN score, or stopped by `watch`.
pub fn bootstrap_auc(
    target: &[u8],
    score: &[f64],
    group: Option<&[i64]>,
    resampling: Resampling,
    out: &mut [f64],
    watch: Watch<'_>,
) -> Result<(), StatisticsError> {
    let ranked = Ranked::new(target, score)?;
    if ranked.is_empty() {
        out.fill(f64::NAN);
        return Ok(());
    }
    let plan = Plan::new(&ranked, group, resampling.stratified)?;
    let chunk = GRAIN.div_ceil(ranked.len());
    parallel::for_each(
        out.chunks_mut(chunk).enumerate(),
        resampling.threads,
        || vec![0; plan.units],
        |counts, (number, slots)| {
            for (offset, slot) in slots.iter_mut().enumerate() {
                let replicate = (number * chunk + offset) as u64;
                plan.draw(&mut Stream::new(resampling.seed, replicate), counts);
                *slot = match &plan.group {
                    None => ranked.weighted_auc(counts.iter().copied()),
                    Some(group) => {
                        ranked.weighted_auc(group.iter().map(|&unit| counts[unit as usize]))
                    }
                };
            }
        },
        watch,
    )?;
    Ok(())
}

impl Plan {
    fn new(
        ranked: &Ranked,
        group: Option<&[i64]>,
        stratified: bool,
    ) -> Result<Self, StatisticsError> {
        let count = ranked.len();
        let (group, units) = match group {
            None => (None, count),
            Some(group) if group.len() == count => {
                let (group, units) = dense(ranked, group);
                (Some(group), units)
            }
            Some(group) => {
                let found = group.len();
                return Err(StatisticsError::Length { what: "group", found, expected: count });
            }
        };
        let mut positive = vec![false; units];
        for rank in 0..count {
            let unit = group.as_ref().map_or(rank, |group| group[rank] as usize);
            positive[unit] |= ranked.is_positive(rank);
        }
        let all = (0..).take(units);
        let strata = if stratified {
            let (with, without) = all.partition(|&unit: &u32| positive[unit as usize]);
            vec![with, without]
        } else {
            vec![all.collect()]
        };
        Ok(Self { group, units, strata })
    }

    /// Draws one replicate into `counts`.
    fn draw(&self, stream: &mut Stream, counts: &mut [u32]) {
        counts.fill(0);
        if let [all] = &self.strata[..] {
            let size = u32::try_from(all.len()).unwrap_or(u32::MAX);
            Below::new(size).draw(stream, all.len(), |unit| counts[unit] += 1);
            return;
        }
        for stratum in self.strata.iter().filter(|stratum| !stratum.is_empty()) {
            let size = u32::try_from(stratum.len()).unwrap_or(u32::MAX);
            Below::new(size)
                .draw(stream, stratum.len(), |draw| counts[stratum[draw] as usize] += 1);
        }
    }
}

/// Returns the groups of the ranks, numbered 0, 1, ... in the order of the original cases: the
/// numbers that name the groups, and the order of the scores, don't change the draws.
fn dense(ranked: &Ranked, group: &[i64]) -> (Vec<u32>, usize) {
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut next = 0;
    let of_case: Vec<u32> = group
        .iter()
        .map(|&name| {
            *numbers.entry(name).or_insert_with(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    (ranked.order.iter().map(|&case| of_case[case as usize]).collect(), numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Resampling = Resampling { seed: 5, stratified: false, threads: 1 };

    fn cases(count: usize) -> (Vec<u8>, Vec<f64>) {
        let mut stream = Stream::new(9, 9);
        (0..count)
            .map(|_| {
                let positive = stream.next() >> 62 == 0;
                let noise = u32::try_from(stream.next() >> 48).expect("16 bits");
                (
                    u8::from(positive),
                    f64::from(noise) / 65536.0 + f64::from(u8::from(positive)) * 0.3,
                )
            })
            .unzip()
    }

    fn run(group: Option<&[i64]>, resampling: Resampling, replicates: usize) -> Vec<f64> {
        let (target, score) = cases(300);
        let mut out = vec![0.0; replicates];
        bootstrap_auc(&target, &score, group, resampling, &mut out, &mut || false)
            .expect("good input");
        out
    }

    #[test]
    fn threads_do_not_change_the_result() {
        let one = run(None, PLAIN, 1000);
        for threads in [0, 2, 5] {
            assert_eq!(one, run(None, Resampling { threads, ..PLAIN }, 1000));
        }
        assert_ne!(one, run(None, Resampling { seed: 6, ..PLAIN }, 1000));
    }

    #[test]
    fn a_longer_run_begins_with_the_shorter() {
        assert_eq!(run(None, PLAIN, 1000)[..100], run(None, PLAIN, 100));
    }

    #[test]
    fn one_group_gives_the_same_auc_every_time() {
        let (target, score) = cases(300);
        let expected = super::super::auc(&target, &score).expect("good input");
        let one_group = run(Some(&[7; 300]), PLAIN, 50);
        assert!(one_group.iter().all(|value| value.to_bits() == expected.to_bits()));
    }

    #[test]
    fn one_class_gives_nan() {
        let mut out = [0.0; 20];
        bootstrap_auc(&[1, 1, 1], &[0.1, 0.2, 0.3], None, PLAIN, &mut out, &mut || false)
            .expect("good input");
        assert!(out.iter().all(|value| value.is_nan()));
        bootstrap_auc(&[], &[], None, PLAIN, &mut out, &mut || false).expect("good input");
        assert!(out.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn strata_keep_both_classes() {
        let (target, score) = ([1, 0, 0, 0, 0], [0.9, 0.1, 0.2, 0.3, 0.4]);
        let mut out = [0.0; 500];
        let stratified = Resampling { stratified: true, ..PLAIN };
        bootstrap_auc(&target, &score, None, stratified, &mut out, &mut || false)
            .expect("good input");
        assert!(out.iter().all(|value| value.to_bits() == 1.0_f64.to_bits()));
        bootstrap_auc(&target, &score, None, PLAIN, &mut out, &mut || false).expect("good input");
        // Without the positive case: (4/5)^5 = 0.328 of the replicates.
        let missing = out.iter().filter(|value| value.is_nan()).count();
        assert!((120..210).contains(&missing), "{missing}");
    }
}
