//! Gzip (RFC 1952): whole at once where the size is known, else piece by piece.
//!
//! libdeflate inflates a whole buffer nearly twice as fast as any streaming decoder, but knows one
//! member only and must know the size; the streaming decoder reads everything else.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;

use super::NiftiError;

/// The most that deflate unpacks from one byte (RFC 1951: 258 bytes from two bits).
pub(super) const MAX_RATIO: u64 = 1032;

/// Members without content that are passed over; more are an attack on the reader's time.
const MAX_EMPTY: u32 = 1000;

/// Whether these are the first bytes of a gzip file.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Inflates the first member into `out`, and returns whether it fills it exactly and its checksum
/// is right. What is in `out` otherwise is undefined.
pub(super) fn inflate_whole(packed: &[u8], out: &mut [u8]) -> bool {
    Decompressor::new().gzip_decompress(packed, out) == Ok(out.len())
}

/// Counts what is consumed.
struct Counted<B> {
    inner: B,
    count: u64,
}

impl<B: BufRead> Read for Counted<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.count += count as u64;
        Ok(count)
    }
}

impl<B: BufRead> BufRead for Counted<B> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count += amount as u64;
        self.inner.consume(amount);
    }
}

/// The content of all members in turn; what follows them and is no member is ignored, as gzip(1)
/// does.
pub(super) struct Inflate<B: BufRead> {
    /// Absent behind the last member.
    member: Option<GzDecoder<Counted<B>>>,
    empty: u32,
    fresh: bool,
    consumed: u64,
    produced: u64,
}

impl<B: BufRead> Inflate<B> {
    pub fn new(inner: B) -> Self {
        let member = Some(GzDecoder::new(Counted { inner, count: 0 }));
        Self { member, empty: 0, fresh: true, consumed: 0, produced: 0 }
    }

    /// Compressed bytes read so far.
    pub fn consumed(&self) -> u64 {
        self.member.as_ref().map_or(self.consumed, |member| member.get_ref().count)
    }

    /// Bytes inflated so far.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Reads some bytes; none means the end of the last member.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, NiftiError> {
        while let Some(member) = &mut self.member {
            match member.read(out) {
                Ok(0) => self.next_member()?,
                Ok(count) => {
                    self.fresh = false;
                    self.produced += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(named(error)),
            }
        }
        Ok(0)
    }

    fn next_member(&mut self) -> Result<(), NiftiError> {
        self.empty += u32::from(self.fresh);
        if self.empty > MAX_EMPTY {
            return Err(NiftiError::GzipDamaged(format!("more than {MAX_EMPTY} empty members")));
        }
        if let Some(member) = self.member.take() {
            let mut inner = member.into_inner();
            self.consumed = inner.count;
            self.fresh = true;
            if is_gzip(inner.fill_buf()?) {
                self.member = Some(GzDecoder::new(inner));
            }
        }
        Ok(())
    }
}

fn named(error: io::Error) -> NiftiError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => NiftiError::GzipTruncated,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            NiftiError::GzipDamaged(error.to_string())
        }
        _ => NiftiError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn pack(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("memory");
        encoder.finish().expect("memory")
    }

    fn unpack(packed: &[u8]) -> Result<Vec<u8>, NiftiError> {
        let (mut stream, mut out, mut block) = (Inflate::new(packed), Vec::new(), [0; 7]);
        loop {
            match stream.read(&mut block)? {
                0 => break,
                count => out.extend_from_slice(&block[..count]),
            }
        }
        Ok(out)
    }

    #[test]
    fn members_follow_one_another() {
        let mut packed = [pack(b"one "), pack(b""), pack(b"two")].concat();
        assert_eq!(unpack(&packed).expect("valid"), b"one two");
        packed.extend_from_slice(b"\0\0\0 anything");
        assert_eq!(unpack(&packed).expect("what follows is ignored"), b"one two");
    }

    #[test]
    fn damage_is_told_from_the_end() {
        let packed = pack(&[7; 1000]);
        for length in 0..packed.len() {
            assert!(
                matches!(unpack(&packed[..length]), Err(NiftiError::GzipTruncated)),
                "{length}"
            );
        }
        for at in [0, 12, packed.len() - 8, packed.len() - 1] {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            assert!(unpack(&damaged).is_err(), "{at}");
        }
        let empty = pack(b"").repeat(2000);
        assert!(matches!(unpack(&empty), Err(NiftiError::GzipDamaged(_))));
    }

    #[test]
    fn the_whole_must_fit_exactly() {
        let packed = pack(b"12345");
        let mut out = [0; 6];
        assert!(!inflate_whole(&packed, &mut out[..4]));
        assert!(inflate_whole(&packed, &mut out[..5]));
        assert!(!inflate_whole(&packed, &mut out));
        assert_eq!(&out[..5], b"12345");
    }
}
