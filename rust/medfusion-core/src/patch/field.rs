//! Smooth random displacements: a cubic B-spline over a coarse grid of control points, as in free
//! form deformation (Rueckert et al. 1999, <https://doi.org/10.1109/42.796284>).

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

/// Voxels of a row that are worked on together.
const BLOCK: usize = 32;

/// A field of displacements in voxels of the volume.
///
/// Control point (a, b, c) lies at voxel ((a - 1) / step_i, ...) of the patch, so the first cell
/// begins with the patch and each axis needs `floor((size - 1) * step) + 4` points.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Displacements along i, j and k of each point, `[k, j, i, 3]`.
    pub points: &'a [f32],
    /// Points along i, j and k.
    pub counts: [usize; 3],
    /// Cells in a voxel of the patch along i, j and k.
    pub step: [f64; 3],
}

impl Field<'_> {
    /// Says what is wrong with the field for a patch of `size` (i, j, k), if anything is.
    #[expect(clippy::cast_precision_loss, reason = "sides are below 2^53")]
    pub(super) fn fault(&self, size: [usize; 3]) -> Option<&'static str> {
        let [i, j, k] = self.counts;
        let wanted = i.checked_mul(j).and_then(|all| all.checked_mul(k)?.checked_mul(3));
        if wanted != Some(self.points.len()) {
            return Some("has another number of points than its shape says");
        }
        if !self.points.iter().all(|point| point.is_finite() && point.abs() < 1e6) {
            return Some("has points that are not finite or far away");
        }
        for axis in 0..3 {
            let step = self.step[axis];
            let last = size[axis].saturating_sub(1) as f64 * step;
            // A NaN is in no range.
            if !(0.0..=1.0).contains(&step) || last.floor() + 4.0 > self.counts[axis] as f64 {
                return Some("does not cover the patch");
            }
        }
        None
    }

    /// Returns the farthest that it moves a voxel along an axis: a B-spline stays within the
    /// range of its points.
    pub(super) fn reach(&self, axis: usize) -> f64 {
        let along = self.points.iter().skip(axis).step_by(3);
        f64::from(along.fold(0.0_f32, |most, point| most.max(point.abs())))
    }
}

/// A cell of the control grid and the weights of the four points about it.
type Taps = (usize, [f32; 4]);

/// Returns the cell of coordinate `index * step` and its weights.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and checked to lie within the points"
)]
fn taps(index: usize, step: f64) -> Taps {
    let place = index as f64 * step;
    let t = place.fract();
    let rest = 1.0 - t;
    let weights = [
        rest * rest * rest / 6.0,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
        (4.0 - 6.0 * rest * rest + 3.0 * rest * rest * rest) / 6.0,
        t * t * t / 6.0,
    ];
    (place as usize, weights.map(|weight| weight as f32))
}

/// The displacements of one row after another of a patch.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    field: Field<'a>,
    reach: [f64; 3],
    /// For each block of a row the points that it depends on, with the weights of its voxels.
    blocks: Vec<Vec<(usize, [f32; BLOCK])>>,
    /// Control points of the plane k, `[j, i, 3]`, and of the row, `[i, 3]`.
    plane: Vec<f32>,
    row: Vec<f32>,
    at: usize,
    /// Displacements of the row along i, j and k, filled up to whole blocks.
    pub shift: [Vec<f32>; 3],
}

impl<'a> Rows<'a> {
    pub(super) fn new(field: Field<'a>, width: usize) -> Self {
        let mut blocks: Vec<Vec<(usize, [f32; BLOCK])>> = vec![Vec::new(); width.div_ceil(BLOCK)];
        for index in 0..width {
            let (cell, weights) = taps(index, field.step[0]);
            let block = &mut blocks[index / BLOCK];
            for (point, weight) in (cell..).zip(weights) {
                if block.last().is_none_or(|&(last, _)| last < point) {
                    block.push((point, [0.0; BLOCK]));
                }
                if let Some((_, list)) = block.iter_mut().find(|(found, _)| *found == point) {
                    list[index % BLOCK] = weight;
                }
            }
        }
        let [i, j, _] = field.counts;
        Self {
            field,
            reach: [0, 1, 2].map(|axis| field.reach(axis)),
            shift: std::array::from_fn(|_| vec![0.0; blocks.len() * BLOCK]),
            blocks,
            plane: vec![0.0; i * j * 3],
            row: vec![0.0; i * 3],
            at: usize::MAX,
        }
    }

    pub(super) const fn reach(&self) -> [f64; 3] {
        self.reach
    }

    /// Computes `shift` for row (j, k) of the patch.
    #[inline(always)]
    pub(super) fn go_to(&mut self, j: usize, k: usize) {
        if self.at != k {
            self.at = k;
            let (cell, weights) = taps(k, self.field.step[2]);
            blend(&mut self.plane, self.field.points, cell, weights);
        }
        let (cell, weights) = taps(j, self.field.step[1]);
        blend(&mut self.row, &self.plane, cell, weights);
        for (axis, shift) in self.shift.iter_mut().enumerate() {
            for (out, block) in shift.chunks_exact_mut(BLOCK).zip(&self.blocks) {
                let mut sums = [0.0; BLOCK];
                for (point, weights) in block {
                    let moved = self.row[point * 3 + axis];
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += moved * weight;
                    }
                }
                out.copy_from_slice(&sums);
            }
        }
    }
}

/// Writes the weighted sum of the four slices of `points` from `cell` on.
#[inline(always)]
fn blend(out: &mut [f32], points: &[f32], cell: usize, weights: [f32; 4]) {
    out.fill(0.0);
    let slices = points.chunks_exact(out.len().max(1)).skip(cell);
    for (slice, weight) in slices.zip(weights) {
        for (value, point) in out.iter_mut().zip(slice) {
            *value += point * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_points_are_a_shift() {
        let points: Vec<f32> = [1.5, -2.0, 0.25].repeat(5 * 4 * 6);
        let field = Field { points: &points, counts: [6, 4, 5], step: [0.2, 0.0, 0.5] };
        assert_eq!(field.fault([12, 3, 4]), None);
        let mut rows = Rows::new(field, 12);
        rows.go_to(2, 3);
        for (shift, wanted) in rows.shift.iter().zip([1.5, -2.0, 0.25]) {
            assert!(shift[..12].iter().all(|found: &f32| (found - wanted).abs() < 1e-6));
        }
        assert!((field.reach(1) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn fields_that_do_not_cover_are_refused() {
        let points = vec![0.0; 4 * 4 * 4 * 3];
        let field = Field { points: &points, counts: [4; 3], step: [0.1; 3] };
        assert_eq!(field.fault([10, 10, 10]), None);
        assert!(field.fault([11, 10, 10]).is_some());
        assert!(Field { counts: [4, 4, 3], ..field }.fault([2; 3]).is_some());
        assert!(Field { counts: [usize::MAX; 3], ..field }.fault([2; 3]).is_some());
        for bad in [-0.1, f64::NAN, 1.5, f64::INFINITY] {
            assert!(Field { step: [bad, 0.1, 0.1], ..field }.fault([2; 3]).is_some());
        }
    }
}
