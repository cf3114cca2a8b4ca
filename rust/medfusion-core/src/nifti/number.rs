//! Number types, and blocks of one type turned into another.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    clippy::float_cmp,
    reason = "conversions between all number types, each checked by converting back"
)]

use std::fmt;

use bytemuck::Pod;

use super::NiftiError;

/// A type of numbers, as NumPy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Number {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Number {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::F64,
    ];

    /// Bytes of one number.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// NumPy's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Slope and intercept; the arithmetic is in double precision, as nibabel's.
pub type Scaling = Option<(f64, f64)>;

/// One number turned into another type.
trait Cast<T>: Pod {
    fn cast(self) -> T;
    /// Whether an integer holds the value exactly; any float type holds any value.
    fn fits(self) -> bool;
}

trait Double: Pod {
    fn double(self) -> f64;
}

macro_rules! casts {
    ($($from:ty),*) => { $(
        impl Double for $from {
            fn double(self) -> f64 { self as f64 }
        }
        casts!(@float $from, f32 f64);
        casts!(@integer $from, u8 i8 u16 i16 u32 i32 u64 i64);
    )* };
    (@float $from:ty, $($to:ty)*) => { $(
        impl Cast<$to> for $from {
            fn cast(self) -> $to { self as $to }
            fn fits(self) -> bool { true }
        }
    )* };
    (@integer $from:ty, $($to:ty)*) => { $(
        impl Cast<$to> for $from {
            fn cast(self) -> $to { self as $to }
            fn fits(self) -> bool {
                let cast = self as $to;
                // A double tells all values apart that have at most 32 bits.
                cast as f64 == self as f64
                    && ((size_of::<$to>() < 8 && size_of::<$from>() < 8)
                        || cast as i128 == self as i128)
            }
        }
    )* };
}

casts!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

macro_rules! typed {
    ($number:expr, $name:ident => $body:expr) => {
        match $number {
            Number::U8 => {
                type $name = u8;
                $body
            }
            Number::I8 => {
                type $name = i8;
                $body
            }
            Number::U16 => {
                type $name = u16;
                $body
            }
            Number::I16 => {
                type $name = i16;
                $body
            }
            Number::U32 => {
                type $name = u32;
                $body
            }
            Number::I32 => {
                type $name = i32;
                $body
            }
            Number::U64 => {
                type $name = u64;
                $body
            }
            Number::I64 => {
                type $name = i64;
                $body
            }
            Number::F32 => {
                type $name = f32;
                $body
            }
            Number::F64 => {
                type $name = f64;
                $body
            }
        }
    };
}

/// Turns a block of numbers of this machine's byte order into `target`, scaled.
///
/// Both slices are aligned to their types and hold equally many numbers.
pub(super) fn convert(
    (from, source): (Number, &[u8]),
    scaling: Scaling,
    (target, out): (Number, &mut [u8]),
) -> Result<(), NiftiError> {
    if from == target && scaling.is_none() {
        out.copy_from_slice(source);
        return Ok(());
    }
    let misfit = typed!(from, From => typed!(target, To => {
        let (source, out) = (slice::<From>(source)?, slice_mut::<To>(out)?);
        match scaling {
            None => plain(source, out),
            Some(scaling) => scaled(source, scaling, out),
        }
    }));
    misfit.map_or(Ok(()), |value| Err(NiftiError::Misfit { value, target }))
}

/// Turns the byte order round, in place.
pub(super) fn swap_bytes(block: &mut [u8], size: usize) -> Result<(), NiftiError> {
    match size {
        2 => slice_mut::<u16>(block)?.iter_mut().for_each(|one| *one = one.swap_bytes()),
        4 => slice_mut::<u32>(block)?.iter_mut().for_each(|one| *one = one.swap_bytes()),
        8 => slice_mut::<u64>(block)?.iter_mut().for_each(|one| *one = one.swap_bytes()),
        _ => {}
    }
    Ok(())
}

fn slice<T: Pod>(bytes: &[u8]) -> Result<&[T], NiftiError> {
    bytemuck::try_cast_slice(bytes).map_err(|error| NiftiError::Decoder(error.to_string()))
}

fn slice_mut<T: Pod>(bytes: &mut [u8]) -> Result<&mut [T], NiftiError> {
    bytemuck::try_cast_slice_mut(bytes).map_err(|error| NiftiError::Decoder(error.to_string()))
}

/// Returns the first value that does not fit.
fn plain<S: Cast<T> + Double, T: Copy>(source: &[S], out: &mut [T]) -> Option<f64> {
    let mut fits = true;
    for (to, from) in out.iter_mut().zip(source) {
        *to = from.cast();
        fits &= from.fits();
    }
    if fits { None } else { source.iter().find(|one| !one.fits()).map(|one| one.double()) }
}

fn scaled<S: Double, T: Copy>(
    source: &[S],
    (slope, inter): (f64, f64),
    out: &mut [T],
) -> Option<f64>
where
    f64: Cast<T>,
{
    let value = |from: &S| from.double() * slope + inter;
    let mut fits = true;
    for (to, from) in out.iter_mut().zip(source) {
        let value = value(from);
        *to = value.cast();
        fits &= Cast::<T>::fits(value);
    }
    if fits { None } else { source.iter().map(value).find(|&one| !Cast::<T>::fits(one)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(from: &[f64], target: Number) -> Result<Vec<u8>, NiftiError> {
        let mut out = vec![0_u64; from.len()];
        let out = &mut bytemuck::cast_slice_mut(&mut out)[..from.len() * target.size()];
        convert((Number::F64, bytemuck::cast_slice(from)), None, (target, out))?;
        Ok(out.to_vec())
    }

    #[test]
    fn whole_numbers_within_the_range_fit() {
        assert_eq!(to(&[0.0, 255.0], Number::U8).expect("they fit"), [0, 255]);
        for (value, target) in [
            (256.0, Number::U8),
            (-1.0, Number::U16),
            (0.5, Number::I32),
            (f64::NAN, Number::I8),
            (f64::INFINITY, Number::I64),
            (9_223_372_036_854_775_808.0, Number::I64),
            (18_446_744_073_709_551_616.0, Number::U64),
        ] {
            let error = to(&[1.0, value], target).expect_err("it does not fit");
            assert!(matches!(error, NiftiError::Misfit { .. }), "{value} in {target}");
        }
    }

    #[test]
    fn large_integers_are_told_apart() {
        let source = [i64::MAX, i64::MIN];
        let mut out = [0_u64; 2];
        let result = convert(
            (Number::I64, bytemuck::cast_slice(&source)),
            None,
            (Number::U64, bytemuck::cast_slice_mut(&mut out)),
        );
        assert!(matches!(result, Err(NiftiError::Misfit { .. })));
        assert_eq!(out[0], i64::MAX as u64);
    }

    #[test]
    fn bytes_are_swapped_by_size() {
        let mut block = bytemuck::cast_slice::<u64, u8>(&[0x0102_0304_0506_0708_u64]).to_vec();
        let mut aligned = [0_u64];
        for size in [2, 4, 8] {
            let bytes = bytemuck::cast_slice_mut::<u64, u8>(&mut aligned);
            bytes.copy_from_slice(&block);
            swap_bytes(bytes, size).expect("aligned");
            let swapped: Vec<u8> =
                block.chunks(size).flat_map(|part| part.iter().rev().copied()).collect();
            assert_eq!(bytes, swapped);
            block.clone_from(&swapped);
        }
    }
}
