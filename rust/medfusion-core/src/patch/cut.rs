//! Patches cut from volumes into a batch.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use std::sync::{Mutex, PoisonError};

use super::error::PatchError;
use super::field::{Field, Rows};
use super::gather::{Sample, Scratch, linear_row, nearest_row, straight_row};
use super::map::{self, Affine, Outside};
use super::source::{Channel, Samples, Volume};
use super::steps::{self, Step};
use crate::parallel::{self, Watch};
use crate::vector::{self, Kernel};

/// How one patch is cut.
#[derive(Debug, Clone)]
pub struct Cut<'a, T> {
    /// The volume, with as many channels as the batch.
    pub volume: Volume<'a>,
    /// From a voxel of the patch to its place in the volume.
    pub map: Affine,
    /// Displacements on top of it.
    pub field: Option<Field<'a>>,
    /// What lies beyond the volume, as stored.
    pub outside: Outside<T>,
}

/// Channels, and voxels along k, j and i, of each sample of a batch.
pub type Shape = [usize; 4];

/// Values that are worked on before the next rows are gathered: they stay in the nearest cache.
const TILE: usize = 4096;

/// Cuts patches of images into `out`, `[B, C, D, H, W]`: trilinear, then the steps of each sample
/// in their order.
///
/// A map without turns and with whole steps copies voxels as they are. The result is the same for
/// any number of threads (0: all cores), and that of a sample doesn't depend on the others.
///
/// # Errors
/// [`PatchError`]: arguments that make no sense, or `watch` asked to stop.
pub fn cut_images(
    cuts: &[Cut<'_, f32>],
    steps: &[Vec<Step>],
    out: &mut [f32],
    shape: Shape,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), PatchError> {
    let slot = check(cuts, out.len(), shape, false)?;
    if steps.len() != cuts.len() {
        let (found, wanted) = (steps.len(), cuts.len());
        return Err(PatchError::Count { what: "steps", found, wanted });
    }
    for (position, step) in
        steps.iter().enumerate().flat_map(|(at, steps)| steps.iter().map(move |step| (at, step)))
    {
        if let Some((step, reason)) = step.fault() {
            return Err(PatchError::Step { position, step, reason });
        }
    }
    if slot == 0 {
        return Ok(());
    }
    parallel::for_each(
        out.chunks_exact_mut(slot).enumerate(),
        threads,
        Vec::new,
        |scratch, (index, out)| {
            let (position, channel) = (index / shape[0], index % shape[0]);
            let (cut, steps) = (&cuts[position], &steps[position]);
            macro_rules! image {
                ($samples:expr) => {
                    vector::run(Image {
                        channel: cut.volume.channel($samples, channel),
                        cut,
                        steps,
                        first: (channel * slot) as u64,
                        out,
                        size: [shape[3], shape[2], shape[1]],
                        scratch,
                    })
                };
            }
            match cut.volume.samples {
                Samples::U8(samples) => image!(samples),
                Samples::I16(samples) => image!(samples),
                Samples::U16(samples) => image!(samples),
                Samples::F32(samples) => image!(samples),
                // Refused above.
                Samples::I32(_) | Samples::I64(_) => {}
            }
        },
        watch,
    )?;
    Ok(())
}

/// Cuts patches of labels into `out`, `[B, C, D, H, W]`: the nearest voxel.
///
/// # Errors
/// [`PatchError`]: arguments that make no sense, a label that `O` cannot hold, or `watch` asked
/// to stop.
pub fn cut_labels<O: TryFrom<i64> + Copy + Send>(
    cuts: &[Cut<'_, i64>],
    out: &mut [O],
    shape: Shape,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), PatchError> {
    let slot = check(cuts, out.len(), shape, true)?;
    if slot == 0 {
        return Ok(());
    }
    let misfit: Mutex<Option<(usize, i64)>> = Mutex::new(None);
    parallel::for_each(
        out.chunks_exact_mut(slot).enumerate(),
        threads,
        || (),
        |(), (index, out)| {
            let cut = &cuts[index / shape[0]];
            macro_rules! labels {
                ($samples:expr) => {
                    vector::run(Labels {
                        channel: cut.volume.channel($samples, index % shape[0]),
                        cut,
                        out,
                        size: [shape[3], shape[2], shape[1]],
                    })
                };
            }
            let fitting = match cut.volume.samples {
                Samples::U8(samples) => labels!(samples),
                Samples::I16(samples) => labels!(samples),
                Samples::U16(samples) => labels!(samples),
                Samples::I32(samples) => labels!(samples),
                Samples::I64(samples) => labels!(samples),
                // Refused above.
                Samples::F32(_) => Ok(()),
            };
            if let Err(label) = fitting {
                let mut first = misfit.lock().unwrap_or_else(PoisonError::into_inner);
                if first.is_none_or(|(found, _)| index < found) {
                    *first = Some((index, label));
                }
            }
        },
        watch,
    )?;
    match misfit.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((index, label)) => Err(PatchError::Label { position: index / shape[0], label }),
        None => Ok(()),
    }
}

/// Checks all arguments; returns the voxels of one channel of one sample.
fn check<T>(
    cuts: &[Cut<'_, T>],
    found: usize,
    shape: Shape,
    labels: bool,
) -> Result<usize, PatchError> {
    let [channels, depth, height, width] = shape;
    let count = |all: usize, one: &usize| all.checked_mul(*one).unwrap_or(usize::MAX);
    let wanted = [cuts.len(), channels, depth, height, width].iter().fold(1, count);
    if found != wanted {
        return Err(PatchError::Count { what: "out", found, wanted });
    }
    let size = [width, height, depth];
    for (position, cut) in cuts.iter().enumerate() {
        let volume = |reason| PatchError::Volume { position, reason };
        if let Some(reason) = cut.volume.fault() {
            return Err(volume(reason));
        }
        if cut.volume.shape[0] != channels {
            return Err(volume("the volume has another number of channels than the batch"));
        }
        match cut.volume.samples {
            Samples::I32(_) | Samples::I64(_) if !labels => {
                return Err(volume("images of this type are not read: make them float32"));
            }
            Samples::F32(_) if labels => {
                return Err(volume("labels must be whole numbers, not float32"));
            }
            _ => {}
        }
        if let Some(field) = &cut.field
            && let Some(reason) = field.fault(size)
        {
            return Err(PatchError::Field { position, reason });
        }
        map::check(&cut.map, size, cut.field.as_ref(), position)?;
    }
    Ok(if wanted == 0 { 0 } else { depth * height * width })
}

/// One channel of one sample.
struct Image<'a, 'b, T> {
    channel: Channel<'b, T>,
    cut: &'b Cut<'a, f32>,
    steps: &'b [Step],
    /// Position of its first voxel in the sample.
    first: u64,
    out: &'b mut [f32],
    size: [usize; 3],
    scratch: &'b mut Vec<f32>,
}

impl<T: Sample> Kernel for Image<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { channel, cut, steps, first, out, size, scratch } = self;
        let begin = steps.iter().position(Step::waits).unwrap_or(steps.len());
        gather(&channel, cut, &steps[..begin], first, out, size);
        let mut rest = &steps[begin..];
        while let Some((&step, after)) = rest.split_first() {
            steps::whole(out, step, size, scratch);
            let count = after.iter().position(Step::waits).unwrap_or(after.len());
            let mut at = first;
            for tile in out.chunks_mut(TILE) {
                steps::at_once(tile, &after[..count], at);
                at += tile.len() as u64;
            }
            rest = &after[count..];
        }
    }
}

