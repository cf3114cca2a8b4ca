//! The nearest voxel: labels keep their values, of any type.

use super::grid::{Matrix, Places, aligned, as_place, has_voxel, snapped};
use super::separable::out_is_small;
use super::{Shape, VolumeError, check};
use crate::parallel::{self, Watch};

/// Writes the nearest voxel's value; in the middle of two voxels that of the even one.
///
/// `outside` is written more than half a voxel beyond the outermost centres; without it the border
/// is continued.
///
/// # Errors
/// [`VolumeError`]: arrays that don't fit, a map that is not finite, or `watch` asked to stop.
#[expect(clippy::too_many_arguments, reason = "two arrays with their shapes")]
pub fn nearest<T: Copy + Send + Sync>(
    input: &[T],
    from: Shape,
    out: &mut [T],
    to: Shape,
    matrix: &Matrix,
    outside: Option<T>,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), VolumeError> {
    check([input.len(), out.len()], from, to)?;
    if !matrix.iter().flatten().all(|number| number.is_finite()) {
        return Err(VolumeError::Map);
    }
    let [_, slices, rows, columns] = to;
    let old = [from[3], from[2], from[1]];
    let step = [1, from[3], from[3] * from[2]];
    let volume = old.iter().product::<usize>();
    let size = [columns, rows, slices];
    let places = aligned(matrix, size).map(|axes| {
        [0, 1, 2].map(|new| {
            let axis = axes[new];
            let [scale, offset] = [matrix[axis][new], matrix[axis][3]];
            let mut places = Places::nearest(scale, offset, size[new], old[axis]);
            for at in &mut places.before {
                *at *= u32::try_from(step[axis]).unwrap_or(0);
            }
            places
        })
    });
    // Positions in the array must fit the index tables; a volume beyond 2^32 voxels goes the
    // general way.
    let places = places.filter(|_| u32::try_from(volume).is_ok());
    let work = out.chunks_exact_mut(rows * columns).enumerate();
    let threads = if out_is_small(to) { 1 } else { threads };
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (at, plane)| {
            let (item, k) = (at / slices, at % slices);
            let values = &input[item * volume..][..volume];
            for (j, row) in plane.chunks_exact_mut(columns).enumerate() {
                match &places {
                    Some(places) => aligned_row(values, places, [j, k], outside, row),
                    None => turned_row(values, old, matrix, [j, k], outside, row),
                }
            }
        },
        watch,
    )?;
    Ok(())
}

fn aligned_row<T: Copy>(
    values: &[T],
    [columns, rows, slices]: &[Places; 3],
    [j, k]: [usize; 2],
    outside: Option<T>,
    out: &mut [T],
) {
    let start = rows.before[j] as usize + slices.before[k] as usize;
    for (out, &at) in out.iter_mut().zip(&columns.before) {
        *out = values[start + at as usize];
    }
    if let Some(value) = outside {
        let inside = rows.inside.contains(&j) && slices.inside.contains(&k);
        let kept = if inside { columns.inside.clone() } else { 0..0 };
        out[..kept.start].fill(value);
        out[kept.end..].fill(value);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the voxels of an axis before it is cut"
)]
fn turned_row<T: Copy>(
    values: &[T],
    old: [usize; 3],
    matrix: &Matrix,
    [j, k]: [usize; 2],
    outside: Option<T>,
    out: &mut [T],
) {
    for (i, out) in out.iter_mut().enumerate() {
        let mut at = [0; 3];
        let mut inside = true;
        for axis in 0..3 {
            let [along_i, along_j, along_k, offset] = matrix[axis];
            let start = along_j * as_place(j) + along_k * as_place(k) + offset;
            let place = snapped(start + along_i * as_place(i));
            let last = as_place(old[axis] - 1);
            inside &= has_voxel(place, last);
            at[axis] = place.clamp(0.0, last).round_ties_even() as usize;
        }
        *out = match outside {
            Some(value) if !inside => value,
            _ => values[(at[2] * old[1] + at[1]) * old[0] + at[0]],
        };
    }
}
