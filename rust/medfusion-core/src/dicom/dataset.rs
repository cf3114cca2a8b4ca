//! Data elements (PS3.5 chapter 7): what is needed is kept, the rest is passed over.

use super::DicomError;
use super::source::Source;
use super::tag::{self, Tag, Use};

/// The deepest nesting of sequences.
const MAX_DEPTH: usize = 64;
/// The most elements and items that are looked at in one file.
const MAX_ELEMENTS: usize = 8 << 20;
/// The most items of a sequence that is kept: the frames of a large slide.
const MAX_ITEMS: usize = 1 << 20;
/// The most bytes of values that are kept of one file.
const MAX_KEPT: usize = 128 << 20;
/// Length of an element that ends with a delimiter.
const UNDEFINED: u32 = u32::MAX;

/// A value representation, such as `b"US"`; zeros where the file doesn't say (implicit VR).
pub(super) type Vr = [u8; 2];

/// What an element holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Its value.
    Value(Vec<u8>),
    /// Items of a sequence.
    Items(Vec<Dataset>),
}

/// A data element that is kept.
#[derive(Debug)]
pub(super) struct Element {
    pub tag: Tag,
    pub vr: Vr,
    pub content: Content,
}

/// The elements that are kept of a data set, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Dataset {
    pub elements: Vec<Element>,
    pub big_endian: bool,
}

/// Where the pixel data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelPlace {
    pub tag: Tag,
    pub vr: Vr,
    /// First byte of the value, in the (inflated) stream.
    pub offset: u64,
    /// None: undefined, the value is a sequence of fragments.
    pub length: Option<u32>,
}

impl Dataset {
    /// Returns an element; of several with one tag the last, as pydicom does.
    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.iter().rev().find(|element| element.tag == tag)
    }

    /// Returns the bytes of an element's value.
    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        match &self.get(tag)?.content {
            Content::Value(bytes) => Some(bytes),
            Content::Items(_) => None,
        }
    }

    /// Returns the items of a sequence.
    pub fn items(&self, tag: Tag) -> &[Self] {
        match self.get(tag).map(|element| &element.content) {
            Some(Content::Items(items)) => items,
            _ => &[],
        }
    }
}

/// Head of an element.
#[derive(Debug, Clone, Copy)]
struct Head {
    tag: Tag,
    vr: Vr,
    length: u32,
}

/// Reads the elements of a source.
pub(super) struct Reader<'s, 'a> {
    source: &'s mut Source<'a>,
    big_endian: bool,
    looked_at: usize,
    kept: usize,
    /// The file ended within an element.
    pub truncated: bool,
}

/// Whether the two bytes can be an explicit value representation (as pydicom guesses).
pub(super) fn looks_explicit(vr: [u8; 2]) -> bool {
    vr.iter().all(|&letter| (0x41..0x5b).contains(&letter))
}

/// Value representations of PS3.5 table 6.2-1.
pub(super) fn is_known(vr: Vr) -> bool {
    matches!(
        &vr,
        b"AE"
            | b"AS"
            | b"AT"
            | b"CS"
            | b"DA"
            | b"DS"
            | b"DT"
            | b"FL"
            | b"FD"
            | b"IS"
            | b"LO"
            | b"LT"
            | b"PN"
            | b"SH"
            | b"SL"
            | b"SS"
            | b"ST"
            | b"TM"
            | b"UI"
            | b"UL"
            | b"US"
    ) || is_long(vr)
}

/// Those whose length has 32 bits (PS3.5 table 7.1-1).
fn is_long(vr: Vr) -> bool {
    matches!(
        &vr,
        b"OB"
            | b"OD"
            | b"OF"
            | b"OL"
            | b"OW"
            | b"OV"
            | b"SQ"
            | b"SV"
            | b"UC"
            | b"UN"
            | b"UR"
            | b"UT"
            | b"UV"
    )
}

impl<'s, 'a> Reader<'s, 'a> {
    pub fn new(source: &'s mut Source<'a>, big_endian: bool) -> Self {
        Self { source, big_endian, looked_at: 0, kept: 0, truncated: false }
    }

    /// Reads the top level up to the pixel data.
    pub fn top(&mut self, implicit: bool) -> Result<(Dataset, Option<PixelPlace>), DicomError> {
        let mut dataset = Dataset { elements: Vec::new(), big_endian: self.big_endian };
        let implicit = self.is_implicit(implicit)?;
        while let Some(head) = self.head(implicit)? {
            if head.tag == tag::ITEM_END {
                break;
            }
            if matches!(head.tag, tag::PIXELS | tag::FLOAT_PIXELS | tag::DOUBLE_PIXELS) {
                let place = PixelPlace {
                    tag: head.tag,
                    vr: head.vr,
                    offset: self.source.position(),
                    length: (head.length != UNDEFINED).then_some(head.length),
                };
                return Ok((dataset, Some(place)));
            }
            self.element(head, implicit, &mut dataset, 0)?;
        }
        Ok((dataset, None))
    }

