//! The inverse wavelet transforms (ISO/IEC 15444-1, annex F), in place: low bands lie left and
//! above of high ones before, samples in their order after.

use super::structure::Component;

/// A transform of values of one type, as lifting steps.
pub(super) trait Wavelet {
    type Value: Copy + Default;
    /// Steps; even ones change low values by the high ones beside them, odd ones the other way.
    const STEPS: usize;
    fn step(step: usize, value: Self::Value, a: Self::Value, b: Self::Value) -> Self::Value;
    /// Scales low or high values before the first step.
    fn scale(values: &mut [Self::Value], high: bool);
    /// What a single value becomes that is a high one.
    fn single(value: Self::Value) -> Self::Value;
}

/// The reversible transform of 5 and 3 taps.
pub(super) struct Reversible;

impl Wavelet for Reversible {
    type Value = i32;
    const STEPS: usize = 2;

    #[inline]
    fn step(step: usize, value: i32, a: i32, b: i32) -> i32 {
        if step == 0 {
            value.wrapping_sub(a.wrapping_add(b).wrapping_add(2) >> 2)
        } else {
            value.wrapping_add(a.wrapping_add(b) >> 1)
        }
    }

    fn scale(_values: &mut [i32], _high: bool) {}

    fn single(value: i32) -> i32 {
        value / 2
    }
}

/// The irreversible transform of 9 and 7 taps.
pub(super) struct Irreversible;

impl Wavelet for Irreversible {
    type Value = f32;
    const STEPS: usize = 4;

    #[inline]
    fn step(step: usize, value: f32, a: f32, b: f32) -> f32 {
        const FACTORS: [f32; 4] = [0.443_506_87, 0.882_911_1, -0.052_980_118, -1.586_134_3];
        value - FACTORS[step] * (a + b)
    }

    fn scale(values: &mut [f32], high: bool) {
        // The gain of two that high bands have is in their scale. It is OpenJPEG's, 3e-5 below
        // 2 / K: values equal those of most readers then.
        let factor = if high { 1.625_732_4 } else { 1.230_174_1 };
        for value in values {
            *value *= factor;
        }
    }

    fn single(value: f32) -> f32 {
        value
    }
}

/// Inverts all levels of a component.
pub(super) fn invert<W: Wavelet>(component: &Component, values: &mut [W::Value]) {
    let stride = component.rect.width();
    let mut line = vec![W::Value::default(); stride.max(1)];
    for pair in component.resolutions.windows(2) {
        let (low, all) = (pair[0].rect, pair[1].rect);
        let (width, height) = (all.width(), all.height());
        if width == 0 || height == 0 {
            continue;
        }
        for row in values.chunks_exact_mut(stride).take(height) {
            horizontal::<W>(&mut row[..width], low.width(), all.x0 % 2 == 1, &mut line);
        }
        let rows = &mut values[..(height - 1) * stride + width];
        let lows = low.height();
        vertical::<W>(rows, [stride, width, height], lows, all.y0 % 2 == 1, &mut line);
    }
}

/// Changes each of `target` by two of `other`: those at its own place and behind, or before.
#[inline]
fn lift<W: Wavelet>(step: usize, target: &mut [W::Value], other: &[W::Value], behind: bool) {
    let Some(last) = other.len().checked_sub(1) else { return };
    let at = |place: usize| other[place.min(last)];
    let count = target.len();
    // The borders, where a neighbour is its own mirror image.
    let ends = [0, count.saturating_sub(1), count.saturating_sub(2)];
    let saved = ends.map(|place| target.get(place).copied().unwrap_or_default());
    if behind {
        for (value, pair) in target.iter_mut().zip(other.windows(2)) {
            *value = W::step(step, *value, pair[0], pair[1]);
        }
    } else {
        for (value, pair) in target.iter_mut().skip(1).zip(other.windows(2)) {
            *value = W::step(step, *value, pair[0], pair[1]);
        }
    }
    for (place, value) in ends.into_iter().zip(saved) {
        if place < count {
            let a = if behind { place } else { place.saturating_sub(1) };
            let b = if behind { place + 1 } else { place };
            target[place] = W::step(step, value, at(a), at(b));
        }
    }
}

/// Inverts a row that begins with its low values.
fn horizontal<W: Wavelet>(row: &mut [W::Value], lows: usize, odd: bool, line: &mut [W::Value]) {
    if row.len() == 1 {
        if odd {
            row[0] = W::single(row[0]);
        }
        return;
    }
    let (low, high) = row.split_at_mut(lows);
    W::scale(low, false);
    W::scale(high, true);
    for step in 0..W::STEPS {
        if step % 2 == 0 {
            lift::<W>(step, low, high, odd);
        } else {
            lift::<W>(step, high, low, !odd);
        }
    }
    let line = &mut line[..row.len()];
    let (low, high) = row.split_at(lows);
    let (first, second) = if odd { (high, low) } else { (low, high) };
    let (pairs, rest) = line.as_chunks_mut::<2>();
    for (pair, (&a, &b)) in pairs.iter_mut().zip(first.iter().zip(second)) {
        *pair = [a, b];
    }
    if let ([to], Some(&value)) = (rest, first.last()) {
        *to = value;
    }
    row.copy_from_slice(line);
}

/// Inverts all columns; the first rows are the low ones.
fn vertical<W: Wavelet>(
    values: &mut [W::Value],
    [stride, width, height]: [usize; 3],
    lows: usize,
    odd: bool,
    line: &mut [W::Value],
) {
    if height == 1 {
        if odd {
            for value in &mut values[..width] {
                *value = W::single(*value);
            }
        }
        return;
    }
    let highs = height - lows;
    for (place, row) in values.chunks_mut(stride).enumerate() {
        W::scale(&mut row[..width], place >= lows);
    }
    let (low, high) = values.split_at_mut(lows * stride);
    for step in 0..W::STEPS {
        let (target, other, count, others, behind) = if step % 2 == 0 {
            (&mut *low, &*high, lows, highs, odd)
        } else {
            (&mut *high, &*low, highs, lows, !odd)
        };
        if others == 0 {
            continue;
        }
        for place in 0..count {
            let a = if behind { place } else { place.saturating_sub(1) };
            let a = a.min(others - 1);
            let b = if behind { place + 1 } else { place }.min(others - 1);
            let row = &mut target[place * stride..][..width];
            let (a, b) = (&other[a * stride..][..width], &other[b * stride..][..width]);
            for (value, (&a, &b)) in row.iter_mut().zip(a.iter().zip(b)) {
                *value = W::step(step, *value, a, b);
            }
        }
    }
    reorder(values, [stride, width, height], lows, odd, line);
}

/// Brings rows from all low ones, then all high ones, into turns.
fn reorder<T: Copy>(
    values: &mut [T],
    [stride, width, height]: [usize; 3],
    lows: usize,
    odd: bool,
    line: &mut [T],
) {
    let first = usize::from(odd);
    let source = |row: usize| {
        if row % 2 == first { row / 2 } else { lows + row / 2 }
    };
    let mut moved = vec![false; height];
    for start in 0..height {
        if moved[start] || source(start) == start {
            continue;
        }
        line[..width].copy_from_slice(&values[start * stride..][..width]);
        let mut to = start;
        loop {
            moved[to] = true;
            let from = source(to);
            if from == start {
                values[to * stride..][..width].copy_from_slice(&line[..width]);
                break;
            }
            values.copy_within(from * stride..from * stride + width, to * stride);
            to = from;
        }
    }
}
