//! Why no statistic can be computed.

use thiserror::Error;

use crate::parallel::Stopped;

/// The most cases: a bootstrap count is a byte, and sums of such counts fit in 32 bits.
pub const MAX_CASES: usize = 1 << 24;

/// Why no statistic can be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatisticsError {
    /// Two arrays that belong together have different lengths.
    #[error("{what} has {found} values where {of} has {expected}: give one for each case")]
    Length {
        /// The array.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The array that says how many cases there are.
        of: &'static str,
        /// How many.
        expected: usize,
    },
    /// A target or an event is neither 0 nor 1.
    #[error("{what} is {value} in position {position}: only 0 and 1 are known")]
    Binary {
        /// The array.
        what: &'static str,
        /// Where.
        position: usize,
        /// What it is.
        value: u8,
    },
    /// A number is missing.
    #[error("{what} is NaN in position {position}: remove or fill the missing values")]
    Nan {
        /// The array.
        what: &'static str,
        /// Where.
        position: usize,
    },
    /// More cases than the counts hold.
    #[error("{count} cases are too many: at most {MAX_CASES}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Bins that do not exist.
    #[error("{0} bins: at least 1 and at most 65536 are needed")]
    Bins(usize),
    /// The watcher asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Refuses an array of another length than the one that says how many cases there are.
pub(super) fn same_length(
    (what, found): (&'static str, usize),
    (of, expected): (&'static str, usize),
) -> Result<(), StatisticsError> {
    if found == expected {
        return Ok(());
    }
    Err(StatisticsError::Length { what, found, of, expected })
}

/// Refuses more cases than counts can hold.
pub(super) fn few_enough(count: usize) -> Result<(), StatisticsError> {
    if count > MAX_CASES { Err(StatisticsError::TooMany { count }) } else { Ok(()) }
}

/// Refuses anything but 0 and 1.
pub(super) fn binary(what: &'static str, values: &[u8]) -> Result<(), StatisticsError> {
    match values.iter().position(|&value| value > 1) {
        Some(position) => Err(StatisticsError::Binary { what, position, value: values[position] }),
        None => Ok(()),
    }
}

/// Refuses NaN.
pub(super) fn numbers(what: &'static str, values: &[f64]) -> Result<(), StatisticsError> {
    match values.iter().position(|value| value.is_nan()) {
        Some(position) => Err(StatisticsError::Nan { what, position }),
        None => Ok(()),
    }
}
