//! Where the voxels of a new grid lie in the old one.

use std::ops::Range;

/// From voxel (i, j, k, 1) of the new grid to (i, j, k) of the old one.
pub type Matrix = [[f64; 4]; 3];

/// Places closer than this to a voxel's centre or to the middle of two are on it: what an affine's
/// inverse leaves of rounding must not decide between two voxels.
const SNAP: f64 = 1e-7;

/// A map that moves no voxel by more than this from an axis-aligned one is axis-aligned.
const ALIGNED: f64 = 1e-6;

/// Returns a place without its rounding error, at a voxel's centre or in the middle of two.
pub(super) fn snapped(place: f64) -> f64 {
    let half = (2.0 * place).round() / 2.0;
    if (place - half).abs() < SNAP { half } else { place }
}

/// Returns whether a place has a voxel: one more than half a voxel beyond the last has none.
pub(super) fn has_voxel(place: f64, last: f64) -> bool {
    place >= -0.5 - SNAP && place <= last + 0.5 + SNAP
}

/// Which old axis each new one runs along, where every one runs along exactly one.
///
/// `size` is that of the new grid along i, j and k: terms that move no voxel are no terms.
pub(super) fn aligned(matrix: &Matrix, size: [usize; 3]) -> Option<[usize; 3]> {
    let mut axes = [usize::MAX; 3];
    for (old, row) in matrix.iter().enumerate() {
        let moves = |new: &usize| row[*new].abs() * as_place(size[*new] - 1) > ALIGNED;
        let mut moving = (0..3).filter(moves);
        match (moving.next(), moving.next()) {
            (Some(new), None) if axes[new] == usize::MAX => axes[new] = old,
            (None, _) => {}
            _ => return None,
        }
    }
    // An axis along which nothing moves (one voxel, or none to choose from) takes what is left.
    for new in 0..3 {
        if axes[new] == usize::MAX {
            let own = Some(new).filter(|old| !axes.contains(old));
            axes[new] = own.or_else(|| (0..3).find(|old| !axes.contains(old)))?;
        }
    }
    Some(axes)
}

/// The two voxels around each place along one axis, and the weight of the second.
#[derive(Debug)]
pub(super) struct Places {
    /// Voxel before the place.
    pub before: Vec<u32>,
    /// Voxel after it; the same one where the place is at a centre or beyond the border.
    pub after: Vec<u32>,
    /// Weight of the voxel after it, 0 to 1.
    pub weight: Vec<f32>,
    /// New voxels that lie inside the old grid.
    pub inside: Range<usize>,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the voxels of an axis, at most MAX_SIDE, before it is cut"
)]
impl Places {
    /// Places `scale * index + offset` for `count` indices, among `voxels` voxels.
    pub fn linear(scale: f64, offset: f64, count: usize, voxels: usize) -> Self {
        let last = as_place(voxels - 1);
        let mut found = Self::empty(count);
        for index in 0..count {
            let place = snapped(scale * as_place(index) + offset);
            found.note_inside(index, has_voxel(place, last));
            let place = place.clamp(0.0, last);
            let before = place.floor();
            let weight = (place - before) as f32;
            found.before.push(before as u32);
            found.after.push(if weight > 0.0 { before as u32 + 1 } else { before as u32 });
            found.weight.push(weight);
        }
        found
    }

    /// The nearest voxel of each place, in `before`; in the middle of two the even one.
    pub fn nearest(scale: f64, offset: f64, count: usize, voxels: usize) -> Self {
        let last = as_place(voxels - 1);
        let mut found = Self::empty(count);
        for index in 0..count {
            let place = snapped(scale * as_place(index) + offset);
            found.note_inside(index, has_voxel(place, last));
            found.before.push(place.clamp(0.0, last).round_ties_even() as u32);
        }
        found
    }

    fn empty(count: usize) -> Self {
        Self {
            before: Vec::with_capacity(count),
            after: Vec::with_capacity(count),
            weight: Vec::with_capacity(count),
            inside: 0..0,
        }
    }

    fn note_inside(&mut self, index: usize, inside: bool) {
        if inside {
            let start = if self.inside.is_empty() { index } else { self.inside.start };
            self.inside = start..index + 1;
        }
    }

    /// Whether every new voxel lies inside the old grid.
    pub fn all_inside(&self) -> bool {
        self.inside.len() == self.before.len()
    }
}

/// An index as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "at most MAX_SIDE")]
pub(super) fn as_place(index: usize) -> f64 {
    index as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_and_a_swap_are_aligned() {
        let map = [[0.0, -0.5, 0.0, 9.0], [2.0, 0.0, 1e-12, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(aligned(&map, [5, 5, 5]), Some([1, 0, 2]));
    }

    #[test]
    fn a_rotation_is_not() {
        let map = [[0.8, -0.6, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(aligned(&map, [5, 5, 5]), None);
        assert_eq!(aligned(&map, [1, 1, 5]), Some([0, 1, 2]), "a single column does not turn");
    }

    #[test]
    fn places_stop_at_the_border() {
        let places = Places::linear(0.5, -1.0, 8, 3);
        assert_eq!(places.before, [0, 0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(places.after, [0, 0, 0, 1, 1, 2, 2, 2]);
        assert_eq!(places.weight, [0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0]);
        assert_eq!(places.inside, 1..8);
    }

    #[test]
    fn in_the_middle_the_even_voxel_is_nearest() {
        let noisy = 0.5 + 1e-12;
        assert_eq!(Places::nearest(1.0, noisy, 4, 6).before, [0, 2, 2, 4]);
    }
}
