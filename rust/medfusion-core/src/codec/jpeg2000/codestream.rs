//! The marker segments of a JPEG 2000 codestream (ISO/IEC 15444-1, annex A).

use super::{NAME, damaged, unsupported};
use crate::codec::segments::word;
use crate::codec::{CodecError, FrameShape};

/// Samples of the largest image that is decoded: coefficients take four bytes each.
const MAX_VALUES: usize = 1 << 25;
/// Bytes that every tile takes at least.
const TILE_PART: usize = 14;
/// Changes of the progression in one tile.
const MAX_CHANGES: usize = 64;

/// Where the image and its tiles lie on the reference grid.
#[derive(Debug, Clone)]
pub(super) struct Size {
    pub x: [u32; 2],
    pub y: [u32; 2],
    tile: (u32, u32),
    origin: (u32, u32),
    pub components: usize,
    pub precision: u32,
    pub signed: bool,
}

/// A rectangle: first column and row, and those behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
}

impl Rect {
    pub(super) fn width(&self) -> usize {
        self.x1.saturating_sub(self.x0) as usize
    }

    pub(super) fn height(&self) -> usize {
        self.y1.saturating_sub(self.y0) as usize
    }
}

impl Size {
    fn new(content: &[u8], shape: &FrameShape) -> Result<Self, CodecError> {
        let long = |at| double(content, at).ok_or(CodecError::Truncated(NAME));
        let (x1, y1, x0, y0) = (long(2)?, long(6)?, long(10)?, long(14)?);
        let (tile, origin) = ((long(18)?, long(22)?), (long(26)?, long(30)?));
        let components = usize::from(word(content, 34).ok_or(CodecError::Truncated(NAME))?);
        let (columns, rows) = (x1.saturating_sub(x0) as usize, y1.saturating_sub(y0) as usize);
        shape.agrees(NAME, rows, columns, components)?;
        let values = rows * columns * components;
        if values > MAX_VALUES {
            return Err(CodecError::TooLarge { bytes: values.saturating_mul(4) });
        }
        let list = content.get(36..36 + 3 * components).ok_or(CodecError::Truncated(NAME))?;
        let kinds = list.as_chunks::<3>().0;
        if kinds.iter().any(|&[_, x, y]| (x, y) != (1, 1)) {
            return Err(unsupported("components of other sizes"));
        }
        let depth = kinds[0][0];
        if kinds.iter().any(|one| one[0] != depth) {
            return Err(unsupported("components of other precisions"));
        }
        let precision = u32::from(depth & 0x7f) + 1;
        if precision as usize > shape.bits_allocated {
            let allocated = shape.bits_allocated;
            return Err(damaged(format!("{precision} bits per sample in {allocated}")));
        }
        // The first tile must reach into the image.
        let reaches = |origin: u32, tile: u32, start: u32| {
            tile > 0 && origin <= start && u64::from(origin) + u64::from(tile) > u64::from(start)
        };
        if !reaches(origin.0, tile.0, x0) || !reaches(origin.1, tile.1, y0) {
            return Err(damaged("its tiles don't lie on the image"));
        }
        let signed = depth & 0x80 != 0;
        Ok(Self { x: [x0, x1], y: [y0, y1], tile, origin, components, precision, signed })
    }

    /// Tiles in a row, and rows of tiles.
    fn tiles(&self) -> (usize, usize) {
        let across = (self.x[1] - self.origin.0).div_ceil(self.tile.0);
        let down = (self.y[1] - self.origin.1).div_ceil(self.tile.1);
        (across as usize, down as usize)
    }

    /// Where a tile lies.
    pub(super) fn tile(&self, index: usize) -> Rect {
        let across = self.tiles().0;
        let side = |at: usize, origin: u32, length: u32, [start, end]: [u32; 2]| {
            let from = u64::from(origin) + at as u64 * u64::from(length);
            let inside = |value: u64| {
                u32::try_from(value.clamp(u64::from(start), u64::from(end))).unwrap_or(end)
            };
            (inside(from), inside(from + u64::from(length)))
        };
        let (x0, x1) = side(index % across, self.origin.0, self.tile.0, self.x);
        let (y0, y1) = side(index / across, self.origin.1, self.tile.1, self.y);
        Rect { x0, y0, x1, y1 }
    }
}

