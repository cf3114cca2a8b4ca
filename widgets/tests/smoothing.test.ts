import { expect, test } from "vitest";
import { smooth } from "../smoothing";

/** The weighted mean written out: the oracle. */
function slow(values: number[], weight: number): number[] {
  return values.map((_, now) => {
    const weights = values.slice(0, now + 1).map((__, index) => weight ** (now - index));
    const whole = weights.reduce((a, b) => a + b, 0);
    return weights.reduce((sum, one, index) => sum + one * values[index]!, 0) / whole;
  });
}

test.each([0, 0.3, 0.9, 0.99])("equals the weighted mean, weight %d", (weight) => {
  const value = Array.from({ length: 50 }, (_, index) => Math.sin(index) + index / 10);
  const step = value.map((_, index) => index + 1);
  const found = smooth({ step, value }, weight);
  expect(found.step).toEqual(step);
  slow(value, weight).forEach((wanted, index) => expect(found.value[index]).toBeCloseTo(wanted, 10));
});

test("a constant stays what it is from the first point on", () => {
  const found = smooth({ step: [1, 2, 3], value: [7, 7, 7] }, 0.99);
  for (const value of found.value) expect(value).toBeCloseTo(7, 10);
});
