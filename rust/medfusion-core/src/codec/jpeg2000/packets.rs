//! Packets: which bytes belong to which code-block (ISO/IEC 15444-1, B.10 and B.12).

use super::codestream::{Parameters, Volume, style};
use super::structure::{Block, Component, NONE};
use super::{NAME, damaged};
use crate::codec::CodecError;

/// Chunks of one tile; each takes some bits of a packet's header.
const MAX_CHUNKS: usize = 1 << 23;
/// Packets looked for in one tile, those that came already counted in.
const MAX_LOOKS: usize = 1 << 26;
/// Zero bit planes and passes that no code-block can have.
const MAX_ZEROS: u16 = 80;

/// Bytes of a code-block that came in one packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub start: u32,
    pub length: u32,
    /// Passes that it adds.
    pub passes: u8,
    /// It begins a codeword segment.
    pub fresh: bool,
    pub next: u32,
}

/// Reads all packets of a tile.
pub(super) fn read(
    components: &mut [Component],
    parameters: &Parameters,
    data: &[u8],
) -> Result<Vec<Chunk>, CodecError> {
    let mut reader =
        Reader { data, at: 0, parameters, chunks: Vec::new(), pending: Vec::new(), looks: 0 };
    let whole = Volume {
        resolutions: (0, 33),
        components: (0, components.len()),
        layers: parameters.layers,
        order: parameters.order,
    };
    let volumes = if parameters.changes.is_empty() {
        std::slice::from_ref(&whole)
    } else {
        &parameters.changes
    };
    for volume in volumes {
        reader.volume(components, volume)?;
    }
    Ok(reader.chunks)
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    parameters: &'a Parameters,
    chunks: Vec<Chunk>,
    /// Chunks of the current packet, in order.
    pending: Vec<u32>,
    looks: usize,
}

