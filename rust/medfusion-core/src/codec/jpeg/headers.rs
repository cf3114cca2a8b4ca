//! What the marker segments of a JPEG frame say.

use super::huffman::Huffman;
use super::{NAME, damaged, unsupported};
use crate::codec::segments::word;
use crate::codec::{CodecError, FrameShape};

/// The frame header.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// 0 baseline, 1 extended sequential, 2 progressive, 3 lossless.
    pub process: u8,
    pub precision: u32,
    pub components: Vec<Component>,
}

/// One component of the frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    pub id: u8,
    /// Horizontal and vertical sampling factors.
    pub sampling: (u8, u8),
    pub quantisation: u8,
}

impl Frame {
    pub(super) fn new(marker: u8, content: &[u8], shape: &FrameShape) -> Result<Self, CodecError> {
        let truncated = CodecError::Truncated(NAME);
        let process = match marker {
            0xc0..=0xc3 => marker - 0xc0,
            0xc9..=0xcb | 0xcd..=0xcf => return Err(unsupported("arithmetic coding")),
            _ => return Err(unsupported("hierarchical coding")),
        };
        let &[precision, _, _, _, _, count, ..] = content else { return Err(truncated) };
        let rows = usize::from(word(content, 1).unwrap_or(0));
        let columns = usize::from(word(content, 3).unwrap_or(0));
        shape.agrees(NAME, rows, columns, usize::from(count))?;
        // Twelve bits are met under the baseline's marker too.
        let allowed = match process {
            0..=2 => matches!(precision, 8 | 12),
            _ => (2..=16).contains(&precision),
        };
        if !allowed {
            return Err(damaged(format!("{precision} bits per sample")));
        }
        if usize::from(precision) > shape.bits_allocated {
            let allocated = shape.bits_allocated;
            return Err(damaged(format!("{precision} bits per sample in {allocated}")));
        }
        let list = content.get(6..6 + 3 * usize::from(count)).ok_or(truncated)?;
        let components: Vec<Component> = list
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[id, sampling, quantisation]| Component {
                id,
                sampling: (sampling >> 4, sampling & 15),
                quantisation,
            })
            .collect();
        if components
            .iter()
            .any(|one| !(1..=4).contains(&one.sampling.0) || !(1..=4).contains(&one.sampling.1))
        {
            return Err(damaged("its sampling factors can't be"));
        }
        Ok(Self { process, precision: u32::from(precision), components })
    }

    /// Whether every component has a sample for every pixel.
    pub(super) fn full(&self) -> bool {
        let first = self.components[0].sampling;
        self.components.iter().all(|one| one.sampling == first)
    }
}

/// Huffman and quantisation tables as they are at a place of the frame.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    pub quantisation: [Option<[u16; 64]>; 4],
    /// Units between restarts; 0 for none.
    pub restart: usize,
}

impl Tables {
    /// Takes a segment in, if it's one of a table.
    pub(super) fn read(&mut self, marker: u8, mut content: &[u8]) -> Result<(), CodecError> {
        let truncated = CodecError::Truncated(NAME);
        match marker {
            0xc4 => {
                while let Some((&kind, rest)) = content.split_first() {
                    let counts = rest.first_chunk::<16>().ok_or(truncated.clone())?;
                    let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
                    let symbols = rest.get(16..16 + total).ok_or(truncated.clone())?;
                    let set = if kind & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
                    let to = set.get_mut(usize::from(kind & 15));
                    let to = to.ok_or(damaged("a Huffman table beyond the fourth"))?;
                    *to = Some(Huffman::new(counts, symbols)?);
                    content = &rest[16 + total..];
                }
            }
            0xdb => {
                while let Some((&kind, rest)) = content.split_first() {
                    let wide = kind >> 4 != 0;
                    let bytes = if wide { 128 } else { 64 };
                    let values = rest.get(..bytes).ok_or(truncated.clone())?;
                    let mut table = [0; 64];
                    for (at, to) in table.iter_mut().enumerate() {
                        *to = if wide {
                            word(values, 2 * at).unwrap_or(0)
                        } else {
                            u16::from(values[at])
                        };
                    }
                    let to = self.quantisation.get_mut(usize::from(kind & 15));
                    *to.ok_or(damaged("a quantisation table beyond the fourth"))? = Some(table);
                    content = &rest[bytes..];
                }
            }
            0xdd => self.restart = usize::from(word(content, 0).ok_or(truncated)?),
            _ => {}
        }
        Ok(())
    }
}

/// The header of a scan.
#[derive(Debug, Clone)]
pub(super) struct ScanHeader {
    /// Place of each component in the frame, its DC table and its AC table.
    pub components: Vec<(usize, usize, usize)>,
    /// Predictor of a lossless scan, first coefficient of another.
    pub start: u8,
    /// Successive approximation, or the point transform of a lossless scan.
    pub point: u8,
}

impl ScanHeader {
    pub(super) fn new(content: &[u8], frame: &Frame) -> Result<Self, CodecError> {
        let truncated = CodecError::Truncated(NAME);
        let count = usize::from(*content.first().ok_or(truncated.clone())?);
        let list = content.get(1..1 + 2 * count).ok_or(truncated.clone())?;
        let &[start, _, point, ..] = &content[1 + 2 * count..] else { return Err(truncated) };
        let mut components = Vec::new();
        for &[id, tables] in list.as_chunks::<2>().0 {
            let place = frame.components.iter().position(|one| one.id == id);
            let place = place.ok_or(damaged("a scan names an unknown component"))?;
            if components.iter().any(|&(one, _, _)| one == place) || tables & 0xcc != 0 {
                return Err(damaged("its scan header can't be"));
            }
            components.push((place, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        if components.is_empty() {
            return Err(damaged("a scan of no components"));
        }
        Ok(Self { components, start, point })
    }
}
