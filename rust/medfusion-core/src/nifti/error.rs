//! Why a NIfTI file can't be read.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::number::Number;
use crate::parallel::Stopped;

/// Why a NIfTI file can't be read. The messages don't name the file: the caller knows it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NiftiError {
    /// There is no such file.
    #[error("the file does not exist")]
    Missing,
    /// The other half of a pair is absent.
    #[error("it is one half of a pair, and {} does not exist", .0.display())]
    PairMissing(PathBuf),
    /// The path is a folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// The operating system refuses.
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are not those of a NIfTI header.
    #[error("this is no NIfTI file: {0}")]
    NotNifti(&'static str),
    /// A valid kind of file that is not read here, though nibabel may.
    #[error("{0} is not read by the Rust core")]
    Foreign(&'static str),
    /// A valid kind of file that is not read at all.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The file ends before its voxels do.
    #[error("the file is truncated: its header declares {declared} bytes and {held} are there")]
    Truncated {
        /// Bytes up to the last voxel.
        declared: u64,
        /// Bytes that are there, or, compressed, the most that could be.
        held: u64,
    },
    /// The file ends within its header.
    #[error("the file ends within its header")]
    HeaderTruncated,
    /// The compressed data ends early.
    #[error("the gzip data is cut off")]
    GzipTruncated,
    /// The compressed data contradicts itself or its checksum.
    #[error("the gzip data is damaged: {0}")]
    GzipDamaged(String),
    /// The header contradicts itself or the format.
    #[error("the header is damaged: {0}")]
    Header(String),
    /// Little data that unpacks to very much.
    #[error(
        "{unpacked} MiB come from only {packed} KiB in the file, as in a decompression bomb: if it \
         is a real image, unpack it with gunzip first"
    )]
    Bomb {
        /// MiB that it unpacks to.
        unpacked: u64,
        /// KiB in the file.
        packed: u64,
    },
    /// The voxels are more than can be addressed or held.
    #[error("no memory for {0} bytes")]
    OutOfMemory(u64),
    /// A value that the type asked for does not hold.
    #[error("the value {value} does not fit in {target}: read it as float32 or float64")]
    Misfit {
        /// The value.
        value: f64,
        /// The type asked for.
        target: Number,
    },
    /// A region that is not within the volume.
    #[error(
        "the region {start}:{end} along axis {axis} is not within 0:{size}: give starts and ends \
         along D, H and W"
    )]
    Region {
        /// `D`, `H` or `W`.
        axis: char,
        /// First voxel.
        start: usize,
        /// Behind the last voxel.
        end: usize,
        /// Voxels along the axis.
        size: usize,
    },
    /// The caller's memory is for another shape.
    #[error("the volume has shape {found:?}, and {expected:?} is asked for")]
    Shape {
        /// Of the file.
        found: Vec<usize>,
        /// Of the caller's array.
        expected: Vec<usize>,
    },
    /// A decoder panicked: a fault of the decoder, met on a damaged file.
    #[error("the decoder gave up on this file: {0}")]
    Decoder(String),
    /// The watcher asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<io::Error> for NiftiError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}
