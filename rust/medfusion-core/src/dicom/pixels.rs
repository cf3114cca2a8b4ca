//! The frames of one file.

use std::fs::File;
use std::path::Path;

use super::file::{guard, open, parse};
use super::format::{Format, Kind};
use super::fragments::Fragments;
use super::header::Object;
use super::samples::{self, Output, Scale};
use super::source::Source;
use super::syntax::Compression;
use super::{DicomError, deflate};
use crate::codec::{self, Codec, Decoded, FrameShape, Stored};

/// Files up to this size are read at once: header and pixels in one call.
const WHOLE: u64 = 4 << 20;
/// A decoded image may be as large as this whatever its file's size.
const FREE: u64 = 256 << 20;
/// Beyond, it may be so many times larger than its compressed frames.
const RATIO: u64 = 200;

/// The most frames that are read at once.
const MOST_FRAMES: usize = 1 << 22;
/// Values of the largest frame that is shown.
const MOST_SHOWN: usize = 1 << 26;

/// Memory that a thread uses again for every frame.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub window: Vec<u8>,
    joined: Vec<u8>,
    first: Vec<u8>,
    second: Vec<u8>,
    decoded: Decoded,
}

/// Where the frames of a file are.
#[derive(Debug)]
enum Layout {
    /// One after the other.
    Native { offset: u64, available: u64 },
    /// In fragments.
    Compressed(Fragments),
}

/// What is known of a file before its frames are read.
#[derive(Debug)]
pub(super) struct Frames {
    pub format: Format,
    /// Frames that are there, which may be more than the header says.
    pub count: usize,
    layout: Layout,
}

impl Frames {
    /// Finds the frames; the source stands at the pixel data. `whole`: all declared frames must be
    /// there.
    pub fn find(object: &Object, source: &mut Source<'_>, whole: bool) -> Result<Self, DicomError> {
        let format = Format::new(object)?;
        let place = object.pixels.ok_or(DicomError::NoPixels)?;
        if format.compression != Compression::None {
            let fragments = Fragments::find(object, place, format.frames, source)?;
            let count = fragments.len();
            return Ok(Self { format, count, layout: Layout::Compressed(fragments) });
        }
        let Some(length) = place.length else {
            let reason = "pixel data without length, but not compressed".to_owned();
            return Err(DicomError::Value(reason));
        };
        let left = source.size().saturating_sub(place.offset);
        let available = u64::from(length).min(left);
        let count = if whole { format.native_frames(available)? } else { format.frames };
        Ok(Self { format, count, layout: Layout::Native { offset: place.offset, available } })
    }

    /// Refuses an image that is larger than any its bytes can plausibly hold.
    fn check_size(&self, frames: usize, inflated: bool) -> Result<u64, DicomError> {
        let frame = (self.format.values() * self.format.kind.bytes()) as u64;
        let bytes = frame.saturating_mul(frames as u64);
        let stored = match &self.layout {
            Layout::Compressed(fragments) => fragments.bytes(),
            // What is read from a file that isn't compressed has been found to be there.
            Layout::Native { .. } if !inflated => return Ok(bytes),
            Layout::Native { .. } => 0,
        };
        if bytes > FREE.max(stored.saturating_mul(RATIO)) {
            return Err(DicomError::Limit(format!(
                "{bytes} bytes of pixels are declared, {stored} are stored"
            )));
        }
        Ok(bytes)
    }

    /// Returns native pixel data that comes out of deflate, and moves the frames to its start: it
    /// can't be read again from the middle.
    pub fn content(&mut self, source: &mut Source<'_>) -> Result<Option<Vec<u8>>, DicomError> {
        let Layout::Native { offset, available } = &mut self.layout else { return Ok(None) };
        if source.size_is_known() {
            return Ok(None);
        }
        if *available > FREE {
            let reason = format!("{available} bytes of pixels in a deflated data set");
            return Err(DicomError::Limit(reason));
        }
        source.seek(*offset)?;
        let content = source.take(usize::try_from(*available).unwrap_or(usize::MAX))?.to_vec();
        (*offset, *available) = (0, content.len() as u64);
        Ok(Some(content))
    }

