//! Contrast-limited adaptive histogram equalisation of slices (CLAHE).

use thiserror::Error;

use crate::parallel::{self, Stopped, Watch};

/// How slices are equalised.
#[derive(Debug, Clone, Copy)]
pub struct Equalization {
    /// Tiles along a row and along a column.
    pub tiles: [usize; 2],
    /// Largest bin as a multiple of the mean one; 0 is no limit.
    pub clip: f64,
    /// Grey levels.
    pub bins: usize,
    /// Values of the lowest and the highest level.
    pub range: [f32; 2],
}

/// Why slices can't be equalised.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EqualizeError {
    /// Arrays that don't fit each other.
    #[error("the arrays don't hold slices of {0} x {1} pixels")]
    Count(usize, usize),
    /// More tiles than pixels, or tables that take too much memory.
    #[error("{0} x {1} tiles of {2} bins don't fit slices of {3} x {4} pixels")]
    Tiles(usize, usize, usize, usize, usize),
    /// The watcher asked to stop; the output is partly written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Most entries of a slice's tables.
const MAX_ENTRIES: usize = 1 << 24;

/// Writes equalised slices, 0 to 1; `size` is their rows and columns.
///
/// Levels, clipping, the tables and the interpolation between them are those of `createCLAHE`
/// in `OpenCV`, whose result is `round(value * (bins - 1))`. A slice whose sides are not whole
/// numbers of tiles is continued by its reflection. NaN counts as the lowest level and stays NaN.
///
/// # Errors
/// [`EqualizeError`]: arrays or tiles that don't fit, or `watch` asked to stop.
pub fn equalize(
    values: &[f32],
    out: &mut [f32],
    size: [usize; 2],
    options: Equalization,
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), EqualizeError> {
    let [rows, columns] = size;
    let plane = rows * columns;
    if plane == 0 || !values.len().is_multiple_of(plane) || values.len() != out.len() {
        return Err(EqualizeError::Count(rows, columns));
    }
    let [across, down] = options.tiles;
    let entries = across.checked_mul(down).and_then(|tiles| tiles.checked_mul(options.bins));
    let fits = (1..=columns).contains(&across) && (1..=rows).contains(&down) && options.bins >= 2;
    if !fits || entries.is_none_or(|entries| entries > MAX_ENTRIES) {
        return Err(EqualizeError::Tiles(across, down, options.bins, rows, columns));
    }
    let work = values.chunks_exact(plane).zip(out.chunks_exact_mut(plane));
    let threads = if values.len() < 1 << 18 { 1 } else { threads };
    parallel::for_each(
        work,
        threads,
        || (vec![0_u32; plane], vec![0.0_f32; across * down * options.bins]),
        |(levels, tables), (values, out)| {
            let slice = Slice { size, options };
            for (level, &value) in levels.iter_mut().zip(values) {
                *level = slice.level(value);
            }
            slice.fill(levels, tables);
            slice.apply(levels, tables, out);
            for (out, value) in out.iter_mut().zip(values) {
                if value.is_nan() {
                    *out = f32::NAN;
                }
            }
        },
        watch,
    )?;
    Ok(())
}

#[derive(Clone, Copy)]
struct Slice {
    size: [usize; 2],
    options: Equalization,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "levels, pixels and tiles are small whole numbers, clamped before they are cut"
)]
impl Slice {
    fn level(self, value: f32) -> u32 {
        let [low, high] = self.options.range;
        let width = if high > low { high - low } else { 1.0 };
        let top = (self.options.bins - 1) as f32;
        // NaN is cut to 0.
        ((value - low) / width * top).round_ties_even().clamp(0.0, top) as u32
    }

    /// Rows and columns of a tile: where one side is not divided, both get one pixel more.
    fn tile(self) -> [usize; 2] {
        let ([rows, columns], [across, down]) = (self.size, self.options.tiles);
        let whole = rows.is_multiple_of(down) && columns.is_multiple_of(across);
        let more = usize::from(!whole);
        [rows / down + more, columns / across + more]
    }

    /// Works out each tile's table from level to new level.
    fn fill(self, levels: &[u32], tables: &mut [f32]) {
        let Equalization { tiles: [across, _], clip, bins, .. } = self.options;
        let [rows, columns] = self.size;
        let [height, width] = self.tile();
        let area = height * width;
        let scale = (bins - 1) as f32 / area as f32;
        let mut histogram = vec![0_usize; bins];
        for (at, table) in tables.chunks_exact_mut(bins).enumerate() {
            let (top, left) = (at / across * height, at % across * width);
            histogram.fill(0);
            for row in top..top + height {
                let line = &levels[mirrored(row, rows) * columns..][..columns];
                for column in left..left + width {
                    histogram[line[mirrored(column, columns)] as usize] += 1;
                }
            }
            if clip > 0.0 {
                limit(&mut histogram, ((clip * area as f64 / bins as f64) as usize).max(1));
            }
            let mut sum = 0;
            for (out, &count) in table.iter_mut().zip(&histogram) {
                sum += count;
                *out = (sum as f32 * scale).round_ties_even().min((bins - 1) as f32);
            }
        }
    }

    /// Mixes the tables of the four tiles around each pixel.
    fn apply(self, levels: &[u32], tables: &[f32], out: &mut [f32]) {
        let Equalization { tiles: [across, down], bins, .. } = self.options;
        let [_, columns] = self.size;
        let [height, width] = self.tile();
        let top = (bins - 1) as f32;
        let beside: Vec<_> = (0..columns).map(|column| around(column, width, across)).collect();
        for (row, (levels, out)) in
            levels.chunks_exact(columns).zip(out.chunks_exact_mut(columns)).enumerate()
        {
            let (above, below, to_below) = around(row, height, down);
            for ((out, &level), &(left, right, to_right)) in out.iter_mut().zip(levels).zip(&beside)
            {
                let at = |tile: usize| tables[tile * bins + level as usize];
                let upper = at(above * across + left) * (1.0 - to_right)
                    + at(above * across + right) * to_right;
                let lower = at(below * across + left) * (1.0 - to_right)
                    + at(below * across + right) * to_right;
                *out = (upper * (1.0 - to_below) + lower * to_below) / top;
            }
        }
    }
}

/// The tiles on both sides of a pixel, and the weight of the second.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels and tiles are small whole numbers, clamped before they are cut"
)]
fn around(pixel: usize, side: usize, tiles: usize) -> (usize, usize, f32) {
    let place = pixel as f32 * (1.0 / side as f32) - 0.5;
    let before = place.floor();
    let last = (tiles - 1) as f32;
    (before.clamp(0.0, last) as usize, (before + 1.0).clamp(0.0, last) as usize, place - before)
}

/// Cuts a histogram's bins and spreads what was cut off evenly.
fn limit(histogram: &mut [usize], most: usize) {
    let mut cut = 0;
    for bin in &mut *histogram {
        cut += bin.saturating_sub(most);
        *bin = (*bin).min(most);
    }
    let bins = histogram.len();
    let (each, rest) = (cut / bins, cut % bins);
    for bin in &mut *histogram {
        *bin += each;
    }
    // What is left goes to bins at equal steps.
    let step = bins.checked_div(rest).unwrap_or(1).max(1);
    for bin in histogram.iter_mut().step_by(step).take(rest) {
        *bin += 1;
    }
}

/// The pixel of a side that a place beyond its end shows, mirrored about the border pixels.
fn mirrored(place: usize, side: usize) -> usize {
    if place < side {
        return place;
    }
    let period = 2 * (side - 1);
    if period == 0 {
        return 0;
    }
    let rest = place % period;
    rest.min(period - rest)
}
