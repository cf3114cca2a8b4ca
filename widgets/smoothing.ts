// Exponential smoothing of curves, without the pull to zero at their beginning.

import type { Curve } from "./run_store";

/**
 * Smooth a curve: each value is the mean of all before it with weights that fall by `weight` a
 * point, and that sum to one from the first point on (bias correction).
 */
export function smooth(curve: Curve, weight: number): Curve {
  let sum = 0;
  let whole = 0;
  const value = curve.value.map((one) => {
    sum = weight * sum + (1 - weight) * one;
    whole = weight * whole + (1 - weight);
    return sum / whole;
  });
  return { step: curve.step, value };
}
