//! Linear resampling, alone or with clipping and scaling in the same pass.

use super::grid::{Matrix, Places, aligned};
use super::orient::{Turn, orient};
use super::{Sample, Shape, VolumeError, affine, check, separable};
use crate::intensity::{Measure, Rescale, Summary, rescale_in_place};
use crate::parallel::Watch;
use crate::vector::{self, Kernel};

/// How volumes are resampled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Linear {
    /// Value more than half a voxel beyond the outermost centres; None continues the border.
    pub outside: Option<f32>,
    /// Smallest and largest value of the result.
    pub clip: Option<(f32, f32)>,
    /// What is measured of the result.
    pub measure: Option<Measure>,
}

impl Linear {
    /// Clips and measures a finished slice.
    pub(super) fn finish(self, out: &mut [f32], found: &mut Summary) {
        if let Some(range) = self.clip {
            vector::run(Clip { values: out, range });
        }
        if let Some(measure) = self.measure {
            *found = Summary::of(out, measure);
        }
    }
}

struct Clip<'a> {
    values: &'a mut [f32],
    range: (f32, f32),
}

impl Kernel for Clip<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (low, high) = self.range;
        self.values.iter_mut().for_each(|value| *value = value.clamp(low, high));
    }
}

/// What resampled values are scaled to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normalise {
    /// They stay as they are.
    Nothing,
    /// Mean 0, standard deviation 1.
    ZScore,
    /// The smallest value becomes the first, the largest the second.
    MinMax(f32, f32),
    /// The first range becomes the second.
    Range([f32; 2], [f32; 2]),
}

/// Resampling, clipping and scaling.
#[derive(Debug, Clone, Copy)]
pub struct Preparation {
    /// Resampling and clipping.
    pub linear: Linear,
    /// What follows.
    pub normalise: Normalise,
    /// Whether each item is measured for itself, or all as one.
    pub per_item: bool,
}

/// Resamples volumes linearly; see [`prepare`].
///
/// # Errors
/// As [`prepare`].
#[expect(clippy::too_many_arguments, reason = "two arrays with their shapes")]
pub fn linear<T: Sample>(
    input: &[T],
    from: Shape,
    out: &mut [f32],
    to: Shape,
    matrix: &Matrix,
    options: Linear,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Summary>, VolumeError> {
    check([input.len(), out.len()], from, to)?;
    if !matrix.iter().flatten().all(|number| number.is_finite()) {
        return Err(VolumeError::Map);
    }
    let mut summaries = vec![Summary::EMPTY; to[0] * to[1]];
    let size = [to[3], to[2], to[1]];
    match aligned(matrix, size) {
        Some([0, 1, 2]) => {
            let places = places(matrix, from, size);
            separable::resample(
                input,
                from,
                out,
                to,
                &places,
                options,
                &mut summaries,
                threads,
                watch,
            )?;
        }
        Some(axes) => {
            // A swap first, of the values as they are: rows are then read along the memory.
            let (swapped, shape) = swap(input, from, axes, threads, watch)?;
            let matrix = axes.map(|axis| matrix[axis]);
            let places = places(&matrix, shape, size);
            separable::resample(
                &swapped,
                shape,
                out,
                to,
                &places,
                options,
                &mut summaries,
                threads,
                watch,
            )?;
        }
        None => {
            affine::resample(
                input,
                from,
                out,
                to,
                matrix,
                options,
                &mut summaries,
                threads,
                watch,
            )?;
        }
    }
    Ok(summaries.chunks_exact(to[1]).map(Summary::together).collect())
}

/// Resamples volumes linearly, clips them, and scales them by what they then hold.
///
/// `matrix` maps voxel (i, j, k, 1) of the new grid to (i, j, k) of the old one. Values are read
/// between the centres of the old voxels, as PyTorch's `grid_sample` with `padding_mode="border"`
/// does in voxel coordinates. The result does not depend on the number of threads.
///
/// Returns what each item held before it was scaled (or all of them, where not `per_item`).
///
/// # Errors
/// [`VolumeError`]: arrays that don't fit, a map that is not finite, or `watch` asked to stop.
#[expect(clippy::too_many_arguments, reason = "two arrays with their shapes")]
pub fn prepare<T: Sample>(
    input: &[T],
    from: Shape,
    out: &mut [f32],
    to: Shape,
    matrix: &Matrix,
    options: Preparation,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Summary>, VolumeError> {
    let measure = match options.normalise {
        Normalise::ZScore => Some(Measure::Moments),
        Normalise::MinMax(..) => Some(Measure::Range),
        Normalise::Nothing | Normalise::Range(..) => options.linear.measure,
    };
    let linear_options = Linear { measure, ..options.linear };
    let mut found = linear(input, from, out, to, matrix, linear_options, threads, &mut *watch)?;
    if !options.per_item {
        let all = Summary::together(&found);
        found.fill(all);
    }
    let items = out.chunks_exact_mut(to[1] * to[2] * to[3]);
    for (item, summary) in items.zip(&found) {
        let scale = match options.normalise {
            Normalise::Nothing => continue,
            Normalise::ZScore => Rescale::z_score(summary),
            Normalise::MinMax(low, high) => Rescale::min_max(summary, [low, high]),
            Normalise::Range(from, to) => Rescale::range(from, to),
        };
        rescale_in_place(item, scale, threads, &mut *watch)?;
    }
    Ok(found)
}

fn places(matrix: &Matrix, from: Shape, size: [usize; 3]) -> [Places; 3] {
    [0, 1, 2]
        .map(|axis| Places::linear(matrix[axis][axis], matrix[axis][3], size[axis], from[3 - axis]))
}

fn swap<T: Sample>(
    input: &[T],
    from: Shape,
    axes: [usize; 3],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(Vec<T>, Shape), VolumeError> {
    let shape = [from[0], from[3 - axes[2]], from[3 - axes[1]], from[3 - axes[0]]];
    let mut swapped = input.to_vec();
    orient(input, from, &mut swapped, Turn { axes, flips: [false; 3] }, threads, watch)?;
    Ok((swapped, shape))
}
