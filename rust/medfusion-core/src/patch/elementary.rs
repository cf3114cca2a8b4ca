//! Elementary functions of loops: without branches or tables, so that a compiler works on eight
//! numbers at once, and the same to the last bit on every processor.

#![expect(clippy::inline_always, reason = "compiled into each variant of `vector::run`")]

use std::f32::consts::{FRAC_PI_4, LN_2, LOG2_E};

/// The bits of sqrt(1/2).
const ROOT_HALF: i32 = 0x3f35_04f3;

/// Returns the natural logarithm of a positive, normal number; relative error below 3e-7.
///
/// `ln(2^e m) = e ln 2 + 2 atanh((m - 1) / (m + 1))`, with m between sqrt(1/2) and sqrt(2).
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "an exponent")]
pub fn ln(number: f32) -> f32 {
    let bits = number.to_bits().cast_signed().wrapping_sub(ROOT_HALF);
    let exponent = (bits >> 23) as f32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff).wrapping_add(ROOT_HALF).cast_unsigned());
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0
        + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0))));
    exponent * LN_2 + 2.0 * s * series
}

/// Returns `e^x`; relative error below 1e-6 for |x| < 80, beyond it the value at 80.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Added and taken away, it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts: the first has few digits, so that its multiples are exact.
    const LN_2_PARTS: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-80.0, 80.0);
    let sum = x * LOG2_E + ROUND;
    let whole = sum - ROUND;
    let power = sum.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let rest = x - whole * LN_2_PARTS[0] - whole * LN_2_PARTS[1];
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5
                        + rest
                            * (1.0 / 6.0
                                + rest
                                    * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest * (1.0 / 720.0))))));
    series * f32::from_bits(power)
}

/// Returns `base^exponent` for a base in 0..=1 and a positive exponent.
#[inline(always)]
pub fn power(base: f32, exponent: f32) -> f32 {
    let result = exp(exponent * ln(base.max(f32::MIN_POSITIVE)));
    if base > 0.0 { result } else { 0.0 }
}

/// Returns the sine and cosine of `turn * 45 degrees`, `turn` in -1..=1; error below 4e-7.
#[inline(always)]
pub fn sine_cosine(turn: f32) -> (f32, f32) {
    let angle = turn * FRAC_PI_4;
    let square = angle * angle;
    let sine =
        angle * (1.0 + square * (-1.0 / 6.0 + square * (1.0 / 120.0 - square * (1.0 / 5040.0))));
    let cosine = 1.0
        + square
            * (-0.5 + square * (1.0 / 24.0 + square * (-1.0 / 720.0 + square * (1.0 / 40320.0))));
    (sine, cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f32, wanted: f64, tolerance: f64) {
        let error = (f64::from(found) - wanted).abs();
        assert!(error <= tolerance * wanted.abs().max(1e-30), "{found} is not {wanted}");
    }

    #[test]
    fn logarithms_and_powers_are_near_the_true_ones() {
        for step in 1..20_000_u16 {
            let number = f32::from(step) / 10_000.0;
            if step != 10_000 {
                near(ln(number), f64::from(number).ln(), 4e-7);
            }
            near(exp(number * 30.0 - 30.0), f64::from(number * 30.0 - 30.0).exp(), 1e-6);
            let base = f32::from(step) / 20_000.0;
            near(power(base, 1.7), f64::from(base).powf(f64::from(1.7_f32)), 2e-6);
        }
        assert!(ln(1.0).abs() < f32::EPSILON);
        near(ln(2.0_f32.powi(-32)), -32.0 * std::f64::consts::LN_2, 1e-7);
        assert!(power(0.0, 0.5).abs() < f32::EPSILON && (power(1.0, 3.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn sines_are_near_the_true_ones() {
        for step in -1000..=1000_i16 {
            let turn = f32::from(step) / 1000.0;
            let (sine, cosine) = sine_cosine(turn);
            let angle = f64::from(turn) * std::f64::consts::FRAC_PI_4;
            assert!((f64::from(sine) - angle.sin()).abs() < 4e-7);
            assert!((f64::from(cosine) - angle.cos()).abs() < 4e-7);
        }
    }
}
