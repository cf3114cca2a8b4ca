// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { catalogue, t } from "../messages";
import { RunsGrid, moment, type GridHost, type Row } from "../runs_grid";
import table from "../runs_table";
import { fileUrl } from "../server_files";

type Sent = { id: string; name: string; values: Record<string, unknown> };
type Handler = (...given: unknown[]) => void;

const HOSTILE = "<img src=x onerror=alert(1)>${1}";

function run(name: string, more: Partial<Row> = {}): Row {
  return {
    name, state: "finished", epoch: 5, epochs: 5, start: 1.79e9, seconds: 60, metric: null, model: "mlp",
    target: "binary", data: "0123456789", tags: [], note: "", versions: [], trouble: "", path: `/runs/${name}`, ...more,
  };
}

function state(more: object = {}) {
  return {
    folder: "/home/a/runs", home: "/home/a", total: 2, shown: 2, version: 1,
    order: { by: "start", descending: true }, filter: { text: "", state: "", tag: "" },
    states: ["finished"], tags: [], metric: "", metrics: ["auc"], selected: [], current: null,
    comparison: null, reports: {}, python: [], commands: [], ...more,
  };
}

function kernel(given: object) {
  const handlers = new Map<string, Set<Handler>>();
  const sent: Sent[] = [];
  let now = given;
  const model = {
    get: (name: string) => (name === "state" ? now : undefined),
    on: (event: string, handler: Handler) => {
      handlers.set(event, (handlers.get(event) ?? new Set()).add(handler));
    },
    off: (event: string, handler: Handler) => handlers.get(event)?.delete(handler),
    send: (content: Sent) => sent.push(content),
    widget_manager: { get_model: () => Promise.reject(new Error("none")) },
  };
  const tell = (event: string, ...given_: unknown[]) =>
    [...(handlers.get(event) ?? [])].forEach((handler) => handler(...given_));
  return {
    model,
    sent,
    of: (name: string) => sent.filter((one) => one.name === name),
    become: (next: object) => {
      now = next;
      tell("change:state");
    },
    push: (message: object) => tell("msg:custom", message, []),
    reply: async (name: string, values: object) => {
      const asked = sent.filter((one) => one.name === name).at(-1)!;
      tell("msg:custom", { kind: "answer", id: asked.id, values }, []);
      await vi.advanceTimersByTimeAsync(1);
    },
    handlers,
  };
}

async function opened(rows: Row[], more: object = {}) {
  const made = kernel(state({ total: rows.length, shown: rows.length, ...more }));
  const node = document.createElement("div");
  document.body.append(node);
  const close = table.render({ model: made.model as never, el: node });
  await made.reply("rows", { first: 0, rows, version: 1 });
  return { ...made, node, close };
}

const texts = (node: Element, selector: string) =>
  Array.from(node.querySelectorAll(selector), (one) => one.textContent);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("rows are what the kernel says, and text is only ever text", async () => {
  const { node } = await opened([run("one", { tags: [HOSTILE] }), run("two", { state: "running", epoch: 2 })]);
  expect(texts(node, ".mf-grid-row .mf-of-name")).toEqual(["one", "two"]);
  expect(texts(node, ".mf-grid-row .mf-of-tags")).toEqual([HOSTILE, ""]);
  expect(texts(node, ".mf-badge")).toEqual(["finished", "running 2/5"]);
  expect(node.querySelector("img")).toBeNull();
});

test("a pushed row changes in its place; a new order is fetched", async () => {
  const { node, push, become, of, reply } = await opened([run("one"), run("two")]);
  push({ kind: "rows", rows: { two: run("two", { state: "failed" }) } });
  expect(texts(node, ".mf-badge")).toEqual(["finished", "failed"]);
  const before = of("rows").length;
  become(state({ version: 2 }));
  expect(of("rows").length).toBe(before + 1);
  await reply("rows", { first: 0, rows: [run("two"), run("one")], version: 2 });
  expect(texts(node, ".mf-grid-row .mf-of-name")).toEqual(["two", "one"]);
});

test("what is ticked is what the kernel says", async () => {
  const { node, of, become } = await opened([run("one"), run("two")]);
  const tick = node.querySelector<HTMLInputElement>(".mf-grid-row input")!;
  tick.click();
  expect(of("select").at(-1)!.values).toEqual({ names: ["one"] });
  become(state({ selected: ["one"] }));
  expect(tick.checked).toBe(true);
  tick.click();
  expect(of("select").at(-1)!.values).toEqual({ names: [] });
});

