//! Many frames of many files, decoded and rescaled straight into the caller's array.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::DicomError;
use super::file::{guard, open, parse};
use super::pixels::{Frames, Scratch, source_of};
use super::samples::{Output, Scale};
use super::source::Source;
use crate::parallel::{Stopped, Watch, for_each};

/// A frame that could not be read; its slot is zero.
#[derive(Debug)]
pub struct FrameFailure {
    /// Position of the frame in the batch.
    pub position: usize,
    /// Why.
    pub error: DicomError,
}

/// Why a batch can't be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FramesError {
    /// The caller's array or scales don't fit the number of frames.
    #[error("{values} values cannot hold {frames} frames with {scales} scales")]
    Count {
        /// Values of the array.
        values: usize,
        /// Frames asked for.
        frames: usize,
        /// Scales given.
        scales: usize,
    },
    /// The watcher asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What is known of a file that several frames come from.
struct Prepared {
    frames: Frames,
    /// Where the file is deflated: its whole content.
    inflated: Option<Vec<u8>>,
}

/// Decodes frame `items[n].1` of file `items[n].0` into slot n of `out`, rescaled by `scales[n]`
/// (none: not at all). `shape` is that of a slot: rows, columns and, of colour, 3 samples.
///
/// Each file is read once; of one with several frames only the bytes of the frame. The result is
/// the same for any number of threads.
///
/// # Errors
/// [`FramesError`]; what is wrong with single frames is in the result.
pub fn read_frames<T: Output>(
    items: &[(PathBuf, usize)],
    shape: &[usize],
    scales: &[Scale],
    out: &mut [T],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<FrameFailure>, FramesError> {
    let size = shape.iter().product();
    if size * items.len() != out.len()
        || !matches!(scales.len(), 0 | 1) && scales.len() != items.len()
    {
        let (values, frames, scales) = (out.len(), items.len(), scales.len());
        return Err(FramesError::Count { values, frames, scales });
    }
    if size == 0 {
        return Ok(Vec::new());
    }
    let prepared = prepare(items, threads, watch)?;
    let mut failures: Vec<Option<DicomError>> = items.iter().map(|_| None).collect();
    let slots = out.chunks_exact_mut(size).zip(failures.iter_mut()).enumerate();
    let read = |scratch: &mut Scratch,
                (n, (slot, failure)): (usize, (&mut [T], &mut Option<DicomError>))| {
        let (path, frame) = &items[n];
        let scale = scales.get(n).or_else(|| scales.first()).copied().unwrap_or(Scale::NONE);
        let result = guard(|| match prepared.get(path.as_path()) {
            None => single(path, *frame, shape, scale, scratch, slot),
            Some(Ok(prepared)) => one_of(path, prepared, *frame, shape, scale, scratch, slot),
            Some(Err(reason)) => Err(DicomError::Shared(reason.clone())),
        });
        if let Err(error) = result {
            slot.fill(T::default());
            *failure = Some(error);
        }
    };
    for_each(slots, threads, Scratch::default, read, watch)?;
    let failures = failures.into_iter().enumerate();
    Ok(failures
        .filter_map(|(position, error)| Some(FrameFailure { position, error: error? }))
        .collect())
}

/// Reads the headers of files that several frames come from.
fn prepare<'i>(
    items: &'i [(PathBuf, usize)],
    threads: usize,
    watch: Watch<'_>,
) -> Result<HashMap<&'i Path, Result<Prepared, String>>, Stopped> {
    let mut uses: HashMap<&Path, usize> = HashMap::with_capacity(items.len());
    for (path, _) in items {
        *uses.entry(path).or_default() += 1;
    }
    let mut prepared: Vec<(&Path, Result<Prepared, String>)> = uses
        .into_iter()
        .filter(|&(_, count)| count > 1)
        .map(|(path, _)| (path, Err(String::new())))
        .collect();
    let work = |scratch: &mut Scratch, (path, slot): &mut (&Path, Result<Prepared, String>)| {
        *slot = guard(|| {
            let (file, size) = open(path)?;
            let (object, mut source) = parse(source_of(&file, size, scratch))?;
            let mut frames = Frames::find(&object, &mut source, false)?;
            let inflated = frames.content(&mut source)?;
            Ok(Prepared { frames, inflated })
        })
        .map_err(|error| error.to_string());
    };
    for_each(prepared.iter_mut(), threads, Scratch::default, work, watch)?;
    Ok(prepared.into_iter().collect())
}

/// Reads the one frame that is wanted of a file.
fn single<T: Output>(
    path: &Path,
    frame: usize,
    shape: &[usize],
    scale: Scale,
    scratch: &mut Scratch,
    out: &mut [T],
) -> Result<(), DicomError> {
    let (file, size) = open(path)?;
    let (object, mut source) = parse(source_of(&file, size, scratch))?;
    let frames = Frames::find(&object, &mut source, false)?;
    let result = frames.decode_into(frame, shape, &mut source, scratch, scale, out);
    scratch.window = source.into_window();
    result
}

/// Reads one of the frames that are wanted of a file.
fn one_of<T: Output>(
    path: &Path,
    prepared: &Prepared,
    frame: usize,
    shape: &[usize],
    scale: Scale,
    scratch: &mut Scratch,
    out: &mut [T],
) -> Result<(), DicomError> {
    let Prepared { frames, inflated } = prepared;
    if let Some(content) = inflated {
        return frames.decode_into(frame, shape, &mut Source::slice(content), scratch, scale, out);
    }
    let (file, size) = open(path)?;
    let mut source = Source::file(&file, size, std::mem::take(&mut scratch.window), 0);
    let result = frames.decode_into(frame, shape, &mut source, scratch, scale, out);
    scratch.window = source.into_window();
    result
}
