//! What can be wrong with a request for patches.

use thiserror::Error;

use crate::parallel::Stopped;

/// What can be wrong with a request for patches.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PatchError {
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
    /// A volume without voxels, or with more of them than can be counted.
    #[error("sample {position}: {reason}")]
    Volume {
        /// Position of the sample in the batch.
        position: usize,
        /// What is wrong with its volume.
        reason: &'static str,
    },
    /// A map with numbers that are not finite, or that leads far out of the volume.
    #[error(
        "sample {position}: the map leads to voxel {coordinate:e}; it must stay within 2^20 of 0"
    )]
    Map {
        /// Position of the sample in the batch.
        position: usize,
        /// The voxel.
        coordinate: f64,
    },
    /// A field of displacements that doesn't cover the patch.
    #[error("sample {position}: the displacement field {reason}")]
    Field {
        /// Position of the sample in the batch.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A step with a number that makes no sense.
    #[error("sample {position}: the step {step} {reason}")]
    Step {
        /// Position of the sample in the batch.
        position: usize,
        /// Its name.
        step: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A label that the type of the output cannot hold.
    #[error("sample {position}: label {label} does not fit the type of the output")]
    Label {
        /// Position of the sample in the batch.
        position: usize,
        /// The label.
        label: i64,
    },
    /// The watcher asked to stop; the output is partly written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
