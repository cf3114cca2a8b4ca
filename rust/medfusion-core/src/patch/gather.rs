//! Rows of a patch gathered from the volume: where each voxel lies, and what is there.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use super::map::{Affine, Outside};
use super::source::Channel;

/// A sample that can be interpolated.
pub(super) trait Sample: Copy + Default + Into<f32> {}
impl<T: Copy + Default + Into<f32>> Sample for T {}

/// Displacements of a row along i, j and k, and the farthest that they may reach.
pub(super) type Shift<'a> = (&'a [Vec<f32>; 3], [f64; 3]);

/// Memory for one row.
#[derive(Debug)]
pub(super) struct Scratch<T> {
    /// 0, 1, 2, ...
    ramp: Vec<f32>,
    /// Place of the lowest of the eight neighbours.
    index: Vec<u32>,
    /// Whether the voxel lies in the volume.
    inside: Vec<bool>,
    /// Where between the neighbours along i, j and k.
    fraction: [Vec<f32>; 3],
    /// Neighbours along i: of (j, k), (j + 1, k), (j, k + 1), (j + 1, k + 1).
    pairs: [Vec<[T; 2]>; 4],
}

impl<T: Copy + Default> Scratch<T> {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^24")]
    pub(super) fn new(width: usize) -> Self {
        Self {
            ramp: (0..width).map(|index| index as f32).collect(),
            index: vec![0; width],
            inside: vec![true; width],
            fraction: std::array::from_fn(|_| vec![0.0; width]),
            pairs: std::array::from_fn(|_| vec![[T::default(); 2]; width]),
        }
    }
}

/// One coordinate along a row, counted from a voxel near the row so that single precision keeps
/// its digits.
#[derive(Debug, Clone, Copy)]
struct Axis {
    /// The voxel that the others are counted from.
    base: i32,
    first: f32,
    delta: f32,
    /// The volume's first and last voxel.
    low: f32,
    high: f32,
    /// The whole row lies between them.
    inside: bool,
}

#[inline(always)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "coordinates and sizes are checked to be far below 2^24"
)]
fn axis(row: &[f64; 4], (j, k): (usize, usize), width: usize, reach: f64, size: usize) -> Axis {
    let start = row[1] * j as f64 + row[2] * k as f64 + row[3];
    let end = start + row[0] * (width - 1) as f64;
    let (low, high) = (start.min(end) - reach, start.max(end) + reach);
    let base = low.floor();
    let last = (size - 1) as f64;
    Axis {
        base: base as i32,
        first: (start - base) as f32,
        delta: row[0] as f32,
        low: (-base).max(0.0) as f32,
        high: (last - base) as f32,
        inside: low >= 0.0 && high <= last,
    }
}

/// Writes row (j, k) of a patch, trilinear.
#[inline(always)]
pub(super) fn linear_row<T: Sample>(
    out: &mut [f32],
    channel: &Channel<'_, T>,
    map: &Affine,
    at: (usize, usize),
    shift: Option<Shift<'_>>,
    outside: Outside<f32>,
    scratch: &mut Scratch<T>,
) {
    let axes: [Axis; 3] = std::array::from_fn(|a| {
        let reach = shift.map_or(0.0, |(_, reach)| reach[a]);
        axis(&map[a], at, out.len(), reach, channel.size[a])
    });
    if let Outside::Constant(fill) = outside
        && !axes.iter().all(|axis| axis.inside)
    {
        edge_row(out, channel, &axes, shift, fill);
        return;
    }
    scratch.index.fill(0);
    for (a, axis) in axes.iter().enumerate() {
        neighbours(
            axis,
            channel.size[a],
            channel.step[a],
            shift.map(|(all, _)| &all[a][..]),
            &scratch.ramp,
            &mut scratch.index,
            &mut scratch.fraction[a],
        );
    }
    fetch(channel, &scratch.index, &mut scratch.pairs);
    let [near, below, behind, far] = &scratch.pairs;
    let [along, down, back] = &scratch.fraction;
    let width = out.len();
    let (near, below, behind, far) =
        (&near[..width], &below[..width], &behind[..width], &far[..width]);
    let (along, down, back) = (&along[..width], &down[..width], &back[..width]);
    for x in 0..width {
        let pair = |[first, second]: [T; 2]| mix(first.into(), second.into(), along[x]);
        let front = mix(pair(near[x]), pair(below[x]), down[x]);
        let rear = mix(pair(behind[x]), pair(far[x]), down[x]);
        out[x] = mix(front, rear, back[x]);
    }
}

#[inline(always)]
fn mix(near: f32, far: f32, weight: f32) -> f32 {
    near + weight * (far - near)
}

