//! Bytes as stored, block by block, into the places of the result, converted on the way.

use super::NiftiError;
use super::header::Header;
use super::layout::{self, FREE, Layout};
use super::number::{convert, swap_bytes};
use super::source::Source;
use crate::parallel::{Stopped, Watch};

/// Bytes handled at once: in the processor's cache from reading to writing.
const BLOCK: usize = 1 << 17;

/// Bytes between two questions whether to stop.
const WATCH: usize = 1 << 24;

/// What a compressed byte may fill of the result beyond the free memory. Zeros fill nothing.
const MAX_FILL: u64 = 200;

/// Blocks of bytes, aligned to 8.
#[derive(Debug)]
pub(super) struct Blocks {
    first: Vec<u64>,
    second: Vec<u64>,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { first: vec![0; BLOCK / 8], second: Vec::new() }
    }
}

impl Blocks {
    /// Memory for bytes that nobody needs.
    pub fn scratch(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.first)
    }
}

/// Reads what the layout's window holds of each volume of the file into `out`.
pub(super) fn gather(
    header: &Header,
    layout: &Layout,
    source: &mut dyn Source,
    out: &mut [u8],
    blocks: &mut Blocks,
    watch: Watch<'_>,
) -> Result<(), NiftiError> {
    let mut writer = Writer::new(header, layout, out, blocks);
    let [depth, height, width] = header.grid.size;
    let [planes, rows, columns] = layout.window.clone();
    // Neighbouring runs that follow each other in file and result are one.
    let whole_rows = columns.len() == width;
    let whole_planes = whole_rows && rows.len() == height;
    let (planes_of, rows_of, run) = match (whole_planes, whole_rows) {
        (true, _) => (1, 1, planes.len() * height * width),
        (false, true) => (planes.len(), 1, rows.len() * width),
        (false, false) => (planes.len(), rows.len(), columns.len()),
    };
    let voxels = depth * height * width;
    let mut unread = header.offset;
    for volume in 0..header.grid.time * header.grid.channels / header.samples {
        let (mut at, mut position) = (0, 0);
        for plane in (planes.start..).take(planes_of) {
            for row in (rows.start..).take(rows_of) {
                let begin = (plane * height + row) * width + columns.start;
                unread += ((begin - at) * writer.voxel) as u64;
                source.skip(std::mem::take(&mut unread), writer.blocks.scratch())?;
                writer.run(source, volume, position, run, watch)?;
                at = begin + run;
                position += run;
            }
        }
        unread = ((voxels - at) * writer.voxel) as u64;
    }
    Ok(())
}

struct Writer<'a> {
    header: &'a Header,
    layout: &'a Layout,
    out: &'a mut [u8],
    blocks: &'a mut Blocks,
    /// Stored bytes of a voxel.
    voxel: usize,
    /// Voxels of a volume of the result.
    kept: usize,
    since_watch: usize,
    /// Bytes of the result that are not zeros from the beginning.
    written: u64,
}

impl<'a> Writer<'a> {
    fn new(
        header: &'a Header,
        layout: &'a Layout,
        out: &'a mut [u8],
        blocks: &'a mut Blocks,
    ) -> Self {
        let voxel = header.stored.size() * header.samples;
        let kept = layout.window.iter().map(ExactSizeIterator::len).product();
        Self { header, layout, out, blocks, voxel, kept, since_watch: 0, written: 0 }
    }

