//! Compressed frames in their fragments (PS3.5 A.4).

use super::DicomError;
use super::dataset::PixelPlace;
use super::header::Object;
use super::source::Source;
use super::tag;

/// The most fragments of a file.
const MAX_FRAGMENTS: usize = 8 << 20;

/// A piece of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub offset: u64,
    pub length: u32,
}

/// The pieces of every frame.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pieces: Vec<Piece>,
    /// Where the pieces of each frame begin; one more than there are frames.
    starts: Vec<usize>,
}

impl Fragments {
    /// Number of frames.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Returns the pieces of a frame.
    pub fn frame(&self, index: usize) -> Option<&[Piece]> {
        Some(&self.pieces[*self.starts.get(index)?..*self.starts.get(index + 1)?])
    }

    /// Bytes of all frames.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.length)).sum()
    }

    /// Finds the frames; the source stands at the pixel data.
    pub fn find(
        object: &Object,
        place: PixelPlace,
        frames: usize,
        source: &mut Source<'_>,
    ) -> Result<Self, DicomError> {
        let (table, pieces) = walk(place, source)?;
        let first = pieces.first().map_or(source.position(), |piece| piece.offset - 8);
        if let Some(extended) = extended(object, first, source.size())? {
            return Ok(extended);
        }
        let starts = if table.is_empty() {
            by_count(&pieces, frames, source)?
        } else {
            by_offsets(&pieces, &table, first)
        };
        if starts.len() <= frames {
            return Err(DicomError::Fragments(format!(
                "{} frames are there, the header says {frames}",
                starts.len() - 1
            )));
        }
        Ok(Self { pieces, starts })
    }
}

/// Lists the fragments, and the offsets of the basic table.
fn walk(place: PixelPlace, source: &mut Source<'_>) -> Result<(Vec<u32>, Vec<Piece>), DicomError> {
    let end = place.length.map(|length| place.offset + u64::from(length));
    let mut table = Vec::new();
    let mut pieces = Vec::new();
    let mut is_first = true;
    while end.is_none_or(|end| source.position() < end) {
        let &[g0, g1, e0, e1, l0, l1, l2, l3] = source.take(8)? else { break };
        let item =
            u32::from(u16::from_le_bytes([g0, g1])) << 16 | u32::from(u16::from_le_bytes([e0, e1]));
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        match item {
            tag::SEQUENCE_END => break,
            tag::ITEM if length != u32::MAX => {}
            // Some writers leave the delimiter out.
            _ if !pieces.is_empty() => break,
            _ => {
                let reason = format!("no fragment begins at byte {}", source.position() - 8);
                return Err(DicomError::Fragments(reason));
            }
        }
        if is_first {
            if length % 4 != 0 {
                let reason = "the offset table's length is not a multiple of 4".to_owned();
                return Err(DicomError::Fragments(reason));
            }
            let offsets = source.take(length as usize)?;
            table = offsets.as_chunks().0.iter().map(|&raw| u32::from_le_bytes(raw)).collect();
            is_first = false;
            continue;
        }
        let offset = source.position();
        if !source.skip(length.into())? {
            // The last fragment isn't whole: a frame that needs it can't be decoded.
            let left = source.position().saturating_sub(offset);
            let reason = format!("the last fragment has {left} of {length} bytes");
            return Err(DicomError::Fragments(reason));
        }
        if pieces.len() == MAX_FRAGMENTS {
            return Err(DicomError::Limit(format!("more than {MAX_FRAGMENTS} fragments")));
        }
        pieces.push(Piece { offset, length });
    }
    if pieces.is_empty() {
        return Err(DicomError::Fragments("there is no fragment".to_owned()));
    }
    Ok((table, pieces))
}

/// Reads the extended offset table (PS3.3 C.7.6.3.1.8), where there is a sound one.
fn extended(object: &Object, first: u64, size: u64) -> Result<Option<Fragments>, DicomError> {
    let set = &object.dataset;
    let (Some(offsets), Some(lengths)) =
        (set.value(tag::OFFSET_TABLE), set.value(tag::OFFSET_LENGTHS))
    else {
        return Ok(None);
    };
    if offsets.is_empty() || offsets.len() != lengths.len() {
        return Ok(None);
    }
    let whole = |bytes: &[u8]| -> Vec<u64> {
        bytes.as_chunks().0.iter().map(|&raw| u64::from_le_bytes(raw)).collect()
    };
    let piece = |(offset, length): (u64, u64)| {
        let offset = first.checked_add(offset)?.checked_add(8)?;
        let end = offset.checked_add(length)?;
        (end <= size).then_some(Piece { offset, length: u32::try_from(length).ok()? })
    };
    let pieces: Option<Vec<Piece>> =
        whole(offsets).into_iter().zip(whole(lengths)).map(piece).collect();
    let pieces = pieces.ok_or_else(|| {
        DicomError::Fragments("the extended offset table points beyond the file".to_owned())
    })?;
    let starts = (0..=pieces.len()).collect();
    Ok(Some(Fragments { pieces, starts }))
}

/// Splits the fragments where the offset table says.
fn by_offsets(pieces: &[Piece], table: &[u32], first: u64) -> Vec<usize> {
    let mut starts = vec![0];
    for (index, piece) in pieces.iter().enumerate().skip(1) {
        let Some(&next) = table.get(starts.len()) else { break };
        if piece.offset - 8 - first >= u64::from(next) {
            starts.push(index);
        }
    }
    starts.push(pieces.len());
    starts
}

/// Splits the fragments where there is no table: one each, all for one, or where the codec's end
/// marker is.
fn by_count(
    pieces: &[Piece],
    frames: usize,
    source: &mut Source<'_>,
) -> Result<Vec<usize>, DicomError> {
    if pieces.len() == frames {
        return Ok((0..=pieces.len()).collect());
    }
    if frames == 1 {
        return Ok(vec![0, pieces.len()]);
    }
    let mut starts = vec![0];
    for (index, piece) in pieces.iter().enumerate() {
        let tail = piece.length.min(10);
        source.seek(piece.offset + u64::from(piece.length - tail))?;
        if source.take(tail as usize)?.windows(2).any(|pair| pair == [0xff, 0xd9]) {
            starts.push(index + 1);
        }
    }
    if *starts.last().unwrap_or(&0) < pieces.len() {
        starts.push(pieces.len());
    }
    Ok(starts)
}
