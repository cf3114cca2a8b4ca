//! Image files at their target size in their own depth: what a cache keeps, a quarter of the bytes
//! of normalised values.

use std::path::Path;

use super::batch::{self, BatchError, Scratch};
use super::resize::Target;
use super::{Image, ImageError, Samples, file};
use crate::parallel::{self, Watch};

/// An image ready to be normalised.
#[derive(Debug, PartialEq, Eq)]
pub struct Prepared {
    /// 1, or as many as were asked for.
    pub channels: usize,
    /// `[channels, height, width]`, in the depth of the file.
    pub samples: Samples,
}

/// Scratch memory of one thread.
#[derive(Default)]
struct State {
    scratch: Scratch,
    plane: Vec<f32>,
}

/// Decodes and resamples image files to `height` x `width`, each in its own depth (8 or 16 bits).
///
/// Samples are rounded to the nearest, halves up. A grey file has one plane also where `channels`
/// is 3; a colour file becomes grey (BT.601) where it is 1. Failures stand in the place of their
/// image. The result does not depend on the number of threads (0: all cores).
///
/// # Errors
/// [`BatchError`] for a size that no batch has, and when `watch` asked to stop.
pub fn prepare_batch<P: AsRef<Path> + Sync>(
    paths: &[P],
    [channels, height, width]: [usize; 3],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Result<Prepared, ImageError>>, BatchError> {
    batch::Layout::new([channels, height, width], vec![0.0; channels], vec![1.0; channels])?;
    let mut found: Vec<Option<Result<Prepared, ImageError>>> = paths.iter().map(|_| None).collect();
    parallel::for_each(
        paths.iter().zip(&mut found),
        threads,
        State::default,
        |state, (path, slot)| {
            *slot = Some(file::guard(|| prepare(path.as_ref(), [channels, height, width], state)));
        },
        watch,
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// Resamples an image that is decoded already, as [`prepare_batch`] does the images of files.
///
/// # Errors
/// [`BatchError`] for a size that no batch has; [`ImageError::OutOfMemory`].
pub fn prepare_image(
    image: &Image,
    [channels, height, width]: [usize; 3],
) -> Result<Result<Prepared, ImageError>, BatchError> {
    batch::Layout::new([channels, height, width], vec![0.0; channels], vec![1.0; channels])?;
    Ok(fit(image, [channels, height, width], &mut State::default()))
}

fn prepare(path: &Path, size: [usize; 3], state: &mut State) -> Result<Prepared, ImageError> {
    fit(&file::read_file(path)?, size, state)
}

fn fit(
    image: &Image,
    [channels, height, width]: [usize; 3],
    state: &mut State,
) -> Result<Prepared, ImageError> {
    let channels = channels.min(image.channels);
    let count = channels * height * width;
    let bytes = count * size_of::<f32>();
    state.plane.clear();
    state.plane.try_reserve_exact(count).map_err(|_| ImageError::OutOfMemory { bytes })?;
    state.plane.resize(count, 0.0);
    let affine = [(1.0, 0.0); 3];
    let target = Target { out: &mut state.plane, height, width, affine: &affine[..channels] };
    batch::resample(image, target, &mut state.scratch);
    let samples = match image.samples {
        Samples::U8(_) => Samples::U8(rounded(&state.plane, narrow8)?),
        Samples::U16(_) => Samples::U16(rounded(&state.plane, narrow16)?),
    };
    Ok(Prepared { channels, samples })
}

fn rounded<T>(values: &[f32], narrow: impl Fn(f32) -> T) -> Result<Vec<T>, ImageError> {
    let mut samples = Vec::new();
    let bytes = size_of_val(values);
    samples.try_reserve_exact(values.len()).map_err(|_| ImageError::OutOfMemory { bytes })?;
    samples.extend(values.iter().map(|&value| narrow(value + 0.5)));
    Ok(samples)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn narrow8(value: f32) -> u8 {
    value as u8
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn narrow16(value: f32) -> u16 {
    value as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_up_and_nothing_wraps() {
        assert_eq!(
            rounded(&[-3.0, 0.49, 0.5, 254.5, 300.0], narrow8).ok(),
            Some(vec![0, 0, 1, 255, 255])
        );
        assert_eq!(rounded(&[65_534.6, 1e9], narrow16).ok(), Some(vec![65_535, 65_535]));
    }

    #[test]
    fn a_missing_file_stands_in_its_place() {
        let found = prepare_batch(&["/no/such/file"], [3, 8, 8], 1, &mut || false);
        assert!(matches!(found.as_deref(), Ok([Err(ImageError::Missing)])));
        assert!(prepare_batch(&["/no/such/file"], [2, 8, 8], 1, &mut || false).is_err());
    }
}
