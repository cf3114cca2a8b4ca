//! How the coefficients of a tile are divided: resolutions, bands, precincts, code-blocks
//! (ISO/IEC 15444-1, annex B).

use super::codestream::{Coding, Parameters, Rect};
use super::tag_tree::TagTree;
use super::{damaged, unsupported};
use crate::codec::CodecError;

/// Bit planes of the largest coefficients; one bit more is kept below, and one for the sign.
const MAX_PLANES: u32 = 30;

/// One component of a tile.
#[derive(Debug)]
pub(super) struct Component {
    pub rect: Rect,
    pub coding: Coding,
    /// Bits that a region of interest was shifted up by.
    pub region: u32,
    pub resolutions: Vec<Resolution>,
}

/// One resolution of a component.
#[derive(Debug)]
pub(super) struct Resolution {
    pub rect: Rect,
    pub bands: Vec<Band>,
    /// Logarithms of the sides of a precinct.
    sides: (u32, u32),
    /// The first precinct in the grid of all.
    first: (u32, u32),
    /// Precincts in a row.
    pub across: usize,
    pub precincts: Vec<Precinct>,
}

/// One band of a resolution.
#[derive(Debug)]
pub(super) struct Band {
    rect: Rect,
    /// 0 LL, 1 HL, 2 LH, 3 HH.
    pub kind: u32,
    /// Where it lies among the coefficients of the component.
    pub offset: (usize, usize),
    /// Bit planes of its coefficients.
    pub planes: u32,
    /// Size of a quantisation step.
    pub step: f32,
    /// Logarithms of the sides of a code-block.
    block: (u32, u32),
}

/// One precinct: what a packet is of.
#[derive(Debug, Default)]
pub(super) struct Precinct {
    /// The next layer.
    pub layer: u32,
    /// Its code-blocks in each band, once a packet has some.
    pub parts: Vec<Part>,
}

/// The code-blocks of a precinct in one band.
#[derive(Debug)]
pub(super) struct Part {
    rect: Rect,
    /// Code-blocks in a row.
    pub across: usize,
    pub blocks: Vec<Block>,
    pub inclusion: TagTree,
    pub zero_planes: TagTree,
}

/// What packets say of a code-block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub included: bool,
    pub zero_planes: u8,
    /// The state of the code of lengths.
    pub length_bits: u8,
    pub passes: u8,
    /// Passes of the last codeword segment, and how many it can have.
    pub segment: (u8, u8),
    /// Its first and last chunk.
    pub chunks: (u32, u32),
}

/// No chunk.
pub(super) const NONE: u32 = u32::MAX;

impl Component {
    pub(super) fn new(
        rect: Rect,
        parameters: &Parameters,
        index: usize,
        precision: u32,
        mut room: usize,
    ) -> Result<Self, CodecError> {
        let coding = parameters.coding(index)?;
        let quantisation = parameters.quantisation(index)?;
        let region = parameters.regions[index];
        let mut resolutions: Vec<Resolution> = Vec::new();
        for resolution in 0..=coding.levels {
            let down = coding.levels - resolution;
            let reduced = reduce(rect, down, 0, 0);
            let size = coding.precincts[resolution as usize];
            let sides = (u32::from(size & 15), u32::from(size >> 4));
            let grid = |start: u32, end: u32, side: u32| {
                let count = if end > start { up(end, side) - (start >> side) } else { 0 };
                (start >> side, count as usize)
            };
            let (first_x, across) = grid(reduced.x0, reduced.x1, sides.0);
            let (first_y, lines) = grid(reduced.y0, reduced.y1, sides.1);
            let count = across.saturating_mul(lines);
            room = room.checked_sub(count).ok_or(damaged("it has more precincts than bytes"))?;
            let halved = u32::from(resolution > 0);
            let block = (
                coding.block.0.min(sides.0.saturating_sub(halved)),
                coding.block.1.min(sides.1.saturating_sub(halved)),
            );
            let lower = resolutions.last().map(|one| (one.rect.width(), one.rect.height()));
            let mut bands = Vec::new();
            for kind in if resolution == 0 { 0..1 } else { 1..4 } {
                let (planes, exponent, mantissa) = quantisation.band(resolution, kind)?;
                if planes + region > MAX_PLANES {
                    return Err(unsupported(format!("{planes} bit planes")));
                }
                let (right, below) = (kind & 1, kind >> 1);
                let (width, height) = lower.unwrap_or_default();
                bands.push(Band {
                    rect: reduce(rect, down + halved, right, below),
                    kind,
                    offset: (width * right as usize, height * below as usize),
                    planes,
                    step: step(precision, exponent, mantissa),
                    block,
                });
            }
            let mut precincts = Vec::new();
            precincts.resize_with(count, Precinct::default);
            resolutions.push(Resolution {
                rect: reduced,
                bands,
                sides,
                first: (first_x, first_y),
                across,
                precincts,
            });
        }
        Ok(Self { rect, coding, region, resolutions })
    }

