//! Linear interpolation between grids whose axes run along each other: one axis after the other.

use super::grid::Places;
use super::prepare::Linear;
use super::{Sample, Shape};
use crate::intensity::Summary;
use crate::parallel::{self, Stopped, Watch};
use crate::vector::{self, Kernel};

/// Fewest new slices a piece of work has: the first ones can't use what was made for others.
const SLAB: usize = 8;

/// Makes the new volumes, clips them, and measures each of their slices.
///
/// Of the two orders (slices first or last) the one with less work is taken, by the shapes alone.
#[expect(clippy::too_many_arguments, reason = "two arrays with their shapes")]
pub(super) fn resample<T: Sample>(
    input: &[T],
    from: Shape,
    out: &mut [f32],
    to: Shape,
    [columns, rows, slices]: &[Places; 3],
    options: Linear,
    summaries: &mut [Summary],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), Stopped> {
    let plane = to[2] * to[3];
    let grid = Grid { columns, rows, slices, height: from[2], width: from[3], options };
    let pieces = 2 * parallel::thread_count(threads);
    let slab = to[1].div_ceil(if threads == 1 { 1 } else { pieces }).max(SLAB);
    let slices_last = grid.cost_of_slices_last(to) <= grid.cost_of_slices_first(to);
    let work: Vec<_> = out
        .chunks_exact_mut(to[1] * plane)
        .zip(summaries.chunks_exact_mut(to[1]))
        .zip(input.chunks_exact(from[1] * from[2] * from[3]))
        .flat_map(|((new, found), old)| {
            new.chunks_mut(slab * plane)
                .zip(found.chunks_mut(slab))
                .enumerate()
                .map(move |(at, (new, found))| Slab { old, first: at * slab, new, found })
        })
        .collect();
    let threads = if out_is_small(to) { 1 } else { threads };
    parallel::for_each(
        work.into_iter(),
        threads,
        || Scratch::new(from[3], if slices_last { plane } else { 0 }),
        |scratch, slab| {
            if slices_last {
                grid.planes_then_slices(scratch, slab);
            } else {
                grid.slices_then_planes(scratch, slab);
            }
        },
        watch,
    )
}

/// Whether threads would cost more than they give.
pub(super) fn out_is_small(shape: Shape) -> bool {
    shape.iter().product::<usize>() < 1 << 18
}

struct Grid<'a> {
    columns: &'a Places,
    rows: &'a Places,
    slices: &'a Places,
    height: usize,
    width: usize,
    options: Linear,
}

/// New slices next to each other.
struct Slab<'a, T> {
    old: &'a [T],
    first: usize,
    new: &'a mut [f32],
    found: &'a mut [Summary],
}

/// What a thread keeps between slices: rows or planes, each with its position in the old array.
struct Scratch {
    line: Vec<f32>,
    row: [(usize, Vec<f32>); 2],
    plane: [(usize, Vec<f32>); 2],
}

const NONE: usize = usize::MAX;

impl Scratch {
    fn new(width: usize, plane: usize) -> Self {
        let kept = |length: usize| [(NONE, vec![0.0; length]), (NONE, vec![0.0; length])];
        Self { line: vec![0.0; width], row: kept(width), plane: kept(plane) }
    }
}

