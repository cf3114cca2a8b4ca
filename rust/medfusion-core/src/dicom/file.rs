//! DICOM files (PS3.10) up to their pixel data.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::dataset::{Reader, is_known};
use super::header::Object;
use super::source::Source;
use super::syntax::{self, Compression, Syntax};
use super::value::trim;
use super::{DicomError, Header};
use crate::parallel::{Stopped, Watch, for_each};

/// Bytes before the magic word.
const PREAMBLE: usize = 128;

/// Opens a regular file; a named pipe would block for ever, so the kind is asked first.
pub(super) fn open(path: &Path) -> Result<(File, u64), DicomError> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(DicomError::NotAFile);
    }
    Ok((File::open(path)?, metadata.len()))
}

/// Reads the header of a file.
///
/// # Errors
/// Any [`DicomError`].
pub fn read_header(path: &Path) -> Result<Header, DicomError> {
    let (file, size) = open(path)?;
    parse(Source::file(&file, size, Vec::new(), 0)).map(|(object, _)| object.header)
}

/// Reads the header of a file in memory.
///
/// # Errors
/// Any [`DicomError`].
pub fn parse_header(bytes: &[u8]) -> Result<Header, DicomError> {
    parse(Source::slice(bytes)).map(|(object, _)| object.header)
}

/// Reads an object up to its pixel data, and returns the source, which stands there.
pub(super) fn parse(mut source: Source<'_>) -> Result<(Object, Source<'_>), DicomError> {
    let has_preamble = begin(&mut source)?;
    let mut reader = Reader::new(&mut source, false);
    let uid = reader.meta()?;
    reader.pass_group(0)?;
    let uid = uid.map(|value| String::from_utf8_lossy(trim(&value)).into_owned());
    let uid = uid.filter(|uid| !uid.is_empty());
    let syntax = match &uid {
        Some(uid) => syntax::lookup(uid),
        None => guess(&mut source, has_preamble)?,
    };
    if syntax.deflated {
        source = source.inflate()?;
    }
    let mut reader = Reader::new(&mut source, syntax.big_endian);
    let (dataset, pixels) = reader.top(syntax.implicit)?;
    let truncated = reader.truncated;
    let header = Header::new(&dataset, uid, pixels, truncated);
    if !has_preamble && !header.is_plausible() {
        return Err(DicomError::NotDicom("it has neither DICOM's magic word nor its elements"));
    }
    Ok((Object { header, dataset, syntax, pixels }, source))
}

/// Passes the preamble, and returns whether there is one. A file may also begin with its meta
/// group or its data set.
fn begin(source: &mut Source<'_>) -> Result<bool, DicomError> {
    let head = source.peek(PREAMBLE + 4)?;
    if head.is_empty() {
        return Err(DicomError::NotDicom("it is empty"));
    }
    if head.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM") {
        source.skip(PREAMBLE as u64 + 4)?;
        return Ok(true);
    }
    if head.starts_with(b"DICM") {
        source.skip(4)?;
        return Ok(true);
    }
    // The first group of a file without preamble: meta, or identification.
    if head.len() < 8 || !matches!(head[..2], [2 | 8, 0] | [0, 8]) {
        return Err(DicomError::NotDicom(name_of(head)));
    }
    Ok(false)
}

/// Names a format that people take for DICOM.
fn name_of(head: &[u8]) -> &'static str {
    const OTHERS: [(&[u8], &str); 8] = [
        (b"\x1f\x8b", "it is a gzip file"),
        (b"PK\x03\x04", "it is a zip file"),
        (b"\x89PNG", "it is a PNG image"),
        (b"\xff\xd8\xff", "it is a JPEG image"),
        (b"\x5c\x01\0\0", "it is a NIfTI file"),
        (b"\0\0\x01\x5c", "it is a NIfTI file"),
        (b"%PDF", "it is a PDF document"),
        (b"{", "it is text"),
    ];
    let known = OTHERS.iter().find(|(magic, _)| head.starts_with(magic));
    known.map_or("it has neither DICOM's magic word nor its elements", |other| other.1)
}

/// Guesses the syntax of a data set from its first element, as pydicom does.
fn guess(source: &mut Source<'_>, has_preamble: bool) -> Result<Syntax, DicomError> {
    let size = source.size();
    let head = source.peek(8)?;
    let none = Syntax { compression: Compression::None, ..syntax::lookup(syntax::EXPLICIT_LITTLE) };
    let &[g0, g1, _, _, v0, v1, l0, l1] = head else { return Ok(none) };
    if is_known([v0, v1]) {
        // A group of 1024 or more that little endian gives is one of big endian.
        let big_endian = u16::from_le_bytes([g0, g1]) >= 1024;
        return Ok(Syntax { big_endian, ..none });
    }
    if !has_preamble && u64::from(u32::from_le_bytes([v0, v1, l0, l1])) > size {
        return Err(DicomError::NotDicom("it has neither DICOM's magic word nor its elements"));
    }
    Ok(Syntax { implicit: true, ..none })
}

/// Reads the headers of many files on threads (0: all cores), in the order of the paths.
///
/// # Errors
/// [`Stopped`] when `watch` returned true.
pub fn read_headers(
    paths: &[PathBuf],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Result<Header, DicomError>>, Stopped> {
    let mut found: Vec<Result<Header, DicomError>> =
        paths.iter().map(|_| Err(DicomError::Missing)).collect();
    let items = paths.iter().zip(found.iter_mut());
    let read = |window: &mut Vec<u8>, (path, slot): (&PathBuf, &mut Result<Header, DicomError>)| {
        *slot = guard(|| {
            let (file, size) = open(path)?;
            let source = Source::file(&file, size, std::mem::take(window), 0);
            let (object, source) = parse(source)?;
            *window = source.into_window();
            Ok(object.header)
        });
    };
    for_each(items, threads, Vec::new, read, watch)?;
    Ok(found)
}

/// Turns a panic into an error: the second line of defence against hostile files.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, DicomError>) -> Result<T, DicomError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(DicomError::Decoder(text.unwrap_or_else(|| "unknown reason".to_owned())))
    })
}
