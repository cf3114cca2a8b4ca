//! TIFF: grey, RGB and palettes of 1 to 16 bits, in strips or tiles, of either byte order.
//!
//! TIFF 6.0, <https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf>, and BigTIFF. A file
//! holds one page; reduced copies of it are passed over.

mod directory;
mod segment;

use directory::{Directory, Source};
use segment::Compression;

use super::format::{self, Format, Header};
use super::{Image, ImageError, Samples};

/// What the tags of a page say.
struct Page<'a> {
    source: Source<'a>,
    header: Header,
    /// Samples of a pixel as stored, alpha among them.
    stored: usize,
    /// Bits of a sample as stored.
    depth: usize,
    colours: Colours,
    /// Each sample of a pixel has segments of its own.
    planar: bool,
    /// Samples are stored as differences to the pixel on their left.
    differences: bool,
    compression: Compression,
    tables: &'a [u8],
    /// Width and height of a strip or tile.
    segment: (usize, usize),
    /// The last tiles are as large as the others; the last strip holds what rows are left.
    tiled: bool,
    places: Vec<(u64, u64)>,
}

enum Colours {
    Grey,
    /// 0 is white.
    Inverted,
    Rgb,
    Ycbcr,
    /// Red, green and blue of each index.
    Palette(Vec<[u8; 3]>),
}

/// Returns the image and its orientation.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, u8), ImageError> {
    let page = Page::read(bytes)?;
    let Header { height, width, channels, bits, orientation } = page.header;
    // The first segment shows whether there are pixels at all, before memory is taken for them.
    let mut segment = Vec::new();
    page.expand(0, &mut segment)?;
    let count = height * width * channels;
    let samples = if bits == 16 {
        let mut out = format::allocate::<u16>(count)?;
        page.fill(&mut segment, &mut out)?;
        Samples::U16(out)
    } else {
        let mut out = format::allocate::<u8>(count)?;
        page.fill(&mut segment, &mut out)?;
        Samples::U8(out)
    };
    Ok((Image { height, width, channels, samples }, orientation))
}

pub(super) fn probe(bytes: &[u8]) -> Result<Header, ImageError> {
    Ok(Page::read(bytes)?.header)
}