impl Grid<'_> {
    fn cost_of_slices_last(&self, to: Shape) -> usize {
        let planes = distinct(self.slices);
        planes * to[2] * (self.width + to[3]) + to[1] * to[2] * to[3]
    }

    fn cost_of_slices_first(&self, to: Shape) -> usize {
        to[1] * (distinct(self.rows) * self.width + to[2] * (self.width + to[3]))
    }

    /// Resamples old slices in their plane, keeps two, and mixes them: best where slices are added.
    fn planes_then_slices<T: Sample>(&self, scratch: &mut Scratch, slab: Slab<'_, T>) {
        let plane = self.columns.before.len() * self.rows.before.len();
        let Scratch { line, plane: kept, .. } = scratch;
        forget(kept);
        for (at, (out, found)) in slab.new.chunks_exact_mut(plane).zip(slab.found).enumerate() {
            let k = slab.first + at;
            let (before, after, weight) = place(self.slices, k);
            let make = |position: usize, out: &mut [f32]| self.plane(slab.old, position, line, out);
            let [first, second] = keep_two(kept, [before, after], make);
            vector::run(Mix { first, second, weight, out: &mut *out });
            self.finish(k, out, found);
        }
    }

    /// Resamples one old slice in its plane.
    fn plane<T: Sample>(&self, old: &[T], position: usize, line: &mut [f32], out: &mut [f32]) {
        let size = self.height * self.width;
        let plane = &old[position * size..][..size];
        for (j, out) in out.chunks_exact_mut(self.columns.before.len()).enumerate() {
            let (before, after, weight) = place(self.rows, j);
            let first = &plane[before * self.width..][..self.width];
            let second = &plane[after * self.width..][..self.width];
            vector::run(Mix { first, second, weight, out: &mut *line });
            pick(self.columns, line, out);
        }
    }

    /// Mixes the rows that are needed across slices first: best where slices are left out.
    fn slices_then_planes<T: Sample>(&self, scratch: &mut Scratch, slab: Slab<'_, T>) {
        let columns = self.columns.before.len();
        let plane = columns * self.rows.before.len();
        let size = self.height * self.width;
        for (at, (out, found)) in slab.new.chunks_exact_mut(plane).zip(slab.found).enumerate() {
            let k = slab.first + at;
            let (before, after, weight) = place(self.slices, k);
            let first = &slab.old[before * size..][..size];
            let second = &slab.old[after * size..][..size];
            let Scratch { line, row: kept, .. } = &mut *scratch;
            forget(kept);
            for (j, out) in out.chunks_exact_mut(columns).enumerate() {
                let (upper, lower, to_lower) = place(self.rows, j);
                let make = |position: usize, out: &mut [f32]| {
                    let row = position * self.width..(position + 1) * self.width;
                    let (first, second) = (&first[row.clone()], &second[row]);
                    vector::run(Mix { first, second, weight, out });
                };
                let [above, below] = keep_two(kept, [upper, lower], make);
                vector::run(Mix { first: above, second: below, weight: to_lower, out: &mut *line });
                pick(self.columns, line, out);
            }
            self.finish(k, out, found);
        }
    }

    /// Fills what lies outside the old grid, clips, and measures.
    fn finish(&self, k: usize, out: &mut [f32], found: &mut Summary) {
        if let Some(value) = self.options.outside {
            if self.slices.inside.contains(&k) {
                let (rows, columns) = (&self.rows.inside, &self.columns.inside);
                if !(self.rows.all_inside() && self.columns.all_inside()) {
                    for (j, row) in out.chunks_exact_mut(self.columns.before.len()).enumerate() {
                        let kept = if rows.contains(&j) { columns.clone() } else { 0..0 };
                        row[..kept.start].fill(value);
                        row[kept.end..].fill(value);
                    }
                }
            } else {
                out.fill(value);
            }
        }
        self.options.finish(out, found);
    }
}

/// Lets nothing of another slab or slice be taken for what is wanted.
fn forget(kept: &mut [(usize, Vec<f32>); 2]) {
    for (position, _) in kept {
        *position = NONE;
    }
}

/// How many old voxels are read along an axis.
fn distinct(places: &Places) -> usize {
    let lowest = places.before.iter().min().copied().unwrap_or(0);
    let highest = places.after.iter().max().copied().unwrap_or(0);
    (2 * places.before.len()).min((highest - lowest) as usize + 1)
}

fn place(places: &Places, index: usize) -> (usize, usize, f32) {
    (places.before[index] as usize, places.after[index] as usize, places.weight[index])
}

/// Returns what was made for two positions; what is kept already is not made again.
fn keep_two(
    kept: &mut [(usize, Vec<f32>); 2],
    wanted: [usize; 2],
    mut make: impl FnMut(usize, &mut [f32]),
) -> [&[f32]; 2] {
    let mut slots = [0; 2];
    for at in 0..2 {
        let other = wanted[1 - at];
        slots[at] = if let Some(slot) = kept.iter().position(|one| one.0 == wanted[at]) {
            slot
        } else {
            let slot = usize::from(kept[0].0 == other);
            make(wanted[at], &mut kept[slot].1);
            kept[slot].0 = wanted[at];
            slot
        };
    }
    slots.map(|slot| kept[slot].1.as_slice())
}

/// `out = first + (second - first) * weight`
struct Mix<'a, T> {
    first: &'a [T],
    second: &'a [T],
    weight: f32,
    out: &'a mut [f32],
}

impl<T: Sample> Kernel for Mix<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { first, second, weight, out } = self;
        if weight == 0.0 {
            out.iter_mut().zip(first).for_each(|(out, first)| *out = first.to_f32());
            return;
        }
        for ((out, first), second) in out.iter_mut().zip(first).zip(second) {
            let (first, second) = (first.to_f32(), second.to_f32());
            *out = first + (second - first) * weight;
        }
    }
}

/// Mixes two values; without a weight the second has no say, not even as an infinity.
#[inline(always)]
pub(super) fn mixed(first: f32, second: f32, weight: f32) -> f32 {
    let mixture = first + (second - first) * weight;
    if weight == 0.0 { first } else { mixture }
}

/// Mixes voxels of a row where the columns' places are.
fn pick(columns: &Places, line: &[f32], out: &mut [f32]) {
    let places = columns.before.iter().zip(&columns.after).zip(&columns.weight);
    for (out, ((&before, &after), &weight)) in out.iter_mut().zip(places) {
        let (first, second) = (line[before as usize], line[after as usize]);
        *out = mixed(first, second, weight);
    }
}