    /// Passes over the elements of a group (PS3.7's commands), little endian and implicit.
    pub fn pass_group(&mut self, group: u32) -> Result<(), DicomError> {
        while self.next_group()? == Some(group) {
            let Some(head) = self.head(true)? else { break };
            self.pass(head, true, 0)?;
        }
        Ok(())
    }

    /// Reads the file's meta group, explicit and little endian (PS3.10), to the transfer syntax.
    pub fn meta(&mut self) -> Result<Option<Vec<u8>>, DicomError> {
        let mut syntax = None;
        let implicit = {
            let head = self.source.peek(6)?;
            head.len() == 6 && !is_known([head[4], head[5]])
        };
        while self.next_group()? == Some(2) {
            let Some(head) = self.head(implicit)? else { break };
            if head.tag == 0x0002_0010 && head.length != UNDEFINED {
                syntax = Some(self.value(head.length, 256)?);
            } else {
                self.pass(head, implicit, 0)?;
            }
        }
        Ok(syntax)
    }

    /// Returns the group of the next element.
    fn next_group(&mut self) -> Result<Option<u32>, DicomError> {
        let bytes = self.source.peek(8)?;
        Ok((bytes.len() == 8).then(|| u32::from(u16::from_le_bytes([bytes[0], bytes[1]]))))
    }

    /// Says whether a data set is implicit: what its first element looks like wins over what the
    /// transfer syntax says, as in pydicom.
    fn is_implicit(&mut self, assumed: bool) -> Result<bool, DicomError> {
        let head = self.source.peek(6)?;
        Ok(if head.len() < 6 { assumed } else { !looks_explicit([head[4], head[5]]) })
    }

    /// Reads the head of the next element; none at the end of the file.
    fn head(&mut self, implicit: bool) -> Result<Option<Head>, DicomError> {
        self.looked_at += 1;
        if self.looked_at > MAX_ELEMENTS {
            return Err(DicomError::Limit(format!("more than {MAX_ELEMENTS} elements")));
        }
        let big_endian = self.big_endian;
        let (short, long) = integers(big_endian);
        let bytes = self.source.take(8)?;
        let &[g0, g1, e0, e1, v0, v1, l0, l1] = bytes else {
            self.truncated |= !bytes.is_empty();
            return Ok(None);
        };
        let tag = u32::from(short([g0, g1])) << 16 | u32::from(short([e0, e1]));
        let vr = [v0, v1];
        if implicit || tag >> 16 == 0xfffe || !(*b"AA"..=*b"ZZ").contains(&vr) {
            // An element that isn't explicit among explicit ones is taken as implicit, with pydicom's
            // idea of what is explicit.
            return Ok(Some(Head { tag, vr: [0; 2], length: long([v0, v1, l0, l1]) }));
        }
        if !is_long(vr) {
            return Ok(Some(Head { tag, vr, length: u32::from(short([l0, l1])) }));
        }
        let &[l0, l1, l2, l3] = self.source.take(4)? else {
            self.truncated = true;
            return Ok(None);
        };
        Ok(Some(Head { tag, vr, length: long([l0, l1, l2, l3]) }))
    }

    /// Keeps or passes over one element.
    fn element(
        &mut self,
        head: Head,
        implicit: bool,
        dataset: &mut Dataset,
        depth: usize,
    ) -> Result<(), DicomError> {
        let content = match tag::usage(head.tag) {
            Use::Keep(most) if head.length != UNDEFINED => {
                Content::Value(self.value(head.length, most)?)
            }
            Use::Descend if matches!(&head.vr, b"SQ" | b"UN" | [0, 0]) => {
                Content::Items(self.items(head.length, implicit, depth)?)
            }
            _ => return self.pass(head, implicit, depth),
        };
        dataset.elements.push(Element { tag: head.tag, vr: head.vr, content });
        Ok(())
    }

    /// Takes a value; of one longer than `most` the first bytes.
    fn value(&mut self, length: u32, most: u32) -> Result<Vec<u8>, DicomError> {
        let kept = self.source.take(length.min(most) as usize)?.to_vec();
        self.kept += kept.len();
        if self.kept > MAX_KEPT {
            return Err(DicomError::Limit("the header is larger than 128 MiB".to_owned()));
        }
        if kept.len() < length.min(most) as usize
            || !self.source.skip((length - length.min(most)).into())?
        {
            self.truncated = true;
        }
        Ok(kept)
    }