/// Adds an axis to the places of the lowest neighbours, and writes the fractions.
#[inline(always)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "sizes are checked to be far below 2^24"
)]
fn neighbours(
    axis: &Axis,
    size: usize,
    step: usize,
    shift: Option<&[f32]>,
    ramp: &[f32],
    index: &mut [u32],
    fraction: &mut [f32],
) {
    let Axis { base, first, delta, low, high, .. } = *axis;
    // The last voxel is reached from the one before it.
    let top = (size as i32 - 2).max(0) - base;
    let step = step as u32;
    let place = |coordinate: f32| {
        let inside = coordinate.max(low).min(high);
        let before = floor(inside).min(top);
        let offset = (before + base).cast_unsigned().wrapping_mul(step);
        (offset, inside - before as f32)
    };
    let all = index.iter_mut().zip(fraction).zip(ramp);
    if let Some(shift) = shift {
        for (((index, fraction), x), shift) in all.zip(shift) {
            let (offset, rest) = place(first + delta * x + shift);
            *index = index.wrapping_add(offset);
            *fraction = rest;
        }
    } else {
        for ((index, fraction), x) in all {
            let (offset, rest) = place(first + delta * x);
            *index = index.wrapping_add(offset);
            *fraction = rest;
        }
    }
}

/// Rounds a number of less than 2^22 down. Unlike a cast, which has to look for NaN, it works on
/// eight numbers at once.
#[inline(always)]
fn floor(number: f32) -> i32 {
    /// Its sum with such a number has no digits after the point.
    const ROUND: f32 = 12_582_912.0;
    let sum = number + ROUND;
    let nearest = sum.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    nearest - i32::from(sum - ROUND > number)
}

/// Loads the eight neighbours of each voxel.
#[inline(always)]
fn fetch<T: Copy>(channel: &Channel<'_, T>, index: &[u32], pairs: &mut [Vec<[T; 2]>; 4]) {
    let [along, row, plane] = channel.step;
    let span = along + row + plane + 1;
    let [near, below, behind, far] = pairs;
    let places = near.iter_mut().zip(below).zip(behind.iter_mut().zip(far)).zip(index);
    if along == 1 {
        for (((near, below), (behind, far)), &index) in places {
            let from = &channel.samples[index as usize..][..span];
            *near = [from[0], from[1]];
            *below = [from[row], from[row + 1]];
            *behind = [from[plane], from[plane + 1]];
            *far = [from[row + plane], from[row + plane + 1]];
        }
    } else {
        for (((near, below), (behind, far)), &index) in places {
            let from = &channel.samples[index as usize..][..span];
            *near = [from[0], from[along]];
            *below = [from[row], from[along + row]];
            *behind = [from[plane], from[along + plane]];
            *far = [from[row + plane], from[along + row + plane]];
        }
    }
}

/// Writes a row that is partly beyond the volume, where each missing neighbour has the value
/// `fill`.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^24")]
fn edge_row<T: Sample>(
    out: &mut [f32],
    channel: &Channel<'_, T>,
    axes: &[Axis; 3],
    shift: Option<Shift<'_>>,
    fill: f32,
) {
    for (x, value) in out.iter_mut().enumerate() {
        let place: [(i64, f32); 3] = std::array::from_fn(|a| {
            let moved = shift.map_or(0.0, |(all, _)| all[a][x]);
            let coordinate = axes[a].first + axes[a].delta * x as f32 + moved;
            let before = coordinate.floor();
            #[expect(clippy::cast_possible_truncation, reason = "far below 2^24")]
            let index = before as i64 + i64::from(axes[a].base);
            (index, coordinate - before)
        });
        let corner = |i: i64, j: i64, k: i64| {
            at(channel, [place[0].0 + i, place[1].0 + j, place[2].0 + k]).map_or(fill, Into::into)
        };
        let along = |j, k| mix(corner(0, j, k), corner(1, j, k), place[0].1);
        let near = mix(along(0, 0), along(1, 0), place[1].1);
        let far = mix(along(0, 1), along(1, 1), place[1].1);
        *value = mix(near, far, place[2].1);
    }
}

fn at<T: Copy>(channel: &Channel<'_, T>, place: [i64; 3]) -> Option<T> {
    let mut index = 0;
    for (a, place) in place.into_iter().enumerate() {
        let place = usize::try_from(place).ok().filter(|&place| place < channel.size[a])?;
        index += place * channel.step[a];
    }
    channel.samples.get(index).copied()
}

