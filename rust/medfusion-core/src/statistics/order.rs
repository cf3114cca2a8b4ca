//! Cases in the order of their scores.

/// Returns a whole number that sorts as `value` does; -0.0 and 0.0 are one.
pub(super) fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    // Negative numbers are turned round, positive ones put above them (IEEE 754).
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// An entry of a sorted list: the key of its score, and which case it is.
pub(super) type Entry = (u64, u32);

/// Returns the entries of the cases that `wanted` names, sorted.
pub(super) fn sorted(score: &[f64], wanted: impl Fn(usize) -> bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = (0_u32..)
        .zip(score)
        .filter(|&(case, _)| wanted(case as usize))
        .map(|(case, &value)| (key(value), case))
        .collect();
    entries.sort_unstable();
    entries
}

/// For each of `these` how many of `others` have a lower score, and how many no higher one.
pub(super) fn spans<'a>(
    these: &'a [Entry],
    others: &'a [Entry],
) -> impl Iterator<Item = (u32, u32)> + 'a {
    let (mut below, mut upto) = (0, 0);
    these.iter().map(move |&(key, _)| {
        while others.get(below as usize).is_some_and(|other| other.0 < key) {
            below += 1;
        }
        upto = upto.max(below);
        while others.get(upto as usize).is_some_and(|other| other.0 == key) {
            upto += 1;
        }
        (below, upto)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_the_numbers_do() {
        let rising = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 1.0, 7.5, f64::INFINITY];
        assert!(rising.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn spans_count_lower_and_not_higher() {
        let these = sorted(&[1.0, 2.0, 2.0, 5.0], |_| true);
        let others = sorted(&[2.0, 0.0, 2.0, 3.0], |_| true);
        let found: Vec<_> = spans(&these, &others).collect();
        assert_eq!(found, [(1, 1), (1, 3), (1, 3), (4, 4)]);
        assert_eq!(spans(&these, &[]).collect::<Vec<_>>(), [(0, 0); 4]);
    }
}
