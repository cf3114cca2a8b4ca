//! Lookup tables (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5 and .6, C.7.9.2).

use super::DicomError;
use super::dataset::{Content, Dataset};
use super::tag::{self, Tag};

/// Indirect segments may hold indirect ones; so deep, a table is hostile.
const MAX_DEPTH: usize = 8;
/// The most entries of a table.
const MAX_ENTRIES: usize = 1 << 16;

/// A lookup table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The stored value of the first entry.
    first: f64,
    /// Bits that an entry means.
    pub bits: u32,
    entries: Vec<u16>,
}

impl Table {
    /// Returns the entry of a value; beyond the table its first or last one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    pub fn get(&self, value: f64) -> u16 {
        let last = self.entries.len() - 1;
        let index = (value - self.first).clamp(0.0, 65_535.0) as usize;
        self.entries[index.min(last)]
    }

    /// The largest entry.
    fn most(&self) -> u16 {
        self.entries.iter().copied().max().unwrap_or(0)
    }
}

/// What a descriptor says: entries, first value, bits.
struct Descriptor {
    entries: usize,
    first: f64,
    bits: u32,
}

fn descriptor(set: &Dataset, tag: Tag, signed: bool) -> Result<Descriptor, DicomError> {
    let wrong = || DicomError::Value("a lookup table without a sound descriptor".to_owned());
    let element = set.get(tag).ok_or_else(wrong)?;
    let Content::Value(bytes) = &element.content else { return Err(wrong()) };
    let mut words = shorts(bytes, set.big_endian);
    let (Some(entries), Some(first), Some(bits)) = (words.next(), words.next(), words.next())
    else {
        return Err(wrong());
    };
    let signed = &element.vr == b"SS" || signed && &element.vr != b"US";
    Ok(Descriptor {
        entries: if entries == 0 { MAX_ENTRIES } else { entries.into() },
        first: if signed { first.cast_signed().into() } else { first.into() },
        bits: bits.into(),
    })
}

fn shorts(bytes: &[u8], big_endian: bool) -> impl Iterator<Item = u16> {
    let short = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
    bytes.as_chunks().0.iter().map(move |&raw| short(raw))
}

/// Reads the table of a Modality or VOI LUT item.
pub(super) fn item(set: &Dataset, signed: bool) -> Result<Table, DicomError> {
    let Descriptor { entries, first, bits } = descriptor(set, tag::LUT_DESCRIPTOR, signed)?;
    if !(8..=16).contains(&bits) {
        return Err(DicomError::Value(format!("a lookup table of {bits} bits")));
    }
    let bytes = set.value(tag::LUT_DATA).unwrap_or_default();
    table(bytes, entries, first, bits, set.big_endian)
}

/// Makes a table of entries of 8 or 16 bits, whichever fills the bytes.
fn table(
    bytes: &[u8],
    entries: usize,
    first: f64,
    bits: u32,
    big_endian: bool,
) -> Result<Table, DicomError> {
    let values: Vec<u16> = if bytes.len() < entries * 2 && bits == 8 {
        bytes.iter().take(entries).map(|&byte| byte.into()).collect()
    } else {
        shorts(bytes, big_endian).take(entries).collect()
    };
    if values.is_empty() {
        return Err(DicomError::Value("a lookup table without entries".to_owned()));
    }
    Ok(Table { first, bits, entries: values })
}

/// Reads the tables of red, green and blue, whole or in segments.
pub(super) fn palette(set: &Dataset, signed: bool) -> Result<[Table; 3], DicomError> {
    const TABLES: [(Tag, Tag, Tag); 3] = [
        (tag::PALETTE_RED_DESCRIPTOR, tag::PALETTE_RED, tag::PALETTE_RED_SEGMENTED),
        (tag::PALETTE_GREEN_DESCRIPTOR, tag::PALETTE_GREEN, tag::PALETTE_GREEN_SEGMENTED),
        (tag::PALETTE_BLUE_DESCRIPTOR, tag::PALETTE_BLUE, tag::PALETTE_BLUE_SEGMENTED),
    ];
    let mut tables = Vec::with_capacity(3);
    for (description, whole, segmented) in TABLES {
        let Descriptor { entries, first, bits } = descriptor(set, description, signed)?;
        tables.push(match (set.value(whole), set.value(segmented)) {
            (Some(bytes), _) => table(bytes, entries, first, bits, set.big_endian)?,
            (None, Some(bytes)) => {
                let data: Vec<u16> = if bits == 8 {
                    bytes.iter().map(|&byte| byte.into()).collect()
                } else {
                    shorts(bytes, set.big_endian).collect()
                };
                let mut values = Vec::new();
                expand(&data, 0, usize::MAX, bits == 8, set.big_endian, &mut values, 0)?;
                values.truncate(entries);
                if values.is_empty() {
                    return Err(DicomError::Value("a palette without entries".to_owned()));
                }
                Table { first, bits, entries: values }
            }
            _ => return Err(DicomError::Lacks("the palette of PALETTE COLOR")),
        });
    }
    // Some writers declare 16 bits and fill 8.
    let bits = if tables.iter().all(|table| table.most() < 256) { 8 } else { 16 };
    for table in &mut tables {
        table.bits = bits;
    }
    tables.try_into().map_err(|_| DicomError::Lacks("the palette of PALETTE COLOR"))
}

/// Expands the segments of a palette from `at` on.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two u16")]
fn expand(
    data: &[u16],
    mut at: usize,
    segments: usize,
    bytes: bool,
    big_endian: bool,
    out: &mut Vec<u16>,
    depth: usize,
) -> Result<(), DicomError> {
    let wrong = |reason: &str| DicomError::Value(format!("a segmented palette that {reason}"));
    if depth > MAX_DEPTH {
        return Err(wrong("refers to itself"));
    }
    for _ in 0..segments {
        let (Some(&kind), Some(&length)) = (data.get(at), data.get(at + 1)) else { break };
        at += 2;
        let count = usize::from(length);
        match kind {
            0 => {
                out.extend_from_slice(data.get(at..at + count).ok_or_else(|| wrong("ends early"))?);
                at += count;
            }
            1 => {
                let start = *out.last().ok_or_else(|| wrong("begins with a line"))?;
                let end = *data.get(at).ok_or_else(|| wrong("ends early"))?;
                at += 1;
                let (start, end) = (f64::from(start), f64::from(end));
                let step = (end - start) / f64::from(length.max(1));
                out.extend((1..=length).map(|n| {
                    if n == length {
                        end as u16
                    } else {
                        (start + step * f64::from(n)).round_ties_even() as u16
                    }
                }));
            }
            2 => {
                let words = if bytes { 4 } else { 2 };
                let place = data.get(at..at + words).ok_or_else(|| wrong("ends early"))?;
                let place = match *place {
                    // The least significant word comes first, in the file's byte order.
                    [a, b, c, d] if big_endian => {
                        [c, d, a, b].iter().fold(0, |sum, &one| sum << 8 | usize::from(one))
                    }
                    [a, b, c, d] => {
                        [d, c, b, a].iter().fold(0, |sum, &one| sum << 8 | usize::from(one))
                    }
                    [low, high] => usize::from(high) << 16 | usize::from(low),
                    _ => return Err(wrong("ends early")),
                };
                at += words;
                expand(data, place, count, bytes, big_endian, out, depth + 1)?;
            }
            _ => return Err(wrong("has an unknown segment")),
        }
        if out.len() > MAX_ENTRIES {
            return Err(wrong("has too many entries"));
        }
    }
    Ok(())
}
