//! The bytes of a file from front to back, in a window that moves.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::DicomError;

/// The first piece read; nearly every header of a single image ends in it.
const FIRST: usize = 1 << 13;
/// The largest piece read at once.
const LARGEST: usize = 1 << 20;
/// The longest data set that is inflated.
const MAX_INFLATED: u64 = 1 << 28;

/// Where bytes come from.
enum Input<'a> {
    File(&'a File),
    Slice(&'a [u8]),
    Inflate(Box<DeflateDecoder<Box<dyn Read + 'a>>>),
}

/// Bytes from front to back: a file, a slice, or the inflated rest of either.
pub(super) struct Source<'a> {
    input: Input<'a>,
    /// Bytes of the whole, where known before it is read.
    size: Option<u64>,
    /// Memory, of which the first `filled` bytes are content.
    window: Vec<u8>,
    filled: usize,
    /// Place of the window's first byte.
    start: u64,
    /// The next byte, within the window.
    at: usize,
    /// Bytes that the next read asks for at least.
    piece: usize,
}

impl<'a> Source<'a> {
    /// A file from its first byte; the window reuses the memory of `window`.
    pub fn file(file: &'a File, size: u64, window: Vec<u8>, first: usize) -> Self {
        Self {
            input: Input::File(file),
            size: Some(size),
            window,
            filled: 0,
            start: 0,
            at: 0,
            piece: first.max(FIRST),
        }
    }

    /// Bytes in memory.
    pub fn slice(bytes: &'a [u8]) -> Self {
        Self {
            input: Input::Slice(bytes),
            size: Some(bytes.len() as u64),
            window: Vec::new(),
            filled: 0,
            start: 0,
            at: 0,
            piece: FIRST,
        }
    }

    /// The rest of this source, inflated (raw deflate, PS3.5 A.5).
    pub fn inflate(self) -> Result<Self, DicomError> {
        let position = self.position();
        let rest: Box<dyn Read + 'a> = match self.input {
            Input::File(mut file) => {
                file.seek(SeekFrom::Start(position))?;
                Box::new(file)
            }
            Input::Slice(bytes) => {
                let from = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                Box::new(&bytes[from..])
            }
            Input::Inflate(_) => return Err(DicomError::NotDicom("it is deflated twice")),
        };
        Ok(Self {
            input: Input::Inflate(Box::new(DeflateDecoder::new(rest))),
            size: None,
            window: Vec::new(),
            filled: 0,
            start: 0,
            at: 0,
            piece: FIRST,
        })
    }

    /// Place of the next byte.
    pub fn position(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Bytes of the whole; for an inflated source those that the limits allow.
    pub fn size(&self) -> u64 {
        self.size.unwrap_or(MAX_INFLATED)
    }

    /// Whether the size is that of the content, not only a limit.
    pub fn size_is_known(&self) -> bool {
        self.size.is_some()
    }

    /// Makes `count` bytes available, or returns how many fewer there are at the end.
    fn need(&mut self, count: usize) -> Result<usize, DicomError> {
        while self.filled - self.at < count {
            // At the end the window is kept: the frames of a small file are all in it.
            if self.size.is_some_and(|size| self.start + self.filled as u64 >= size) {
                break;
            }
            let missing = count - (self.filled - self.at);
            if self.read(missing)? == 0 {
                break;
            }
        }
        Ok((self.filled - self.at).min(count))
    }

    /// Reads at least `wanted` bytes where there are so many, and returns how many were read.
    fn read(&mut self, wanted: usize) -> Result<usize, DicomError> {
        if self.at > 0 {
            self.window.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.start += self.at as u64;
            self.at = 0;
        }
        let end = self.start + self.filled as u64;
        let left = usize::try_from(self.size().saturating_sub(end)).unwrap_or(usize::MAX);
        if left == 0 && self.size.is_none() {
            return Err(DicomError::Limit(format!(
                "the deflated data set is longer than {} MiB",
                MAX_INFLATED >> 20
            )));
        }
        // What a hostile length asks for is bounded by what the file still has; an inflated
        // source grows by pieces.
        let limit = if self.size.is_some() { wanted } else { wanted.min(LARGEST) };
        let count = limit.max(self.piece).min(left);
        self.piece = (self.piece * 4).min(LARGEST);
        let until = self.filled + count;
        if until > self.window.len() {
            // Once per thread and size: the memory goes from file to file.
            let more = until - self.window.len();
            self.window.try_reserve(more).map_err(|_| DicomError::OutOfMemory(more as u64))?;
            self.window.resize(until, 0);
        }
        let space = &mut self.window[self.filled..until];
        let found = match &mut self.input {
            Input::Slice(bytes) => {
                let from = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
                let found = count.min(bytes.len() - from);
                space[..found].copy_from_slice(&bytes[from..from + found]);
                found
            }
            Input::File(file) => fill(file, space)?,
            Input::Inflate(decoder) => {
                fill(decoder, space).map_err(|error| inflate_error(&error, end))?
            }
        };
        self.filled += found;
        Ok(found)
    }

    /// Returns the next `count` bytes without taking them; fewer at the end.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], DicomError> {
        let found = self.need(count)?;
        Ok(&self.window[self.at..self.at + found])
    }

    /// Takes the next `count` bytes; fewer at the end.
    pub fn take(&mut self, count: usize) -> Result<&[u8], DicomError> {
        let found = self.need(count)?;
        self.at += found;
        Ok(&self.window[self.at - found..self.at])
    }

    /// Goes to any place, forwards or back.
    pub fn seek(&mut self, position: u64) -> Result<(), DicomError> {
        let here = self.position();
        if position >= here {
            self.skip(position - here)?;
        } else if position >= self.start {
            self.at = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        } else {
            if let Input::File(file) = &mut self.input {
                let mut reader: &File = file;
                reader.seek(SeekFrom::Start(position))?;
            }
            if matches!(self.input, Input::Inflate(_)) {
                return Err(DicomError::Unsupported("compressed frames in deflate".to_owned()));
            }
            self.filled = 0;
            self.at = 0;
            self.start = position;
        }
        Ok(())
    }

    /// Passes over `count` bytes, and returns whether there were so many.
    pub fn skip(&mut self, count: u64) -> Result<bool, DicomError> {
        let ready = (self.filled - self.at) as u64;
        if count <= ready {
            self.at += usize::try_from(count).unwrap_or(usize::MAX);
            return Ok(true);
        }
        if let Some(size) = self.size {
            let target = self.position().saturating_add(count);
            let reached = target.min(size);
            self.filled = 0;
            self.at = 0;
            self.start = reached;
            if let Input::File(file) = &mut self.input {
                let mut reader: &File = file;
                reader.seek(SeekFrom::Start(reached))?;
            }
            return Ok(target <= size);
        }
        let mut left = count;
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(LARGEST);
            let found = self.take(step)?.len();
            if found == 0 {
                return Ok(false);
            }
            left -= found as u64;
        }
        Ok(true)
    }

    /// Gives the window's memory back for the next file.
    pub fn into_window(self) -> Vec<u8> {
        self.window
    }
}

/// Reads until the memory is full or the content ends.
fn fill(mut reader: impl Read, space: &mut [u8]) -> io::Result<usize> {
    let mut found = 0;
    while found < space.len() {
        match reader.read(&mut space[found..]) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn inflate_error(error: &io::Error, offset: u64) -> DicomError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            DicomError::Damaged { offset, reason: "the deflated data set cannot be inflated" }
        }
        kind => DicomError::Io(io::Error::from(kind)),
    }
}