/// Writes row (j, k) of a patch of labels: the nearest voxel, halves rounded up.
#[inline(always)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "coordinates and sizes are checked to be far below 2^24"
)]
pub(super) fn nearest_row<T: Copy + Default + Into<i64>>(
    out: &mut [i64],
    channel: &Channel<'_, T>,
    map: &Affine,
    (j, k): (usize, usize),
    shift: Option<Shift<'_>>,
    outside: Outside<i64>,
    scratch: &mut Scratch<T>,
) {
    let width = out.len();
    let axes: [Axis; 3] = std::array::from_fn(|a| {
        let reach = shift.map_or(0.0, |(_, reach)| reach[a]);
        axis(&map[a], (j, k), width, reach, channel.size[a])
    });
    scratch.index.fill(0);
    scratch.inside.fill(true);
    for (a, axis) in axes.iter().enumerate() {
        let Axis { base, first, delta, low, high, .. } = *axis;
        let step = channel.step[a] as u32;
        let (start, last) = (-base as f32, floor(high));
        let all = scratch.index.iter_mut().zip(&mut scratch.inside).zip(&scratch.ramp);
        let place = |index: &mut u32, inside: &mut bool, coordinate: f32| {
            *inside &= coordinate >= start - 0.5 && coordinate < high + 0.5;
            let nearest = floor(coordinate.max(low).min(high) + 0.5).min(last);
            *index = index.wrapping_add((nearest + base).cast_unsigned().wrapping_mul(step));
        };
        if let Some((shift, _)) = shift {
            for (((index, inside), x), shift) in all.zip(&shift[a]) {
                place(index, inside, first + delta * x + shift);
            }
        } else {
            for ((index, inside), x) in all {
                place(index, inside, first + delta * x);
            }
        }
    }
    for (value, &index) in out.iter_mut().zip(&scratch.index) {
        *value = channel.samples[index as usize].into();
    }
    if let Outside::Constant(fill) = outside {
        for (value, &inside) in out.iter_mut().zip(&scratch.inside) {
            *value = if inside { *value } else { fill };
        }
    }
}

/// Writes a row of voxels as they are: `start` and direction along i, row (j, k) of the volume.
#[inline(always)]
pub(super) fn straight_row<T: Copy, O: Copy>(
    out: &mut [O],
    channel: &Channel<'_, T>,
    (start, forward): (i64, bool),
    (j, k): (i64, i64),
    outside: Outside<O>,
    convert: impl Fn(T) -> O,
) {
    let [size_i, size_j, size_k] = channel.size;
    let (near_j, near_k) = (clamped(j, size_j), clamped(k, size_k));
    if let Outside::Constant(fill) = outside
        && (signed(near_j) != j || signed(near_k) != k)
    {
        out.fill(fill);
        return;
    }
    let step = channel.step[0];
    let first = near_j * channel.step[1] + near_k * channel.step[2];
    let row = &channel.samples[first..=first + (size_i - 1) * step];
    // Voxels of the patch before, within and after those of the volume.
    let (before, after) = if forward {
        (-start, signed(size_i) - start)
    } else {
        (start - signed(size_i) + 1, start + 1)
    };
    let before = clamped(before, out.len() + 1);
    let after = clamped(after, out.len() + 1).max(before);
    let (low, high) = match outside {
        Outside::Constant(fill) => (fill, fill),
        Outside::Border => {
            let last = start + if forward { 1 } else { -1 } * (signed(out.len()) - 1);
            let end = |place| convert(row[clamped(place, size_i) * step]);
            (end(start), end(last))
        }
    };
    out[..before].fill(low);
    out[after..].fill(high);
    let within = &mut out[before..after];
    let count = within.len();
    if within.is_empty() {
        return;
    }
    let shift = signed(before);
    let first = clamped(if forward { start + shift } else { start - shift }, size_i);
    if forward && step == 1 {
        for (value, &sample) in within.iter_mut().zip(&row[first..]) {
            *value = convert(sample);
        }
    } else if forward {
        for (value, &sample) in
            within.iter_mut().zip(row[first * step..].iter().step_by(step.max(1)))
        {
            *value = convert(sample);
        }
    } else if step == 1 {
        // Turned where it is written: a loop that runs both ways at once is not made wide.
        for (value, &sample) in within.iter_mut().zip(&row[first + 1 - count..]) {
            *value = convert(sample);
        }
        within.reverse();
    } else {
        let back = row[..=first * step].iter().rev().step_by(step.max(1));
        for (value, &sample) in within.iter_mut().zip(back) {
            *value = convert(sample);
        }
    }
}

/// Loads the voxels of a box, first and last along i, j and k, into the caches.
///
/// In the order of memory and without waiting for each other they come several times faster than
/// when a turned row asks for one after the other. A box that is too large for the second cache is
/// left alone.
#[inline(always)]
pub(super) fn touch<T: Copy>(channel: &Channel<'_, T>, within: [(usize, usize); 3]) {
    const LINE: usize = 64;
    const CACHE: usize = 2 << 20;
    let voxels: usize = within.iter().map(|(first, last)| last - first + 1).product();
    if voxels * size_of::<T>() > CACHE {
        return;
    }
    let mut axes = [0, 1, 2];
    axes.sort_unstable_by_key(|&axis| channel.step[axis]);
    let [inner, middle, outer] = axes;
    let stride = (LINE / (size_of::<T>() * channel.step[inner].max(1))).max(1);
    for far in within[outer].0..=within[outer].1 {
        for near in within[middle].0..=within[middle].1 {
            let first = far * channel.step[outer] + near * channel.step[middle];
            let (low, high) = within[inner];
            for index in (low..=high).step_by(stride).chain([high]) {
                std::hint::black_box(channel.samples[first + index * channel.step[inner]]);
            }
        }
    }
}

#[inline(always)]
fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns a place among `size`, the nearest.
#[inline(always)]
fn clamped(place: i64, size: usize) -> usize {
    usize::try_from(place).unwrap_or(0).min(size.saturating_sub(1))
}
