//! The directories of a TIFF file: tags with their values (TIFF 6.0, section 2; BigTIFF).

use super::super::ImageError;
use super::super::format::Format;
use super::damaged;

/// Pages that are looked at; more are taken for a loop.
const MOST_PAGES: usize = 1024;

/// Tags of a page; the count of a plain TIFF file holds no more.
const MOST_TAGS: u64 = 65_535;

/// The file with its byte order.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub bytes: &'a [u8],
    pub big_endian: bool,
    /// 64-bit offsets.
    wide: bool,
}

/// One page's tags.
pub(super) struct Directory<'a> {
    source: Source<'a>,
    entries: &'a [u8],
    next: u64,
}

fn truncated() -> ImageError {
    ImageError::Truncated(Format::Tiff)
}

impl<'a> Source<'a> {
    /// Reads the header; returns the offset of the first directory too.
    pub fn new(bytes: &'a [u8]) -> Result<(Self, u64), ImageError> {
        let big_endian = bytes.starts_with(b"MM");
        let mut source = Self { bytes, big_endian, wide: false };
        source.wide = source.number(2, 2)? == 43;
        let first = if source.wide { source.number(8, 8)? } else { source.number(4, 4)? };
        Ok((source, first))
    }

    /// Returns `length` bytes.
    pub fn slice(&self, at: u64, length: u64) -> Result<&'a [u8], ImageError> {
        let start = usize::try_from(at).map_err(|_| truncated())?;
        let length = usize::try_from(length).map_err(|_| truncated())?;
        let end = start.checked_add(length).ok_or_else(truncated)?;
        self.bytes.get(start..end).ok_or_else(truncated)
    }

    fn number(&self, at: u64, length: u64) -> Result<u64, ImageError> {
        Ok(self.value(self.slice(at, length)?))
    }

    /// Returns a number of up to eight bytes.
    fn value(&self, bytes: &[u8]) -> u64 {
        let join = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    /// Returns the directory of the first page that shows the image in full.
    ///
    /// Reduced copies and masks are passed over.
    pub fn only_page(self, first: u64) -> Result<Directory<'a>, ImageError> {
        let mut found: Option<Directory<'a>> = None;
        let mut at = first;
        for _ in 0..MOST_PAGES {
            if at == 0 {
                return found.ok_or_else(|| damaged("it has no page"));
            }
            let page = Directory::read(self, at)?;
            at = page.next;
            let kind = page.first(254)?.unwrap_or(0);
            if kind & 0b101 == 0 && found.replace(page).is_some() {
                return Err(super::unsupported(
                    "it has several pages; save each page as a file of its own",
                ));
            }
        }
        Err(damaged("its list of pages has no end"))
    }
}

impl<'a> Directory<'a> {
    fn read(source: Source<'a>, at: u64) -> Result<Self, ImageError> {
        let (counter, size, offset) = if source.wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = source.number(at, counter)?;
        if count > MOST_TAGS {
            return Err(damaged("a page has more tags than there are"));
        }
        let length = count * size;
        let start = at.checked_add(counter).ok_or_else(truncated)?;
        let entries = source.slice(start, length)?;
        let next = source.number(start + length, offset)?;
        Ok(Self { source, entries, next })
    }

    /// Returns the whole numbers of a tag; empty where the page has no such tag.
    pub fn values(&self, tag: u16) -> Result<Vec<u64>, ImageError> {
        let Some((kind, count, field)) = self.entry(tag) else { return Ok(Vec::new()) };
        let size = match kind {
            1 => 1,
            3 => 2,
            4 => 4,
            16 => 8,
            _ => return Err(damaged("a tag that counts holds no whole numbers")),
        };
        let length = count.checked_mul(size).ok_or_else(truncated)?;
        let bytes = self.content(field, length)?;
        let size = usize::try_from(size).unwrap_or(1);
        Ok(bytes.chunks_exact(size).map(|one| self.source.value(one)).collect())
    }

    /// Returns the first whole number of a tag.
    pub fn first(&self, tag: u16) -> Result<Option<u64>, ImageError> {
        Ok(self.values(tag)?.first().copied())
    }

    /// Returns the bytes of a tag of single bytes.
    pub fn bytes(&self, tag: u16) -> Result<&'a [u8], ImageError> {
        match self.entry(tag) {
            Some((1 | 7, count, field)) => self.content(field, count),
            _ => Ok(&[]),
        }
    }

    /// Returns type, count and the field with the value or its offset.
    fn entry(&self, tag: u16) -> Option<(u64, u64, &'a [u8])> {
        let source = self.source;
        let (size, middle) = if source.wide { (20, 12) } else { (12, 8) };
        self.entries
            .chunks_exact(size)
            .find(|entry| source.value(&entry[..2]) == u64::from(tag))
            .map(|entry| {
                (source.value(&entry[2..4]), source.value(&entry[4..middle]), &entry[middle..])
            })
    }

    fn content(&self, field: &'a [u8], length: u64) -> Result<&'a [u8], ImageError> {
        match usize::try_from(length) {
            Ok(short) if short <= field.len() => Ok(&field[..short]),
            _ => self.source.slice(self.source.value(field), length),
        }
    }
}