impl Reader<'_> {
    /// Reads the packets of a part of the progression.
    fn volume(&mut self, components: &mut [Component], volume: &Volume) -> Result<(), CodecError> {
        let layers = volume.layers.min(self.parameters.layers);
        let mut places = Vec::new();
        let last = volume.components.1.min(components.len());
        let first = volume.components.0.min(last);
        for (at, component) in components[..last].iter().enumerate().skip(first) {
            let end = volume.resolutions.1.min(component.coding.levels + 1);
            for resolution in volume.resolutions.0..end {
                let count = component.resolutions[resolution as usize].precincts.len();
                for precinct in 0..count {
                    let (y, x) = component.position(resolution, precinct);
                    let at = u32::try_from(at).unwrap_or(0);
                    let key = match volume.order {
                        0 | 1 => (resolution, at, 0, 0),
                        2 => (resolution, y, x, at),
                        3 => (y, x, at, resolution),
                        4 => (at, y, x, resolution),
                        _ => return Err(damaged("an unknown progression")),
                    };
                    places.push((key, at, resolution, precinct));
                }
            }
        }
        places.sort_unstable();
        match volume.order {
            0 => {
                for layer in 0..layers {
                    for &(_, component, resolution, precinct) in &places {
                        self.packet(components, component, resolution, precinct, layer)?;
                    }
                    if self.at >= self.data.len() {
                        break;
                    }
                }
            }
            1 => {
                for same in places.chunk_by(|a, b| a.2 == b.2) {
                    for layer in 0..layers {
                        for &(_, component, resolution, precinct) in same {
                            self.packet(components, component, resolution, precinct, layer)?;
                        }
                        if self.at >= self.data.len() {
                            break;
                        }
                    }
                }
            }
            _ => {
                for &(_, component, resolution, precinct) in &places {
                    for layer in 0..layers {
                        self.packet(components, component, resolution, precinct, layer)?;
                        if self.at >= self.data.len() {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads a packet, unless it came already or there are no more.
    fn packet(
        &mut self,
        components: &mut [Component],
        component: u32,
        resolution: u32,
        precinct: usize,
        layer: u32,
    ) -> Result<(), CodecError> {
        let component = &mut components[component as usize];
        let style = component.coding.style;
        let one = &mut component.resolutions[resolution as usize];
        self.looks += 1;
        if self.looks > MAX_LOOKS {
            return Err(damaged("its progression does not end"));
        }
        if one.precincts[precinct].layer != layer || self.at >= self.data.len() {
            return Ok(());
        }
        one.precincts[precinct].layer += 1;
        if self.parameters.sop && self.data[self.at..].starts_with(&[0xff, 0x91]) {
            self.at += 6;
        }
        let rest = self.data.get(self.at..).ok_or(CodecError::Truncated(NAME))?;
        let mut bits = HeaderBits::new(rest);
        self.pending.clear();
        if bits.bit() == 1 {
            if one.precincts[precinct].parts.is_empty() {
                one.precincts[precinct].parts = one.parts(precinct);
            }
            let layer = u16::try_from(layer).unwrap_or(u16::MAX);
            for (part, band) in one.precincts[precinct].parts.iter_mut().zip(&one.bands) {
                for at in 0..part.blocks.len() {
                    let known = part.blocks[at].included;
                    let included = if known {
                        bits.bit() == 1
                    } else {
                        part.inclusion.below(at, layer + 1, &mut bits)
                    };
                    if bits.exhausted() {
                        return Err(CodecError::Truncated(NAME));
                    }
                    if !included {
                        continue;
                    }
                    if !known {
                        let found = (1..MAX_ZEROS)
                            .find(|&limit| part.zero_planes.below(at, limit, &mut bits));
                        found.ok_or(damaged("a code-block of too many zero bit planes"))?;
                        let zeros = part.zero_planes.value(at);
                        if u32::from(zeros) > band.planes + component.region {
                            return Err(damaged("a code-block of too many zero bit planes"));
                        }
                        part.blocks[at].included = true;
                        part.blocks[at].zero_planes = u8::try_from(zeros).unwrap_or(u8::MAX);
                    }
                    self.contribution(&mut part.blocks[at], style, &mut bits)?;
                }
            }
        }
        self.at += bits.finish().ok_or(CodecError::Truncated(NAME))?;
        if self.parameters.eph && self.data.get(self.at..self.at + 2) == Some(&[0xff, 0x92]) {
            self.at += 2;
        }
        for &pending in &self.pending {
            let chunk = &mut self.chunks[pending as usize];
            chunk.start = u32::try_from(self.at).unwrap_or(u32::MAX);
            self.at += chunk.length as usize;
            if self.at > self.data.len() {
                return Err(CodecError::Truncated(NAME));
            }
        }
        Ok(())
    }

    /// Reads the passes that a packet adds to a code-block, and their lengths (B.10.6, B.10.7).
    fn contribution(
        &mut self,
        block: &mut Block,
        kind: u8,
        bits: &mut HeaderBits<'_>,
    ) -> Result<(), CodecError> {
        let mut passes = passes(bits);
        while bits.bit() == 1 {
            block.length_bits += 1;
            if block.length_bits > 32 {
                return Err(damaged("a code-block's length of too many bits"));
            }
        }
        if usize::from(block.passes) + usize::from(passes) > usize::from(u8::MAX) {
            return Err(damaged("a code-block of too many passes"));
        }
        while passes > 0 {
            let fresh = block.segment.0 == block.segment.1;
            if fresh {
                block.segment = (0, longest(block, kind));
            }
            let count = passes.min(block.segment.1 - block.segment.0);
            let length = bits.bits(u32::from(block.length_bits) + count.ilog2());
            if bits.exhausted() {
                return Err(CodecError::Truncated(NAME));
            }
            let chunk = u32::try_from(self.chunks.len()).unwrap_or(NONE);
            if self.chunks.len() >= MAX_CHUNKS {
                return Err(damaged("too many pieces of code-blocks"));
            }
            self.chunks.push(Chunk { start: 0, length, passes: count, fresh, next: NONE });
            self.pending.push(chunk);
            match block.chunks.1 {
                NONE => block.chunks = (chunk, chunk),
                last => {
                    self.chunks[last as usize].next = chunk;
                    block.chunks.1 = chunk;
                }
            }
            block.segment.0 += count;
            block.passes += count;
            passes -= count;
        }
        Ok(())
    }
}

/// Passes that a new codeword segment can have.
fn longest(block: &Block, kind: u8) -> u8 {
    if kind & style::HIGH_THROUGHPUT != 0 {
        if block.passes == 0 { 1 } else { u8::MAX - block.passes }
    } else if kind & style::TERMINATE != 0 {
        1
    } else if kind & style::BYPASS != 0 {
        // Ten passes, then two raw ones and one of the arithmetic coder in turn.
        match block.passes {
            0 => 10,
            passes if (passes - 10) % 3 == 0 => 2,
            _ => 1,
        }
    } else {
        u8::MAX
    }
}

/// Reads a number of passes (table B.4).
fn passes(bits: &mut HeaderBits<'_>) -> u8 {
    let mut base = 1;
    for (count, most) in [(1, 0), (1, 0), (2, 2), (5, 30)] {
        let value = bits.bits(count);
        if value <= most {
            return base + u8::try_from(value).unwrap_or(0);
        }
        base += u8::try_from(most).unwrap_or(0) + 1;
    }
    base + u8::try_from(bits.bits(7)).unwrap_or(0)
}

/// Bits of a packet's header: behind a byte of all ones, the next holds only seven.
pub(super) struct HeaderBits<'a> {
    data: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
    over: bool,
}

impl<'a> HeaderBits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, byte: 0, left: 0, over: false }
    }

    pub(super) fn bit(&mut self) -> u32 {
        if self.left == 0 {
            self.left = if self.byte == 0xff { 7 } else { 8 };
            self.over |= self.at >= self.data.len();
            self.byte = self.data.get(self.at).copied().unwrap_or(0);
            self.at += 1;
        }
        self.left -= 1;
        u32::from(self.byte >> self.left & 1)
    }

    fn bits(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| value << 1 | self.bit())
    }

    fn exhausted(&self) -> bool {
        self.over
    }

    /// Bytes of the header, a stuffed one at its end counted in.
    fn finish(self) -> Option<usize> {
        let length = if self.byte == 0xff { self.at + 1 } else { self.at };
        (!self.over && length <= self.data.len()).then_some(length)
    }
}
