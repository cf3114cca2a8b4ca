//! Where the voxels of a patch lie in the volume.

use super::error::PatchError;
use super::field::Field;

/// An affine map from a voxel (i, j, k, 1) of the patch to the voxel of the volume, three rows.
pub type Affine = [[f64; 4]; 3];

/// What lies beyond the volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outside<T> {
    /// The nearest voxel of the volume.
    Border,
    /// One value.
    Constant(T),
}

/// How far from the volume's first voxel a map may lead.
const FAR: f64 = 1_048_576.0;

/// A whole number this near is meant.
const NEAR: f64 = 1e-9;

/// Along each axis of the volume: the first voxel, and whether it goes on forwards.
pub(super) type Straight = [(i64, bool); 3];

/// Checks that a map is finite and stays near the volume for a patch of `size` (i, j, k).
pub(super) fn check(
    map: &Affine,
    size: [usize; 3],
    field: Option<&Field<'_>>,
    position: usize,
) -> Result<(), PatchError> {
    for (axis, row) in map.iter().enumerate() {
        let [low, high] = extent(row, size);
        let reach = field.map_or(0.0, |field| field.reach(axis));
        for coordinate in [low - reach, high + reach] {
            if coordinate.is_nan() || coordinate.abs() > FAR {
                return Err(PatchError::Map { position, coordinate });
            }
        }
    }
    Ok(())
}

/// Returns the lowest and highest coordinate that a row of a map reaches.
#[expect(clippy::cast_precision_loss, reason = "sides are below 2^53")]
fn extent(row: &[f64; 4], size: [usize; 3]) -> [f64; 2] {
    let mut bounds = [row[3]; 2];
    for (&factor, &count) in row.iter().zip(&size) {
        let reach = factor * count.saturating_sub(1) as f64;
        bounds[usize::from(reach > 0.0)] += reach;
        if reach.is_nan() {
            bounds = [f64::NAN; 2];
        }
    }
    bounds
}

/// Returns the map as whole steps along the axes, where it is no more than that.
#[expect(clippy::cast_possible_truncation, reason = "checked to stay near the volume")]
pub(super) fn straight(map: &Affine) -> Option<Straight> {
    let mut found = [(0, true); 3];
    for (axis, row) in map.iter().enumerate() {
        for (column, &factor) in row.iter().take(3).enumerate() {
            let wanted = if column == axis { 1.0 } else { 0.0 };
            if (factor.abs() - wanted).abs() > NEAR {
                return None;
            }
        }
        let start = row[3].round();
        if (row[3] - start).abs() > NEAR {
            return None;
        }
        found[axis] = (start as i64, row[axis] > 0.0);
    }
    Some(found)
}

/// Returns the map into a volume whose `mirrored` axes are counted from the other end.
#[expect(clippy::cast_precision_loss, reason = "sides are at most 2^20")]
pub(super) fn mirror(map: &Affine, size: [usize; 3], mirrored: [bool; 3]) -> Affine {
    let mut turned = *map;
    for (row, (&count, _)) in
        turned.iter_mut().zip(size.iter().zip(&mirrored)).filter(|(_, (_, turn))| **turn)
    {
        for value in row.iter_mut() {
            *value = -*value;
        }
        row[3] += (count - 1) as f64;
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIFT: Affine = [[1.0, 0.0, 0.0, 3.0], [0.0, -1.0, 0.0, 9.0], [0.0, 0.0, 1.0, -2.0]];

    #[test]
    fn shifts_and_flips_are_straight() {
        assert_eq!(straight(&SHIFT), Some([(3, true), (9, false), (-2, true)]));
        for (row, column, value) in [(0, 0, 1.001), (1, 2, 0.01), (2, 3, 0.5)] {
            let mut map = SHIFT;
            map[row][column] = value;
            assert_eq!(straight(&map), None);
        }
    }

    #[test]
    fn far_and_infinite_maps_are_refused() {
        assert!(check(&SHIFT, [5, 5, 5], None, 0).is_ok());
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e300, 2e6] {
            for column in 0..4 {
                let mut map = SHIFT;
                map[1][column] = bad;
                assert!(check(&map, [2, 2, 2], None, 0).is_err(), "{bad} {column}");
            }
        }
    }

    #[test]
    fn a_mirrored_axis_turns_its_row() {
        let turned = mirror(&SHIFT, [10, 10, 10], [false, true, true]);
        assert_eq!(straight(&turned), Some([(3, true), (0, true), (11, false)]));
    }
}
