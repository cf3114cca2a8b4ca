//! Exact percentiles by counting digits: of any values, in two passes.

use std::sync::{Mutex, PoisonError};

use super::grain;
use super::percentile::{Quantiles, Ranks};
use crate::parallel::{self, Stopped, Watch};

const DIGITS: usize = 1 << 16;

/// Values one histogram covers: few enough to count in 32 bits.
const PIECE: usize = 1 << 24;

/// Returns the quantiles of the finite values; see [`super::quantiles`].
pub(super) fn quantiles<T: Quantiles>(
    values: &[T],
    wanted: &[f64],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Option<Vec<f64>>, Stopped> {
    let shift = if T::SHORT { 0 } else { 16 };
    let digit = |value: T| Some((value.key() >> shift) as usize).filter(|_| value.is_counted());
    let upper = histogram(values, digit, threads, &mut *watch)?;
    let count = upper.iter().sum::<u64>();
    let Ok(count @ 1..) = usize::try_from(count) else { return Ok(None) };
    let ranks: Vec<Ranks> = wanted.iter().map(|&one| Ranks::of(one, count)).collect();
    let mut known: Vec<(usize, f64)> = Vec::new();
    let mut open: Vec<(usize, usize, u64)> = Vec::new();
    for rank in ranks.iter().flat_map(|ranks| [ranks.first, ranks.second]) {
        let (digit, rest) = find(&upper, rank as u64);
        if T::SHORT {
            known.push((rank, value_of::<T>(digit)));
        } else {
            open.push((digit, rank, rest));
        }
    }
    open.sort_unstable();
    for group in open.chunk_by(|a, b| a.0 == b.0) {
        let first = group[0].0;
        let digit = |value: T| {
            let key = value.key() as usize;
            Some(key % DIGITS).filter(|_| key >> 16 == first && value.is_counted())
        };
        let lower = histogram(values, digit, threads, &mut *watch)?;
        for &(_, rank, rest) in group {
            known.push((rank, value_of::<T>(first << 16 | find(&lower, rest).0)));
        }
    }
    let at = |rank: usize| {
        known.iter().find(|(found, _)| *found == rank).map_or(f64::NAN, |(_, value)| *value)
    };
    Ok(Some(ranks.iter().map(|ranks| ranks.mix(at)).collect()))
}

fn value_of<T: Quantiles>(key: usize) -> f64 {
    u32::try_from(key).map_or(f64::NAN, |key| T::of_key(key).to_f64())
}

/// Returns the digit at a rank, and the rank among the values of this digit.
fn find(histogram: &[u64], rank: u64) -> (usize, u64) {
    let mut rest = rank;
    for (digit, &count) in histogram.iter().enumerate() {
        if rest < count {
            return (digit, rest);
        }
        rest -= count;
    }
    (histogram.len() - 1, 0)
}

fn histogram<T: Quantiles>(
    values: &[T],
    digit: impl Fn(T) -> Option<usize> + Sync,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<u64>, Stopped> {
    let total = Mutex::new(vec![0_u64; DIGITS]);
    let threads = parallel::thread_count(grain(values.len(), threads));
    let piece = values.len().div_ceil(threads).clamp(1, PIECE);
    parallel::for_each(
        values.chunks(piece),
        threads,
        || [vec![0_u32; DIGITS], vec![0_u32; DIGITS]],
        |[even, odd], piece| {
            even.fill(0);
            odd.fill(0);
            // Two histograms in turn: where neighbours are equal, a count need not wait for the
            // one before it.
            for pair in piece.chunks(2) {
                if let Some(digit) = digit(pair[0]) {
                    even[digit % DIGITS] += 1;
                }
                if let Some(digit) = pair.get(1).and_then(|&value| digit(value)) {
                    odd[digit % DIGITS] += 1;
                }
            }
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            for ((sum, &even), &odd) in total.iter_mut().zip(&*even).zip(&*odd) {
                *sum += u64::from(even) + u64::from(odd);
            }
        },
        watch,
    )?;
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_give_what_sorting_gives() {
        let mut state = 1_u32;
        let mut values: Vec<f32> = Vec::new();
        for _ in 0..10_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            values.push(f32::from_bits(state));
        }
        let wanted = [0.0, 0.005, 0.3, 0.5, 1.0];
        let found = quantiles(&values, &wanted, 2, &mut || false).expect("nothing stops it");
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f32::total_cmp);
        let sorted = wanted
            .map(|fraction| Ranks::of(fraction, values.len()).mix(|rank| f64::from(values[rank])));
        assert_eq!(found, Some(sorted.to_vec()));
    }
}
