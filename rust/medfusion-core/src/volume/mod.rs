//! Volumes: their grids turned round, resampled and measured.
//!
//! An array is `[items, slices, rows, columns]` in C order; voxel (i, j, k) is column i, row j of
//! slice k. Items (channels, points in time) are treated alike, each for itself.

#![expect(clippy::inline_always, reason = "kernels are compiled for several processors")]

mod affine;
mod foreground;
mod grid;
mod nearest;
mod orient;
mod prepare;
mod separable;

use thiserror::Error;

pub use foreground::{Bounds, foreground};
pub use grid::Matrix;
pub use nearest::nearest;
pub use orient::{Turn, orient};
pub use prepare::{Linear, Normalise, Preparation, linear, prepare};

use crate::parallel::Stopped;

/// Items, slices, rows and columns of an array.
pub type Shape = [usize; 4];

/// Values that can be interpolated.
pub trait Sample: Copy + Send + Sync + PartialOrd + 'static {
    /// The value in single precision.
    fn to_f32(self) -> f32;
}

macro_rules! sample {
    ($($kind:ty),*) => {$(
        impl Sample for $kind {
            #[inline(always)]
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_lossless,
                reason = "32-bit integers are rounded to single precision"
            )]
            fn to_f32(self) -> f32 {
                self as f32
            }
        }
    )*};
}

sample!(u8, i16, u16, i32, f32);

/// Why a volume can't be changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// An array does not have the voxels that its shape says.
    #[error("{what} has {found} voxels, not {wanted}")]
    Count {
        /// The array.
        what: &'static str,
        /// Its voxels.
        found: usize,
        /// The voxels wanted.
        wanted: usize,
    },
    /// The two arrays have another number of items, or a grid has no voxels.
    #[error("volumes of shape {from:?} don't become {to:?}")]
    Shapes {
        /// Shape before.
        from: Shape,
        /// Shape after.
        to: Shape,
    },
    /// A side has more voxels than an index holds.
    #[error("a side of {0} voxels: at most {MAX_SIDE}")]
    Side(usize),
    /// The map between the grids is not made of finite numbers.
    #[error("the map between the grids has numbers that are not finite")]
    Map,
    /// The watcher asked to stop; the output is partly written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Most voxels along one axis.
pub const MAX_SIDE: usize = 1 << 24;

/// Checks that two arrays are what their shapes say, and fit each other.
fn check(found: [usize; 2], from: Shape, to: Shape) -> Result<(), VolumeError> {
    if from[0] != to[0] || from.contains(&0) || to.contains(&0) {
        return Err(VolumeError::Shapes { from, to });
    }
    if let Some(&side) = from[1..].iter().chain(&to[1..]).find(|&&side| side > MAX_SIDE) {
        return Err(VolumeError::Side(side));
    }
    for (what, found, shape) in [("the input", found[0], from), ("the output", found[1], to)] {
        let wanted = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
        if wanted != Some(found) {
            let wanted = wanted.unwrap_or(usize::MAX);
            return Err(VolumeError::Count { what, found, wanted });
        }
    }
    Ok(())
}
