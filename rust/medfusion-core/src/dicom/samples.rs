//! Stored samples to the values of an array, in loops that the compiler vectorises.

use super::format::{Format, Kind};

/// A straight line from stored values to those of the modality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Rescale Slope.
    pub slope: f32,
    /// Rescale Intercept.
    pub intercept: f32,
}

impl Scale {
    /// Leaves values as they are.
    pub const NONE: Self = Self { slope: 1.0, intercept: 0.0 };
}

/// A value of the caller's array.
pub trait Output: Copy + Default + Send + Sync {
    /// The values that it holds; floating point holds them all, rounded.
    const RANGE: Option<(i64, i64)>;
    /// Converts a stored value.
    fn of_integer32(value: i32, scale: Scale) -> Self;
    /// Converts a stored value of 32 bits without sign.
    fn of_unsigned32(value: u32, scale: Scale) -> Self;
    /// Converts a stored value of floating point.
    fn of_double(value: f64, scale: Scale) -> Self;
}

impl Output for f32 {
    const RANGE: Option<(i64, i64)> = None;
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "the array holds float32")]
    fn of_integer32(value: i32, scale: Scale) -> Self {
        // Two roundings, as `array.astype(float32) * slope + intercept` has them.
        value as Self * scale.slope + scale.intercept
    }
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "the array holds float32")]
    fn of_unsigned32(value: u32, scale: Scale) -> Self {
        value as Self * scale.slope + scale.intercept
    }
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the array holds float32")]
    fn of_double(value: f64, scale: Scale) -> Self {
        value as Self * scale.slope + scale.intercept
    }
}

impl Output for f64 {
    const RANGE: Option<(i64, i64)> = None;
    #[inline]
    fn of_integer32(value: i32, scale: Scale) -> Self {
        Self::from(value) * Self::from(scale.slope) + Self::from(scale.intercept)
    }
    #[inline]
    fn of_unsigned32(value: u32, scale: Scale) -> Self {
        Self::from(value) * Self::from(scale.slope) + Self::from(scale.intercept)
    }
    #[inline]
    fn of_double(value: f64, scale: Scale) -> Self {
        value * Self::from(scale.slope) + Self::from(scale.intercept)
    }
}

/// Integers hold stored values unscaled; the caller has checked that they fit.
macro_rules! integer_output {
    ($($type:ty),+) => {$(
        impl Output for $type {
            const RANGE: Option<(i64, i64)> = Some((<$type>::MIN as i64, <$type>::MAX as i64));
            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it fits")]
            fn of_integer32(value: i32, _: Scale) -> Self {
                value as Self
            }
            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "it fits")]
            fn of_unsigned32(value: u32, _: Scale) -> Self {
                value as Self
            }
            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "unused")]
            fn of_double(value: f64, _: Scale) -> Self {
                value as Self
            }
        }
    )+};
}
integer_output!(u8, i16, u16, i32);

/// Whether every stored value of a format fits into `T`.
pub(super) fn fits<T: Output>(format: &Format) -> bool {
    let Some((least, most)) = T::RANGE else { return true };
    let bits = if format.bits_allocated == 1 { 1 } else { format.bits_stored };
    let range = match format.kind {
        Kind::F32 | Kind::F64 => return false,
        Kind::U8 | Kind::U16 | Kind::U32 => (0, (1_i64 << bits) - 1),
        Kind::I8 | Kind::I16 | Kind::I32 => (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1),
    };
    least <= range.0 && range.1 <= most
}

/// Converts samples in this machine's byte order. `unused` bits above those stored are replaced
/// by the sign, or cleared.
pub(super) fn convert<T: Output>(
    bytes: &[u8],
    kind: Kind,
    unused: u32,
    scale: Scale,
    out: &mut [T],
) {
    match (kind, unused) {
        (Kind::U8, 0) => {
            each(bytes, out, |raw| T::of_integer32(u8::from_ne_bytes(raw).into(), scale));
        }
        (Kind::I8, 0) => {
            each(bytes, out, |raw| T::of_integer32(i8::from_ne_bytes(raw).into(), scale));
        }
        (Kind::U16, 0) => {
            each(bytes, out, |raw| T::of_integer32(u16::from_ne_bytes(raw).into(), scale));
        }
        (Kind::I16, 0) => {
            each(bytes, out, |raw| T::of_integer32(i16::from_ne_bytes(raw).into(), scale));
        }
        (Kind::U8, _) => each(bytes, out, |raw| {
            T::of_integer32((u8::from_ne_bytes(raw) << unused >> unused).into(), scale)
        }),
        (Kind::I8, _) => each(bytes, out, |raw| {
            T::of_integer32((i8::from_ne_bytes(raw) << unused >> unused).into(), scale)
        }),
        (Kind::U16, _) => each(bytes, out, |raw| {
            T::of_integer32((u16::from_ne_bytes(raw) << unused >> unused).into(), scale)
        }),
        (Kind::I16, _) => each(bytes, out, |raw| {
            T::of_integer32((i16::from_ne_bytes(raw) << unused >> unused).into(), scale)
        }),
        (Kind::U32, _) => each(bytes, out, |raw| {
            T::of_unsigned32(u32::from_ne_bytes(raw) << unused >> unused, scale)
        }),
        (Kind::I32, _) => each(bytes, out, |raw| {
            T::of_integer32(i32::from_ne_bytes(raw) << unused >> unused, scale)
        }),
        (Kind::F32, _) => {
            each(bytes, out, |raw| T::of_double(f32::from_ne_bytes(raw).into(), scale));
        }
        (Kind::F64, _) => each(bytes, out, |raw| T::of_double(f64::from_ne_bytes(raw), scale)),
    }
}

