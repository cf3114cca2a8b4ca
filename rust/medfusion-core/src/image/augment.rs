//! Random changes of training images, in one pass: an affine map, then brightness and contrast.

use thiserror::Error;

use crate::parallel::{self, Stopped, Watch};

/// How each image of a batch is changed.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    /// Six numbers an image, `[[a, b, c], [d, e, f]]`: from a place in the result to its place in
    /// the image, both in -1..1 from edge to edge, x first.
    pub theta: &'a [f32],
    /// One an image: factor on the samples before they were normalised.
    pub brightness: &'a [f32],
    /// One an image: factor on the distance to the channel's mean.
    pub contrast: &'a [f32],
    /// One a channel: mean / standard deviation that the image was normalised with.
    pub offset: &'a [f32],
}

/// Arrays that don't fit each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AugmentError {
    /// An argument has the wrong number of values.
    #[error("{what} has {found} values, not {wanted}")]
    Count {
        /// The argument.
        what: &'static str,
        /// Its values.
        found: usize,
        /// The values wanted.
        wanted: usize,
    },
    /// The watcher asked to stop; the output is partly written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Writes changed images to `out`, both `[images, channels, height, width]`.
///
/// Bilinear; beyond its border an image is continued by its reflection. The geometry is that of
/// PyTorch's `affine_grid` and `grid_sample` (`padding_mode="reflection"`,
/// `align_corners=False`). The result does not depend on the number of threads (0: all cores).
///
/// # Errors
/// [`AugmentError`]: arguments that don't fit, or `watch` asked to stop.
pub fn augment(
    images: &[f32],
    out: &mut [f32],
    [count, channels, height, width]: [usize; 4],
    changes: Changes<'_>,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), AugmentError> {
    let plane = height * width;
    let slot = channels * plane;
    for (what, found, wanted) in [
        ("images", images.len(), count * slot),
        ("out", out.len(), count * slot),
        ("theta", changes.theta.len(), 6 * count),
        ("brightness", changes.brightness.len(), count),
        ("contrast", changes.contrast.len(), count),
        ("offset", changes.offset.len(), channels),
    ] {
        if found != wanted {
            return Err(AugmentError::Count { what, found, wanted });
        }
    }
    if count * slot == 0 {
        return Ok(());
    }
    let work = images
        .chunks_exact(slot)
        .zip(out.chunks_exact_mut(slot))
        .zip(changes.theta.chunks_exact(6))
        .zip(changes.brightness.iter().zip(changes.contrast));
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (((image, out), theta), (&brightness, &contrast))| {
            warp(image, out, (height, width), theta);
            for (channel, &offset) in out.chunks_exact_mut(plane).zip(changes.offset) {
                intensity(channel, brightness, contrast, offset);
            }
        },
        watch,
    )?;
    Ok(())
}

/// A place along one axis: the sample before it, the one after it, the weight of the latter.
type Place = (usize, usize, f32);

#[expect(
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "sides are far below 2^24; the names are those of the matrix"
)]
fn warp(image: &[f32], out: &mut [f32], (height, width): (usize, usize), theta: &[f32]) {
    let &[a, b, c, d, e, f] = theta else { return };
    let plane = height * width;
    let (rows, columns) = (height as f32, width as f32);
    for row in 0..height {
        let y = (2.0 * row as f32 + 1.0) / rows - 1.0;
        for column in 0..width {
            let x = (2.0 * column as f32 + 1.0) / columns - 1.0;
            let (left, right, to_right) = reflected(a * x + b * y + c, width);
            let (upper, lower, to_lower) = reflected(d * x + e * y + f, height);
            let mut at = row * width + column;
            for channel in image.chunks_exact(plane) {
                let above =
                    mix(channel[upper * width + left], channel[upper * width + right], to_right);
                let below =
                    mix(channel[lower * width + left], channel[lower * width + right], to_right);
                out[at] = mix(above, below, to_lower);
                at += plane;
            }
        }
    }
}

fn mix(first: f32, second: f32, weight: f32) -> f32 {
    first * (1.0 - weight) + second * weight
}

/// Returns where a coordinate in -1..1 lies among `count` samples, reflected at the outer edges.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the samples before it is cut"
)]
fn reflected(coordinate: f32, count: usize) -> Place {
    let span = count as f32;
    let place = ((coordinate + 1.0) * span - 1.0) / 2.0;
    let distance = (place + 0.5).abs();
    let folds = (distance / span).floor();
    let rest = distance - folds * span;
    let inside = if folds % 2.0 == 0.0 { rest } else { span - rest } - 0.5;
    // NaN, as from a hostile matrix, becomes 0 in the cast below.
    let inside = inside.clamp(0.0, span - 1.0);
    let before = (inside as usize).min(count - 1);
    (before, (before + 1).min(count - 1), inside - before as f32)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "summed in double precision"
)]
fn intensity(channel: &mut [f32], brightness: f32, contrast: f32, offset: f32) {
    let sum: f64 = channel.iter().map(|&value| f64::from(value)).sum();
    let shift = offset * (brightness - 1.0);
    let centre = (sum / channel.len() as f64) as f32 * brightness + shift;
    for value in channel {
        *value = (*value * brightness + shift - centre) * contrast + centre;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    fn changed(image: &[f32], size: (usize, usize), theta: [f32; 6]) -> Vec<f32> {
        let mut out = vec![0.0; image.len()];
        let changes =
            Changes { theta: &theta, brightness: &[1.0], contrast: &[1.0], offset: &[0.0] };
        augment(image, &mut out, [1, 1, size.0, size.1], changes, 1, &mut || false)
            .expect("the arrays fit");
        out
    }

    #[test]
    fn a_mirror_reverses_rows() {
        let mirrored = changed(&[1.0, 2.0, 4.0], (1, 3), [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        for (found, wanted) in mirrored.iter().zip([4.0, 2.0, 1.0]) {
            assert!((found - wanted).abs() < 1e-5);
        }
    }

    #[test]
    fn beyond_the_border_lies_the_reflection() {
        // A shift by a whole image shows it mirrored.
        let shifted = changed(&[1.0, 2.0, 4.0], (1, 3), [1.0, 0.0, 2.0, 0.0, 1.0, 0.0]);
        for (found, wanted) in shifted.iter().zip([4.0, 2.0, 1.0]) {
            assert!((found - wanted).abs() < 1e-5);
        }
    }

    #[test]
    fn a_hostile_matrix_reads_nothing_outside() {
        for bad in [f32::NAN, f32::INFINITY, -f32::INFINITY, 1e38] {
            changed(&[1.0; 12], (3, 4), [bad, bad, bad, bad, bad, bad]);
        }
    }

    #[test]
    fn wrong_counts_are_named() {
        let changes = Changes { theta: &SAME, brightness: &[], contrast: &[1.0], offset: &[0.0] };
        let error = augment(&[0.0], &mut [0.0], [1, 1, 1, 1], changes, 1, &mut || false);
        assert_eq!(error, Err(AugmentError::Count { what: "brightness", found: 0, wanted: 1 }));
    }
}
