//! Image files on disk.

use std::any::Any;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::format::{self, MAX_BYTES};
use super::{Image, ImageError};

/// What a decoded image will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// 8 or 16.
    pub bits: usize,
}

/// Bytes in which nearly every header ends; where one does not, the whole file is read.
const HEAD: u64 = 1 << 16;

/// Reads and decodes an image file.
///
/// # Errors
/// Any [`ImageError`].
pub fn read_file(path: &Path) -> Result<Image, ImageError> {
    let bytes = load(path, MAX_BYTES)?;
    guard(|| format::decode(&bytes))
}

/// Reads and decodes a file of labels, see [`format::decode_labels`].
///
/// # Errors
/// Any [`ImageError`].
pub fn read_labels(path: &Path) -> Result<Image, ImageError> {
    let bytes = load(path, MAX_BYTES)?;
    guard(|| format::decode_labels(&bytes))
}

/// Returns what [`read_file`] would return, from the header alone.
///
/// # Errors
/// Any [`ImageError`].
pub fn probe_file(path: &Path) -> Result<Header, ImageError> {
    let head = load(path, HEAD)?;
    let found = guard(|| format::probe(&head));
    if found.is_err() && head.len() as u64 == HEAD {
        let bytes = load(path, MAX_BYTES)?;
        return guard(|| format::probe(&bytes));
    }
    found
}

/// Reads the first `limit` bytes of a file, once it is known to be one of a sane size.
fn load(path: &Path, limit: u64) -> Result<Vec<u8>, ImageError> {
    // A named pipe would block in `open` for ever, so the kind is asked first.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(ImageError::NotAFile);
    }
    let bytes = metadata.len();
    if bytes > MAX_BYTES {
        return Err(ImageError::FileTooLarge { bytes });
    }
    let mut content = Vec::new();
    let expected = usize::try_from(bytes.min(limit)).unwrap_or(usize::MAX);
    content.try_reserve_exact(expected).map_err(|_| ImageError::OutOfMemory { bytes: expected })?;
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// Turns a panic of a decoder into an error: the second line of defence against hostile files.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(ImageError::Decoder(message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown reason".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let found = guard(|| -> Result<(), _> { panic!("bad table {}", 7) });
        assert_eq!(
            found.expect_err("it panics").to_string(),
            "the decoder gave up on this file: bad table 7"
        );
    }

    #[test]
    fn what_is_no_file_is_named() {
        assert!(matches!(read_file(Path::new("/no/such/file")), Err(ImageError::Missing)));
        assert!(matches!(read_file(&std::env::temp_dir()), Err(ImageError::NotAFile)));
    }
}