fn each<T, const N: usize>(bytes: &[u8], out: &mut [T], value: impl Fn([u8; N]) -> T) {
    for (&raw, slot) in bytes.as_chunks().0.iter().zip(out) {
        *slot = value(raw);
    }
}

/// Replaces unused bits in place, as [`convert`] does.
pub(super) fn settle(bytes: &mut [u8], kind: Kind, unused: u32) {
    fn each<const N: usize>(bytes: &mut [u8], value: impl Fn([u8; N]) -> [u8; N]) {
        for raw in bytes.as_chunks_mut().0 {
            *raw = value(*raw);
        }
    }
    match kind {
        _ if unused == 0 => {}
        Kind::U8 => each(bytes, |raw| (u8::from_ne_bytes(raw) << unused >> unused).to_ne_bytes()),
        Kind::I8 => each(bytes, |raw| (i8::from_ne_bytes(raw) << unused >> unused).to_ne_bytes()),
        Kind::U16 => each(bytes, |raw| (u16::from_ne_bytes(raw) << unused >> unused).to_ne_bytes()),
        Kind::I16 => each(bytes, |raw| (i16::from_ne_bytes(raw) << unused >> unused).to_ne_bytes()),
        Kind::U32 => each(bytes, |raw| (u32::from_ne_bytes(raw) << unused >> unused).to_ne_bytes()),
        Kind::I32 => each(bytes, |raw| (i32::from_ne_bytes(raw) << unused >> unused).to_ne_bytes()),
        Kind::F32 | Kind::F64 => {}
    }
}

/// Reverses the bytes of each value.
pub(super) fn swap(bytes: &mut [u8], size: usize) {
    match size {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|raw| raw.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|raw| raw.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|raw| raw.reverse()),
        _ => {}
    }
}

/// Unpacks single bits, the lowest of a byte first, from bit `first` on.
pub(super) fn unpack(bytes: &[u8], first: usize, out: &mut Vec<u8>, count: usize) {
    out.clear();
    if first == 0 {
        out.extend(
            bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).take(count),
        );
    } else {
        out.extend((first..first + count).map(|bit| bytes[bit / 8] >> (bit % 8) & 1));
    }
}

/// Brings the samples of a pixel together: all of one colour after the other become pixels.
pub(super) fn interleave(bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    let plane = bytes.len() / 3;
    out.clear();
    out.reserve(bytes.len());
    let [red, green, blue] = [0, 1, 2].map(|at| &bytes[at * plane..(at + 1) * plane]);
    let pixels = red.chunks_exact(size).zip(green.chunks_exact(size)).zip(blue.chunks_exact(size));
    for ((red, green), blue) in pixels {
        out.extend_from_slice(red);
        out.extend_from_slice(green);
        out.extend_from_slice(blue);
    }
}

/// Gives every pixel its chroma: `Y1 Y2 B R` become two pixels (PS3.3 C.7.6.3.1.2).
pub(super) fn upsample(bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(bytes.len() / 2 * 3);
    for &[first, second, blue, red] in bytes.as_chunks().0 {
        out.extend_from_slice(&[first, blue, red, second, blue, red]);
    }
}

/// Turns `YBR_FULL` into RGB in place (PS3.3 C.7.6.3.1.2, ITU T.871 section 7).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..255")]
pub(super) fn ybr_to_rgb(bytes: &mut [u8]) {
    const RED: f32 = 1.402;
    const GREEN_BLUE: f32 = (-0.114 * 1.772 / 0.587_f64) as f32;
    const GREEN_RED: f32 = (-0.299 * 1.402 / 0.587_f64) as f32;
    const BLUE: f32 = 1.772;
    let byte = |value: f32| (value + 0.5).floor().clamp(0.0, 255.0) as u8;
    for [y, b, r] in bytes.as_chunks_mut().0 {
        let luma = f32::from(*y);
        let (blue, red) = (f32::from(*b) - 128.0, f32::from(*r) - 128.0);
        *y = byte(luma + RED * red);
        *b = byte(luma + GREEN_BLUE * blue + GREEN_RED * red);
        *r = byte(luma + BLUE * blue);
    }
}
