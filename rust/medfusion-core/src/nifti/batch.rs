//! Many NIfTI files into one array.

use std::path::Path;

use thiserror::Error;

use super::header::Header;
use super::read::{Nifti, Scratch};
use super::{NiftiError, Number, guard};
use crate::parallel::{self, Stopped, Watch};

/// A batch that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// One slot per path is needed.
    #[error("out holds {slots} volumes but there are {paths} paths")]
    Count {
        /// Volumes that the array holds.
        slots: usize,
        /// Paths given.
        paths: usize,
    },
    /// The watcher asked to stop; the array is partly written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Reads files of one shape into float32 memory, one behind the other, and returns their headers
/// or why they can't be read; the slots of those are zeros.
///
/// The result does not depend on the number of threads (0: all cores).
///
/// # Errors
/// A [`BatchError`].
pub fn read_batch<P: AsRef<Path> + Sync>(
    paths: &[P],
    shape: &[usize],
    out: &mut [f32],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Result<Header, NiftiError>>, BatchError> {
    let slot: usize = shape.iter().product();
    if out.len() != slot * paths.len() || (slot == 0 && !paths.is_empty()) {
        let slots = out.len().checked_div(slot).unwrap_or(0);
        return Err(BatchError::Count { slots, paths: paths.len() });
    }
    let mut found: Vec<Option<Result<Header, NiftiError>>> = paths.iter().map(|_| None).collect();
    parallel::for_each(
        paths.iter().zip(out.chunks_exact_mut(slot.max(1))).zip(&mut found),
        threads,
        Scratch::default,
        |scratch, ((path, slot), found)| {
            let memory = bytemuck::cast_slice_mut(slot);
            let done = guard(|| {
                let mut nifti = Nifti::open(path.as_ref())?;
                let layout = nifti.layout_of(Number::F32, shape)?;
                nifti.read(&layout, memory, scratch, &mut || false)?;
                Ok(nifti.header().clone())
            });
            if done.is_err() {
                slot.fill(0.0);
            }
            *found = Some(done);
        },
        watch,
    )?;
    Ok(found.into_iter().flatten().collect())
}
