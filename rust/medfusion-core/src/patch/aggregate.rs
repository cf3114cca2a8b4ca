//! Patches of predictions put together to a volume.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use super::error::PatchError;
use crate::parallel::{self, Watch};
use crate::vector::{self, Kernel};

/// A volume that patches are added to: the weighted mean of all that covered a voxel so far.
///
/// The mean is kept as a running one (West 1979, <https://doi.org/10.1145/359146.359153>): where
/// all patches agree it is exactly their value, and no second pass divides.
#[derive(Debug)]
pub struct Mosaic<'a> {
    /// Means, `[C, k, j, i]`.
    pub mean: &'a mut [f32],
    /// Sums of weights, `[k, j, i]`.
    pub weight: &'a mut [f32],
    /// Channels, and voxels along k, j and i.
    pub shape: [usize; 4],
}

/// Adds patches `[N, C, k, j, i]` in their order.
///
/// `origins` are the places (i, j, k) of each patch's first voxel; what lies beyond the volume is
/// left out. The weight of a voxel of a patch is the product of one weight for each axis
/// (i, j, k). The result is the same for any number of threads (0: all cores).
///
/// # Errors
/// [`PatchError`]: arrays that don't fit each other, or `watch` asked to stop.
pub fn add_patches(
    mosaic: Mosaic<'_>,
    patches: &[f32],
    origins: &[[i64; 3]],
    weights: [&[f32]; 3],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), PatchError> {
    let Mosaic { mean, weight, shape } = mosaic;
    let product = |sides: &[usize]| {
        sides.iter().fold(1_usize, |all, &one| all.checked_mul(one).unwrap_or(usize::MAX))
    };
    let size = weights.map(<[f32]>::len);
    let one = product(&[shape[0], size[0], size[1], size[2]]);
    for (what, found, wanted) in [
        ("mean", mean.len(), product(&shape)),
        ("weight", weight.len(), product(&shape[1..])),
        ("patches", patches.len(), product(&[origins.len(), one])),
    ] {
        if found != wanted {
            return Err(PatchError::Count { what, found, wanted });
        }
    }
    for list in weights {
        if !list.iter().all(|weight| *weight > 0.0 && weight.is_finite()) {
            return Err(PatchError::Step {
                position: 0,
                step: "weights",
                reason: "are not all positive",
            });
        }
    }
    if mean.is_empty() || patches.is_empty() {
        return Ok(());
    }
    let [_, depth, height, width] = shape;
    let plane = height * width;
    let mut planes: Vec<(&mut [f32], Vec<&mut [f32]>)> =
        weight.chunks_exact_mut(plane).map(|weight| (weight, Vec::new())).collect();
    for (index, part) in mean.chunks_exact_mut(plane).enumerate() {
        planes[index % depth].1.push(part);
    }
    parallel::for_each(
        planes.into_iter().enumerate(),
        threads,
        Vec::new,
        |share, (k, (weight, means))| {
            vector::run(Plane {
                weight,
                means,
                k,
                sides: [width, height],
                patches,
                origins,
                weights,
                share,
            });
        },
        watch,
    )?;
    Ok(())
}

/// One plane of the volume.
struct Plane<'a, 'b> {
    weight: &'b mut [f32],
    means: Vec<&'b mut [f32]>,
    k: usize,
    sides: [usize; 2],
    patches: &'a [f32],
    origins: &'a [[i64; 3]],
    weights: [&'a [f32]; 3],
    share: &'b mut Vec<f32>,
}

impl Kernel for Plane<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let size = self.weights.map(<[f32]>::len);
        let box_size = size.iter().product::<usize>();
        let sample = box_size * self.means.len();
        for (patch, origin) in self.patches.chunks_exact(sample).zip(self.origins) {
            let Some((z, _)) = overlap(origin[2], size[2], self.k, self.k + 1) else { continue };
            let Some((y, rows)) = overlap(origin[1], size[1], 0, self.sides[1]) else { continue };
            let Some((x, count)) = overlap(origin[0], size[0], 0, self.sides[0]) else { continue };
            let (to_y, to_x) = (place(origin[1], y), place(origin[0], x));
            for row in 0..rows {
                let factor = self.weights[2][z] * self.weights[1][y + row];
                let to = (to_y + row) * self.sides[0] + to_x;
                self.share.resize(count, 0.0);
                let sums = self.weight[to..to + count].iter_mut().zip(self.share.iter_mut());
                for ((sum, share), weight) in sums.zip(&self.weights[0][x..x + count]) {
                    let weight = (factor * weight).max(f32::MIN_POSITIVE);
                    *sum += weight;
                    *share = weight / *sum;
                }
                let from = (z * size[1] + y + row) * size[0] + x;
                for (mean, channel) in self.means.iter_mut().zip(patch.chunks_exact(box_size)) {
                    let means = &mut mean[to..to + count];
                    let values = &channel[from..from + count];
                    for ((mean, value), share) in means.iter_mut().zip(values).zip(&*self.share) {
                        *mean += (value - *mean) * share;
                    }
                }
            }
        }
    }
}

/// Returns which voxels of a side of a patch lie in `low..high` of the volume: first, number.
#[inline(always)]
fn overlap(origin: i64, size: usize, low: usize, high: usize) -> Option<(usize, usize)> {
    let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let first = signed(low).saturating_sub(origin).max(0);
    let end = signed(high).saturating_sub(origin).min(signed(size));
    let count = usize::try_from(end.saturating_sub(first)).ok().filter(|&count| count > 0)?;
    Some((usize::try_from(first).ok()?, count))
}

/// Returns where voxel `index` of a patch lies in the volume; it lies in it.
#[inline(always)]
fn place(origin: i64, index: usize) -> usize {
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    usize::try_from(origin.saturating_add(index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_cut_at_both_ends() {
        assert_eq!(overlap(-2, 5, 0, 10), Some((2, 3)));
        assert_eq!(overlap(8, 5, 0, 10), Some((0, 2)));
        assert_eq!(overlap(3, 5, 4, 5), Some((1, 1)));
        assert_eq!(overlap(10, 5, 0, 10), None);
        assert_eq!(overlap(i64::MIN, 5, 0, 10), None);
        assert_eq!(overlap(i64::MAX, 5, 0, 10), None);
    }
}
