//! Transfer syntaxes (PS3.5 chapter 10, PS3.6 annex A).

use crate::codec::Codec;

/// How the frames of an object are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By a codec of this crate.
    Codec(Codec),
    /// Raw deflate, frame by frame.
    Deflate,
    /// In a way that isn't read.
    Unknown,
}

/// How a data set and its pixel data are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    pub implicit: bool,
    pub big_endian: bool,
    pub deflated: bool,
    pub compression: Compression,
}

const EXPLICIT: Syntax =
    Syntax { implicit: false, big_endian: false, deflated: false, compression: Compression::None };

pub(super) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub(super) const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
pub(super) const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// Returns how a transfer syntax stores things; an unknown one is taken as explicit with
/// compressed frames, so that its header can be read.
pub(super) fn lookup(uid: &str) -> Syntax {
    let compressed = |codec| Syntax { compression: Compression::Codec(codec), ..EXPLICIT };
    match uid {
        IMPLICIT_LITTLE => Syntax { implicit: true, ..EXPLICIT },
        EXPLICIT_LITTLE => EXPLICIT,
        EXPLICIT_BIG => Syntax { big_endian: true, ..EXPLICIT },
        "1.2.840.10008.1.2.1.99" => Syntax { deflated: true, ..EXPLICIT },
        "1.2.840.10008.1.2.5" => compressed(Codec::Rle),
        "1.2.840.10008.1.2.8.1" => Syntax { compression: Compression::Deflate, ..EXPLICIT },
        "1.2.840.10008.1.2.4.50"
        | "1.2.840.10008.1.2.4.51"
        | "1.2.840.10008.1.2.4.57"
        | "1.2.840.10008.1.2.4.70" => compressed(Codec::Jpeg),
        "1.2.840.10008.1.2.4.80" | "1.2.840.10008.1.2.4.81" => compressed(Codec::JpegLs),
        "1.2.840.10008.1.2.4.90"
        | "1.2.840.10008.1.2.4.91"
        | "1.2.840.10008.1.2.4.201"
        | "1.2.840.10008.1.2.4.202"
        | "1.2.840.10008.1.2.4.203" => compressed(Codec::Jpeg2000),
        _ => Syntax { compression: Compression::Unknown, ..EXPLICIT },
    }
}
