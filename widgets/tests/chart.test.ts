import { expect, test } from "vitest";
import { reach } from "../chart";

const line = (last: number) => ({ label: "", colour: 0, curve: { step: [1, last], value: [0, 0] } });

test.each([
  [5, 3000, false, 23.4375],
  [400, 3000, false, 750],
  [2900, 3000, false, 3000],
  [10, 12, false, 12],
  [13, 3000, true, 13],
  [50, 0, false, 50],
])("the axis of a run at step %d of %d, over: %s", (last, steps, over, end) => {
  expect(reach([line(last)], { steps, over, best: null })).toBe(end);
});

test("the axis rarely changes while a run goes on", () => {
  const ends = new Set<number>();
  for (let last = 1; last <= 3000; last++) {
    const end = reach([line(last)], { steps: 3000, over: false, best: null });
    expect(end).toBeGreaterThanOrEqual(last);
    ends.add(end);
  }
  expect(ends.size).toBeLessThan(9);
});