/// How the coefficients of a component are coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    pub levels: u32,
    /// Logarithms of width and height of a code-block.
    pub block: (u32, u32),
    pub style: u8,
    pub reversible: bool,
    /// Logarithms of the sides of precincts, y above x, for each resolution.
    pub precincts: [u8; 33],
}

/// Styles of code-blocks (table A.19, and bit 6 of ITU-T T.814).
pub(super) mod style {
    pub const BYPASS: u8 = 1;
    pub const RESET: u8 = 2;
    pub const TERMINATE: u8 = 4;
    pub const CAUSAL: u8 = 8;
    pub const SYMBOLS: u8 = 32;
    pub const HIGH_THROUGHPUT: u8 = 64;
}

impl Coding {
    fn new(content: &[u8], precincts: bool) -> Result<Self, CodecError> {
        let &[levels, x, y, style, transform, ref rest @ ..] = content else {
            return Err(CodecError::Truncated(NAME));
        };
        let levels = u32::from(levels);
        let block = (u32::from(x & 15) + 2, u32::from(y & 15) + 2);
        if levels > 32 || block.0 > 10 || block.1 > 10 || block.0 + block.1 > 12 {
            return Err(damaged("its resolutions or code-blocks can't be"));
        }
        if style & 0x80 != 0 {
            return Err(unsupported("a mix of code-blocks of two kinds"));
        }
        if transform > 1 {
            return Err(unsupported("a wavelet of its own"));
        }
        let mut sizes = [0xff; 33];
        if precincts {
            let given = rest.get(..levels as usize + 1).ok_or(CodecError::Truncated(NAME))?;
            sizes[..given.len()].copy_from_slice(given);
            if given.iter().skip(1).any(|&size| size % 16 == 0 || size < 16) {
                return Err(damaged("a precinct of one coefficient"));
            }
        }
        Ok(Self { levels, block, style, reversible: transform == 1, precincts: sizes })
    }
}

/// How the coefficients of a component are quantised.
#[derive(Debug, Clone)]
pub(super) struct Quantisation {
    derived: bool,
    guard: u32,
    /// Exponent and mantissa for each band.
    steps: Vec<(u32, u16)>,
}

impl Quantisation {
    fn new(content: &[u8]) -> Result<Self, CodecError> {
        let (&kind, rest) = content.split_first().ok_or(CodecError::Truncated(NAME))?;
        let steps = match kind & 31 {
            0 => rest.iter().map(|&one| (u32::from(one >> 3), 0)).collect(),
            1 | 2 => {
                let words = rest.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair));
                words.map(|one| (u32::from(one >> 11), one & 0x7ff)).collect()
            }
            _ => return Err(damaged("an unknown kind of quantisation")),
        };
        Ok(Self { derived: kind & 31 == 1, guard: u32::from(kind >> 5), steps })
    }

    /// Bit planes, exponent and mantissa of a band.
    pub(super) fn band(&self, resolution: u32, kind: u32) -> Result<(u32, u32, u16), CodecError> {
        let place = if resolution == 0 { 0 } else { 3 * (resolution - 1) + kind };
        let place = if self.derived { 0 } else { place as usize };
        let &(exponent, mantissa) =
            self.steps.get(place).ok_or(damaged("a band without a quantisation step"))?;
        let exponent = if self.derived {
            exponent.saturating_sub(resolution.saturating_sub(1))
        } else {
            exponent
        };
        Ok(((self.guard + exponent).saturating_sub(1), exponent, mantissa))
    }
}

/// A part of the progression: which packets come in which order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume {
    pub resolutions: (u32, u32),
    pub components: (usize, usize),
    pub layers: u32,
    pub order: u8,
}

