// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Frame, Status } from "../model";
import panel from "../run_panel";
import { RunStore } from "../run_store";

const HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';

class FakeModel {
  sent: unknown[] = [];
  handlers = new Map<string, Set<(...args: unknown[]) => void>>();
  widget_manager = { get_model: () => Promise.reject(new Error("no kernel")) };
  constructor(public traits: Record<string, unknown>) {}
  get(name: string) {
    return this.traits[name];
  }
  on(event: string, handler: (...args: never[]) => void) {
    const known = this.handlers.get(event) ?? new Set();
    this.handlers.set(event, known.add(handler as (...args: unknown[]) => void));
  }
  off(event: string, handler: (...args: never[]) => void) {
    this.handlers.get(event)?.delete(handler as (...args: unknown[]) => void);
  }
  hear(message: object, buffers: DataView[] = []) {
    for (const handler of this.handlers.get("msg:custom") ?? []) handler(message, buffers);
  }
  send(content: unknown) {
    this.sent.push(content);
  }
}

const LOOK = { smoothing: 0, log: false, hidden: [], chosen: 0, metric: "" };

const status = (more: Partial<Status>): Status => ({ ...new RunStore().facts.status, ...more });

function show(...frames: Frame[]) {
  const runs = frames.map((_, index) => ({
    name: `run-${index + 1}`, path: `/data/runs/run-${index + 1}`, monitor: "val/auc",
    yaml: `a: ${index + 1}`, code: "Experiment()",
  }));
  const model = new FakeModel({ state: { runs, look: LOOK, open: "mf.Run('x')" }, frames });
  const node = document.createElement("div");
  document.body.append(node);
  const close = panel.render({ model, el: node });
  const button = (name: string) =>
    Array.from(node.querySelectorAll("button")).find((one) => one.textContent?.startsWith(name))!;
  const tell = (message: object) => model.hear(message);
  const asked = (name: string) =>
    (model.sent as { id: string; name: string; values: Record<string, unknown> }[]).filter(
      (one) => one.name === name,
    );
  return { model, node, close, button, tell, asked };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("shows state, counts, time left and progress", () => {
  const { node } = show({
    seq: 1,
    status: status({
      state: "running", epoch: 2, epochs: 10, step: 30, steps: 100, seconds_left: 42,
    }),
    best: 20,
    curves: { "val/auc": [[10, 20], [0.7, 0.8123]] },
  });
  expect(node.querySelector(".mf-badge")?.textContent).toBe("running");
  expect(node.querySelector(".mf-counts")?.textContent).toBe(
    "Epoch 3 of 10 · step 30 of 100 · best validation AUC 0.812",
  );
  expect(node.querySelector(".mf-left")?.textContent).toBe("about 42 s left");
  expect(node.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("30");
});

test("draws plain curves where there is no plotly", async () => {
  const { node } = show({ seq: 1, curves: { "step/loss": [[1, 2, 3], [3, 2, 1]] } });
  await vi.runAllTimersAsync();
  expect(node.querySelector("polyline")?.getAttribute("points")?.split(" ").length).toBe(3);
  expect(node.querySelector(".mf-plot")?.getAttribute("aria-label")).toContain("1.000");
});

test("stop asks once more", () => {
  const { asked, button } = show({ seq: 1, status: status({ state: "running" }) });
  button("Stop").click();
  expect(asked("wish")).toEqual([]);
  button("Stop now?").click();
  expect(asked("wish").map(({ values }) => values)).toMatchObject([{ run: 0, wish: "stop" }]);
});

test("stop calms down when nothing follows", () => {
  const { asked, button } = show({ seq: 1, status: status({ state: "running" }) });
  button("Stop").click();
  vi.advanceTimersByTime(5000);
  button("Stop").click();
  expect(asked("wish")).toEqual([]);
});

test.each([
  ["running", "run", [true, false, true]],
  ["running", "stop", [false, false, false]],
  ["paused", "pause", [false, true, true]],
  ["evaluating", "run", [false, false, true]],
  ["stopped", "stop", [false, true, false]],
  ["interrupted", "run", [false, true, false]],
  ["failed", "run", [false, true, false]],
  ["finished", "run", [false, false, false]],
  ["created", "run", [false, false, false]],
])("buttons of a run that is %s and asked to %s", (state, asked, enabled) => {
  const { button } = show({ seq: 1, status: status({ state, asked }) });
  expect(["Pause", "Resume", "Stop"].map((name) => !button(name).disabled)).toEqual(enabled);
});

test("a click that nobody answers says so, an answer with a problem shows it", async () => {
  const { node, button, tell, asked } = show({ seq: 1, status: status({ state: "running" }) });
  button("Pause").click();
  await vi.advanceTimersByTimeAsync(3000);
  expect(node.querySelector(".mf-notice")?.textContent).toContain("No answer from the kernel");
  const error = { type: "RunError", message: "the disk is full" };
  tell({ kind: "answer", id: asked("wish")[0]!.id, error });
  await vi.advanceTimersByTimeAsync(1);
  expect(node.querySelector(".mf-notice")?.textContent).toBe("the disk is full");
});

test("asks for everything after a gap, but not all the time", () => {
  const { asked, tell } = show({ seq: 1 });
  vi.advanceTimersByTime(5000);
  const before = asked("everything").length;
  for (const seq of [5, 6, 7]) {
    tell({ kind: "news", news: [{ kind: "points", seq, run: 0, buffers: 0 }] });
  }
  expect(asked("everything").length).toBe(before + 1);
});

test("text from data stays text", async () => {
  const { node, asked } = show({
    seq: 1,
    status: status({ state: "failed", error: HOSTILE }),
    checks: [{ name: HOSTILE, outcome: "WARN", message: HOSTILE }],
    results: { [HOSTILE]: { [HOSTILE]: { value: 1, ci: [], n: 1 } } },
    curves: { [`val/${HOSTILE}`]: [[1], [1]] },
    messages: [{ time: 0, level: "warning", text: HOSTILE }],
  });
  await vi.runAllTimersAsync();
  expect(node.querySelector("img, script")).toBeNull();
  expect(node.querySelector("[role=log]")?.textContent).toContain(HOSTILE);
  expect(asked("everything").length).toBe(1);
});

test("tabs move with the arrow keys", () => {
  const { node } = show({ seq: 1 });
  const tabs = Array.from(node.querySelectorAll<HTMLElement>("[role=tab]"));
  tabs[0]!.focus();
  tabs[0]!.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
  expect(tabs.map((tab) => tab.getAttribute("aria-selected"))).toEqual([
    ...Array.from({ length: 8 }, () => "false"), "true",
  ]);
  expect(document.activeElement).toBe(tabs[8]);
});

test("a closed view listens no more", () => {
  const { model, close } = show({ seq: 1 });
  close();
  expect([...model.handlers.values()].every((handlers) => handlers.size === 0)).toBe(true);
});

const two = (): Frame[] =>
  [0.8, 0.9].map((auc, index) => ({
    seq: 1,
    status: status({ state: index === 0 ? "running" : "finished" }),
    best: 20,
    curves: { "val/auc": [[10, 20], [0.7, auc]], "val/loss": [[10, 20], [0.7, 0.5]] },
  }));

test("several runs lie over each other, each can be hidden and chosen", async () => {
  const { node, asked, button } = show(...two());
  await vi.runAllTimersAsync();
  const lines = () => node.querySelectorAll(".mf-chart")[1]!.querySelectorAll("polyline").length;
  expect(lines()).toBe(2);
  const shown = node.querySelectorAll<HTMLInputElement>(".mf-runs input");
  shown[1]!.click();
  await vi.runAllTimersAsync();
  expect(lines()).toBe(1);
  expect(button("Stop").disabled).toBe(false);
  button("run-2").click();
  await vi.runAllTimersAsync();
  expect(node.querySelector("h3")?.textContent).toBe("run-2");
  expect(button("Stop").disabled).toBe(true);
  expect(node.querySelector(".mf-counts")?.textContent).toContain("0.900");
  expect(asked("look").map(({ values }) => values)).toEqual([{ hidden: [1] }, { chosen: 1 }]);
});

test("news of several runs go to each with its own buffers", async () => {
  const { node, tell, model } = show(...two());
  const numbers = (...values: number[]) => [
    new DataView(new Int32Array(values.map((_, index) => index + 1)).buffer),
    new DataView(new Float32Array(values).buffer),
  ];
  const facts = { status: status({ state: "running" }), curves: ["val/auc"], messages: [] };
  const news = [0, 1].map((run) => ({ kind: "all", seq: 9, run, buffers: 2, ...facts }));
  model.hear({ kind: "news", news }, [...numbers(0.5, 0.5), ...numbers(0.5, 0.5, 0.25)]);
  tell({ kind: "answer", id: "of another view" });
  await vi.runAllTimersAsync();
  const chart = node.querySelectorAll(".mf-chart")[1]!;
  expect(chart.querySelector(".mf-plot")?.getAttribute("aria-label")).toContain("run-2 0.250");
});

test("what another view changed is shown, what this one is changing stays", async () => {
  const { node, model } = show({ seq: 1 });
  const slider = node.querySelector<HTMLInputElement>("input[type=range]")!;
  const state = model.traits["state"] as object;
  model.traits["state"] = { ...state, look: { ...LOOK, smoothing: 0.9, log: true } };
  for (const handler of model.handlers.get("change:state")!) handler();
  await vi.runAllTimersAsync();
  expect(slider.value).toBe("0.9");
  expect(node.querySelector<HTMLInputElement>(".mf-look input[type=checkbox]")?.checked).toBe(true);
  slider.value = "0.5";
  slider.dispatchEvent(new Event("input"));
  for (const handler of model.handlers.get("change:state")!) handler();
  await vi.runAllTimersAsync();
  expect(slider.value).toBe("0.5");
});

test("cases that are most wrong are asked for when their tab is opened", async () => {
  const { node, asked, tell } = show({ seq: 1 });
  await vi.runAllTimersAsync();
  expect(asked("wrong_cases")).toEqual([]);
  const tabs = Array.from(node.querySelectorAll<HTMLElement>("[role=tab]"));
  tabs.find((tab) => tab.textContent === "Most wrong")!.click();
  await vi.advanceTimersByTimeAsync(200);
  const one = {
    id: HOSTILE, split: "val", truth: "sick", said: "healthy", task: "", wrong: 0.97, number: false,
  };
  tell({ kind: "answer", id: asked("wrong_cases")[0]!.id, values: { epoch: 3, cases: [one] } });
  await vi.advanceTimersByTimeAsync(1);
  const pane = node.querySelector("[role=tabpanel]:not([hidden])")!;
  expect(pane.textContent).toContain("epoch 3");
  expect(pane.textContent).toContain("sick, said healthy; probability of sick: 0.030");
  expect(pane.querySelector("img, script")).toBeNull();
  expect(pane.textContent).toContain(HOSTILE);
});