test("keys move, tick and open", async () => {
  const { node, of } = await opened([run("one"), run("two")]);
  const body = node.querySelector<HTMLElement>(".mf-grid-body")!;
  const press = (key: string) => body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  press("ArrowDown");
  expect(of("turn_to").at(-1)!.values).toEqual({ name: "two" });
  press("ArrowDown");
  expect(body.getAttribute("aria-activedescendant")).toMatch(/-1$/);
  press(" ");
  expect(of("select").at(-1)!.values).toEqual({ names: ["two"] });
  press("Home");
  expect(of("turn_to").at(-1)!.values).toEqual({ name: "one" });
});

test("deleting asks once more and calms down by itself", async () => {
  const { node, of } = await opened([run("one")], { current: "one" });
  const drop = Array.from(node.querySelectorAll("button")).find((one) => one.textContent === t("run_delete"))!;
  drop.click();
  expect(drop.textContent).toBe(t("run_delete_sure"));
  await vi.advanceTimersByTimeAsync(5000);
  expect(drop.textContent).toBe(t("run_delete"));
  expect(of("delete")).toEqual([]);
  drop.click();
  drop.click();
  expect(of("delete").at(-1)!.values).toEqual({ name: "one", sure: true });
});

test("a note is kept for the run that it was written for", async () => {
  const { node, of, become } = await opened([run("one"), run("two", { note: "old" })], { current: "one" });
  const note = node.querySelector("textarea")!;
  note.value = "mine";
  note.dispatchEvent(new Event("input"));
  become(state({ current: "two" }));
  expect(of("annotate").at(-1)!.values).toEqual({ name: "one", note: "mine" });
  expect(note.value).toBe("old");
  await vi.advanceTimersByTimeAsync(2000);
  expect(of("annotate")).toHaveLength(1);
});

test("a refusal is shown, a closed view hears nothing", async () => {
  const { node, of, push, close, handlers } = await opened([run("one")], { current: "one" });
  Array.from(node.querySelectorAll("button")).find((one) => one.textContent === t("run_report"))!.click();
  push({ kind: "answer", id: of("report").at(-1)!.id, error: { type: "RunError", message: HOSTILE } });
  await vi.advanceTimersByTimeAsync(1);
  expect(node.querySelector(".mf-notice")!.textContent).toBe(HOSTILE);
  close();
  expect([...handlers.values()].every((set) => set.size === 0)).toBe(true);
});

test("of thousands only those in view are made", () => {
  const needed: [number, number][] = [];
  const host = { need: (first: number, count: number) => needed.push([first, count]) };
  const grid = new RunsGrid(host as unknown as GridHost);
  document.body.append(grid.node);
  grid.update({ shown: 5000, order: { by: "start", descending: true }, selected: [], current: null });
  expect(grid.node.querySelectorAll(".mf-grid-row").length).toBeLessThan(40);
  expect(needed[0]![0]).toBe(0);
  const body = grid.node.querySelector<HTMLElement>(".mf-grid-body")!;
  body.scrollTop = 90_000;
  body.dispatchEvent(new Event("scroll"));
  expect(needed.at(-1)![0]).toBe(3000 - 8);
  expect(grid.node.querySelectorAll(".mf-grid-row").length).toBeLessThan(40);
  expect(grid.node.getAttribute("aria-rowcount")).toBe("5001");
});

test("files are opened on the page's own server only", () => {
  const server = { baseUrl: "/user/ann/", serverRoot: "~/work" };
  const url = (path: string) => fileUrl(path, "/home/ann", server);
  expect(url("/home/ann/work/runs/a b#?/report.html")).toBe("/user/ann/files/runs/a%20b%23%3F/report.html");
  for (const path of ["/etc/passwd", "/home/ann/workshop/x", "/home/ann/work/../x", "/home/ann/work/.ssh/x", ""]) {
    expect(url(path)).toBeNull();
  }
  expect(fileUrl("/a/b", "/", { baseUrl: "javascript:alert(1)//", serverRoot: "/a" })).toBeNull();
  expect(fileUrl("/a/b", "/", null)).toBeNull();
});

test("moments are dates, and both languages say everything", () => {
  expect(moment(null)).toBe("");
  expect(moment(1.79e9)).toMatch(/^2026-\d\d-\d\d \d\d:\d\d$/);
  const chinese = catalogue("zh");
  for (const [key, english] of catalogue("en")) {
    const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
    expect(holes(chinese.get(key)!), key).toEqual(holes(english));
  }
});
