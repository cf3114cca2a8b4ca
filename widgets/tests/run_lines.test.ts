import { expect, test } from "vitest";
import {
  classPictures,
  gradientPictures,
  insidePictures,
  lossLines,
  machinePictures,
  metricLines,
  metricNames,
  type Look,
  type ShownRun,
} from "../run_lines";
import { RunStore } from "../run_store";

const LOOK: Look = { smoothing: 0, log: false, hidden: [], chosen: 0, metric: "" };

function run(place: number, ...names: string[]): ShownRun {
  const store = new RunStore();
  const curves = Object.fromEntries(
    names.map((name) => [name, [[1, 2, 3], [0.1, 0.2, 0.3]] as [number[], number[]]]),
  );
  store.adopt({ seq: 1, curves });
  return { place, name: `run ${place}`, monitor: "val/auc", store };
}

const ALL = ["step/loss", "train/loss", "val/loss", "val/auc", "val/brier"];

test("one run has its steps faint behind its epochs", () => {
  const lines = lossLines([run(0, ...ALL)], LOOK, false);
  expect(lines.map(({ label, faint }) => [label, faint ?? false])).toEqual([
    ["train, each step", true], ["train", false], ["validation", false],
  ]);
});

test("several runs differ in colour and sign, one metric of all", () => {
  const runs = [run(0, ...ALL), run(1, ...ALL)];
  expect(lossLines(runs, LOOK, true).map(({ label, colour }) => [label, colour])).toEqual([
    ["run 0, train", 0], ["run 0, validation", 0], ["run 1, train", 1], ["run 1, validation", 1],
  ]);
  const lines = metricLines(runs, LOOK, true);
  expect(lines.map(({ label }) => label)).toEqual(["run 0", "run 1"]);
  expect(new Set(lines.map(({ symbol }) => symbol)).size).toBe(2);
  expect(metricNames(runs)).toEqual(["val/auc", "val/brier"]);
});

test("the chosen metric is the only one", () => {
  const lines = metricLines([run(0, ...ALL)], { ...LOOK, metric: "val/brier" }, false);
  expect(lines.map(({ label }) => label)).toEqual(["Brier score"]);
});

test("a smoothed line keeps its raw one, faint", () => {
  const lines = metricLines([run(0, "val/auc")], { ...LOOK, smoothing: 0.5 }, false);
  expect(lines.map(({ faint }) => faint)).toEqual([true, false]);
  expect(lines[0]!.curve.value).toEqual([0.1, 0.2, 0.3]);
  expect(lines[1]!.curve.value[0]).toBeCloseTo(0.1, 10);
  expect(lines[1]!.curve.value[2]).toBeCloseTo((0.3 + 0.2 / 2 + 0.1 / 4) / 1.75, 10);
});

test("classes come by metric, whatever they are called", () => {
  const names = ["class/auc/a/b", "class/auc/c\nd", "class/sensitivity/a/b"];
  const pictures = classPictures(run(0, ...names), LOOK);
  expect(pictures.map(({ title, lines }) => [title, lines.map(({ label }) => label)])).toEqual([
    ["AUC of each class", ["a/b", "c\nd"]], ["Sensitivity of each class", ["a/b"]],
  ]);
});

test("gates, weights and what has no parts come each in a picture with its quantiles", () => {
  const series = ["gates/image", "gates/table", "views/weights/left", "gamma"];
  const names = series.flatMap((one) => ["low", "mean", "high"].map((end) => `inside/${one}/${end}`));
  const pictures = insidePictures(run(0, ...names));
  expect(pictures.map(({ title }) => title)).toEqual(["Gates", "Views, weights", "Gamma"]);
  expect(pictures[0]!.lines.filter(({ faint }) => !faint).map(({ label }) => label)).toEqual([
    "image", "table",
  ]);
  expect(pictures[0]!.lines.length).toBe(6);
});

test("gradients and loads, where there are any", () => {
  expect(gradientPictures(run(0), LOOK)).toEqual([]);
  expect(machinePictures(run(0))).toEqual([]);
  const gradients = gradientPictures(run(0, "gradient/head", "step/grad_norm"), LOOK);
  expect(gradients[0]!.lines.map(({ label }) => label)).toEqual(["head", "whole, before clipping"]);
  const [machine] = machinePictures(run(0, "load/cpu", "load/gpu_memory"));
  expect(machine).toMatchObject({ unit: "%", across: "s since the start" });
  expect(machine!.lines.map(({ label }) => label)).toEqual(["CPU", "GPU memory"]);
});
