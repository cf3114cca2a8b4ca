//! A NIfTI file: its header first, then its voxels into the caller's memory.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::gather::{self, Blocks};
use super::gzip::{self, Inflate};
use super::header::{self, HEAD, Header};
use super::layout::{self, Carrier, Layout, Region, Want, Way};
use super::pair::{self, Files};
use super::{NiftiError, Number};
use crate::parallel::{Stopped, Watch};

/// Bytes read at once from a file.
const BUFFER: usize = 1 << 16;

/// Bytes behind the last voxel that are inflated to reach the checksum; more are refused.
const MAX_SURPLUS: u64 = 64 << 20;

/// Memory that is used again for the next file.
#[derive(Debug, Default)]
pub struct Scratch {
    packed: Vec<u8>,
    whole: Vec<u8>,
    blocks: Blocks,
}

/// A NIfTI image whose header is read.
#[derive(Debug)]
pub struct Nifti<R = File> {
    header: Header,
    files: Vec<PathBuf>,
    input: R,
    carrier: Carrier,
}

impl Nifti<File> {
    /// Opens an image by its file, or by either half of a pair, and reads the header.
    ///
    /// # Errors
    /// Any [`NiftiError`].
    pub fn open(path: &Path) -> Result<Self, NiftiError> {
        let Files { header: first, image } = pair::locate(path)?;
        let (mut input, mut bytes) = pair::open_regular(&first)?;
        let (head, mut compressed) = read_head(&mut input)?;
        let header = header::parse(&head, image.is_none())?;
        let mut files = vec![first];
        if let Some(second) = image {
            (input, bytes) = pair::open_regular(&second)?;
            let mut start = Vec::new();
            (&mut input).take(2).read_to_end(&mut start)?;
            compressed = gzip::is_gzip(&start);
            files.push(second);
        }
        let on_disk = pair::bytes_on_disk(&input);
        Ok(Self { header, files, input, carrier: Carrier { bytes, compressed, on_disk } })
    }
}

impl Nifti<Cursor<Vec<u8>>> {
    /// Reads the header of a single file in memory.
    ///
    /// # Errors
    /// Any [`NiftiError`].
    pub fn from_bytes(content: Vec<u8>) -> Result<Self, NiftiError> {
        if content.is_empty() {
            return Err(NiftiError::Empty);
        }
        let bytes = content.len() as u64;
        let mut input = Cursor::new(content);
        let (head, compressed) = read_head(&mut input)?;
        let header = header::parse(&head, true)?;
        let carrier = Carrier { bytes, compressed, on_disk: None };
        Ok(Self { header, files: Vec::new(), input, carrier })
    }
}

impl<R: Read + Seek> Nifti<R> {
    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The files: one, or header and voxels.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether the voxels are compressed.
    pub fn compressed(&self) -> bool {
        self.carrier.compressed
    }

    /// Plans a reading: shape, type and memory.
    ///
    /// # Errors
    /// A [`NiftiError`] where the file cannot hold what its header declares, and for a region that
    /// is not within the volume.
    pub fn layout(&self, want: Want, region: Option<&Region>) -> Result<Layout, NiftiError> {
        layout::plan(&self.header, self.carrier, want, region, None)
    }

    /// Plans a reading into exactly `bytes` of the caller's memory.
    ///
    /// # Errors
    /// As [`Self::layout`], and [`NiftiError::Shape`] where the shape is another.
    pub fn layout_of(&self, number: Number, shape: &[usize]) -> Result<Layout, NiftiError> {
        let found = self.header.grid.shape();
        if found != shape {
            return Err(NiftiError::Shape { found, expected: shape.to_vec() });
        }
        let bytes = shape.iter().product::<usize>() * number.size();
        layout::plan(&self.header, self.carrier, Want::As(number), None, Some(bytes))
    }

    /// Reads the voxels into `memory`, which must have the size that `layout` says.
    ///
    /// # Errors
    /// Any [`NiftiError`]; the memory then holds anything.
    ///
    /// # Panics
    /// If `memory` has another size.
    pub fn read(
        &mut self,
        layout: &Layout,
        memory: &mut [u8],
        scratch: &mut Scratch,
        watch: Watch<'_>,
    ) -> Result<(), NiftiError> {
        assert_eq!(memory.len(), layout.bytes, "the memory of the layout");
        self.input.seek(SeekFrom::Start(0))?;
        let done = if layout.way == Way::Stream {
            self.stream(layout, memory, scratch, watch)
        } else {
            self.inflate(layout, memory, scratch, watch)
        };
        done.map_err(|error| match error {
            NiftiError::Truncated { held, .. } => {
                let declared = self.header.offset + self.header.stored_bytes().unwrap_or(0);
                NiftiError::Truncated { declared, held }
            }
            error => error,
        })
    }

