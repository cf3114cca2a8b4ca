//! The draws of a bootstrap: how often each unit (a case, or a whole group of cases) counts.
//!
//! A replicate draws n of n units with replacement, so the counts are multinomial. They are made
//! without n draws: independent Poisson counts, given their sum, are multinomial. The counts are
//! drawn one after the other with a mean a little below 1; what their sum lacks of n (about 2
//! sqrt(n)) is drawn unit by unit, and the rare sum above n begins anew. This is exact, and it
//! touches memory in order. Efron 1979, <https://doi.org/10.1214/aos/1176344552>; whole groups:
//! Field and Welsh 2007, <https://doi.org/10.1111/j.1467-9868.2007.00593.x>; Poisson counts:
//! Devroye 1986, Non-Uniform Random Variate Generation, section XI.1.

use std::collections::HashMap;
use std::ops::Range;

use super::error::{StatisticsError, same_length};
use super::random::{Below, Stream};

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

/// The units, their strata, and the unit of each case.
#[derive(Debug)]
pub(super) struct Plan {
    /// The unit of each case; `None` where case i is unit i.
    unit: Option<Vec<u32>>,
    units: usize,
    strata: Vec<(Range<usize>, Multinomial)>,
}

/// Scratch memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Draws {
    counts: Vec<u8>,
    weights: Vec<u8>,
}

impl Plan {
    /// Plans the draws of cases that are given in `order` (their original positions).
    ///
    /// Groups are numbered as they first appear among the original cases: neither their names nor
    /// the order of the scores change the draws. `apart` names the cases of a stratum of their own.
    pub fn new(
        order: &[u32],
        group: Option<&[i64]>,
        apart: Option<&dyn Fn(usize) -> bool>,
    ) -> Result<Self, StatisticsError> {
        let count = order.len();
        let (mut unit, units) = match group {
            None => ((0..).take(count).collect(), count),
            Some(group) => {
                same_length(("group", group.len()), ("target", count))?;
                let (of_case, units) = numbered(group);
                (order.iter().map(|&case| of_case[case as usize]).collect::<Vec<u32>>(), units)
            }
        };
        let mut strata = Vec::new();
        if let Some(apart) = apart {
            let mut marked = vec![false; units];
            for (place, &unit) in unit.iter().enumerate() {
                marked[unit as usize] |= apart(place);
            }
            // The stratum of the first unit comes first: its numbers then often stay as they are.
            let leading = |index: &u32| marked[*index as usize] == marked[0];
            let (first, second): (Vec<u32>, Vec<u32>) = (0..).take(units).partition(leading);
            let mut renamed = vec![0; units];
            for (new, &old) in (0..).zip(first.iter().chain(&second)) {
                renamed[old as usize] = new;
            }
            for one in &mut unit {
                *one = renamed[*one as usize];
            }
            strata.extend([0..first.len(), first.len()..units]);
        } else {
            strata.push(0..units);
        }
        let identity = units == count && (0..).zip(&unit).all(|(place, &unit)| place == unit);
        Ok(Self {
            unit: (!identity).then_some(unit),
            units,
            strata: strata
                .into_iter()
                .filter(|stratum| !stratum.is_empty())
                .map(|stratum| (stratum.clone(), Multinomial::new(stratum.len())))
                .collect(),
        })
    }

    /// Returns how often each case counts in the replicate that `stream` stands for.
    pub fn draw<'a>(&self, stream: &mut Stream, draws: &'a mut Draws) -> &'a [u8] {
        draws.counts.resize(self.units, 0);
        for (stratum, multinomial) in &self.strata {
            multinomial.draw(stream, &mut draws.counts[stratum.clone()]);
        }
        let Some(unit) = &self.unit else { return &draws.counts };
        draws.weights.clear();
        draws.weights.extend(unit.iter().map(|&unit| draws.counts[unit as usize]));
        &draws.weights
    }
}

/// Returns the number of each case's group, in order of first appearance, and how many there are.
pub(super) fn numbered(group: &[i64]) -> (Vec<u32>, usize) {
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut next = 0;
    let mut number = |&name: &i64| {
        *numbers.entry(name).or_insert_with(|| {
            next += 1;
            next - 1
        })
    };
    (group.iter().map(&mut number).collect(), numbers.len())
}

/// As many draws with replacement as there are units.
#[derive(Debug)]
struct Multinomial {
    units: u32,
    /// `None` where there are so few units that single draws are as fast.
    poisson: Option<Poisson>,
}

/// Below this many units each draw is made by itself.
const FEW: u32 = 64;

