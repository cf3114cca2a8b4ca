//! Linear interpolation between grids that are turned or sheared against each other.

use super::grid::{Matrix, as_place, has_voxel};
use super::prepare::Linear;
use super::separable::mixed;
use super::{Sample, Shape};
use crate::intensity::Summary;
use crate::parallel::{self, Stopped, Watch};

/// Makes the new volumes voxel by voxel, clips them, and measures each of their slices.
#[expect(clippy::too_many_arguments, reason = "two arrays with their shapes")]
pub(super) fn resample<T: Sample>(
    input: &[T],
    from: Shape,
    out: &mut [f32],
    to: Shape,
    matrix: &Matrix,
    options: Linear,
    summaries: &mut [Summary],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), Stopped> {
    let [_, slices, rows, columns] = to;
    let volume = from[1] * from[2] * from[3];
    let work = out.chunks_exact_mut(rows * columns).zip(summaries).enumerate();
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (at, (plane, found))| {
            let old = Old { values: &input[at / slices * volume..][..volume], shape: from };
            for (j, row) in plane.chunks_exact_mut(columns).enumerate() {
                old.row(matrix, [j, at % slices], options.outside, row);
            }
            options.finish(plane, found);
        },
        watch,
    )
}

struct Old<'a, T> {
    values: &'a [T],
    shape: Shape,
}

impl<T: Sample> Old<'_, T> {
    fn row(&self, matrix: &Matrix, [j, k]: [usize; 2], outside: Option<f32>, out: &mut [f32]) {
        let [_, slices, height, width] = self.shape;
        let last = [width, height, slices].map(|side| as_place(side - 1));
        let start = matrix.map(|[_, along_j, along_k, offset]| {
            along_j * as_place(j) + along_k * as_place(k) + offset
        });
        for (i, out) in out.iter_mut().enumerate() {
            let mut place = [0.0; 3];
            for axis in 0..3 {
                place[axis] = start[axis] + matrix[axis][0] * as_place(i);
            }
            *out = match outside {
                Some(value) if (0..3).any(|axis| !has_voxel(place[axis], last[axis])) => value,
                _ => self.at(place, last),
            };
        }
    }

    /// The value at a place, from the eight voxels around it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the voxels of an axis before it is cut"
    )]
    fn at(&self, place: [f64; 3], last: [f64; 3]) -> f32 {
        let [_, _, height, width] = self.shape;
        let mut before = [0; 3];
        let mut step = [1, width, height * width];
        let mut weight = [0.0; 3];
        for axis in 0..3 {
            let inside = place[axis].clamp(0.0, last[axis]);
            before[axis] = inside as usize;
            weight[axis] = (inside - as_place(before[axis])) as f32;
            // At a centre or at the border there may be no voxel after it.
            if weight[axis] == 0.0 {
                step[axis] = 0;
            }
        }
        let origin = (before[2] * height + before[1]) * width + before[0];
        let along_i = |from: usize| {
            let (first, second) = (self.values[from], self.values[from + step[0]]);
            mixed(first.to_f32(), second.to_f32(), weight[0])
        };
        let along_j = |from: usize| mixed(along_i(from), along_i(from + step[1]), weight[1]);
        mixed(along_j(origin), along_j(origin + step[2]), weight[2])
    }
}
