// @vitest-environment happy-dom
import { afterEach, expect, test } from "vitest";
import document_ from "../../docs/reference/experiment.schema.json";
import { Form, type FormHost, type Path } from "../form";
import { isRecord, SchemaReader, type Schema } from "../schema";

const HOSTILE = '<img src=x onerror="window.hacked = 1">';
const reader = new SchemaReader(document_ as unknown as Schema);

type Place = Record<string | number, unknown>;

/** A kernel in memory: what medfusion/spec/draft.py does, as far as a form needs it. */
class Kernel implements FormHost {
  asked: unknown[][] = [];
  wrong: Record<string, string> = {};
  form: Form | null = null;
  constructor(public document: Place) {}
  said(path: Path): unknown {
    let here: unknown = this.document;
    for (const part of path) {
      here = isRecord(here) || Array.isArray(here) ? (here as Place)[part] : undefined;
    }
    return here;
  }
  problems(path: Path) {
    const sentence = this.wrong[path.join(".")];
    return sentence === undefined ? [] : [sentence];
  }
  set(path: Path, value: unknown, merge: boolean) {
    this.asked.push(["set", path.join("."), value, merge]);
    this.change((holder, last) => (holder[last] = value), path);
  }
  remove(path: Path) {
    this.asked.push(["remove", path.join(".")]);
    this.change((holder, last) => delete holder[last], path);
  }
  choose(path: Path, kind: string) {
    this.asked.push(["choose", path.join("."), kind]);
    this.change((holder, last) => (holder[last] = { kind }), path);
  }
  rename(path: Path, name: string) {
    this.asked.push(["rename", path.join("."), name]);
    this.change((holder, last) => {
      const entries = Object.entries(holder).map(([key, one]) => [key === last ? name : key, one]);
      for (const key of Object.keys(holder)) delete holder[key];
      Object.assign(holder, Object.fromEntries(entries));
    }, path);
  }
  word = (key: string) => key;
  label = (path: Path) => String(path.at(-1));
  help = (_path: Path, field: { help: string }) => field.help;
  private change(make: (holder: Place, last: string | number) => unknown, path: Path) {
    let here = this.document;
    for (const part of path.slice(0, -1)) here = (here[part] ??= {}) as Place;
    make(here, path.at(-1)!);
    this.form?.update();
  }
}

function show(part: string, said: Place, usual: string[] | null = null) {
  const kernel = new Kernel({ [part]: said });
  kernel.form = new Form(kernel, reader.at([part], {})!, [part], usual);
  document.body.append(kernel.form.node);
  const row = (path: string) => document.querySelector<HTMLElement>(`[data-path="${part}.${path}"]`)!;
  const input = (path: string) => row(path).querySelector<HTMLInputElement>("input, select")!;
  const type = (path: string, text: string) => {
    input(path).value = text;
    input(path).dispatchEvent(new Event("input"));
  };
  const pick = (path: string, value: string) => {
    input(path).value = value;
    input(path).dispatchEvent(new Event("change"));
  };
  return { kernel, row, input, type, pick };
}

afterEach(() => document.body.replaceChildren());

test("defaults are placeholders, what is typed is asked for, emptied fields follow the default again", () => {
  const { kernel, row, input, type } = show("training", {});
  expect(input("epochs").value).toBe("");
  expect(input("epochs").placeholder).not.toBe("");
  expect(row("epochs").classList.contains("mf-said")).toBe(false);
  type("epochs", "12");
  expect(kernel.asked.at(-1)).toEqual(["set", "training.epochs", 12, true]);
  expect(row("epochs").classList.contains("mf-said")).toBe(true);
  type("epochs", "");
  expect(kernel.asked.at(-1)).toEqual(["remove", "training.epochs"]);
  expect(kernel.document).toEqual({ training: {} });
});

test("while a number is being typed the text stays as it is", () => {
  const { kernel, input, type } = show("training", { optimizer: { kind: "adamw" } });
  for (const text of ["1", "1e", "1e-", "1e-3"]) {
    type("optimizer.lr", text);
    expect(input("optimizer.lr").value).toBe(text);
  }
  expect(kernel.said(["training", "optimizer", "lr"])).toBe(0.001);
  input("optimizer.lr").dispatchEvent(new Event("blur"));
  expect(input("optimizer.lr").value).toBe("0.001");
});

test("choosing a kind shows its own fields", () => {
  const { kernel, row, pick } = show("model", {});
  expect(row("fusion.initial_gate")).not.toBeNull();
  pick("fusion", "film");
  expect(kernel.asked.at(-1)).toEqual(["choose", "model.fusion", "film"]);
  expect(row("fusion.initial_gate")).toBeNull();
  expect(row("fusion.dim")).not.toBeNull();
});

test("parts that may be left out come and go", () => {
  const { kernel, row, pick } = show("model", {});
  expect(row("alignment").querySelector<HTMLElement>(".mf-form")!.hidden).toBe(true);
  pick("alignment", "with");
  expect(kernel.said(["model", "alignment"])).toEqual({});
  expect(row("alignment").querySelector<HTMLElement>(".mf-form")!.hidden).toBe(false);
  pick("alignment", "");
  expect(kernel.asked.at(-1)).toEqual(["remove", "model.alignment"]);
});

test("views are added, renamed and removed", () => {
  const { kernel, row } = show("data", {});
  const images = row("images");
  const button = (text: string) =>
    [...images.querySelectorAll("button")].find((one) => one.textContent === text)!;
  const add = () => images.querySelector<HTMLElement>(":scope > .mf-several > button")!.click();
  add();
  add();
  expect(Object.keys(kernel.said(["data", "images"]) as Place)).toEqual(["image", "image2"]);
  const name = images.querySelector<HTMLInputElement>(".mf-entry-name")!;
  name.value = "photo";
  name.dispatchEvent(new Event("change"));
  expect(Object.keys(kernel.said(["data", "images"]) as Place)).toEqual(["photo", "image2"]);
  button("remove").click();
  expect(Object.keys(kernel.said(["data", "images"]) as Place)).toEqual(["image2"]);
});

test("what is wrong stands beside its field, and unusual fields with something said are open", () => {
  const { kernel, row, input } = show("training", { clip_norm: -1 }, ["epochs"]);
  kernel.wrong["training.clip_norm"] = "Input should be greater than 0";
  kernel.form!.update();
  expect(row("clip_norm").querySelector(".mf-wrong")!.textContent).toBe("Input should be greater than 0");
  expect(input("clip_norm").getAttribute("aria-invalid")).toBe("true");
  expect(row("clip_norm").closest("details")!.open).toBe(true);
  expect(row("epochs").closest("details")).toBeNull();
});

test("text from data stays text", () => {
  const { kernel } = show("data", { images: { [HOSTILE]: { column: HOSTILE } }, numeric: [HOSTILE] });
  kernel.wrong["data.table"] = HOSTILE;
  kernel.form!.update();
  expect(document.querySelector("img")).toBeNull();
  expect(document.body.textContent).toContain(HOSTILE);
});

test("a screen reader hears the name and the help of each field", () => {
  const { input, row } = show("training", {});
  const id = input("epochs").id;
  expect(row("epochs").querySelector("label")!.htmlFor).toBe(id);
  const help = document.getElementById(input("epochs").getAttribute("aria-describedby")!);
  expect(help!.textContent!.length).toBeGreaterThan(5);
});
