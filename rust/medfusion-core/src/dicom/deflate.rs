//! Deflated frames (PS3.5 A.4.13, Deflated Image Frame Compression).

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::DicomError;

/// Inflates a frame that must have `length` bytes.
pub(super) fn inflate(bytes: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), DicomError> {
    out.clear();
    // Memory grows with what is really there, not with what the header says.
    DeflateDecoder::new(bytes)
        .take(length)
        .read_to_end(out)
        .map_err(|error| DicomError::Fragments(format!("a deflated frame: {error}")))?;
    let found = out.len() as u64;
    if found < length {
        return Err(DicomError::Truncated { found, expected: length });
    }
    Ok(())
}