impl<'a> Page<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (source, first) = Source::new(bytes)?;
        let tags = source.only_page(first)?;
        let need = |tag, name: &str| {
            let value = tags.first(tag)?.ok_or_else(|| damaged(&format!("it has no {name}")))?;
            usize::try_from(value).map_err(|_| damaged(&format!("its {name} is {value}")))
        };
        let or = |tag, default: u64| tags.first(tag).map(|found| found.unwrap_or(default));
        let (width, height) = (need(256, "width")?, need(257, "height")?);
        let stored = usize::try_from(or(277, 1)?).unwrap_or(usize::MAX);
        let depth = depth(&tags)?;
        let compression = Compression::new(or(259, 1)?)?;
        let (colours, channels) = colours(&tags, compression, depth)?;
        if !(colours.samples()..=8).contains(&stored) {
            return Err(damaged(&format!("it has {stored} samples a pixel")));
        }
        let bits = if depth == 16 { 16 } else { 8 };
        let predictor = or(317, 1)?;
        if predictor > 2 || (predictor == 2 && depth < 8) {
            return Err(unsupported(&format!("predictor {predictor} of {depth} bits")));
        }
        if depth < 8 && or(266, 1)? != 1 {
            return Err(unsupported("bits of a byte in reverse order"));
        }
        if compression == Compression::Jpeg && depth != 8 {
            return Err(unsupported(&format!("JPEG of {depth} bits")));
        }
        if width == 0 || height == 0 {
            return Err(damaged("its image has no pixels"));
        }
        format::check_size(width, height, channels * bits / 8 + stored * bits / 8)?;
        let planar = or(284, 1)? == 2 && stored > 1;
        if planar && matches!(colours, Colours::Ycbcr) {
            return Err(unsupported("YCbCr colours in planes"));
        }
        let (segment, places) = segments(&tags, (width, height), (stored, depth), planar)?;
        let orientation = u8::try_from(or(274, 1)?).unwrap_or(1);
        Ok(Self {
            source,
            header: Header { height, width, channels, bits, orientation },
            stored,
            depth,
            colours,
            planar,
            differences: predictor == 2
                && matches!(compression, Compression::Lzw | Compression::Deflate),
            compression,
            tables: tags.bytes(347)?,
            segment,
            tiled: tags.first(322)?.is_some(),
            places,
        })
    }

    /// Samples of a pixel that a segment holds.
    fn together(&self) -> usize {
        if self.planar { 1 } else { self.stored }
    }

    /// Bytes of a row of a segment.
    fn row_bytes(&self) -> usize {
        (self.segment.0 * self.together() * self.depth).div_ceil(8)
    }

    /// Segments beside each other, and below each other.
    fn grid(&self) -> (usize, usize) {
        let (width, height) = self.segment;
        (self.header.width.div_ceil(width), self.header.height.div_ceil(height))
    }

    /// Decompresses a segment into `out`: its rows within the image, in the byte order of the file.
    fn expand(&self, number: usize, out: &mut Vec<u8>) -> Result<(), ImageError> {
        let (across, down) = self.grid();
        let (width, full) = self.segment;
        let top = number / across % down * full;
        let rows = if self.tiled { full } else { full.min(self.header.height - top) };
        let (at, length) = self.places[number];
        // What lies beyond the end of the file may be padding that no pixel needs.
        let end = (self.source.bytes.len() as u64).saturating_sub(at);
        let bytes = self.source.slice(at, length.min(end))?;
        // Some writers fill the last strip up, and then its compressed bytes make all of its rows.
        for rows in [rows, full] {
            if out.capacity() < rows * self.row_bytes() {
                *out = format::allocate(rows * self.row_bytes())?;
            }
            out.resize(rows * self.row_bytes(), 0);
            let done = if self.compression == Compression::Jpeg {
                let ycbcr = matches!(self.colours, Colours::Ycbcr);
                segment::jpeg((self.tables, bytes), (width, rows, self.together()), ycbcr, out)
            } else {
                segment::expand(self.compression, bytes, out)
            };
            if done.is_ok() || rows == full {
                return done;
            }
        }
        Ok(())
    }

    /// Decodes all segments into the samples of the image.
    fn fill<T: Sample>(&self, segment: &mut Vec<u8>, out: &mut [T]) -> Result<(), ImageError> {
        let Header { height, width, channels, .. } = self.header;
        let (across, down) = self.grid();
        let planes = if self.planar { self.colours.samples() } else { 1 };
        let mut row = vec![T::default(); self.segment.0 * self.together()];
        for number in 0..across * down * planes {
            if number > 0 {
                self.expand(number, segment)?;
            }
            let (plane, within) = (number / (across * down), number % (across * down));
            let (top, left) = (within / across * self.segment.1, within % across * self.segment.0);
            let columns = self.segment.0.min(width - left);
            let lines = segment.chunks_exact(self.row_bytes()).zip(top..height);
            for (bytes, y) in lines {
                T::unpack(bytes, self.depth, self.source.big_endian, &mut row);
                if self.differences {
                    let step = self.together();
                    for at in step..row.len() {
                        row[at] = row[at].plus(row[at - step]);
                    }
                }
                let start = (y * width + left) * channels;
                let line = &mut out[start..start + columns * channels];
                self.write(&row, plane, line);
            }
        }
        Ok(())
    }

    /// Writes the samples of a row as grey or RGB.
    fn write<T: Sample>(&self, row: &[T], plane: usize, line: &mut [T]) {
        let (step, channels) = (self.together(), self.header.channels);
        let pixels = line.chunks_exact_mut(channels).zip(row.chunks_exact(step));
        match &self.colours {
            Colours::Palette(palette) => {
                for (pixel, stored) in pixels {
                    let colour = palette.get(stored[0].index()).copied().unwrap_or_default();
                    for (sample, level) in pixel.iter_mut().zip(colour) {
                        *sample = T::level(level);
                    }
                }
            }
            Colours::Grey | Colours::Inverted => {
                let inverted = matches!(self.colours, Colours::Inverted);
                for (pixel, stored) in pixels {
                    let level = stored[0].scaled(self.depth);
                    pixel[0] = if inverted { level.inverted() } else { level };
                }
            }
            Colours::Rgb | Colours::Ycbcr if self.planar => {
                for (pixel, stored) in pixels {
                    pixel[plane] = stored[0].scaled(self.depth);
                }
            }
            Colours::Rgb | Colours::Ycbcr => {
                for (pixel, stored) in pixels {
                    for (sample, stored) in pixel.iter_mut().zip(stored) {
                        *sample = stored.scaled(self.depth);
                    }
                }
            }
        }
    }
}

impl Colours {
    /// Samples of a pixel that are shown.
    fn samples(&self) -> usize {
        if matches!(self, Self::Rgb | Self::Ycbcr) { 3 } else { 1 }
    }
}

/// Returns the bits of a sample.
fn depth(tags: &Directory<'_>) -> Result<usize, ImageError> {
    let depths = tags.values(258)?;
    let depth = depths.first().copied().unwrap_or(1);
    if depths.iter().any(|&other| other != depth) {
        return Err(unsupported("samples of different depths"));
    }
    match tags.first(339)?.unwrap_or(1) {
        1 | 4 => {}
        2 => return Err(unsupported("signed samples")),
        3 => return Err(unsupported(&format!("{depth}-bit floating-point samples"))),
        _ => return Err(unsupported("complex samples")),
    }
    match depth {
        1 | 2 | 4 | 8 | 16 => Ok(usize::try_from(depth).unwrap_or(8)),
        _ => Err(unsupported(&format!("samples of {depth} bits"))),
    }
}

