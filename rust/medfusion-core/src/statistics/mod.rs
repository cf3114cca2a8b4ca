//! The area under the ROC curve: its exact value, and its bootstrap distribution.

mod auc;
mod bootstrap;
mod random;

pub use auc::{Ranked, StatisticsError, auc};
pub use bootstrap::{Resampling, bootstrap_auc};
