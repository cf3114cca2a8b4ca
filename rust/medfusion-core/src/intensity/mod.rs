//! Values measured and changed: range, moments, percentiles, histograms.
//!
//! Only finite values are measured. What is changed by a formula keeps its NaNs.

#![expect(clippy::inline_always, reason = "kernels are compiled for several processors")]

mod equalize;
mod matching;
mod percentile;
mod radix;
mod rescale;
mod summary;

pub use equalize::{Equalization, EqualizeError, equalize};
pub use matching::{Distribution, match_distribution};
pub use percentile::{Quantiles, quantiles};
pub use rescale::{Rescale, rescale, rescale_in_place};
pub use summary::{Counted, Measure, Summary, summarize};

/// Values that one piece of work covers, in sums too: results must not depend on the threads.
const BLOCK: usize = 1 << 16;

/// Returns how many threads a pass over `count` values is worth.
fn grain(count: usize, threads: usize) -> usize {
    if count < 4 * BLOCK { 1 } else { threads }
}
