// @vitest-environment happy-dom
import { expect, test } from "vitest";
import schema from "../../docs/reference/experiment.schema.json";
import type { Schema } from "../schema";
import { NodeSettings } from "../workflow_settings";
import { before, endOf, isActive, outputsFor, type Catalogue, type NodeKind, type State } from "../workflow_state";

const HOSTILE = '<img src=x onerror="window.hacked = 1">';

const KINDS = new Map<string, NodeKind>(
  [
    { name: "data", inputs: [], outputs: [port("data")], summary: "" },
    { name: "preprocessing", inputs: [port("data")], outputs: [port("data")], summary: "" },
    { name: "split", inputs: [port("data")], outputs: [port("cohort")], summary: "" },
  ].map((kind) => [kind.name, kind]),
);

function port(name: string) {
  return { name, type: name, required: true, several: false };
}

const CATALOGUE: Catalogue = {
  kinds: [...KINDS.values()],
  preprocessing: ["size", "channels", "transforms", "mean", "std", "augmentation"],
  schema: schema as unknown as Schema,
  templates: [],
};

function state(more: Partial<State> = {}): State {
  return {
    workflow: {
      nodes: {
        data: { kind: "data", settings: { data: { table: HOSTILE, images: { photo: { column: "a" } } } } },
        seen: { kind: "preprocessing", settings: { data: { images: { photo: { size: [32, 32] } } } } },
        split: { kind: "split" },
        other: { kind: "preprocessing" },
      },
      edges: [
        { source: "data.data", target: "seen.data" },
        { source: "seen.data", target: "split.data" },
      ],
    },
    problems: [],
    steps: [0, 0],
    name: "a",
    file: null,
    folder: "/f",
    codes: {},
    work: { state: "none", path: null, nodes: {} },
    ...more,
  };
}

function paths(node: HTMLElement): string[] {
  return [...node.querySelectorAll<HTMLElement>("[data-path]")].map((row) => row.dataset["path"]!);
}

test("what leads to a node, and what may be joined to it without a circle", () => {
  const now = state();
  expect([...before(now, "split")].sort()).toEqual(["data", "seen"]);
  expect(outputsFor(now, KINDS, "seen", port("data"))).toEqual(["data.data", "other.data"]);
  expect(outputsFor(now, KINDS, "other", port("data"))).toEqual(["data.data", "seen.data"]);
  expect(outputsFor(now, KINDS, "split", port("cohort"))).toEqual([]);
  expect(endOf("seen.data")).toEqual(["seen", "data"]);
  expect(isActive(now)).toBe(false);
  expect(isActive(state({ work: { state: "running", path: null, nodes: {} } }))).toBe(true);
});

test("each node's form has its own part of the experiment, and no part twice", () => {
  const forms = ["data", "preprocessing", "split"].map((kind, place) => {
    const name = ["data", "seen", "split"][place]!;
    return new NodeSettings(name, kind, CATALOGUE, state(), () => undefined).node;
  });
  const [data, seen, split] = forms.map(paths);
  expect(data).toContain("data.table");
  expect(data).toContain("data.images.photo.column");
  expect(data).not.toContain("data.split");
  expect(data).not.toContain("data.images.photo.size");
  expect(seen).toContain("data.images.photo.size");
  expect(seen).not.toContain("data.images.photo.column");
  expect(split).toEqual(["data.split"]);
  expect(forms[0]!.querySelector("img")).toBeNull();
});

test("a preprocessing shows the views of the data before it, and asks by node", () => {
  const asked: unknown[] = [];
  const now = state();
  delete now.workflow.nodes!["seen"]!.settings;
  const form = new NodeSettings("seen", "preprocessing", CATALOGUE, now, (...words) => asked.push(words));
  const input = form.node.querySelector<HTMLInputElement>('[data-path="data.images.photo.size"] input')!;
  input.value = "64, 64";
  input.dispatchEvent(new Event("input"));
  expect(asked).toEqual([
    ["set", { node: "seen", path: ["data", "images", "photo", "size"], value: [64, 64], merge: true }],
  ]);
});

test("problems stand at their field, those of other nodes do not", () => {
  const told = { node: "split", port: null, path: ["data", "split"], edge: null, sentence: "is missing" };
  const form = new NodeSettings("split", "split", CATALOGUE, state({ problems: [told] }), () => undefined);
  const wrong = () => form.node.querySelector(".mf-wrong")!.textContent;
  expect(wrong()).toBe("is missing");
  form.update(state({ problems: [{ ...told, node: "other" }] }));
  expect(wrong()).toBe("");
});

test("a report has no settings of its own", () => {
  expect(new NodeSettings("r", "report", CATALOGUE, state(), () => undefined).isEmpty).toBe(true);
});