/// Returns how samples make colours, and the channels of the decoded image.
fn colours(
    tags: &Directory<'_>,
    compression: Compression,
    depth: usize,
) -> Result<(Colours, usize), ImageError> {
    let kind = tags.first(262)?.ok_or_else(|| damaged("it does not say what its colours are"))?;
    Ok(match kind {
        0 => (Colours::Inverted, 1),
        1 => (Colours::Grey, 1),
        2 => (Colours::Rgb, 3),
        3 if depth <= 8 => {
            let map = tags.values(320)?;
            let size = 1 << depth;
            if map.len() != 3 * size {
                return Err(damaged("its palette has another size than its indices"));
            }
            let level = |place: usize| u8::try_from(map[place] >> 8).unwrap_or(u8::MAX);
            let colour = |index| [level(index), level(size + index), level(2 * size + index)];
            (Colours::Palette((0..size).map(colour).collect()), 3)
        }
        6 if compression == Compression::Jpeg => (Colours::Ycbcr, 3),
        3 => return Err(unsupported("a palette of 65536 colours")),
        5 => return Err(unsupported("CMYK colours")),
        6 => return Err(unsupported("YCbCr colours that are not compressed as JPEG")),
        8..=10 => return Err(unsupported("Lab colours")),
        other => return Err(unsupported(&format!("colours of kind {other}"))),
    })
}

type Segments = ((usize, usize), Vec<(u64, u64)>);

/// Returns the size of the strips or tiles, and where each is: offset and length.
fn segments(
    tags: &Directory<'_>,
    (width, height): (usize, usize),
    (stored, depth): (usize, usize),
    planar: bool,
) -> Result<Segments, ImageError> {
    let length = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let tile = (tags.first(322)?, tags.first(323)?);
    let (size, [offsets, lengths]) = if let (Some(across), Some(down)) = tile {
        ((length(across), length(down)), [324, 325])
    } else {
        let rows = tags.first(278)?.map_or(height, length).min(height);
        ((width, rows), [273, 279])
    };
    if size.0 == 0 || size.1 == 0 {
        return Err(damaged("its strips or tiles have no pixels"));
    }
    let bits = if planar { 1 } else { stored } * depth;
    format::check_size(size.0, size.1, bits.div_ceil(8))?;
    let planes = if planar { stored } else { 1 };
    let count = width.div_ceil(size.0) * height.div_ceil(size.1) * planes;
    let offsets = tags.values(offsets)?;
    let mut lengths = tags.values(lengths)?;
    if lengths.is_empty() {
        lengths = vec![u64::MAX; offsets.len()];
    }
    if offsets.len() < count || lengths.len() < count {
        return Err(damaged("it lists fewer strips or tiles than its image has"));
    }
    Ok((size, offsets.into_iter().zip(lengths).take(count).collect()))
}

/// A sample of a decoded image.
trait Sample: Copy + Default {
    /// Reads the samples of a row.
    fn unpack(bytes: &[u8], depth: usize, big_endian: bool, row: &mut [Self]);
    fn plus(self, other: Self) -> Self;
    /// Spreads a sample of `depth` bits over the whole range.
    fn scaled(self, depth: usize) -> Self;
    fn inverted(self) -> Self;
    fn index(self) -> usize;
    /// Returns a level of 0 to 255.
    fn level(value: u8) -> Self;
}

impl Sample for u8 {
    fn unpack(bytes: &[u8], depth: usize, _: bool, row: &mut [Self]) {
        if depth == 8 {
            row.copy_from_slice(&bytes[..row.len()]);
            return;
        }
        let each = 8 / depth;
        for (at, sample) in row.iter_mut().enumerate() {
            let shift = 8 - depth * (at % each + 1);
            *sample = bytes[at / each] >> shift & ((1 << depth) - 1);
        }
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn scaled(self, depth: usize) -> Self {
        match depth {
            1 => self * 255,
            2 => self * 85,
            4 => self * 17,
            _ => self,
        }
    }

    fn inverted(self) -> Self {
        !self
    }

    fn index(self) -> usize {
        usize::from(self)
    }

    fn level(value: u8) -> Self {
        value
    }
}

impl Sample for u16 {
    fn unpack(bytes: &[u8], _: usize, big_endian: bool, row: &mut [Self]) {
        let read = if big_endian { Self::from_be_bytes } else { Self::from_le_bytes };
        for (sample, &bytes) in row.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sample = read(bytes);
        }
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn scaled(self, _: usize) -> Self {
        self
    }

    fn inverted(self) -> Self {
        !self
    }

    fn index(self) -> usize {
        usize::from(self)
    }

    fn level(value: u8) -> Self {
        Self::from(value) * 257
    }
}

fn damaged(reason: &str) -> ImageError {
    ImageError::Damaged { format: Format::Tiff, reason: reason.to_owned() }
}

fn unsupported(reason: &str) -> ImageError {
    ImageError::Unsupported { format: Format::Tiff, reason: reason.to_owned() }
}
