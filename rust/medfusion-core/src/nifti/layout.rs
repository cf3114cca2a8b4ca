//! What will be read, by which way and into how much memory, decided before any is taken.

use std::ops::Range;

use super::header::Header;
use super::number::Number;
use super::{NiftiError, gzip};

const MIB: u64 = 1 << 20;

/// Memory that any file may take, however small it is.
pub(super) const FREE: u64 = 400 * MIB;

/// Above this, a file that unpacks to more than [`DENSE`] times its size is refused.
const LARGE: u64 = 512 * MIB;

/// Deflate reaches 1032 on content without any.
const DENSE: u64 = 1000;

/// Bytes in front of the result that may stay unused for its lifetime.
const MAX_WASTE: usize = 1 << 16;

/// Start of the result in memory: that of a cache line.
const ALIGNMENT: usize = 64;

/// The type of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// As stored where there is no scaling, else float32.
    Native,
    /// This one; integers only where they hold every value.
    As(Number),
}

/// Voxels along k, j and i, in the order of the array.
pub type Region = [Range<usize>; 3];

/// How the bytes come to the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Inflate into the end of the result's own memory, then widen from its beginning.
    InPlace,
    /// Inflate into memory of its own, then convert.
    Whole,
    /// Read, convert and forget, block by block.
    Stream,
}

/// Memory to be given to [`Nifti::read`](super::Nifti::read), and where the result will be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Shape of the result.
    pub shape: Vec<usize>,
    /// Type of the result.
    pub number: Number,
    /// Bytes of memory, aligned to 64.
    pub bytes: usize,
    /// Where the result begins in it.
    pub start: usize,
    /// The memory must be zeros: blocks of zeros are not written, so that they take none.
    pub zeroed: bool,
    pub(super) window: Region,
    pub(super) way: Way,
    /// Bytes of the unpacked file up to the last voxel that is needed.
    pub(super) end: u64,
    /// All voxels are read, so the checksum can be checked.
    pub(super) complete: bool,
}

/// What is known of the file itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier {
    pub bytes: u64,
    pub compressed: bool,
    /// Less than `bytes` where the file has holes.
    pub on_disk: Option<u64>,
}

/// Plans a reading. With `slot`, the result must fill the caller's memory exactly.
pub(super) fn plan(
    header: &Header,
    carrier: Carrier,
    want: Want,
    region: Option<&Region>,
    slot: Option<usize>,
) -> Result<Layout, NiftiError> {
    let number = match want {
        Want::As(number) => number,
        Want::Native if header.scaling.is_some() => Number::F32,
        Want::Native => header.stored,
    };
    let stored = header.stored_bytes()?;
    let declared = header.offset + stored;
    check_size(declared, carrier)?;
    let size = header.grid.size;
    let window = match region {
        Some(region) => inside(region, size)?,
        None => size.map(|count| 0..count),
    };
    let kept: usize = window.iter().map(ExactSizeIterator::len).product();
    let complete = kept == size.iter().product();
    let mut grid = header.grid;
    grid.size = [window[0].len(), window[1].len(), window[2].len()];
    let shape = grid.shape();
    let result = [grid.time, grid.channels, number.size()]
        .into_iter()
        .try_fold(kept, usize::checked_mul)
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or(NiftiError::OutOfMemory(u64::MAX))?;

    let voxel = (header.stored.size() * header.samples) as u64;
    let behind = [(size[0] - window[0].end) * size[1], size[1] - window[1].end];
    let behind = ((behind[0] + behind[1]) * size[2] + size[2] - window[2].end) as u64 * voxel;
    let end = declared - behind;

    let widens = number.size() >= header.stored.size();
    let in_order = header.samples == 1 && (grid.time == 1 || grid.channels == 1);
    let front = usize::try_from(declared).map_or(usize::MAX, |all| all.saturating_sub(result));
    let start = if slot.is_some() { 0 } else { front.next_multiple_of(ALIGNMENT) };
    let fits = if slot.is_some() { front == 0 } else { front <= MAX_WASTE };
    let way = if !carrier.compressed || !affordable(declared, result as u64, carrier.bytes) {
        Way::Stream
    } else if complete && widens && in_order && fits {
        Way::InPlace
    } else if complete || end > declared / 2 {
        Way::Whole
    } else {
        // Half of the work of a decoder twice as slow.
        Way::Stream
    };
    let start = if way == Way::InPlace { start } else { 0 };
    let zeroed = way == Way::Stream && result as u64 > FREE && slot.is_none();
    let bytes = start + result;
    Ok(Layout { shape, number, bytes, start, zeroed, window, way, end, complete })
}

/// Refuses what the file cannot hold, or hardly can.
fn check_size(declared: u64, carrier: Carrier) -> Result<(), NiftiError> {
    let held = if carrier.compressed {
        carrier.bytes.saturating_mul(gzip::MAX_RATIO)
    } else {
        carrier.bytes
    };
    if declared > held {
        return Err(NiftiError::Truncated { declared, held });
    }
    let packed = carrier.on_disk.unwrap_or(carrier.bytes).min(carrier.bytes);
    if declared > LARGE && declared / DENSE > packed {
        return Err(bomb(declared, packed));
    }
    Ok(())
}

pub(super) fn bomb(unpacked: u64, packed: u64) -> NiftiError {
    NiftiError::Bomb { unpacked: unpacked / MIB, packed: packed.div_ceil(1024) }
}

/// Whether packed file, unpacked file and result may be in memory at once: they are small, or in
/// proportion to the file.
fn affordable(declared: u64, result: u64, packed: u64) -> bool {
    let memory = declared.saturating_add(result).saturating_add(packed);
    // Deflate never makes anything longer than this.
    let sensible = packed <= declared + declared / 1000 + 65_536;
    sensible && (memory <= FREE || memory / 80 <= packed)
}

fn inside(region: &Region, size: [usize; 3]) -> Result<Region, NiftiError> {
    for ((range, size), axis) in region.iter().zip(size).zip(['D', 'H', 'W']) {
        if range.is_empty() || range.end > size {
            return Err(NiftiError::Region { axis, start: range.start, end: range.end, size });
        }
    }
    Ok(region.clone())
}
