//! Prepared images into a normalised batch, with or without random changes, in one pass.

use super::augment::{self, Changes};
use super::batch::{BatchError, Layout};
use crate::parallel::{self, Watch};

/// The samples of a prepared image, `[channels, height, width]`.
#[derive(Debug, Clone, Copy)]
pub enum Planes<'a> {
    /// 8 bits, 0 to 255.
    U8(&'a [u8]),
    /// 16 bits, 0 to 65535.
    U16(&'a [u16]),
    /// 0 to 1.
    F32(&'a [f32]),
}

impl Planes<'_> {
    fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
            Self::F32(samples) => samples.len(),
        }
    }

    fn largest(&self) -> f64 {
        match self {
            Self::U8(_) => f64::from(u8::MAX),
            Self::U16(_) => f64::from(u16::MAX),
            Self::F32(_) => 1.0,
        }
    }
}

/// Writes `(sample / largest sample - mean) / std` of each image to `out`, `[images, channels,
/// height, width]`; zeros where there is no image.
///
/// One plane fills all channels. With `changes`, the images are changed on the way. The result
/// does not depend on the number of threads (0: all cores).
///
/// # Errors
/// [`BatchError`]: arrays that don't fit each other, or `watch` asked to stop.
pub fn normalise_batch(
    images: &[Option<Planes<'_>>],
    layout: &Layout,
    changes: Option<Changes<'_>>,
    out: &mut [f32],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), BatchError> {
    let slot = layout.slot();
    if out.len() != images.len() * slot {
        return Err(BatchError::Count { slots: out.len() / slot, paths: images.len() });
    }
    let (height, width, channels) = (layout.height, layout.width, layout.mean.len());
    for (position, image) in images.iter().enumerate() {
        let found = image.map_or(slot, |planes| planes.len());
        if found != slot && found != height * width {
            return Err(BatchError::Samples { position, found, channels, height, width });
        }
    }
    if let Some(changes) = changes {
        changes.check(images.len())?;
    }
    parallel::for_each(
        images.iter().zip(out.chunks_exact_mut(slot)).enumerate(),
        threads,
        || (),
        |(), (position, (image, out))| {
            let Some(planes) = image else { return out.fill(0.0) };
            let affine = layout.affine(planes.largest());
            let change = changes.map(|changes| changes.of(position, layout));
            match planes {
                Planes::U8(samples) => write(samples, out, layout, &affine, change),
                Planes::U16(samples) => write(samples, out, layout, &affine, change),
                Planes::F32(samples) => write(samples, out, layout, &affine, change),
            }
        },
        watch,
    )?;
    Ok(())
}

fn write<T: Copy + Into<f32>>(
    samples: &[T],
    out: &mut [f32],
    layout: &Layout,
    affine: &[(f32, f32)],
    change: Option<augment::Change<'_>>,
) {
    if let Some(change) = change {
        return augment::change(samples, out, (layout.height, layout.width), affine, change);
    }
    let area = layout.height * layout.width;
    let mut planes = samples.chunks_exact(area).cycle();
    for (out, &(factor, summand)) in out.chunks_exact_mut(area).zip(affine) {
        let plane = planes.next().unwrap_or_default();
        for (value, &sample) in out.iter_mut().zip(plane) {
            *value = sample.into() * factor + summand;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(channels: usize) -> Layout {
        Layout::new([channels, 1, 2], vec![0.5; channels], vec![0.25; channels]).expect("it fits")
    }

    #[test]
    fn one_plane_fills_all_channels_and_a_missing_image_is_zero() {
        let mut out = [f32::NAN; 12];
        let images = [Some(Planes::U8(&[0, 255])), None];
        normalise_batch(&images, &layout(3), None, &mut out, 1, &mut || false).expect("it fits");
        let wanted = [-2.0, 2.0, -2.0, 2.0, -2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(out.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-6));
    }

    #[test]
    fn wrong_sizes_are_named() {
        let mut out = [0.0; 2];
        let images = [Some(Planes::U16(&[1, 2, 3]))];
        let error = normalise_batch(&images, &layout(1), None, &mut out, 1, &mut || false);
        assert!(matches!(error, Err(BatchError::Samples { position: 0, found: 3, .. })));
        let error = normalise_batch(&[None, None], &layout(1), None, &mut out, 1, &mut || false);
        assert_eq!(error, Err(BatchError::Count { slots: 1, paths: 2 }));
        let changes = Changes { theta: &[0.0; 6], brightness: &[], contrast: &[1.0] };
        let error = normalise_batch(&[None], &layout(1), Some(changes), &mut out, 1, &mut || false);
        assert_eq!(error, Err(BatchError::Changes { what: "brightness", found: 0, wanted: 1 }));
    }
}
