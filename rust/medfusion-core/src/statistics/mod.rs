//! Statistics of predictions, exact and fast.
//!
//! - [`auc`]: the area under the ROC curve, its bootstrap distribution ([`bootstrap_auc`]), its
//!   variance ([`delong`]) and the paired test of two of them ([`permute_auc`]).
//! - [`concordance`]: the C-index of survival times, and its bootstrap distribution.
//! - [`calibrate`]: probabilities in bins.

mod auc;
mod bootstrap;
mod calibration;
mod concordance;
mod delong;
mod error;
mod order;
mod permutation;
mod random;
mod resampling;

pub use auc::{Ranked, auc};
pub use bootstrap::bootstrap_auc;
pub use calibration::{Binning, Bins, calibrate};
pub use concordance::{Concordance, bootstrap_concordance, concordance};
pub use delong::{Delong, delong};
pub use error::{MAX_CASES, StatisticsError};
pub use permutation::{Permutation, permute_auc};
pub use resampling::Resampling;
