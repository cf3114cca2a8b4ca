//! JPEG-LS (ISO/IEC 14495-1): lossless and near-lossless, one component or three, in any
//! interleave. Mapping tables and colour transforms are not read; DICOM has neither.

mod scan;

use self::scan::{Coding, Scan};
use super::segments::{Segments, coded_length, word};
use super::{CodecError, Decoded, FrameShape, Stored};

const NAME: &str = "JPEG-LS";
const SOF55: u8 = 0xf7;
const LSE: u8 = 0xf8;
const SOS: u8 = 0xda;
const DRI: u8 = 0xdd;
const APP8: u8 = 0xe8;

fn damaged(reason: impl Into<String>) -> CodecError {
    CodecError::Damaged { codec: NAME, reason: reason.into() }
}

fn unsupported(reason: impl Into<String>) -> CodecError {
    CodecError::Unsupported { codec: NAME, reason: reason.into() }
}

/// How the samples of a scan with several components lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interleave {
    None,
    Line,
    Sample,
}

/// Thresholds and the like; 0 stands for the default.
#[derive(Debug, Clone, Copy, Default)]
struct Preset {
    max_value: i32,
    thresholds: [i32; 3],
    reset: i32,
}

struct Frame {
    precision: u32,
    /// Identifiers of the components, in the order of the samples.
    components: Vec<u8>,
}

pub(super) fn decode(
    bytes: &[u8],
    shape: &FrameShape,
    decoded: &mut Decoded,
) -> Result<(), CodecError> {
    let mut segments = Segments::new(bytes, NAME)?;
    let mut preset = Preset::default();
    let mut restart = 0;
    let mut frame = None;
    let mut done = Vec::new();
    while let Some(segment) = segments.next()? {
        let content = segment.content;
        match segment.marker {
            SOF55 if frame.is_some() => return Err(damaged("it has two frame headers")),
            SOF55 => {
                frame = Some(frame_header(content, shape)?);
                decoded.stored.fit(shape)?;
            }
            LSE => presets(content, &mut preset)?,
            DRI => restart = restart_interval(content)?,
            APP8 if content.starts_with(b"mrfx")
                && content.get(4).is_some_and(|&kind| kind > 0) =>
            {
                return Err(unsupported("a colour transform"));
            }
            SOS => {
                let frame =
                    frame.as_ref().ok_or(damaged("a scan comes before the frame header"))?;
                let (chosen, near, interleave) = scan_header(content, frame)?;
                if chosen.iter().any(|one| done.contains(one)) {
                    return Err(damaged("a component comes twice"));
                }
                let coding = Coding::new(frame.precision, near, &preset)?;
                let coded = segments.rest();
                let length = coded_length(coded, 0x80, restart > 0);
                let scan = Scan {
                    coding,
                    columns: shape.columns,
                    samples: shape.samples,
                    first: chosen[0],
                    count: chosen.len(),
                    interleave,
                    restart,
                };
                match &mut decoded.stored {
                    Stored::U8(out) => scan.decode(&coded[..length], out)?,
                    Stored::U16(out) => scan.decode(&coded[..length], out)?,
                    Stored::U32(_) => return Err(damaged("32 bits are allocated")),
                }
                segments.skip(length);
                done.extend(chosen);
                if done.len() == shape.samples {
                    finish(frame, shape, decoded);
                    return Ok(());
                }
            }
            0xc0..=0xcf => return Err(damaged("it is a JPEG frame of another process")),
            _ => {}
        }
    }
    Err(CodecError::Truncated(NAME))
}

/// Values are unsigned in the frame; a negative one stands there as its low bits.
fn finish(frame: &Frame, shape: &FrameShape, decoded: &mut Decoded) {
    decoded.precision = frame.precision as usize;
    decoded.extended = true;
    let rgb_ids = matches!(frame.components.as_slice(), b"RGB" | b"rgb");
    decoded.rgb = rgb_ids;
    if shape.signed {
        decoded.stored.settle(frame.precision as usize, true);
    }
}

fn frame_header(content: &[u8], shape: &FrameShape) -> Result<Frame, CodecError> {
    let truncated = CodecError::Truncated(NAME);
    let &[precision, _, _, _, _, count, ..] = content else { return Err(truncated) };
    let rows = usize::from(word(content, 1).unwrap_or(0));
    let columns = usize::from(word(content, 3).unwrap_or(0));
    shape.agrees(NAME, rows, columns, usize::from(count))?;
    if !(2..=16).contains(&precision) || usize::from(precision) > shape.bits_allocated {
        let allocated = shape.bits_allocated;
        return Err(damaged(format!("{precision} bits per sample in {allocated}")));
    }
    let list = content.get(6..6 + 3 * usize::from(count)).ok_or(truncated)?;
    if list.as_chunks::<3>().0.iter().any(|one| one[1] != 0x11) {
        return Err(unsupported("components of other sizes"));
    }
    let components = list.as_chunks::<3>().0.iter().map(|one| one[0]).collect();
    Ok(Frame { precision: u32::from(precision), components })
}

fn presets(content: &[u8], preset: &mut Preset) -> Result<(), CodecError> {
    match content.first() {
        Some(1) => {
            let value = |at| word(content, at).map(i32::from).ok_or(CodecError::Truncated(NAME));
            preset.max_value = value(1)?;
            preset.thresholds = [value(3)?, value(5)?, value(7)?];
            preset.reset = value(9)?;
            Ok(())
        }
        Some(2 | 3) => Err(unsupported("a mapping table")),
        Some(4) => Err(unsupported("sizes above 65 535")),
        _ => Err(damaged("an unknown kind of preset")),
    }
}

fn restart_interval(content: &[u8]) -> Result<usize, CodecError> {
    let bytes = content.iter().take(4).fold(0_usize, |value, &byte| value << 8 | usize::from(byte));
    if content.len() < 2 { Err(CodecError::Truncated(NAME)) } else { Ok(bytes) }
}

/// Returns the places of the scan's components, the allowed error and the interleave.
fn scan_header(content: &[u8], frame: &Frame) -> Result<(Vec<usize>, i32, Interleave), CodecError> {
    let truncated = CodecError::Truncated(NAME);
    let count = usize::from(*content.first().ok_or(truncated.clone())?);
    let list = content.get(1..1 + 2 * count).ok_or(truncated.clone())?;
    let &[near, interleave, point, ..] = &content[1 + 2 * count..] else { return Err(truncated) };
    let mut chosen = Vec::new();
    for &[id, table] in list.as_chunks::<2>().0 {
        if table != 0 {
            return Err(unsupported("a mapping table"));
        }
        let place = frame.components.iter().position(|&one| one == id);
        chosen.push(place.ok_or(damaged("a scan names an unknown component"))?);
    }
    if point & 15 != 0 {
        return Err(unsupported("a point transform"));
    }
    let interleave = match (count, interleave) {
        (1, 0..=2) => Interleave::None,
        (2.., 1) => Interleave::Line,
        (2.., 2) => Interleave::Sample,
        _ => return Err(damaged("its interleave can't be")),
    };
    if count > 1 && chosen != [0, 1, 2] {
        return Err(unsupported("an interleave of some of the components"));
    }
    Ok((chosen, i32::from(near), interleave))
}
