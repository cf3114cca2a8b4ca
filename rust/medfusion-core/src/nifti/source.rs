//! The voxels' bytes in the order of their file, from wherever they come.

use std::io::{BufRead, BufReader, Read, Seek};

use super::NiftiError;
use super::gzip::Inflate;

/// Bytes that are read one after the other.
pub(super) trait Source {
    /// Passes over bytes.
    fn skip(&mut self, count: u64, scratch: &mut [u8]) -> Result<(), NiftiError>;
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NiftiError>;
    /// Compressed bytes read so far, of a compressed file.
    fn consumed(&self) -> Option<u64> {
        None
    }
}

impl<R: Read + Seek> Source for BufReader<R> {
    fn skip(&mut self, count: u64, _scratch: &mut [u8]) -> Result<(), NiftiError> {
        let count = i64::try_from(count).map_err(|_| NiftiError::OutOfMemory(count))?;
        Ok(self.seek_relative(count)?)
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), NiftiError> {
        // The size was checked, so the file has become shorter since.
        Ok(self.read_exact(out)?)
    }
}

impl<B: BufRead> Source for Inflate<B> {
    fn skip(&mut self, mut count: u64, scratch: &mut [u8]) -> Result<(), NiftiError> {
        while count > 0 {
            let step = usize::try_from(count).map_or(scratch.len(), |all| all.min(scratch.len()));
            self.fill(&mut scratch[..step])?;
            count -= step as u64;
        }
        Ok(())
    }

    fn fill(&mut self, mut out: &mut [u8]) -> Result<(), NiftiError> {
        while !out.is_empty() {
            match self.read(out)? {
                0 => {
                    let held = self.produced();
                    return Err(NiftiError::Truncated { declared: held + out.len() as u64, held });
                }
                count => out = &mut out[count..],
            }
        }
        Ok(())
    }

    fn consumed(&self) -> Option<u64> {
        Some(Inflate::consumed(self))
    }
}

/// Bytes in memory.
impl Source for &[u8] {
    fn skip(&mut self, count: u64, _scratch: &mut [u8]) -> Result<(), NiftiError> {
        let rest = usize::try_from(count).ok().and_then(|count| self.get(count..));
        *self = rest.ok_or(NiftiError::GzipTruncated)?;
        Ok(())
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), NiftiError> {
        let (head, rest) = self.split_at_checked(out.len()).ok_or(NiftiError::GzipTruncated)?;
        out.copy_from_slice(head);
        *self = rest;
        Ok(())
    }
}