    fn stream(
        &mut self,
        layout: &Layout,
        memory: &mut [u8],
        scratch: &mut Scratch,
        watch: Watch<'_>,
    ) -> Result<(), NiftiError> {
        let out = &mut memory[layout.start..];
        let blocks = &mut scratch.blocks;
        if self.carrier.compressed {
            let input = BufReader::with_capacity(BUFFER, &mut self.input);
            return stream_gzip(&self.header, layout, input, out, blocks, watch);
        }
        // Of a region, a slice is read at once: the rows between are cheaper than more calls.
        let [_, rows, columns] = &layout.window;
        let width = self.header.grid.size[2];
        let span = ((rows.len() - 1) * width + columns.len())
            * self.header.stored.size()
            * self.header.samples;
        let capacity = if layout.complete { BUFFER } else { span.clamp(1 << 12, 1 << 18) };
        let mut source = BufReader::with_capacity(capacity, &mut self.input);
        gather::gather(&self.header, layout, &mut source, out, blocks, watch)
    }

    fn inflate(
        &mut self,
        layout: &Layout,
        memory: &mut [u8],
        scratch: &mut Scratch,
        watch: Watch<'_>,
    ) -> Result<(), NiftiError> {
        let Scratch { packed, whole, blocks } = scratch;
        load(&mut self.input, self.carrier.bytes, packed)?;
        if watch() {
            return Err(Stopped.into());
        }
        let header = &self.header;
        let stored = header.stored_bytes()?;
        let size = usize::try_from(header.offset + stored)
            .map_err(|_| NiftiError::OutOfMemory(header.offset + stored))?;
        if layout.way == Way::InPlace {
            let at = memory.len() - size;
            if gzip::inflate_whole(packed, &mut memory[at..]) {
                return gather::widen(header, layout, memory, blocks);
            }
        } else {
            if whole.len() < size {
                whole
                    .try_reserve_exact(size - whole.len())
                    .map_err(|_| NiftiError::OutOfMemory(size as u64))?;
                whole.resize(size, 0);
            }
            if gzip::inflate_whole(packed, &mut whole[..size]) {
                let mut source = &whole[..size];
                return gather::gather(header, layout, &mut source, memory, blocks, watch);
            }
        }
        // Damaged, longer or in several members: the slower decoder tells.
        let out = &mut memory[layout.start..];
        stream_gzip(header, layout, packed.as_slice(), out, blocks, watch)
    }
}

fn stream_gzip(
    header: &Header,
    layout: &Layout,
    input: impl std::io::BufRead,
    out: &mut [u8],
    blocks: &mut Blocks,
    watch: Watch<'_>,
) -> Result<(), NiftiError> {
    let mut source = Inflate::new(input);
    gather::gather(header, layout, &mut source, out, blocks, watch)?;
    if !layout.complete {
        return Ok(());
    }
    let mut surplus = 0;
    loop {
        match source.read(blocks.scratch())? as u64 {
            0 => return Ok(()),
            count => surplus += count,
        }
        if surplus > MAX_SURPLUS.max(layout.end) {
            return Err(layout::bomb(source.produced(), source.consumed()));
        }
    }
}

/// Reads a whole file of known size.
fn load(input: &mut impl Read, bytes: u64, content: &mut Vec<u8>) -> Result<(), NiftiError> {
    content.clear();
    let size = usize::try_from(bytes).map_err(|_| NiftiError::OutOfMemory(bytes))?;
    content.try_reserve_exact(size).map_err(|_| NiftiError::OutOfMemory(bytes))?;
    input.take(bytes).read_to_end(content)?;
    Ok(())
}

/// Returns the first unpacked bytes, and whether they were packed.
fn read_head(input: &mut (impl Read + Seek)) -> Result<(Vec<u8>, bool), NiftiError> {
    let mut head = Vec::with_capacity(HEAD);
    input.take(HEAD as u64).read_to_end(&mut head)?;
    match head.as_slice() {
        [b'B', b'Z', b'h', ..] => return Err(NiftiError::Foreign("bzip2")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Err(NiftiError::Unsupported("zstd compression: use gzip".to_owned()));
        }
        _ if !gzip::is_gzip(&head) => return Ok((head, false)),
        _ => {}
    }
    input.seek(SeekFrom::Start(0))?;
    let mut stream = Inflate::new(BufReader::with_capacity(1 << 12, input));
    head.resize(HEAD, 0);
    let mut filled = 0;
    while filled < HEAD {
        match stream.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            // What is there may be enough to say what the file is.
            Err(NiftiError::GzipTruncated) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    if filled == 0 {
        return Err(NiftiError::Empty);
    }
    head.truncate(filled);
    Ok((head, true))
}
