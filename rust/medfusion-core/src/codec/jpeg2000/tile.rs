//! One tile: its packets read, its code-blocks decoded, its wavelets and colours inverted.

use std::borrow::Cow;

use super::bitplanes::{BitPlanes, Segment};
use super::codestream::{Parameters, Rect, Size, style};
use super::damaged;
use super::high_throughput::HighThroughput;
use super::packets::{self, Chunk};
use super::structure::{Band, Block, Component, NONE};
use super::wavelet::{self, Irreversible, Reversible};
use crate::codec::{CodecError, zeros};

/// Precincts of a tile; each has its packets.
const MAX_PRECINCTS: usize = 1 << 21;

/// Memory used again for each code-block.
#[derive(Default)]
pub(super) struct Memory {
    bit_planes: BitPlanes,
    high_throughput: HighThroughput,
    bytes: Vec<u8>,
    segments: Vec<(usize, u8)>,
}

/// The samples of a tile's components.
pub(super) enum Samples {
    Whole(Vec<Vec<i32>>),
    Real(Vec<Vec<f32>>),
}

/// Decodes a tile.
pub(super) fn decode(
    size: &Size,
    parameters: &Parameters,
    rect: Rect,
    parts: &[&[u8]],
    memory: &mut Memory,
) -> Result<Samples, CodecError> {
    let data = match parts {
        [one] => Cow::Borrowed(*one),
        parts => Cow::Owned(parts.concat()),
    };
    let mut room = data.len().min(MAX_PRECINCTS);
    let mut components = Vec::new();
    for index in 0..size.components {
        let one = Component::new(rect, parameters, index, size.precision, room)?;
        room -= one.resolutions.iter().map(|one| one.precincts.len()).sum::<usize>();
        components.push(one);
    }
    let reversible = components[0].coding.reversible;
    if components.iter().any(|one| one.coding.reversible != reversible) {
        return Err(super::unsupported("components of both kinds of wavelets"));
    }
    let chunks = packets::read(&mut components, parameters, &data)?;
    let mixed = parameters.mixed && components.len() == 3;
    if reversible {
        let mut samples = Vec::new();
        for component in &components {
            let mut values = zeros(rect.width() * rect.height())?;
            let half = |size: u32, negative: bool, _: f32| {
                let size = (size >> 1).cast_signed();
                if negative { -size } else { size }
            };
            coefficients(component, &chunks, &data, memory, &mut values, half)?;
            wavelet::invert::<Reversible>(component, &mut values);
            samples.push(values);
        }
        if mixed && let [y, u, v] = samples.as_mut_slice() {
            for ((y, u), v) in y.iter_mut().zip(u).zip(v) {
                let green = y.wrapping_sub(u.wrapping_add(*v) >> 2);
                (*y, *u, *v) = (v.wrapping_add(green), green, u.wrapping_add(green));
            }
        }
        return Ok(Samples::Whole(samples));
    }
    let mut samples = Vec::new();
    for component in &components {
        let mut values = zeros(rect.width() * rect.height())?;
        #[expect(clippy::cast_precision_loss, reason = "coefficients are measured values")]
        let real = |size: u32, negative: bool, step: f32| {
            let size = size as f32 * (0.5 * step);
            if negative { -size } else { size }
        };
        coefficients(component, &chunks, &data, memory, &mut values, real)?;
        wavelet::invert::<Irreversible>(component, &mut values);
        samples.push(values);
    }
    if mixed && let [y, b, r] = samples.as_mut_slice() {
        for ((y, b), r) in y.iter_mut().zip(b).zip(r) {
            let (red, blue) = (*y + 1.402 * *r, *y + 1.772 * *b);
            let green = *y - 0.344_13 * *b - 0.714_14 * *r;
            (*y, *b, *r) = (red, green, blue);
        }
    }
    Ok(Samples::Real(samples))
}

/// Decodes all code-blocks of a component to their places.
fn coefficients<T: Copy>(
    component: &Component,
    chunks: &[Chunk],
    data: &[u8],
    memory: &mut Memory,
    values: &mut [T],
    convert: impl Fn(u32, bool, f32) -> T,
) -> Result<(), CodecError> {
    let stride = component.rect.width();
    for resolution in &component.resolutions {
        for precinct in &resolution.precincts {
            for (part, band) in precinct.parts.iter().zip(&resolution.bands) {
                for (at, block) in part.blocks.iter().enumerate() {
                    if block.chunks.0 == NONE {
                        continue;
                    }
                    let (x, y, width, height) = band.place(part, at);
                    let to = &mut values[y * stride + x..];
                    memory.gather(block, chunks, data);
                    if component.coding.style & style::HIGH_THROUGHPUT != 0 {
                        memory.high(component, band, block, (width, height))?;
                        let rows = memory.high_throughput.rows();
                        write(rows, to, stride, component.region, band, &convert);
                    } else {
                        memory.planes(component, band, block, (width, height));
                        let rows = memory.bit_planes.rows();
                        write(rows, to, stride, component.region, band, &convert);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Writes the rows of a code-block to their place.
fn write<T>(
    rows: impl Iterator<Item = (usize, impl Iterator<Item = (u32, bool)>)>,
    to: &mut [T],
    stride: usize,
    region: u32,
    band: &Band,
    convert: impl Fn(u32, bool, f32) -> T,
) {
    for (y, row) in rows {
        for (to, (size, negative)) in to[y * stride..].iter_mut().zip(row) {
            // What was shifted up has no bits below.
            let size = if region > 0 && size >> 1 >> region != 0 { size >> region } else { size };
            *to = convert(size, negative, band.step);
        }
    }
}

impl Memory {
    /// Collects the bytes of a code-block and where its segments end.
    fn gather(&mut self, block: &Block, chunks: &[Chunk], data: &[u8]) {
        self.bytes.clear();
        self.segments.clear();
        let mut at = block.chunks.0;
        while at != NONE {
            let chunk = chunks[at as usize];
            let start = chunk.start as usize;
            self.bytes.extend_from_slice(&data[start..start + chunk.length as usize]);
            if chunk.fresh {
                self.segments.push((0, 0));
            }
            if let Some(last) = self.segments.last_mut() {
                *last = (self.bytes.len(), last.1 + chunk.passes);
            }
            at = chunk.next;
        }
    }

    fn planes(&mut self, component: &Component, band: &Band, block: &Block, size: (usize, usize)) {
        let bytes = &self.bytes;
        let mut start = 0;
        let segments = self.segments.iter().map(|&(end, passes)| {
            let data = &bytes[start..end];
            start = end;
            Segment { data, passes }
        });
        let planes = band.planes + component.region - u32::from(block.zero_planes);
        self.bit_planes.decode(size, band.kind, component.coding.style, planes, segments);
    }

    fn high(
        &mut self,
        component: &Component,
        band: &Band,
        block: &Block,
        size: (usize, usize),
    ) -> Result<(), CodecError> {
        if component.region > 0 {
            return Err(damaged("a region of interest in high-throughput code-blocks"));
        }
        let zeros = u32::from(block.zero_planes);
        let planes = band.planes - zeros;
        let end = self.segments.first().map_or(0, |one| one.0);
        let (cleanup, others) = self.bytes.split_at(end);
        let style = component.coding.style;
        self.high_throughput.decode(size, style, (planes, zeros), (cleanup, others), block.passes)
    }
}
