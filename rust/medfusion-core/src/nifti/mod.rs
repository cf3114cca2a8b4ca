//! NIfTI-1 and NIfTI-2 images: .nii, .nii.gz, and pairs of .hdr and .img, compressed or not.
//!
//! The array has the axes `[T, C, D, H, W]` (T and C where longer than one): NIfTI's first
//! dimension varies fastest in the file, so it is the array's last and nothing is transposed. What
//! a file is, its bytes say, never its name. Nothing in it is trusted: its size must allow what its
//! header declares before memory is taken, and what little data unpacks to much is bounded, so that
//! a hostile file takes less than 512 MiB.

mod affine;
mod batch;
mod error;
mod gather;
mod gzip;
mod header;
mod layout;
mod number;
mod pair;
mod read;
mod source;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use affine::{Affine, Placement};
pub use batch::{BatchError, read_batch};
pub use error::NiftiError;
pub use header::{Grid, Header, Version};
pub use layout::{Layout, Region, Want};
pub use number::{Number, Scaling};
pub use pair::Files;
pub use read::{Nifti, Scratch};

/// Turns a panic of a decoder into an error: the second line of defence against hostile files.
///
/// # Errors
/// Those of `work`, and [`NiftiError::Decoder`].
pub fn guard<T>(work: impl FnOnce() -> Result<T, NiftiError>) -> Result<T, NiftiError> {
    let message = |panic: &(dyn Any + Send)| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown reason".to_owned())
    };
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(NiftiError::Decoder(message(&*panic))))
}
