//! Random changes of training images, in one pass: an affine map, then brightness and contrast.

use super::batch::{BatchError, Layout};

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
}

/// How one image is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    theta: &'a [f32],
    brightness: f32,
    contrast: f32,
    layout: &'a Layout,
}

impl<'a> Changes<'a> {
    /// Refuses changes of another number of images.
    pub(super) fn check(&self, images: usize) -> Result<(), BatchError> {
        for (what, found, wanted) in [
            ("theta", self.theta.len(), 6 * images),
            ("brightness", self.brightness.len(), images),
            ("contrast", self.contrast.len(), images),
        ] {
            if found != wanted {
                return Err(BatchError::Changes { what, found, wanted });
            }
        }
        Ok(())
    }

    pub(super) fn of(&self, position: usize, layout: &'a Layout) -> Change<'a> {
        Change {
            theta: &self.theta[6 * position..6 * position + 6],
            brightness: self.brightness[position],
            contrast: self.contrast[position],
            layout,
        }
    }
}

/// Writes one changed image, normalised, to `out`, `[channels, height, width]`.
///
/// Bilinear; beyond its border an image is continued by its reflection. The geometry is that of
/// PyTorch's `affine_grid` and `grid_sample` (`padding_mode="reflection"`,
/// `align_corners=False`).
pub(super) fn change<T: Copy + Into<f32>>(
    samples: &[T],
    out: &mut [f32],
    size: (usize, usize),
    affine: &[(f32, f32)],
    change: Change<'_>,
) {
    warp(samples, out, size, affine, change.theta);
    let layout = change.layout;
    for (channel, (mean, std)) in
        out.chunks_exact_mut(size.0 * size.1).zip(layout.mean.iter().zip(&layout.std))
    {
        intensity(channel, change.brightness, change.contrast, narrow(mean / std));
    }
}

/// A place along one axis: the sample before it, the one after it, the weight of the latter.
type Place = (usize, usize, f32);

#[expect(
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "sides are far below 2^24; the names are those of the matrix"
)]
fn warp<T: Copy + Into<f32>>(
    samples: &[T],
    out: &mut [f32],
    (height, width): (usize, usize),
    affine: &[(f32, f32)],
    theta: &[f32],
) {
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
            let mut planes = samples.chunks_exact(plane).map(|channel| {
                let of = |row: usize, column: usize| channel[row * width + column].into();
                let above = mix(of(upper, left), of(upper, right), to_right);
                let below = mix(of(lower, left), of(lower, right), to_right);
                mix(above, below, to_lower)
            });
            let mut value = 0.0;
            for &(factor, summand) in affine {
                // One plane fills all channels.
                value = planes.next().unwrap_or(value);
                out[at] = value * factor + summand;
                at += plane;
            }
        }
    }
}

/// Writes labels moved as [`change`] moves an image: the label of the nearest pixel; beyond the
/// border their reflection, as the image's.
#[expect(
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "sides are far below 2^24; the names are those of the matrix"
)]
pub(super) fn move_nearest(
    labels: &[u8],
    out: &mut [u8],
    (height, width): (usize, usize),
    theta: &[f32],
) {
    let &[a, b, c, d, e, f] = theta else { return };
    let (rows, columns) = (height as f32, width as f32);
    let nearest = |(before, after, weight): Place| if weight < 0.5 { before } else { after };
    for (row, line) in out.chunks_exact_mut(width).enumerate() {
        let y = (2.0 * row as f32 + 1.0) / rows - 1.0;
        for (column, label) in line.iter_mut().enumerate() {
            let x = (2.0 * column as f32 + 1.0) / columns - 1.0;
            let from_column = nearest(reflected(a * x + b * y + c, width));
            let from_row = nearest(reflected(d * x + e * y + f, height));
            *label = labels[from_row * width + from_column];
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

#[expect(clippy::cast_possible_truncation, reason = "computed in double precision")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(image: &[f32], size: (usize, usize), theta: [f32; 6]) -> Vec<f32> {
        let mut out = vec![0.0; image.len()];
        let layout = Layout::new([1, size.0, size.1], vec![0.0], vec![1.0]).expect("it fits");
        let changes = Changes { theta: &theta, brightness: &[1.0], contrast: &[1.0] };
        change(image, &mut out, size, &[(1.0, 0.0)], changes.of(0, &layout));
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
}