/// All that COD, COC, QCD, QCC, RGN and POC segments say.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    pub order: u8,
    pub layers: u32,
    pub mixed: bool,
    pub sop: bool,
    pub eph: bool,
    coding: Vec<(Option<Coding>, bool)>,
    quantisation: Vec<(Option<Quantisation>, bool)>,
    pub regions: Vec<u32>,
    pub changes: Vec<Volume>,
}

impl Parameters {
    fn new(components: usize) -> Self {
        Self {
            order: 0,
            layers: 0,
            mixed: false,
            sop: false,
            eph: false,
            coding: vec![(None, false); components],
            quantisation: vec![(None, false); components],
            regions: vec![0; components],
            changes: Vec::new(),
        }
    }

    /// Those of a tile before its own segments: what they say of all components goes above what
    /// the main header says of one.
    fn of_a_tile(&self) -> Self {
        let mut own = self.clone();
        own.coding.iter_mut().for_each(|one| one.1 = false);
        own.quantisation.iter_mut().for_each(|one| one.1 = false);
        own
    }

    pub(super) fn coding(&self, component: usize) -> Result<Coding, CodecError> {
        self.coding[component].0.ok_or(damaged("it does not say how it is coded"))
    }

    pub(super) fn quantisation(&self, component: usize) -> Result<&Quantisation, CodecError> {
        self.quantisation[component].0.as_ref().ok_or(damaged("it has no quantisation steps"))
    }

    fn read(&mut self, marker: u8, content: &[u8]) -> Result<(), CodecError> {
        let truncated = CodecError::Truncated(NAME);
        let component = || {
            let place = usize::from(*content.first().ok_or(CodecError::Truncated(NAME))?);
            if place < self.regions.len() {
                Ok(place)
            } else {
                Err(damaged("a segment of an unknown component"))
            }
        };
        match marker {
            0x52 => {
                let &[kind, order, high, low, mixed, ref rest @ ..] = content else {
                    return Err(truncated);
                };
                self.layers = u32::from(u16::from_be_bytes([high, low]));
                if self.layers == 0 || order > 4 {
                    return Err(damaged("its layers or their order can't be"));
                }
                (self.order, self.mixed) = (order, mixed & 1 == 1);
                (self.sop, self.eph) = (kind & 2 != 0, kind & 4 != 0);
                let coding = Coding::new(rest, kind & 1 != 0)?;
                for (to, own) in &mut self.coding {
                    if !*own {
                        *to = Some(coding);
                    }
                }
            }
            0x53 => {
                let at = component()?;
                let kind = *content.get(1).ok_or(truncated)?;
                self.coding[at] = (Some(Coding::new(&content[2..], kind & 1 != 0)?), true);
            }
            0x5c => {
                let found = Quantisation::new(content)?;
                for (to, own) in &mut self.quantisation {
                    if !*own {
                        *to = Some(found.clone());
                    }
                }
            }
            0x5d => {
                let at = component()?;
                self.quantisation[at] = (Some(Quantisation::new(&content[1..])?), true);
            }
            0x5e => {
                let at = component()?;
                let &[_, kind, shift, ..] = content else { return Err(truncated) };
                if kind != 0 || shift > 37 {
                    return Err(damaged("a region of interest that can't be"));
                }
                self.regions[at] = u32::from(shift);
            }
            0x5f => {
                for &[start, first, high, low, end, last, order] in content.as_chunks::<7>().0 {
                    let last = if last == 0 { 256 } else { usize::from(last) };
                    self.changes.push(Volume {
                        resolutions: (u32::from(start), u32::from(end)),
                        components: (usize::from(first), last),
                        layers: u32::from(u16::from_be_bytes([high, low])),
                        order,
                    });
                }
                if self.changes.len() > MAX_CHANGES {
                    return Err(unsupported("so many changes of the progression"));
                }
            }
            0x60 | 0x61 => return Err(unsupported("packet headers apart from their packets")),
            _ => {}
        }
        Ok(())
    }
}

