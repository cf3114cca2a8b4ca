//! The marker segments that JPEG and JPEG-LS frames are made of.

use super::CodecError;

/// A marker and what its segment holds.
pub(super) struct Segment<'a> {
    pub marker: u8,
    pub content: &'a [u8],
}

/// Walks from marker to marker.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    codec: &'static str,
}

/// End of image.
pub(super) const EOI: u8 = 0xd9;

impl<'a> Segments<'a> {
    /// Starts behind the marker that opens an image.
    pub(super) fn new(bytes: &'a [u8], codec: &'static str) -> Result<Self, CodecError> {
        if bytes.starts_with(&[0xff, 0xd8]) {
            Ok(Self { bytes, at: 2, codec })
        } else {
            let reason = "it does not start with a start-of-image marker".to_owned();
            Err(CodecError::Damaged { codec, reason })
        }
    }

    /// The next segment; None at the end of the image.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, CodecError> {
        let truncated = CodecError::Truncated(self.codec);
        loop {
            let rest = self.bytes.get(self.at..).ok_or(truncated.clone())?;
            // Bytes before a marker are tolerated, as other decoders do.
            let start = rest.iter().position(|&byte| byte == 0xff).ok_or(truncated.clone())?;
            let marker = *rest.get(start + 1).ok_or(truncated.clone())?;
            self.at += start + 1;
            match marker {
                // Fill bytes, stuffed bytes, restarts, and markers without a segment.
                0xff => {}
                0x00 | 0x01 | 0xd0..=0xd8 => self.at += 1,
                EOI => return Ok(None),
                _ => {
                    let rest = &rest[start + 2..];
                    let length = usize::from(word(rest, 0).ok_or(truncated.clone())?);
                    let content = rest.get(2..length).ok_or(truncated)?;
                    self.at += 1 + length;
                    return Ok(Some(Segment { marker, content }));
                }
            }
        }
    }

    /// What follows the last segment: the coded data of a scan and all behind it.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Steps over coded data.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.bytes.len());
    }
}

/// The big-endian word at a place.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*pair))
}

/// Bytes of coded data up to the next marker, which is at least `lowest`. Restarts are counted in
/// where there are some.
pub(super) fn coded_length(bytes: &[u8], lowest: u8, restarts: bool) -> usize {
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|&byte| byte == 0xff) {
        at += step;
        match bytes.get(at + 1) {
            None => break,
            Some(0xd0..=0xd7) if restarts => at += 2,
            Some(&marker) if marker >= lowest => return at,
            Some(_) => at += 1,
        }
    }
    bytes.len()
}

/// Splits at the next restart marker, which both parts lose.
pub(super) fn split_at_restart(bytes: &[u8]) -> (&[u8], &[u8]) {
    let found = bytes.windows(2).position(|pair| pair[0] == 0xff && pair[1] & 0xf8 == 0xd0);
    found.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 2..]))
}
