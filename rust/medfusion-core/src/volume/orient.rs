//! Axes flipped and swapped.

use super::{Shape, VolumeError, check};
use crate::parallel::{self, Watch};

/// A flip and swap of the axes i, j, k (columns, rows, slices).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// For each new axis the old one that it is: a permutation of 0, 1, 2.
    pub axes: [usize; 3],
    /// For each new axis whether it runs the other way.
    pub flips: [bool; 3],
}

/// New slices that one piece of work makes: a line of the cache holds as many values.
const SLAB: usize = 16;

/// Voxels of a row that are copied before the next slice of a slab has its turn.
const RUN: usize = 64;

/// Where the voxels of a new grid lie in the old array.
#[derive(Clone, Copy)]
struct Strides {
    /// Position of new voxel (0, 0, 0).
    origin: isize,
    /// Distance of neighbours along new i, j, k.
    steps: [isize; 3],
    /// New columns and rows.
    columns: usize,
    rows: usize,
}

/// Copies volumes along other axes.
///
/// # Errors
/// [`VolumeError`]: `turn` is no permutation, arrays that don't fit it, or `watch` asked to stop.
pub fn orient<T: Copy + Send + Sync>(
    input: &[T],
    shape: Shape,
    out: &mut [T],
    turn: Turn,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), VolumeError> {
    let [items, slices, rows, columns] = shape;
    let old = [columns, rows, slices];
    let mut seen = turn.axes;
    seen.sort_unstable();
    if seen != [0, 1, 2] {
        return Err(VolumeError::Map);
    }
    let size = turn.axes.map(|axis| old[axis]);
    check([input.len(), out.len()], shape, [items, size[2], size[1], size[0]])?;
    let strides = Strides::new(old, turn, size);
    let (volume, plane) = (size.iter().product::<usize>(), size[0] * size[1]);
    let slabs = size[2].div_ceil(SLAB);
    let work: Vec<_> = out
        .chunks_exact_mut(volume)
        .zip(input.chunks_exact(volume))
        .flat_map(|(new, old)| {
            new.chunks_mut(SLAB * plane).enumerate().map(move |(at, slab)| (old, at * SLAB, slab))
        })
        .collect();
    debug_assert_eq!(work.len(), slabs * items);
    let copy = |(): &mut (), (old, first, slab): (&[T], usize, &mut [T])| {
        strides.copy(old, first, slab);
    };
    // A copy of a few hundred kilobytes is done before a thread has started.
    let threads = if size_of_val(input) < 1 << 20 { 1 } else { threads };
    parallel::for_each(work.into_iter(), threads, || (), copy, watch)?;
    Ok(())
}

#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions in a slice: all fit, and none is negative"
)]
impl Strides {
    fn new(old: [usize; 3], turn: Turn, size: [usize; 3]) -> Self {
        let distance = [1, old[0] as isize, (old[0] * old[1]) as isize];
        let mut origin = 0;
        let mut steps = [0; 3];
        for axis in 0..3 {
            let step = distance[turn.axes[axis]];
            steps[axis] = if turn.flips[axis] { -step } else { step };
            if turn.flips[axis] {
                origin += step * (size[axis] as isize - 1);
            }
        }
        Self { origin, steps, columns: size[0], rows: size[1] }
    }

    fn at(&self, i: usize, j: usize, k: usize) -> usize {
        let [along_i, along_j, along_k] = self.steps;
        (self.origin + along_i * i as isize + along_j * j as isize + along_k * k as isize) as usize
    }

    /// Makes new slices from `first` on.
    fn copy<T: Copy>(&self, old: &[T], first: usize, slab: &mut [T]) {
        let plane = self.columns * self.rows;
        match self.steps {
            [1, _, _] => {
                for (row, out) in slab.chunks_exact_mut(self.columns).enumerate() {
                    let from = self.at(0, row % self.rows, first + row / self.rows);
                    out.copy_from_slice(&old[from..from + self.columns]);
                }
            }
            [-1, _, _] => {
                for (row, out) in slab.chunks_exact_mut(self.columns).enumerate() {
                    let last = self.at(self.columns - 1, row % self.rows, first + row / self.rows);
                    let from = old[last..last + self.columns].iter().rev();
                    out.iter_mut().zip(from).for_each(|(out, &value)| *out = value);
                }
            }
            // The old rows run along new columns of voxels: read along them, in small squares.
            [_, 1 | -1, _] => {
                for (k, out) in slab.chunks_exact_mut(plane).enumerate() {
                    for top in (0..self.rows).step_by(RUN) {
                        let bottom = (top + RUN).min(self.rows);
                        for i in 0..self.columns {
                            let from = self.run(old, self.at(i, top, first + k), bottom - top, 1);
                            for (j, value) in (top..bottom).zip(from) {
                                out[j * self.columns + i] = value;
                            }
                        }
                    }
                }
            }
            _ => {
                let depth = slab.len() / plane;
                for j in 0..self.rows {
                    for i in 0..self.columns {
                        let from = self.run(old, self.at(i, j, first), depth, 2);
                        for (k, value) in from.enumerate() {
                            slab[k * plane + j * self.columns + i] = value;
                        }
                    }
                }
            }
        }
    }

    /// Old values from a position on, forwards or backwards as new `axis` runs.
    fn run<'a, T: Copy>(
        &self,
        old: &'a [T],
        from: usize,
        count: usize,
        axis: usize,
    ) -> impl Iterator<Item = T> + use<'a, T> {
        let backwards = self.steps[axis] < 0;
        let start = if backwards { from + 1 - count } else { from };
        let line = &old[start..start + count];
        (0..count).map(move |at| line[if backwards { count - 1 - at } else { at }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_puts_every_voxel_in_its_place() {
        let shape = [2, 20, 3, 70];
        let size = [70, 3, 20];
        let input: Vec<u32> = (0..2 * 70 * 3 * 20).collect();
        for axes in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for bits in 0..8 {
                let flips = [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0];
                let mut out = vec![0; input.len()];
                orient(&input, shape, &mut out, Turn { axes, flips }, 2, &mut || false)
                    .expect("the arrays fit");
                let new = axes.map(|axis| size[axis]);
                for (at, &value) in out.iter().enumerate() {
                    let place = [at % new[0], at / new[0] % new[1], at / new[0] / new[1] % new[2]];
                    let mut old = [0; 3];
                    for axis in 0..3 {
                        let end = new[axis] - 1;
                        old[axes[axis]] = if flips[axis] { end - place[axis] } else { place[axis] };
                    }
                    let item = at / (70 * 3 * 20);
                    let wanted = old[0] + 70 * (old[1] + 3 * (old[2] + 20 * item));
                    assert_eq!(value as usize, wanted, "{axes:?} {flips:?} {place:?}");
                }
            }
        }
    }

    #[test]
    fn no_permutation_is_refused() {
        let turn = Turn { axes: [0, 0, 2], flips: [false; 3] };
        let found = orient(&[0_u8], [1; 4], &mut [0], turn, 1, &mut || false);
        assert_eq!(found, Err(VolumeError::Map));
    }
}