impl Multinomial {
    fn new(units: usize) -> Self {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // The sum is above n in about 2 % of the trials.
        let mean = 1.0 - 2.0 / f64::from(units).sqrt();
        Self { units, poisson: (units >= FEW).then(|| Poisson::new(mean)) }
    }

    /// Writes how often each unit is drawn. A count above 255 stays 255: its probability is below
    /// 1e-500.
    fn draw(&self, stream: &mut Stream, counts: &mut [u8]) {
        let drawn = match &self.poisson {
            None => {
                counts.fill(0);
                0
            }
            Some(poisson) => loop {
                let drawn = poisson.fill(stream, counts);
                if drawn <= counts.len() {
                    break drawn;
                }
            },
        };
        Below::new(self.units).draw(stream, counts.len() - drawn, |unit| {
            counts[unit] = counts[unit].saturating_add(1);
        });
    }
}

/// Poisson counts, by comparing a uniform number with the probabilities of at least 1, 2, ...
///
/// The first 8 bits of the uniform number settle the count of 49 cases in 50; for the others 64
/// more are drawn. Comparisons of a block at a time take the place of a table: a processor makes
/// sixteen of them at once.
#[derive(Debug)]
struct Poisson {
    /// The first 8 bits of the probabilities of at least 1, 2, 3 and 4; they are 0 from 5 on.
    steps: [u8; 4],
    /// The probability of at least k + 1: its first 8 bits, and the 64 that follow.
    tail: Vec<(u8, u64)>,
}

/// Counts that are drawn at a time.
const BLOCK: usize = 64;

impl Poisson {
    /// `mean` is above 0 and at most 1.
    fn new(mean: f64) -> Self {
        let mut mass = vec![(-mean).exp()];
        // 1 / 24! is 2^-79: what is left out is below the resolution of 72 bits.
        for k in 1..24_u32 {
            mass.push(mass[mass.len() - 1] * mean / f64::from(k));
        }
        let mut sum = 0.0;
        let mut tail: Vec<(u8, u64)> = mass[1..]
            .iter()
            .rev()
            .map(|mass| {
                sum += mass;
                split(sum)
            })
            .collect();
        tail.reverse();
        Self { steps: std::array::from_fn(|k| tail[k].0), tail }
    }

    /// Fills `counts` and returns their sum.
    fn fill(&self, stream: &mut Stream, counts: &mut [u8]) -> usize {
        let mut total = 0;
        let (blocks, rest) = counts.as_chunks_mut::<BLOCK>();
        for block in blocks {
            self.block(stream, block);
            total += sum(block);
        }
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            self.block(stream, &mut block);
            rest.copy_from_slice(&block[..rest.len()]);
            block[rest.len()..].fill(0);
            total += sum(&block);
        }
        total
    }

    fn block(&self, stream: &mut Stream, counts: &mut [u8; BLOCK]) {
        let mut bytes = [0; BLOCK];
        for eight in bytes.as_chunks_mut::<8>().0 {
            *eight = stream.next().to_le_bytes();
        }
        let mut open = [0; BLOCK];
        for ((count, open), &byte) in counts.iter_mut().zip(&mut open).zip(&bytes) {
            let (mut above, mut on) = (0, u8::from(byte == 0));
            for step in self.steps {
                above += u8::from(byte < step);
                on |= u8::from(byte == step);
            }
            (*count, *open) = (above, on);
        }
        for (eight, marks) in open.as_chunks::<8>().0.iter().enumerate() {
            let mut marks = u64::from_le_bytes(*marks);
            while marks != 0 {
                let at = 8 * eight + marks.trailing_zeros() as usize / 8;
                counts[at] = self.settle(counts[at], bytes[at], stream.next());
                marks &= marks - 1;
            }
        }
    }

    /// Returns the count, at least `count`, for a uniform number of 72 bits.
    fn settle(&self, mut count: u8, byte: u8, rest: u64) -> u8 {
        while self.tail.get(usize::from(count)).is_some_and(|&tail| (byte, rest) < tail) {
            count += 1;
        }
        count
    }
}

/// The sum of the counts of a block, each below 32.
fn sum(block: &[u8; BLOCK]) -> usize {
    let eights = block.as_chunks::<8>().0.iter().map(|eight| {
        // The sum of the eight bytes arrives in the highest one.
        u64::from_le_bytes(*eight).wrapping_mul(0x0101_0101_0101_0101) >> 56
    });
    usize::try_from(eights.sum::<u64>()).unwrap_or(usize::MAX)
}

