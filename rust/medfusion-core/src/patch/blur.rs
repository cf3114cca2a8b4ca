//! Gaussian blur of a patch, one axis after the other.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

/// Standard deviations after which the kernel is cut off, as in SciPy's `gaussian_filter`.
const TRUNCATE: f32 = 4.0;

/// Blurs a patch of `size` (i, j, k) in place; beyond its edge it goes on with its last voxel.
#[inline(always)]
pub(super) fn blur(values: &mut [f32], sd: [f32; 3], size: [usize; 3], scratch: &mut Vec<f32>) {
    scratch.clear();
    scratch.resize(values.len(), 0.0);
    let [i, j, _] = size;
    for (axis, block) in [(0, 1), (1, i), (2, i * j)] {
        let weights = kernel(sd[axis]);
        if weights.len() == 1 || size[axis] == 1 {
            continue;
        }
        scratch.copy_from_slice(values);
        // Along an axis, a voxel is a block of all voxels of the axes before it.
        let whole = block * size[axis];
        for (out, lines) in values.chunks_exact_mut(whole).zip(scratch.chunks_exact(whole)) {
            if axis == 0 {
                line(out, lines, &weights);
            } else {
                blocks(out, lines, block, &weights);
            }
        }
    }
}

/// Returns the weights from the centre outwards; their sum over both sides is 1.
#[inline(always)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the radius is at most 4 times the largest sd"
)]
fn kernel(sd: f32) -> Vec<f32> {
    let radius = (TRUNCATE * sd + 0.5) as usize;
    if radius == 0 {
        return vec![1.0];
    }
    let variance = f64::from(sd) * f64::from(sd);
    let bell: Vec<f64> =
        (0..=radius).map(|at| (-0.5 * (at * at) as f64 / variance).exp()).collect();
    let sum = 2.0 * bell.iter().sum::<f64>() - bell[0];
    bell.into_iter().map(|value| (value / sum) as f32).collect()
}

#[inline(always)]
fn line(out: &mut [f32], from: &[f32], weights: &[f32]) {
    let last = from.len() - 1;
    let radius = weights.len() - 1;
    for (x, value) in out.iter_mut().enumerate() {
        let mut sum = from[x] * weights[0];
        for (distance, weight) in weights.iter().enumerate().skip(1) {
            sum += (from[x.saturating_sub(distance)] + from[(x + distance).min(last)]) * weight;
        }
        *value = sum;
    }
    debug_assert!(radius > 0);
}

#[inline(always)]
fn blocks(out: &mut [f32], from: &[f32], block: usize, weights: &[f32]) {
    let count = from.len() / block;
    for (y, out) in out.chunks_exact_mut(block).enumerate() {
        let at = |index: usize| &from[index * block..][..block];
        for (value, centre) in out.iter_mut().zip(at(y)) {
            *value = centre * weights[0];
        }
        for (distance, weight) in weights.iter().enumerate().skip(1) {
            let before = at(y.saturating_sub(distance));
            let after = at((y + distance).min(count - 1));
            for ((value, before), after) in out.iter_mut().zip(before).zip(after) {
                *value += (before + after) * weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_a_point_spreads_evenly() {
        let mut scratch = Vec::new();
        let mut flat = vec![3.0; 5 * 4 * 3];
        blur(&mut flat, [1.0, 2.0, 0.5], [5, 4, 3], &mut scratch);
        assert!(flat.iter().all(|value: &f32| (value - 3.0).abs() < 1e-5));
        let mut point = vec![0.0; 41];
        point[20] = 1.0;
        blur(&mut point, [2.0, 0.0, 0.0], [41, 1, 1], &mut scratch);
        assert!((point.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(point.iter().zip(point.iter().rev()).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
