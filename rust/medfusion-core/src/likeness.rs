//! Hashes that differ in few bits.

use crate::parallel::{self, Stopped, Watch};

/// Two hashes that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// Position of the first.
    pub first: usize,
    /// Position of the second, above the first.
    pub second: usize,
    /// Bits in which they differ.
    pub distance: u32,
}

/// Hashes that one item of work compares with all that follow.
const BLOCK: usize = 64;

/// Compares all pairs of hashes; returns those that differ in at most `threshold` bits, in order
/// of position and at most `limit` of them, and how many there are in all.
///
/// Pairs are counted first and then written, so that memory is bounded whatever the hashes are.
///
/// # Errors
/// [`Stopped`] when `watch` asked for it.
///
/// ```
/// use medfusion_core::likeness::near_pairs;
/// let (pairs, all) = near_pairs(&[0b1111, 0b0000, 0b0111], 1, 10, 1, &mut || false)?;
/// assert_eq!((pairs[0].first, pairs[0].second, pairs[0].distance, all), (0, 2, 1, 1));
/// # Ok::<(), medfusion_core::parallel::Stopped>(())
/// ```
pub fn near_pairs(
    hashes: &[u64],
    threshold: u32,
    limit: usize,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(Vec<Alike>, u64), Stopped> {
    let mut counts = vec![0_u64; hashes.len()];
    parallel::for_each(
        counts.chunks_mut(BLOCK).enumerate(),
        threads,
        || (),
        |(), (block, counts)| {
            for (first, count) in (block * BLOCK..).zip(counts) {
                let near = |other: &u64| u64::from(distance(hashes[first], *other) <= threshold);
                *count = hashes[first + 1..].iter().map(near).sum();
            }
        },
        watch,
    )?;
    let mut pairs = Vec::new();
    for (first, _) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        if pairs.len() >= limit {
            break;
        }
        for (second, &other) in hashes.iter().enumerate().skip(first + 1) {
            let distance = distance(hashes[first], other);
            if distance <= threshold && pairs.len() < limit {
                pairs.push(Alike { first, second, distance });
            }
        }
    }
    Ok((pairs, counts.iter().sum()))
}

fn distance(first: u64, second: u64) -> u32 {
    (first ^ second).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_cuts_the_list_and_not_the_count() {
        let same = [7; 200];
        for threads in [1, 3] {
            let (pairs, all) = near_pairs(&same, 0, 250, threads, &mut || false).expect("whole");
            assert_eq!((pairs.len(), all), (250, 200 * 199 / 2));
            assert_eq!(pairs[199], Alike { first: 1, second: 2, distance: 0 });
        }
        assert_eq!(near_pairs(&[], 64, 9, 0, &mut || false).expect("whole"), (vec![], 0));
    }
}