/// Returns the first 8 bits of a probability below 1, and the 64 bits that follow.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 1")]
fn split(probability: f64) -> (u8, u64) {
    let scaled = probability * 256.0;
    let first = scaled.floor();
    (first as u8, ((scaled - first) * 2.0_f64.powi(64)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(multinomial: &Multinomial, replicate: u64) -> Vec<u8> {
        let mut counts = vec![9; multinomial.units as usize];
        multinomial.draw(&mut Stream::new(11, replicate), &mut counts);
        counts
    }

    /// All ten outcomes of three draws of three units, with their multinomial probabilities.
    #[test]
    fn counts_are_multinomial_outcome_by_outcome() {
        for poisson in [None, Some(Poisson::new(0.4)), Some(Poisson::new(1.0))] {
            let multinomial = Multinomial { units: 3, poisson };
            let trials = 200_000;
            let mut seen: HashMap<Vec<u8>, f64> = HashMap::new();
            for replicate in 0..trials {
                *seen.entry(counts_of(&multinomial, replicate)).or_default() += 1.0;
            }
            assert_eq!(seen.len(), 10);
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let unit = trials as f64 / 27.0;
            let chi2: f64 = seen
                .iter()
                .map(|(counts, seen)| {
                    assert_eq!(counts.iter().sum::<u8>(), 3);
                    let ways = match counts.iter().max() {
                        Some(3) => 1.0,
                        Some(2) => 3.0,
                        _ => 6.0,
                    };
                    (seen - ways * unit).powi(2) / (ways * unit)
                })
                .sum();
            // 9 degrees of freedom: 27.9 is the 0.999 quantile.
            assert!(chi2 < 27.9, "{chi2}");
        }
    }

    #[test]
    fn many_units_have_the_moments_of_a_multinomial() {
        let (units, trials) = (100, 20_000_u32);
        let multinomial = Multinomial::new(units);
        let (mut square, mut product, mut histogram) = (0.0, 0.0, [0.0; 4]);
        for replicate in 0..trials {
            let counts = counts_of(&multinomial, u64::from(replicate));
            assert_eq!(counts.iter().map(|&count| usize::from(count)).sum::<usize>(), units);
            for pair in counts.as_chunks::<2>().0 {
                let [a, b] = pair.map(f64::from);
                square += (a - 1.0).powi(2) + (b - 1.0).powi(2);
                product += (a - 1.0) * (b - 1.0);
                for count in pair {
                    histogram[usize::from(*count).min(3)] += 1.0;
                }
            }
        }
        let pairs = f64::from(trials) * 50.0;
        assert!((square / (2.0 * pairs) - 0.99).abs() < 0.005, "variance {square}");
        assert!((product / pairs + 0.01).abs() < 0.004, "covariance {product}");
        // Binomial(100, 1/100) at 0, 1, 2 and above.
        for (found, expected) in histogram.iter().zip([0.366_032, 0.369_730, 0.184_865, 0.079_373])
        {
            assert!((found / (2.0 * pairs) - expected).abs() < 0.002, "{histogram:?}");
        }
    }

    #[test]
    fn poisson_probabilities_are_those_of_the_formula() {
        let poisson = Poisson::new(0.9);
        let at_least = |k: usize| {
            let (first, rest) = poisson.tail[k - 1];
            #[expect(clippy::cast_precision_loss, reason = "compared to 1e-15")]
            let rest = rest as f64 / 2.0_f64.powi(64);
            (f64::from(first) + rest) / 256.0
        };
        let none = (-0.9_f64).exp();
        assert!((at_least(1) - (1.0 - none)).abs() < 1e-15);
        assert!((at_least(2) - (1.0 - none * 1.9)).abs() < 1e-15);
        assert!((at_least(3) - (1.0 - none * (1.9 + 0.405))).abs() < 1e-15);
    }

    #[test]
    fn strata_are_drawn_apart_and_groups_together() {
        let order: Vec<u32> = (0..300).collect();
        let group: Vec<i64> = (0..300).map(|case| 7 * (case / 3)).collect();
        let apart = |place: usize| place.is_multiple_of(30);
        let plan = Plan::new(&order, Some(&group), Some(&apart)).expect("good input");
        let mut draws = Draws::default();
        for replicate in 0..50 {
            let weights = plan.draw(&mut Stream::new(1, replicate), &mut draws);
            assert!(
                weights.as_chunks::<3>().0.iter().all(|one| one[0] == one[1] && one[1] == one[2])
            );
            let with: u32 = (0..300).step_by(30).map(|place| u32::from(weights[place])).sum();
            let all: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
            assert_eq!((with, all), (10, 300));
        }
    }
}
