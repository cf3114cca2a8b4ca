//! Labels of pixels, moved with their images.

use super::augment;
use super::batch::BatchError;
use crate::parallel::{self, Watch};

/// Writes the labels of images (`[height, width]` each) to `out`, `[images, height, width]`; zeros
/// where there are none.
///
/// With `theta`, six numbers an image, they are moved as [`super::normalise_batch`] moves images:
/// each pixel takes the nearest label, and beyond the border lies the reflection. The result does
/// not depend on the number of threads (0: all cores).
///
/// # Errors
/// [`BatchError`]: arrays that don't fit each other, or `watch` asked to stop.
pub fn move_labels(
    labels: &[Option<&[u8]>],
    (height, width): (usize, usize),
    theta: Option<&[f32]>,
    out: &mut [u8],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), BatchError> {
    if height == 0 || width == 0 {
        return Err(BatchError::Size { height, width });
    }
    let area = height * width;
    if out.len() != labels.len() * area {
        return Err(BatchError::Count { slots: out.len() / area, paths: labels.len() });
    }
    for (position, label) in labels.iter().enumerate() {
        let found = label.map_or(area, <[u8]>::len);
        if found != area {
            return Err(BatchError::Samples { position, found, channels: 1, height, width });
        }
    }
    if let Some(theta) = theta
        && theta.len() != 6 * labels.len()
    {
        let wanted = 6 * labels.len();
        return Err(BatchError::Changes { what: "theta", found: theta.len(), wanted });
    }
    parallel::for_each(
        labels.iter().zip(out.chunks_exact_mut(area)).enumerate(),
        threads,
        || (),
        |(), (position, (label, out))| match (label, theta) {
            (None, _) => out.fill(0),
            (Some(label), None) => out.copy_from_slice(label),
            (Some(label), Some(theta)) => {
                let map = &theta[6 * position..6 * position + 6];
                augment::move_nearest(label, out, (height, width), map);
            }
        },
        watch,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(label: &[u8], size: (usize, usize), theta: [f32; 6]) -> Vec<u8> {
        let mut out = vec![9; label.len()];
        move_labels(&[Some(label)], size, Some(&theta), &mut out, 1, &mut || false)
            .expect("it fits");
        out
    }

    #[test]
    fn nothing_moves_and_a_mirror_reverses() {
        let label = [0, 1, 2, 3, 4, 5];
        assert_eq!(moved(&label, (2, 3), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]), label);
        assert_eq!(moved(&label, (2, 3), [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0]), [2, 1, 0, 5, 4, 3]);
    }

    #[test]
    fn beyond_the_border_lies_the_reflection() {
        assert_eq!(moved(&[1, 2, 3], (1, 3), [1.0, 0.0, 2.0, 0.0, 1.0, 0.0]), [3, 2, 1]);
    }

    #[test]
    fn what_is_missing_is_zero_and_wrong_sizes_are_named() {
        let mut out = [7; 4];
        move_labels(&[None, Some(&[1, 2])], (1, 2), None, &mut out, 1, &mut || false)
            .expect("it fits");
        assert_eq!(out, [0, 0, 1, 2]);
        let wrong = move_labels(&[Some(&[1, 2, 3])], (1, 2), None, &mut [0; 2], 1, &mut || false);
        assert!(matches!(wrong, Err(BatchError::Samples { position: 0, found: 3, .. })));
        let wrong = move_labels(&[None], (1, 2), Some(&[0.0]), &mut [0; 2], 1, &mut || false);
        assert_eq!(wrong, Err(BatchError::Changes { what: "theta", found: 1, wanted: 6 }));
        let wrong = move_labels(&[None], (1, 2), None, &mut [0; 4], 1, &mut || false);
        assert_eq!(wrong, Err(BatchError::Count { slots: 2, paths: 1 }));
        let wrong = move_labels(&[], (0, 2), None, &mut [], 1, &mut || false);
        assert_eq!(wrong, Err(BatchError::Size { height: 0, width: 2 }));
    }

    #[test]
    fn a_hostile_matrix_reads_nothing_outside() {
        for bad in [f32::NAN, f32::INFINITY, -f32::INFINITY, 1e38] {
            moved(&[1; 12], (3, 4), [bad; 6]);
        }
    }
}