    /// Reads `count` voxels that go to `position` and the following ones.
    fn run(
        &mut self,
        source: &mut dyn Source,
        volume: usize,
        position: usize,
        count: usize,
        watch: Watch<'_>,
    ) -> Result<(), NiftiError> {
        // In the file channels are slower than time, in the array faster.
        let channels = self.header.grid.channels / self.header.samples;
        let (channel, time) = (volume / self.header.grid.time, volume % self.header.grid.time);
        let first = (time * channels + channel) * self.header.samples * self.kept + position;
        let step = BLOCK / self.voxel;
        for done in (0..count).step_by(step) {
            let here = step.min(count - done);
            self.block(source, first + done, here)?;
            self.since_watch += here * self.voxel;
            if self.since_watch >= WATCH {
                self.since_watch = 0;
                if watch() {
                    return Err(Stopped.into());
                }
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        source: &mut dyn Source,
        first: usize,
        count: usize,
    ) -> Result<(), NiftiError> {
        let Header { stored, samples, scaling, big_endian, .. } = *self.header;
        let Layout { number, zeroed, .. } = *self.layout;
        let size = number.size();
        let place = |first: usize| first * size..(first + count) * size;
        let swaps = big_endian != cfg!(target_endian = "big");
        if stored == number && scaling.is_none() && samples == 1 && !zeroed {
            let out = &mut self.out[place(first)];
            source.fill(out)?;
            return if swaps { swap_bytes(out, size) } else { Ok(()) };
        }
        let Blocks { first: block, second } = &mut *self.blocks;
        let block = &mut bytemuck::cast_slice_mut::<u64, u8>(block)[..count * self.voxel];
        source.fill(block)?;
        if zeroed && is_zero(block) && scaling.is_none_or(|(_, inter)| inter == 0.0) {
            return Ok(());
        }
        self.written += (count * samples * size) as u64;
        if zeroed && self.written > FREE {
            check_fill(self.written, source.consumed())?;
        }
        if swaps {
            swap_bytes(block, stored.size())?;
        }
        if samples == 1 {
            return convert((stored, block), scaling, (number, &mut self.out[place(first)]));
        }
        second.resize(BLOCK / 8, 0);
        let colour = &mut bytemuck::cast_slice_mut::<u64, u8>(second)[..count];
        for sample in 0..samples {
            for (to, pixel) in colour.iter_mut().zip(block.chunks_exact(samples)) {
                *to = pixel[sample];
            }
            let out = &mut self.out[place(first + sample * self.kept)];
            convert((stored, colour), None, (number, out))?;
        }
        Ok(())
    }
}

/// Widens voxels at the end of the memory into a result at its beginning.
///
/// A result is at least as wide as what is stored, so it never overtakes what is still to be read.
pub(super) fn widen(
    header: &Header,
    layout: &Layout,
    memory: &mut [u8],
    blocks: &mut Blocks,
) -> Result<(), NiftiError> {
    let (from, to) = (header.stored.size(), layout.number.size());
    let swaps = header.big_endian != cfg!(target_endian = "big");
    let count = (memory.len() - layout.start) / to;
    let stored = memory.len() - count * from;
    if header.stored == layout.number && header.scaling.is_none() {
        return if swaps { swap_bytes(&mut memory[layout.start..], to) } else { Ok(()) };
    }
    let step = BLOCK / from;
    for first in (0..count).step_by(step) {
        let here = step.min(count - first);
        let (source, place) = (stored + first * from, layout.start + first * to);
        if swaps {
            swap_bytes(&mut memory[source..][..here * from], from)?;
        }
        if place + here * to <= source {
            let (out, source) = memory.split_at_mut(source);
            let target = (layout.number, &mut out[place..][..here * to]);
            convert((header.stored, &source[..here * from]), header.scaling, target)?;
        } else {
            // The last blocks lie where their results will: they are taken out of the way.
            let block = &mut blocks.scratch()[..here * from];
            block.copy_from_slice(&memory[source..][..here * from]);
            let target = (layout.number, &mut memory[place..][..here * to]);
            convert((header.stored, block), header.scaling, target)?;
        }
    }
    Ok(())
}

fn is_zero(block: &[u8]) -> bool {
    let zero = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all | byte) == 0;
    zero(&block[..block.len().min(64)]) && zero(block)
}

fn check_fill(written: u64, consumed: Option<u64>) -> Result<(), NiftiError> {
    match consumed {
        Some(packed) if written / MAX_FILL > packed => Err(layout::bomb(written, packed)),
        _ => Ok(()),
    }
}
