//! Many image files into one array.

use std::path::Path;

use thiserror::Error;

use super::resize::{Resizer, Target};
use super::{Image, ImageError, Samples, colour, file};
use crate::parallel::{self, Stopped, Watch};

/// The array a batch is written into: `[images, channels, height, width]`, and how values are
/// normalised: `(sample / largest sample - mean) / std`.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) mean: Vec<f64>,
    pub(super) std: Vec<f64>,
}

/// A batch that can't be written.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BatchError {
    /// The array has channels that no image has.
    #[error("out has {0} channels: images have 1 (grey) or 3 (RGB)")]
    Channels(usize),
    /// The array has no rows or no columns.
    #[error("out has images of {height} x {width} pixels: both sides must be at least 1")]
    Size {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// One number per channel is needed.
    #[error("{what} has {found} values: give one for each of the {channels} channels")]
    PerChannel {
        /// `mean` or `std`.
        what: &'static str,
        /// Values given.
        found: usize,
        /// Channels of the array.
        channels: usize,
    },
    /// A mean that is no number.
    #[error("mean is {0}: it must be a finite number")]
    Mean(f64),
    /// A divisor that is zero, negative or no number.
    #[error("std is {0}: it must be a finite number above 0")]
    Std(f64),
    /// One slot per path is needed.
    #[error("out holds {slots} images but there are {paths} paths")]
    Count {
        /// Images that the array holds.
        slots: usize,
        /// Paths given.
        paths: usize,
    },
    /// Samples of another size than the array's.
    #[error(
        "image {position} has {found} samples: the array asks for {channels} planes, or one, of \
         {height} x {width}"
    )]
    Samples {
        /// Position in the batch.
        position: usize,
        /// Samples given.
        found: usize,
        /// Channels of the array.
        channels: usize,
        /// Rows of the array.
        height: usize,
        /// Columns of the array.
        width: usize,
    },
    /// Random changes with the wrong number of values.
    #[error("{what} has {found} values, not {wanted}")]
    Changes {
        /// The argument.
        what: &'static str,
        /// Its values.
        found: usize,
        /// The values wanted.
        wanted: usize,
    },
    /// The watcher asked to stop; the array is partly written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// An image that failed; its slot is filled with zeros.
#[derive(Debug)]
pub struct Failure {
    /// Position in the batch.
    pub position: usize,
    /// Why.
    pub error: ImageError,
}

impl Layout {
    /// Returns the layout of images `[channels, height, width]`, with one mean and one standard
    /// deviation per channel (of samples scaled to 0..1).
    ///
    /// # Errors
    /// A [`BatchError`] that names the wrong argument.
    pub fn new(
        [channels, height, width]: [usize; 3],
        mean: Vec<f64>,
        std: Vec<f64>,
    ) -> Result<Self, BatchError> {
        if channels != 1 && channels != 3 {
            return Err(BatchError::Channels(channels));
        }
        if height == 0 || width == 0 {
            return Err(BatchError::Size { height, width });
        }
        for (what, found) in [("mean", mean.len()), ("std", std.len())] {
            if found != channels {
                return Err(BatchError::PerChannel { what, found, channels });
            }
        }
        if let Some(&bad) = mean.iter().find(|value| !value.is_finite()) {
            return Err(BatchError::Mean(bad));
        }
        if let Some(&bad) = std.iter().find(|value| !value.is_finite() || **value <= 0.0) {
            return Err(BatchError::Std(bad));
        }
        Ok(Self { height, width, mean, std })
    }

    /// Values of one image.
    pub(super) fn slot(&self) -> usize {
        self.mean.len() * self.height * self.width
    }

    /// Factor and summand of each channel for samples up to `largest`.
    #[expect(clippy::cast_possible_truncation, reason = "computed in double precision")]
    pub(super) fn affine(&self, largest: f64) -> Vec<(f32, f32)> {
        let pair =
            |(mean, std): (&f64, &f64)| ((1.0 / (largest * std)) as f32, (-mean / std) as f32);
        self.mean.iter().zip(&self.std).map(pair).collect()
    }
}

/// Scratch memory of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    resizer: Resizer,
    grey8: Vec<u8>,
    grey16: Vec<u16>,
}

/// Decodes, resamples and normalises image files into `out`. Returns the failures in the order of
/// the batch; their slots are zeros.
///
/// Colour files become grey (BT.601) and grey files RGB as `layout` asks. The result does not
/// depend on the number of threads (0: all cores).
///
/// # Errors
/// [`BatchError::Count`], and [`BatchError::Stopped`] when `watch` asked for it.
pub fn decode_batch<P: AsRef<Path> + Sync>(
    paths: &[P],
    layout: &Layout,
    out: &mut [f32],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Failure>, BatchError> {
    let slots = out.len() / layout.slot();
    if slots != paths.len() || !out.len().is_multiple_of(layout.slot()) {
        return Err(BatchError::Count { slots, paths: paths.len() });
    }
    let mut errors: Vec<Option<ImageError>> = paths.iter().map(|_| None).collect();
    parallel::for_each(
        paths.iter().zip(out.chunks_exact_mut(layout.slot())).zip(&mut errors),
        threads,
        Scratch::default,
        |scratch, ((path, slot), error)| {
            let done = file::guard(|| {
                let image = file::read_file(path.as_ref())?;
                write(&image, layout, slot, scratch);
                Ok(())
            });
            if let Err(found) = done {
                slot.fill(0.0);
                *error = Some(found);
            }
        },
        watch,
    )?;
    let failure =
        |(position, error): (usize, Option<ImageError>)| Some(Failure { position, error: error? });
    Ok(errors.into_iter().enumerate().filter_map(failure).collect())
}

/// Decodes every file fully and returns why it can't be, `None` where it can.
///
/// # Errors
/// [`Stopped`] when `watch` asked for it.
pub fn check_images<P: AsRef<Path> + Sync>(
    paths: &[P],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Option<ImageError>>, Stopped> {
    let mut errors: Vec<Option<ImageError>> = paths.iter().map(|_| None).collect();
    parallel::for_each(
        paths.iter().zip(&mut errors),
        threads,
        || (),
        |(), (path, error)| *error = file::read_file(path.as_ref()).err(),
        watch,
    )?;
    Ok(errors)
}

fn write(image: &Image, layout: &Layout, out: &mut [f32], scratch: &mut Scratch) {
    let affine = layout.affine(image.samples.largest());
    let target = Target { out, height: layout.height, width: layout.width, affine: &affine };
    resample(image, target, scratch);
}

/// Resamples an image into `target`, whose channels are those of `target.affine`.
pub(super) fn resample(image: &Image, mut target: Target<'_>, scratch: &mut Scratch) {
    let Image { height, width, channels, samples } = image;
    let to_grey = *channels == 3 && target.affine.len() == 1;
    let size = (*height, *width, if to_grey { 1 } else { *channels });
    match samples {
        Samples::U8(samples) if to_grey => {
            colour::luma(samples, &mut scratch.grey8);
            scratch.resizer.resize(&scratch.grey8, size, &mut target);
        }
        Samples::U8(samples) => scratch.resizer.resize(samples, size, &mut target),
        Samples::U16(samples) if to_grey => {
            colour::luma(samples, &mut scratch.grey16);
            scratch.resizer.resize(&scratch.grey16, size, &mut target);
        }
        Samples::U16(samples) => scratch.resizer.resize(samples, size, &mut target),
    }
}
