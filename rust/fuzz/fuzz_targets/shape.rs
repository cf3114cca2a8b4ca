//! What the targets of codecs share: three bytes for a shape, then the frame.

use medfusion_core::codec::{self, Codec, CodecError, FrameShape};

/// Decodes a frame of at most 256 by 256 pixels; an error is as good as a result, a panic is not.
pub fn decode(codec: Codec, data: &[u8]) {
    let [rows, columns, kind, frame @ ..] = data else { return };
    let bits_allocated = [8, 16, 32, 8][usize::from(kind & 3)];
    let shape = FrameShape {
        rows: usize::from(*rows) + 1,
        columns: usize::from(*columns) + 1,
        samples: if kind & 4 == 0 { 1 } else { 3 },
        bits_allocated,
        bits_stored: bits_allocated - usize::from(kind >> 4 & 7),
        signed: kind & 8 != 0,
    };
    if let Err(CodecError::Damaged { reason, .. }) = codec::decode(codec, frame, &shape) {
        assert!(!reason.contains("gave up"), "{reason}");
    }
}