    /// Where a precinct begins on the tile, row first: packets by position come in this order.
    pub(super) fn position(&self, resolution: u32, precinct: usize) -> (u32, u32) {
        let one = &self.resolutions[resolution as usize];
        let down = self.coding.levels - resolution;
        let side = |at: usize, first: u32, side: u32, start: u32| {
            let place = (u64::from(first) + at as u64) << (side + down);
            u32::try_from(place).unwrap_or(u32::MAX).max(start)
        };
        (
            side(precinct / one.across, one.first.1, one.sides.1, self.rect.y0),
            side(precinct % one.across, one.first.0, one.sides.0, self.rect.x0),
        )
    }
}

impl Resolution {
    /// Divides a precinct into its code-blocks.
    pub(super) fn parts(&self, precinct: usize) -> Vec<Part> {
        let halved = u32::from(self.bands.len() > 1);
        let grid = (
            u64::from(self.first.0) + (precinct % self.across) as u64,
            u64::from(self.first.1) + (precinct / self.across) as u64,
        );
        let part = |band: &Band| {
            let side = |at: u64, side: u32, start: u32, end: u32| {
                let inside =
                    |value: u64| u32::try_from(value).unwrap_or(u32::MAX).clamp(start, end);
                (inside(at << (side - halved)), inside((at + 1) << (side - halved)))
            };
            let (x0, x1) = side(grid.0, self.sides.0, band.rect.x0, band.rect.x1.max(band.rect.x0));
            let (y0, y1) = side(grid.1, self.sides.1, band.rect.y0, band.rect.y1.max(band.rect.y0));
            let rect = Rect { x0, y0, x1, y1 };
            let (mut across, mut lines) = (0, 0);
            if x1 > x0 && y1 > y0 {
                across = (up(x1, band.block.0) - (x0 >> band.block.0)) as usize;
                lines = (up(y1, band.block.1) - (y0 >> band.block.1)) as usize;
            }
            let block = Block {
                included: false,
                zero_planes: 0,
                length_bits: 3,
                passes: 0,
                segment: (0, 0),
                chunks: (NONE, NONE),
            };
            Part {
                rect,
                across,
                blocks: vec![block; across * lines],
                inclusion: TagTree::new(across, lines),
                zero_planes: TagTree::new(across, lines),
            }
        };
        self.bands.iter().map(part).collect()
    }
}

impl Band {
    /// Where a code-block lies among the coefficients of the component, and its size.
    pub(super) fn place(&self, part: &Part, block: usize) -> (usize, usize, usize, usize) {
        let side = |at: usize, side: u32, start: u32, end: u32, first: u32, offset: usize| {
            let grid = (start >> side) + u32::try_from(at).unwrap_or(0);
            let from = (grid << side).max(start);
            let to = u32::try_from((u64::from(grid) + 1) << side).unwrap_or(u32::MAX).min(end);
            (offset + (from - first) as usize, (to - from) as usize)
        };
        let Rect { x0, y0, x1, y1 } = part.rect;
        let (x, width) =
            side(block % part.across, self.block.0, x0, x1, self.rect.x0, self.offset.0);
        let (y, height) =
            side(block / part.across, self.block.1, y0, y1, self.rect.y0, self.offset.1);
        (x, y, width, height)
    }
}

/// Divides by a power of two, rounding up.
fn up(value: u32, shift: u32) -> u32 {
    let wide = u64::from(value) + (1 << shift) - 1;
    u32::try_from(wide >> shift).unwrap_or(u32::MAX)
}

/// The samples of a band that many levels down (B-15).
fn reduce(rect: Rect, down: u32, right: u32, below: u32) -> Rect {
    let side = |value: u32, high: u32| {
        let offset = if high == 0 { 0 } else { 1_u64 << (down - 1) };
        let wide = u64::from(value) + ((1 << down) - 1) - offset;
        u32::try_from(wide >> down).unwrap_or(u32::MAX)
    };
    Rect {
        x0: side(rect.x0, right),
        y0: side(rect.y0, below),
        x1: side(rect.x1, right),
        y1: side(rect.y1, below),
    }
}

/// Size of a quantisation step (E-3). The gain of the bands is in the scale of the wavelet.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn step(precision: u32, exponent: u32, mantissa: u16) -> f32 {
    let power = (precision as f32 - exponent as f32).exp2();
    (1.0 + f32::from(mantissa) / 2048.0) * power
}