    /// Decodes a frame: its samples in this machine's byte order, the samples of a pixel together,
    /// YBR turned into RGB. Returns them and the number of bits above those that are used.
    fn decode<'s>(
        &self,
        index: usize,
        source: &'s mut Source<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<(&'s [u8], u32), DicomError> {
        match &self.layout {
            Layout::Native { offset, available } => {
                self.native(index, *offset, *available, source, scratch)
            }
            Layout::Compressed(fragments) => {
                let missing = DicomError::Frame { frame: index, frames: self.count };
                let pieces = fragments.frame(index).ok_or(missing)?;
                let Scratch { joined, first, second, decoded, .. } = scratch;
                let bytes = if let [piece] = pieces {
                    source.seek(piece.offset)?;
                    source.take(piece.length as usize)?
                } else {
                    joined.clear();
                    for piece in pieces {
                        source.seek(piece.offset)?;
                        joined.extend_from_slice(source.take(piece.length as usize)?);
                    }
                    joined
                };
                self.compressed(bytes, first, second, decoded)
            }
        }
    }

    fn native<'s>(
        &self,
        index: usize,
        offset: u64,
        available: u64,
        source: &'s mut Source<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<(&'s [u8], u32), DicomError> {
        let format = &self.format;
        let bits = format.native_bits();
        let start = (index as u64).saturating_mul(bits);
        let end = start.saturating_add(bits).div_ceil(8);
        if end > available {
            return Err(DicomError::Truncated { found: available, expected: end });
        }
        let (mut from, mut until) = (start / 8, end);
        if format.swapped_pairs {
            (from, until) = (from & !1, until.next_multiple_of(2).min(available));
        }
        source.seek(offset + from)?;
        let length =
            usize::try_from(until - from).map_err(|_| DicomError::OutOfMemory(until - from))?;
        if !source.size_is_known() {
            self.check_size(1, true)?;
        }
        let bytes = source.take(length)?;
        if bytes.len() < length {
            let found = from + bytes.len() as u64;
            return Err(DicomError::Truncated { found, expected: end });
        }
        let Scratch { first, second, .. } = scratch;
        if format.bits_allocated == 1 {
            let at = usize::try_from(start % 8).unwrap_or(0);
            samples::unpack(bytes, at, first, format.values());
            if format.planar {
                samples::interleave(first, 1, second);
                return Ok((second, 0));
            }
            return Ok((first, 0));
        }
        let size = format.kind.bytes();
        let foreign = size > 1 && format.big_endian != cfg!(target_endian = "big");
        if !foreign && !format.swapped_pairs && !format.planar && !format.is_ybr() {
            return Ok((bytes, format.unused_bits()));
        }
        first.clear();
        first.extend_from_slice(bytes);
        if format.swapped_pairs {
            first.resize(first.len().next_multiple_of(2), 0);
            samples::swap(first, 2);
            let skipped = usize::try_from(start / 8 - from).unwrap_or(0);
            first.drain(..skipped);
            first.truncate(usize::try_from(end - start / 8).unwrap_or(usize::MAX));
        }
        if foreign {
            samples::swap(first, size);
        }
        if format.photometric == super::Photometric::YbrFull422 {
            if format.planar {
                let reason = "YBR_FULL_422 with the samples of a pixel apart".to_owned();
                return Err(DicomError::Unsupported(reason));
            }
            samples::upsample(first, second);
            std::mem::swap(first, second);
        }
        if format.planar {
            samples::interleave(first, size, second);
            std::mem::swap(first, second);
        }
        if format.is_ybr() {
            samples::settle(first, format.kind, format.unused_bits());
            samples::ybr_to_rgb(first);
            return Ok((first, 0));
        }
        Ok((first, format.unused_bits()))
    }

    fn compressed<'s>(
        &self,
        bytes: &[u8],
        first: &'s mut Vec<u8>,
        second: &'s mut Vec<u8>,
        decoded: &'s mut Decoded,
    ) -> Result<(&'s [u8], u32), DicomError> {
        let format = &self.format;
        let codec = match format.compression {
            Compression::Codec(codec) => codec,
            Compression::Deflate => {
                let length = format.native_bits().div_ceil(8);
                deflate::inflate(bytes, length, first)?;
                if format.bits_allocated == 1 {
                    samples::unpack(first, 0, second, format.values());
                    return Ok((second, 0));
                }
                if format.planar {
                    samples::interleave(first, format.kind.bytes(), second);
                    return Ok((second, format.unused_bits()));
                }
                return Ok((first, format.unused_bits()));
            }
            Compression::None | Compression::Unknown => return Err(DicomError::NoPixels),
        };
        if format.bits_allocated == 1 && codec == Codec::Rle {
            // Single bits are packed before they are compressed: a row of bytes to the codec.
            let columns = format.values().div_ceil(8);
            let shape = FrameShape { rows: 1, columns, samples: 1, ..format.shape() };
            codec::decode_into(codec, bytes, &shape, decoded)?;
            samples::unpack(host_bytes(&mut decoded.stored), 0, first, format.values());
            return Ok((first, 0));
        }
        codec::decode_into(codec, bytes, &format.shape(), decoded)?;
        let values = host_bytes(&mut decoded.stored);
        if values.len() != format.values() * format.kind.bytes() {
            let reason =
                format!("{} bits, the header says {}", values.len(), format.bits_allocated);
            return Err(DicomError::Fragments(reason));
        }
        let unused = if decoded.extended { 0 } else { format.unused_bits() };
        let is_ybr = format.samples == 3 && (decoded.ybr || format.is_ybr());
        if !decoded.rgb && is_ybr && format.kind == Kind::U8 {
            samples::ybr_to_rgb(values);
        }
        Ok((values, unused))
    }

    /// Decodes frames one after the other.
    fn collect(
        &self,
        wanted: Option<&[usize]>,
        source: &mut Source<'_>,
        mut scratch: Scratch,
    ) -> Result<Pixels, DicomError> {
        let Format { rows, columns, samples, kind, frames: declared, .. } = self.format;
        let mut count = wanted.map_or(self.count, <[usize]>::len);
        let mut values = Vec::new();
        // Compressed frames show that they are sound one by one: memory is taken frame by frame.
        if matches!(self.layout, Layout::Native { .. }) && source.size_is_known() {
            let bytes = self.format.values() * kind.bytes() * count;
            values.try_reserve_exact(bytes).map_err(|_| DicomError::OutOfMemory(bytes as u64))?;
        }
        for n in 0..count {
            let index = wanted.map_or(n, |wanted| wanted[n]);
            if index >= self.count {
                return Err(DicomError::Frame { frame: index, frames: self.count });
            }
            match self.decode(index, source, &mut scratch) {
                Ok((frame, unused)) => {
                    let start = values.len();
                    values
                        .try_reserve(frame.len())
                        .map_err(|_| DicomError::OutOfMemory(frame.len() as u64))?;
                    values.extend_from_slice(frame);
                    samples::settle(&mut values[start..], kind, unused);
                }
                // Frames beyond those declared need not be sound.
                Err(_) if wanted.is_none() && index >= declared => {
                    count = n;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let frames = (wanted.is_some() || count > 1).then_some(count);
        Ok(Pixels { frames, rows, columns, samples, kind, bytes: values })
    }

    /// Refuses a frame that isn't there, or larger than any that is shown.
    pub fn check_frame(&self, index: usize) -> Result<(), DicomError> {
        if index >= self.count {
            return Err(DicomError::Frame { frame: index, frames: self.count });
        }
        if let Layout::Native { available, .. } = self.layout {
            let bits = self.format.native_bits().saturating_mul(index as u64 + 1);
            if bits.div_ceil(8) > available {
                let expected = bits.div_ceil(8);
                return Err(DicomError::Truncated { found: available, expected });
            }
        }
        if self.format.values() > MOST_SHOWN {
            return Err(DicomError::Limit(format!("{} values in a frame", self.format.values())));
        }
        self.check_size(1, false).map(drop)
    }

    /// Decodes the stored values of a frame.
    pub fn decode_values(
        &self,
        index: usize,
        source: &mut Source<'_>,
        scratch: &mut Scratch,
        out: &mut [f64],
    ) -> Result<(), DicomError> {
        let Format { rows, columns, samples, .. } = self.format;
        let shape = [rows, columns, samples];
        let shape = &shape[..if samples == 1 { 2 } else { 3 }];
        self.decode_into(index, shape, source, scratch, Scale::NONE, out)
    }

    /// Decodes a frame into the caller's memory.
    pub fn decode_into<T: Output>(
        &self,
        index: usize,
        shape: &[usize],
        source: &mut Source<'_>,
        scratch: &mut Scratch,
        scale: Scale,
        out: &mut [T],
    ) -> Result<(), DicomError> {
        if index >= self.count {
            return Err(DicomError::Frame { frame: index, frames: self.count });
        }
        let Format { rows, columns, samples, .. } = self.format;
        let own = [rows, columns, samples];
        if own[..if samples == 1 { 2 } else { 3 }] != *shape {
            return Err(DicomError::Shape {
                found: format!("{rows} x {columns} x {samples}"),
                expected: format!("{shape:?}"),
            });
        }
        if !samples::fits::<T>(&self.format) {
            return Err(DicomError::Shape {
                found: format!("{:?} of {} bits", self.format.kind, self.format.bits_stored),
                expected: std::any::type_name::<T>().to_owned(),
            });
        }
        let kind = self.format.kind;
        let (bytes, unused) = self.decode(index, source, scratch)?;
        samples::convert(bytes, kind, unused, scale, out);
        Ok(())
    }
}

/// Views stored values as bytes in this machine's order.
fn host_bytes(stored: &mut Stored) -> &mut [u8] {
    match stored {
        Stored::U8(values) => values,
        Stored::U16(values) => bytemuck::cast_slice_mut(values),
        Stored::U32(values) => bytemuck::cast_slice_mut(values),
    }
}

/// Opens a file for its frames; a small one is read at once.
pub(super) fn source_of<'a>(file: &'a File, size: u64, scratch: &mut Scratch) -> Source<'a> {
    let first = if size <= WHOLE { usize::try_from(size).unwrap_or(0) } else { 0 };
    Source::file(file, size, std::mem::take(&mut scratch.window), first)
}

