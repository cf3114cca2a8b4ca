import { expect, test } from "vitest";
import { RunStore } from "../run_store";
import { drawnMetrics, duration, figure, metricName, short, stateWord } from "../wording";

test.each([
  [0, "1 s"],
  [42.4, "42 s"],
  [61, "1 min 00 s"],
  [125, "2 min 10 s"],
  [599, "10 min 00 s"],
  [3600, "60 min"],
  [7260, "2 h 01 min"],
])("%d seconds", (seconds, text) => expect(duration(seconds)).toBe(text));

test.each([
  [0, "0"],
  [0.41234, "0.412"],
  [-1.5, "-1.500"],
  [0.00012, "1.2e-4"],
  [123.44, "123.4"],
  [5_000_000, "5.0e6"],
])("the number %d", (value, text) => expect(short(value)).toBe(text));

test("a metric with its interval, without, and not estimable", () => {
  expect(figure({ value: 0.871, ci: [0.8, 0.93], n: 96 })).toBe("0.871 (0.800 to 0.930)");
  expect(figure({ value: 0.5, ci: [null, 1], n: 3 })).toBe("0.500");
  expect(figure({ value: null, ci: [], n: 3 })).toBe("not estimable");
  expect(figure(undefined)).toBe("");
});

test("names of metrics", () => {
  expect(metricName("auc")).toBe("AUC");
  expect(metricName("balanced_accuracy")).toBe("Balanced accuracy");
});

test("what was asked for is said until it is done", () => {
  const { status } = new RunStore().facts;
  expect(stateWord(status)).toBe("starting");
  expect(stateWord({ ...status, state: "running", asked: "stop" })).toBe("stopping");
  expect(stateWord({ ...status, state: "running", asked: "pause" })).toBe("pausing");
  expect(stateWord({ ...status, state: "stopped", asked: "stop" })).toBe("stopped");
});

test("a metric of a task begins with the task", () => {
  expect(metricName("death/auc")).toBe("death: AUC");
});

test("of several tasks the first metric of each is drawn, and the monitored one first", () => {
  const tasks = ["a", "b", "c"].flatMap((task) =>
    ["loss", "auc", "brier"].map((name) => `val/${task}/${name}`),
  );
  const names = ["train/loss", "val/loss", ...tasks];
  expect(drawnMetrics(names, "val/loss")).toEqual(["val/a/auc", "val/b/auc", "val/c/auc"]);
  expect(drawnMetrics(names, "val/b/brier")[0]).toBe("val/b/brier");
  expect(drawnMetrics(["val/auc", "val/f1"], "val/f1")).toEqual(["val/f1", "val/auc"]);
});
