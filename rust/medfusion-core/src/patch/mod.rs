//! Patches of volumes: cut, turned, deformed and changed in one gather, and put together again.
//!
//! A voxel of a patch is mapped into the whole volume (affine, then smooth displacements), so that
//! a turned patch shows what lies there and not padding; its value is interpolated, changed and
//! written straight into the batch. Volumes are read as they are stored, where they are asked for.

mod aggregate;
mod blur;
mod classes;
mod cut;
mod elementary;
mod error;
mod field;
mod gather;
mod map;
mod noise;
mod source;
mod steps;
mod stream;

pub use aggregate::{Mosaic, add_patches};
pub use classes::count_classes;
pub use cut::{Cut, Shape, cut_images, cut_labels};
pub use error::PatchError;
pub use field::Field;
pub use map::{Affine, Outside};
pub use source::{Samples, Volume};
pub use steps::Step;
pub use stream::Stream;
