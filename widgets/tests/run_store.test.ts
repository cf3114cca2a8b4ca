import { expect, test } from "vitest";
import type { AllMessage, PointsMessage } from "../model";
import { RunStore } from "../run_store";

const points = (seq: number, step: number[]): PointsMessage => ({
  kind: "points",
  seq,
  curves: { "step/loss": [step, step.map((one) => one / 10)] },
});

function all(seq: number, step: number[]): [AllMessage, DataView[]] {
  // As they come from the wire: in one buffer, at a place that is no multiple of four.
  const bytes = new ArrayBuffer(1 + 8 * step.length);
  const steps = new DataView(bytes, 1, 4 * step.length);
  const values = new DataView(bytes, 1 + 4 * step.length, 4 * step.length);
  step.forEach((one, index) => {
    steps.setInt32(4 * index, one, true);
    values.setFloat32(4 * index, one / 2, true);
  });
  const facts = new RunStore().facts;
  return [{ kind: "all", seq, ...facts, curves: ["step/loss"], messages: [] }, [steps, values]];
}

test("a frame, then only what is new", () => {
  const store = new RunStore();
  expect(store.adopt({ seq: 4, curves: { "step/loss": [[1], [0.5]] }, messages: [] })).toBe(true);
  expect(store.append(points(5, [2, 3]))).toBe(true);
  expect(store.curves.get("step/loss")).toEqual({ step: [1, 2, 3], value: [0.5, 0.2, 0.3] });
});

test("a message that comes twice or late changes nothing", () => {
  const store = new RunStore();
  store.adopt({ seq: 4 });
  store.append(points(5, [1]));
  expect(store.append(points(5, [1]))).toBe(true);
  expect(store.append(points(3, [9]))).toBe(true);
  expect(store.curves.get("step/loss")?.step).toEqual([1]);
});

test("a gap is told, nothing is drawn across it, and a frame closes it", () => {
  const store = new RunStore();
  store.adopt({ seq: 1 });
  expect(store.append(points(3, [9]))).toBe(false);
  expect(store.append(points(4, [10]))).toBe(false);
  expect(store.curves.size).toBe(0);
  expect(store.adopt({ seq: 4, curves: { "step/loss": [[9, 10], [1, 2]] } })).toBe(true);
  expect(store.append(points(5, [11]))).toBe(true);
  expect(store.curves.get("step/loss")?.step).toEqual([9, 10, 11]);
});

test("the state is known even where points were missed", () => {
  const store = new RunStore();
  const status = { ...store.facts.status, state: "finished" };
  expect(store.append({ kind: "points", seq: 7, status })).toBe(false);
  expect(store.facts.status.state).toBe("finished");
});

test("a frame does not replace the finer curves that are drawn", () => {
  const store = new RunStore();
  store.replace(...all(5, [1, 2, 3]));
  expect(store.adopt({ seq: 5, curves: { "step/loss": [[1], [1]] } })).toBe(false);
  expect(store.curves.get("step/loss")).toEqual({ step: [1, 2, 3], value: [0.5, 1, 1.5] });
  expect(store.append(points(6, [4]))).toBe(true);
});

test("the log keeps its last 500 lines", () => {
  const store = new RunStore();
  store.adopt({ seq: 0 });
  for (let seq = 1; seq <= 600; seq++) {
    const line = { time: seq, level: "info", text: String(seq) };
    store.append({ kind: "points", seq, messages: [line] });
  }
  expect(store.log.length).toBe(500);
  expect(store.log.at(-1)?.text).toBe("600");
});
