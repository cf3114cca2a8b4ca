//! Compressed frames of DICOM files.

use medfusion_core::codec::{self, Codec, FrameShape, Stored};
use numpy::{IntoPyArray, PyArrayMethods, PyUntypedArray};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(
    medfusion._rust,
    FrameDecodeError,
    PyValueError,
    "A compressed frame that cannot be decoded; the message says why."
);

/// Decode one compressed frame of a DICOM file to its stored values.
///
/// Colours are those of the frame: YBR stays YBR, except where JPEG 2000 has a transform of its
/// own.
///
/// Args:
///     codec: "rle", "jpeg", "jpeg-ls" or "jpeg2000" (HTJ2K too).
///     data: The frame's bytes.
///     rows: Rows that the DICOM header states, as all that follows.
///     columns: Columns.
///     samples: Samples per pixel, 1 or 3.
///     bits_allocated: 8, 16 or 32.
///     bits_stored: At most those allocated.
///     signed: Whether values are signed (pixel representation 1).
///
/// Returns:
///     `[H, W]` or `[H, W, 3]`, an integer type of the bits allocated.
///
/// Raises:
///     FrameDecodeError: The frame is damaged, of an unsupported kind, or not what was stated.
///     ValueError: There is no such codec.
#[pyfunction]
#[pyo3(signature = (codec, data, rows, columns, samples = 1, bits_allocated = 16, bits_stored = 16, signed = false))]
#[expect(clippy::too_many_arguments, reason = "each is an element of the DICOM header")]
pub fn decode_frame<'py>(
    py: Python<'py>,
    codec: &str,
    data: &[u8],
    rows: usize,
    columns: usize,
    samples: usize,
    bits_allocated: usize,
    bits_stored: usize,
    signed: bool,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let codec = match codec {
        "rle" => Codec::Rle,
        "jpeg" => Codec::Jpeg,
        "jpeg-ls" => Codec::JpegLs,
        "jpeg2000" => Codec::Jpeg2000,
        other => {
            return Err(PyValueError::new_err(format!(
                "no codec {other:?}: give rle, jpeg, jpeg-ls or jpeg2000"
            )));
        }
    };
    let shape = FrameShape { rows, columns, samples, bits_allocated, bits_stored, signed };
    let decoded = py
        .detach(|| {
            let mut decoded = codec::decode(codec, data, &shape)?;
            decoded.settle(&shape);
            Ok::<_, codec::CodecError>(decoded)
        })
        .map_err(|error| FrameDecodeError::new_err(error.to_string()))?;
    macro_rules! array {
        ($values:expr, $signed:ty) => {{
            let values = $values.into_pyarray(py);
            let values = if samples == 1 {
                values.reshape([rows, columns])?.as_untyped().clone()
            } else {
                values.reshape([rows, columns, samples])?.as_untyped().clone()
            };
            if signed {
                let kind = numpy::dtype::<$signed>(py);
                values.call_method1("view", (kind,))?.cast_into::<PyUntypedArray>()?
            } else {
                values
            }
        }};
    }
    Ok(match decoded.stored {
        Stored::U8(values) => array!(values, i8),
        Stored::U16(values) => array!(values, i16),
        Stored::U32(values) => array!(values, i32),
    })
}
