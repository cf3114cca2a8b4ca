//! DICOM files (PS3.3, PS3.5, PS3.10): headers up to the pixel data, and frames.
//!
//! Only the elements that are needed are kept; the others are passed over without being read.
//! Nothing in a file is trusted: a length is checked against what the file still has before memory
//! is taken, nesting is bounded, and damage of any kind is a [`DicomError`].

mod batch;
mod dataset;
mod deflate;
mod display;
mod error;
mod file;
mod format;
mod fragments;
mod frame_groups;
mod header;
mod lut;
mod pixels;
mod samples;
mod source;
mod syntax;
mod tag;
mod text;
mod value;

pub use batch::{FrameFailure, FramesError, read_frames};
pub use display::{Window, display, display_values, parse_display};
pub use error::DicomError;
pub use file::{parse_header, read_header, read_headers};
pub use format::{Kind, Photometric};
pub use frame_groups::FrameGroups;
pub use header::Header;
pub use pixels::{Pixels, parse_pixels, read_pixels};
pub use samples::{Output, Scale};
pub use syntax::Compression;
