import { expect, test } from "vitest";
import document from "../../docs/reference/experiment.schema.json";
import { read, written } from "../field_text";
import { SchemaReader, type Schema } from "../schema";

const reader = new SchemaReader(document as unknown as Schema);
const shape = (...path: (string | number)[]) =>
  reader.at(path, {
    data: { images: { a: {} }, target: { kind: "multitask" } },
    model: { table: { kind: "mlp" }, fusion: { kind: "gated" } },
    training: { optimizer: { kind: "adamw" } },
  })!.shape;

const CASES: [string, (string | number)[], unknown][] = [
  ["12", ["training", "epochs"], 12],
  ["1e-3", ["training", "optimizer", "lr"], 0.001],
  [".5", ["model", "fusion", "dropout"], 0.5],
  ["skin.csv", ["data", "table"], "skin.csv"],
  ["64, 32", ["model", "table", "hidden"], [64, 32]],
  ["age, bmi", ["data", "numeric"], ["age", "bmi"]],
  ["64,96", ["data", "images", "a", "size"], [64, 96]],
  ["0.9, 0.999", ["training", "optimizer", "betas"], [0.9, 0.999]],
  ["all", ["model", "image", "trainable"], "all"],
  ["2", ["model", "image", "trainable"], 2],
  ["balanced", ["training", "class_weights"], "balanced"],
  ["1, 2.5", ["training", "class_weights"], [1, 2.5]],
  ["uncertainty", ["data", "target", "weights"], "uncertainty"],
  ["death: 1, stay: 0.5", ["data", "target", "weights"], { death: 1, stay: 0.5 }],
];

test.each(CASES)("%s is read as what it says", (text, path, value) => {
  expect(read(text, shape(...path))).toEqual(value);
});

test.each(CASES)("%s comes back from its value", (_text, path, value) => {
  expect(read(written(value), shape(...path))).toEqual(value);
});

test("what is no such value stays as it was written, for the kernel to refuse", () => {
  expect(read("ten", shape("training", "epochs"))).toBe("ten");
  expect(read("1,5", shape("training", "epochs"))).toBe("1,5");
  expect(read("64, x", shape("data", "images", "a", "size"))).toEqual([64, "x"]);
  expect(read("1e999", shape("training", "optimizer", "lr"))).toBe("1e999");
  expect(read("  ", shape("training", "epochs"))).toBeUndefined();
  expect(read("0x10", shape("training", "epochs"))).toBe("0x10");
});