/// What a tile is decoded from.
#[derive(Debug, Clone)]
pub(super) struct Tile<'a> {
    /// Its own parameters, where it has some.
    pub parameters: Option<Box<Parameters>>,
    /// The packets of its parts.
    pub parts: Vec<&'a [u8]>,
}

/// A codestream cut into its parts.
#[derive(Debug)]
pub(super) struct Codestream<'a> {
    pub size: Size,
    pub parameters: Parameters,
    pub tiles: Vec<Option<Tile<'a>>>,
}

impl<'a> Codestream<'a> {
    pub(super) fn new(bytes: &'a [u8], shape: &FrameShape) -> Result<Self, CodecError> {
        let (marker, content, mut at) = segment(bytes, 2)?;
        if bytes[..2] != [0xff, 0x4f] || marker != 0x51 {
            return Err(damaged("its size does not come first"));
        }
        let size = Size::new(content, shape)?;
        let (across, down) = size.tiles();
        let count = across.saturating_mul(down);
        if count > bytes.len() / TILE_PART || count > 65_535 {
            return Err(CodecError::Truncated(NAME));
        }
        let mut found =
            Self { parameters: Parameters::new(size.components), size, tiles: vec![None; count] };
        loop {
            // The end, or where a cut-off file ends between two tiles.
            if bytes.get(at..at + 2).is_none_or(|pair| pair == [0xff, 0xd9]) {
                return Ok(found);
            }
            let (marker, content, next) = segment(bytes, at)?;
            if marker == 0x90 {
                at = found.tile_part(bytes, at, content, next)?;
            } else {
                found.parameters.read(marker, content)?;
                at = next;
            }
        }
    }

    /// Takes in a part of a tile, and returns where the next begins.
    fn tile_part(
        &mut self,
        bytes: &'a [u8],
        start: usize,
        content: &[u8],
        mut at: usize,
    ) -> Result<usize, CodecError> {
        let index = usize::from(word(content, 0).ok_or(CodecError::Truncated(NAME))?);
        let length = double(content, 2).ok_or(CodecError::Truncated(NAME))? as usize;
        let end = match length {
            0 if bytes.ends_with(&[0xff, 0xd9]) => bytes.len() - 2,
            0 => bytes.len(),
            length => start.saturating_add(length),
        };
        let slot = self.tiles.get_mut(index).ok_or(damaged("a tile beyond the last"))?;
        let tile = slot.get_or_insert_with(|| Tile { parameters: None, parts: Vec::new() });
        loop {
            if bytes.get(at..at + 2) == Some(&[0xff, 0x93]) {
                at += 2;
                break;
            }
            let (marker, content, next) = segment(bytes, at)?;
            if matches!(marker, 0x52..=0x53 | 0x5c..=0x61) {
                let own = tile.parameters.get_or_insert_with(|| {
                    let mut own = Box::new(self.parameters.of_a_tile());
                    // Changes of the progression in a tile replace those of the main header.
                    own.changes.clear();
                    own
                });
                own.read(marker, content)?;
            }
            at = next;
        }
        let part = bytes.get(at..end).ok_or(CodecError::Truncated(NAME))?;
        tile.parts.push(part);
        Ok(end)
    }
}

/// The marker at a place, what its segment holds, and where the next marker is.
fn segment(bytes: &[u8], at: usize) -> Result<(u8, &[u8], usize), CodecError> {
    let truncated = CodecError::Truncated(NAME);
    let &[first, marker, high, low] =
        bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(truncated.clone())?;
    if first != 0xff || marker < 0x4f {
        return Err(damaged("no marker where one must be"));
    }
    let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
    let content = bytes.get(at + 4..end).ok_or(truncated)?;
    Ok((marker, content, end))
}

/// The big-endian number of four bytes at a place.
fn double(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&four| u32::from_be_bytes(four))
}