/// The stored values of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Frames; `None` where the file has one and none was asked for by number.
    pub frames: Option<usize>,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Samples per pixel: 1 or 3.
    pub samples: usize,
    /// Type of the values.
    pub kind: Kind,
    /// The values in this machine's byte order.
    pub bytes: Vec<u8>,
}

/// Reads stored values, those of all frames or of some: the values that pydicom's `pixel_array`
/// has.
///
/// # Errors
/// Any [`DicomError`].
pub fn read_pixels(path: &Path, frames: Option<&[usize]>) -> Result<Pixels, DicomError> {
    guard(|| {
        let (file, size) = open(path)?;
        let mut scratch = Scratch::default();
        let source = source_of(&file, size, &mut scratch);
        pixels(source, frames, scratch)
    })
}

/// Reads stored values of a file in memory.
///
/// # Errors
/// Any [`DicomError`].
pub fn parse_pixels(bytes: &[u8], frames: Option<&[usize]>) -> Result<Pixels, DicomError> {
    guard(|| pixels(Source::slice(bytes), frames, Scratch::default()))
}

fn pixels(
    source: Source<'_>,
    wanted: Option<&[usize]>,
    scratch: Scratch,
) -> Result<Pixels, DicomError> {
    let (object, mut source) = parse(source)?;
    let mut frames = Frames::find(&object, &mut source, true)?;
    let picked = wanted.map_or(frames.count, <[usize]>::len);
    if picked > MOST_FRAMES {
        return Err(DicomError::Limit(format!("{picked} frames")));
    }
    frames.check_size(picked, !source.size_is_known())?;
    // Frames in any order can't be taken from a stream.
    let content = if wanted.is_some() { frames.content(&mut source)? } else { None };
    match &content {
        Some(content) => frames.collect(wanted, &mut Source::slice(content), scratch),
        None => frames.collect(wanted, &mut source, scratch),
    }
}
