//! The bootstrap distribution of the AUC.
//!
//! The cases are sorted once. A replicate is a count for every case, and one walk over them: no
//! replicate is ever sorted.

use super::auc::Ranked;
use super::error::StatisticsError;
use super::random::Stream;
use super::resampling::{Draws, Plan, Resampling};
use crate::parallel::{self, Watch};

/// Draws that one item of work makes at least: fewer are not worth handing out.
pub(super) const GRAIN: usize = 1 << 16;

/// Fills `out` with one AUC per replicate; NaN where a replicate has one class only.
///
/// With `group` (one number per case) whole groups are drawn with replacement, so that cases of
/// one patient stay together.
///
/// # Errors
/// Lengths that differ, a target that is not 0 or 1, a NaN score, too many cases, or stopped by
/// `watch`.
pub fn bootstrap_auc(
    target: &[u8],
    score: &[f64],
    group: Option<&[i64]>,
    resampling: Resampling,
    out: &mut [f64],
    watch: Watch<'_>,
) -> Result<(), StatisticsError> {
    let ranked = Ranked::new(target, score)?;
    let positive = |place: usize| ranked.is_positive(place);
    let apart: Option<&dyn Fn(usize) -> bool> =
        if resampling.stratified { Some(&positive) } else { None };
    let plan = Plan::new(ranked.order(), group, apart)?;
    replicate(&plan, ranked.len(), resampling, out, watch, |weights, running| {
        ranked.weighted_auc(weights, running)
    })
}

/// Fills `out` with a statistic of the weights of each replicate.
pub(super) fn replicate<S: Default>(
    plan: &Plan,
    cases: usize,
    resampling: Resampling,
    out: &mut [f64],
    watch: Watch<'_>,
    statistic: impl Fn(&[u8], &mut S) -> f64 + Sync,
) -> Result<(), StatisticsError> {
    if cases == 0 {
        out.fill(f64::NAN);
        return Ok(());
    }
    let chunk = GRAIN.div_ceil(cases);
    parallel::for_each(
        out.chunks_mut(chunk).enumerate(),
        resampling.threads,
        || (Draws::default(), S::default()),
        |(draws, scratch), (number, slots)| {
            for (offset, slot) in slots.iter_mut().enumerate() {
                let index = (number * chunk + offset) as u64;
                let weights = plan.draw(&mut Stream::new(resampling.seed, index), draws);
                *slot = statistic(weights, scratch);
            }
        },
        watch,
    )?;
    Ok(())
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