/// Gathers all rows, and does the first steps while they are in the nearest cache.
#[inline(always)]
fn gather<T: Sample>(
    channel: &Channel<'_, T>,
    cut: &Cut<'_, f32>,
    steps: &[Step],
    first: u64,
    out: &mut [f32],
    size: [usize; 3],
) {
    let [width, height, _] = size;
    let map = map::mirror(&cut.map, channel.size, channel.mirrored);
    let straight = if cut.field.is_none() { map::straight(&map) } else { None };
    let mut field = cut.field.map(|field| mirrored(field, channel.mirrored, width));
    let mut scratch = Scratch::new(if straight.is_none() { width } else { 0 });
    let rows = (TILE / width).max(1);
    let (mut row, mut at) = (0, first);
    for tile in out.chunks_mut(rows * width) {
        for line in tile.chunks_exact_mut(width) {
            let (j, k) = (row % height, row / height);
            row += 1;
            if let Some([i, along_j, along_k]) = straight {
                let place = (walk(along_j, j), walk(along_k, k));
                straight_row(line, channel, i, place, cut.outside, T::into);
            } else {
                let shift = field.as_mut().map(|(field, signs)| {
                    field.go_to(j, k);
                    turn(field, *signs);
                    (&field.shift, field.reach())
                });
                linear_row(line, channel, &map, (j, k), shift, cut.outside, &mut scratch);
            }
        }
        steps::at_once(tile, steps, at);
        at += tile.len() as u64;
    }
}

struct Labels<'a, 'b, T, O> {
    channel: Channel<'b, T>,
    cut: &'b Cut<'a, i64>,
    out: &'b mut [O],
    size: [usize; 3],
}

impl<T: Copy + Default + Into<i64>, O: TryFrom<i64> + Copy> Kernel for Labels<'_, '_, T, O> {
    /// A label that doesn't fit.
    type Output = Result<(), i64>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Self { channel, cut, out, size: [width, height, _] } = self;
        let map = map::mirror(&cut.map, channel.size, channel.mirrored);
        let straight = if cut.field.is_none() { map::straight(&map) } else { None };
        let mut field = cut.field.map(|field| mirrored(field, channel.mirrored, width));
        let mut line = vec![0_i64; width];
        let mut scratch = Scratch::new(if straight.is_none() { width } else { 0 });
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            let (j, k) = (row % height, row / height);
            if let Some([i, along_j, along_k]) = straight {
                let place = (walk(along_j, j), walk(along_k, k));
                straight_row(&mut line, &channel, i, place, cut.outside, T::into);
            } else {
                let shift = field.as_mut().map(|(field, signs)| {
                    field.go_to(j, k);
                    turn(field, *signs);
                    (&field.shift, field.reach())
                });
                nearest_row(&mut line, &channel, &map, (j, k), shift, cut.outside, &mut scratch);
            }
            for (out, &label) in out.iter_mut().zip(&line) {
                *out = O::try_from(label).map_err(|_| label)?;
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn walk((start, forward): (i64, bool), index: usize) -> i64 {
    let steps = i64::try_from(index).unwrap_or(i64::MAX);
    if forward { start + steps } else { start - steps }
}

#[inline(always)]
fn mirrored(field: Field<'_>, mirrored: [bool; 3], width: usize) -> (Rows<'_>, [bool; 3]) {
    (Rows::new(field, width), mirrored)
}

/// Turns displacements along axes that are counted from the other end.
#[inline(always)]
fn turn(field: &mut Rows<'_>, signs: [bool; 3]) {
    for (shift, sign) in field.shift.iter_mut().zip(signs) {
        if sign {
            for value in shift {
                *value = -*value;
            }
        }
    }
}
