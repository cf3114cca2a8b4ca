//! Values of elements: numbers and text (PS3.5 chapter 6.2).

use super::dataset::{Content, Dataset, Vr, integers};
use super::tag::Tag;

/// How a value is stored where the file doesn't say (implicit VR, or UN).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Decimal or integer string.
    Text,
    /// 16 bits.
    Short,
    /// 32 bits.
    Long,
    /// 64-bit floating point.
    Double,
}

/// The longest code: a UID, or some code strings.
const LONGEST_CODE: usize = 256;

impl Dataset {
    /// Returns text without padding, as the bytes that are stored.
    pub fn text(&self, tag: Tag) -> Option<&[u8]> {
        let text = trim(self.value(tag)?);
        (!text.is_empty()).then_some(text)
    }

    /// Returns text of the default repertoire; other bytes are replaced.
    pub fn code(&self, tag: Tag) -> Option<String> {
        let text = self.text(tag)?;
        // In a damaged file an element may swallow those after it, the patient's name among them.
        let sound = text.len() <= LONGEST_CODE && !text.iter().any(u8::is_ascii_control);
        sound.then(|| String::from_utf8_lossy(text).into_owned())
    }

    /// Returns the texts of a value, which backslashes separate.
    pub fn codes(&self, tag: Tag) -> Option<Vec<String>> {
        let text = self.code(tag)?;
        Some(text.split('\\').map(|one| one.trim_matches([' ', '\0']).to_owned()).collect())
    }

    /// Returns the numbers of a value, however it is stored; none where one is no number.
    pub fn numbers(&self, tag: Tag, kind: Kind) -> Option<Vec<f64>> {
        let element = self.get(tag)?;
        let Content::Value(bytes) = &element.content else { return None };
        let numbers = decode(bytes, element.vr, kind, self.big_endian)?;
        (!numbers.is_empty()).then_some(numbers)
    }

    /// Returns the first number of a value.
    pub fn number(&self, tag: Tag, kind: Kind) -> Option<f64> {
        self.numbers(tag, kind)?.first().copied()
    }

    /// Returns the first number of a value where it is a whole one.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    pub fn integer(&self, tag: Tag, kind: Kind) -> Option<i64> {
        let number = self.number(tag, kind)?;
        (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
    }

    /// Returns exactly so many numbers.
    pub fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag, Kind::Text)?.try_into().ok()
    }

    /// Returns exactly so many numbers of 64-bit floating point.
    pub fn doubles<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag, Kind::Double)?.try_into().ok()
    }
}

fn decode(bytes: &[u8], vr: Vr, kind: Kind, big_endian: bool) -> Option<Vec<f64>> {
    let (short, long) = integers(big_endian);
    let double = |bytes: [u8; 8]| {
        if big_endian { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }
    };
    Some(match (&vr, kind) {
        (b"US", _) => each(bytes, |raw| f64::from(short(raw))),
        (b"SS", _) => each(bytes, |raw| f64::from(short(raw).cast_signed())),
        (b"UL", _) => each(bytes, |raw| f64::from(long(raw))),
        (b"SL", _) => each(bytes, |raw| f64::from(long(raw).cast_signed())),
        (b"FL", _) => each(bytes, |raw| f64::from(f32::from_bits(long(raw)))),
        (b"UN" | [0, 0], Kind::Short) => each(bytes, |raw| f64::from(short(raw))),
        (b"UN" | [0, 0], Kind::Long) => each(bytes, |raw| f64::from(long(raw))),
        (b"FD", _) | (b"UN" | [0, 0], Kind::Double) => each(bytes, double),
        _ => return strings(bytes),
    })
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|&raw| number(raw)).collect()
}

/// Parses decimal strings; empty ones at the end are left out.
fn strings(bytes: &[u8]) -> Option<Vec<f64>> {
    let text = std::str::from_utf8(trim(bytes)).ok()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split('\\')
        .map(|one| one.trim_matches([' ', '\0']).parse::<f64>().ok().filter(|one| one.is_finite()))
        .collect()
}

/// Takes spaces and NULs away from both ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let padding = |byte: &u8| matches!(byte, b' ' | 0 | b'\n' | b'\r' | b'\t');
    let start = bytes.iter().position(|byte| !padding(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !padding(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_stored() {
        assert_eq!(decode(b"1.5\\-2e1 ", *b"DS", Kind::Text, false), Some(vec![1.5, -20.0]));
        assert_eq!(decode(b"12 ", *b"IS", Kind::Text, false), Some(vec![12.0]));
        assert_eq!(decode(&[1, 2], *b"US", Kind::Text, false), Some(vec![513.0]));
        assert_eq!(decode(&[1, 2], [0, 0], Kind::Short, true), Some(vec![258.0]));
        assert_eq!(decode(&[255, 255], *b"SS", Kind::Short, true), Some(vec![-1.0]));
        assert_eq!(decode(b"1A", *b"IS", Kind::Text, false), None);
        assert_eq!(decode(b"nan", *b"DS", Kind::Text, false), None);
        assert_eq!(decode(b"  ", *b"DS", Kind::Text, false), Some(vec![]));
    }
}