    /// Reads the items of a sequence.
    fn items(
        &mut self,
        length: u32,
        implicit: bool,
        depth: usize,
    ) -> Result<Vec<Dataset>, DicomError> {
        let mut items = Vec::new();
        self.each_item(length, |reader, item_length| {
            let end = (item_length != UNDEFINED)
                .then(|| reader.source.position() + u64::from(item_length));
            // Within an implicit data set everything is implicit; within an explicit one an item
            // may be implicit (a sequence kept as UN, PS3.5 6.2.2).
            let implicit = implicit || reader.is_implicit(false)?;
            let mut dataset = Dataset { elements: Vec::new(), big_endian: reader.big_endian };
            check_depth(depth)?;
            while end.is_none_or(|end| reader.source.position() < end) {
                let Some(head) = reader.head(implicit)? else { break };
                if head.tag == tag::ITEM_END {
                    break;
                }
                reader.element(head, implicit, &mut dataset, depth + 1)?;
            }
            if items.len() == MAX_ITEMS {
                return Err(DicomError::Limit(format!("more than {MAX_ITEMS} items")));
            }
            items.push(dataset);
            Ok(())
        })?;
        Ok(items)
    }

    /// Calls `work` at the first byte of each item.
    fn each_item(
        &mut self,
        length: u32,
        mut work: impl FnMut(&mut Self, u32) -> Result<(), DicomError>,
    ) -> Result<(), DicomError> {
        let end = (length != UNDEFINED).then(|| self.source.position() + u64::from(length));
        while end.is_none_or(|end| self.source.position() < end) {
            let offset = self.source.position();
            let Some(head) = self.head(true)? else {
                self.truncated = true;
                break;
            };
            match head.tag {
                tag::ITEM => work(self, head.length)?,
                tag::SEQUENCE_END => break,
                _ => {
                    return Err(DicomError::Damaged {
                        offset,
                        reason: "a sequence holds something that is no item",
                    });
                }
            }
        }
        Ok(())
    }

    /// Passes over the value of an element.
    fn pass(&mut self, head: Head, implicit: bool, depth: usize) -> Result<(), DicomError> {
        if head.length != UNDEFINED {
            self.truncated |= !self.source.skip(head.length.into())?;
            return Ok(());
        }
        let fragments = matches!(&head.vr, b"OB" | b"OW") || head.tag == tag::PIXELS;
        let (short, _) = integers(self.big_endian);
        let next = match self.source.peek(4)? {
            &[g0, g1, e0, e1] => u32::from(short([g0, g1])) << 16 | u32::from(short([e0, e1])),
            _ => 0,
        };
        if !matches!(next, tag::ITEM | tag::SEQUENCE_END) {
            return self.pass_to_delimiter();
        }
        check_depth(depth)?;
        self.each_item(UNDEFINED, |reader, length| {
            if length != UNDEFINED {
                reader.truncated |= !reader.source.skip(length.into())?;
                return Ok(());
            }
            if fragments {
                let offset = reader.source.position();
                let reason = "a fragment of pixel data has no length";
                return Err(DicomError::Damaged { offset, reason });
            }
            let implicit = implicit || reader.is_implicit(false)?;
            while let Some(head) = reader.head(implicit)? {
                if head.tag == tag::ITEM_END {
                    break;
                }
                reader.pass(head, implicit, depth + 1)?;
            }
            Ok(())
        })
    }

    /// Passes over a value of undefined length that isn't a sequence, to its delimiter.
    fn pass_to_delimiter(&mut self) -> Result<(), DicomError> {
        const STEP: usize = 1 << 16;
        let end: [u8; 4] =
            if self.big_endian { [0xff, 0xfe, 0xe0, 0xdd] } else { [0xfe, 0xff, 0xdd, 0xe0] };
        loop {
            let window = self.source.peek(STEP)?;
            let seen = window.len();
            let found = window.windows(4).position(|bytes| bytes == end);
            if let Some(found) = found {
                self.source.skip(found as u64 + 8)?;
                return Ok(());
            }
            if seen < STEP {
                self.truncated = true;
                self.source.skip(seen as u64)?;
                return Ok(());
            }
            self.source.skip(seen as u64 - 3)?;
        }
    }
}

fn check_depth(depth: usize) -> Result<(), DicomError> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    Err(DicomError::Limit(format!("sequences nested more than {MAX_DEPTH} deep")))
}

/// How two and four bytes become integers.
pub(super) type Integers = (fn([u8; 2]) -> u16, fn([u8; 4]) -> u32);

/// Returns how two and four bytes become integers.
pub(super) fn integers(big_endian: bool) -> Integers {
    if big_endian {
        (u16::from_be_bytes, u32::from_be_bytes)
    } else {
        (u16::from_le_bytes, u32::from_le_bytes)
    }
}
