//! The box around the voxels above a threshold.

use std::sync::{Mutex, PoisonError};

use super::{Sample, Shape, VolumeError, check};
use crate::parallel::{self, Watch};

/// First voxel and end along i, j and k.
pub type Bounds = [[usize; 2]; 3];

/// Returns the smallest box around all voxels above `threshold` in any item; None without one.
///
/// # Errors
/// [`VolumeError`]: the array does not have this shape, or `watch` asked to stop.
pub fn foreground<T: Sample>(
    input: &[T],
    shape: Shape,
    threshold: f32,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Option<Bounds>, VolumeError> {
    check([input.len(), input.len()], shape, shape)?;
    let [_, slices, rows, columns] = shape;
    let found: Mutex<Option<Bounds>> = Mutex::new(None);
    let above = |value: &T| value.to_f32() > threshold;
    let work = input.chunks_exact(rows * columns).enumerate();
    let threads = if input.len() < 1 << 20 { 1 } else { threads };
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (at, plane)| {
            let mut sides: Option<[[usize; 2]; 2]> = None;
            for (j, row) in plane.chunks_exact(columns).enumerate() {
                let Some(first) = row.iter().position(above) else { continue };
                let last = row.iter().rposition(above).unwrap_or(first);
                let [[left, right], [top, _]] = sides.unwrap_or([[first, last + 1], [j, j]]);
                sides = Some([[left.min(first), right.max(last + 1)], [top, j + 1]]);
            }
            if let Some([along_i, along_j]) = sides {
                let slice = at % slices;
                let own = [along_i, along_j, [slice, slice + 1]];
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                *found = Some(found.map_or(own, |known| {
                    [0, 1, 2].map(|axis| {
                        let ([start, end], [first, last]) = (known[axis], own[axis]);
                        [start.min(first), end.max(last)]
                    })
                }));
            }
        },
        watch,
    )?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_holds_all_items() {
        let mut input = [0_u8; 2 * 3 * 4 * 5];
        input[5 + 2] = 9; // item 0, slice 0, row 1, column 2
        input[60 + 20 + 15 + 4] = 1; // item 1, slice 1, row 3, column 4
        let found = foreground(&input, [2, 3, 4, 5], 0.0, 2, &mut || false);
        assert_eq!(found, Ok(Some([[2, 5], [1, 4], [0, 2]])));
        assert_eq!(foreground(&input, [2, 3, 4, 5], 9.0, 1, &mut || false), Ok(None));
    }
}
