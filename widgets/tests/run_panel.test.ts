// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Frame, Status } from "../model";
import panel from "../run_panel";
import { RunStore } from "../run_store";

const HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';

class FakeModel {
  sent: unknown[] = [];
  handlers = new Map<string, (...args: unknown[]) => void>();
  widget_manager = { get_model: () => Promise.reject(new Error("no kernel")) };
  constructor(public traits: Record<string, unknown>) {}
  get(name: string) {
    return this.traits[name];
  }
  on(event: string, handler: (...args: never[]) => void) {
    this.handlers.set(event, handler as (...args: unknown[]) => void);
  }
  off(event: string) {
    this.handlers.delete(event);
  }
  send(content: unknown) {
    this.sent.push(content);
  }
}

const status = (more: Partial<Status>): Status => ({ ...new RunStore().facts.status, ...more });

function show(frame: Frame) {
  const model = new FakeModel({
    name: "run-1", path: "/runs/run-1", monitor: "val/auc", yaml: "a: 1", code: "Experiment()", frame,
  });
  const node = document.createElement("div");
  document.body.append(node);
  const close = panel.render({ model, el: node });
  const button = (name: string) =>
    Array.from(node.querySelectorAll("button")).find((one) => one.textContent?.startsWith(name))!;
  const tell = (message: object) => model.handlers.get("msg:custom")?.(message, []);
  return { model, node, close, button, tell };
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
  const { model, button } = show({ seq: 1, status: status({ state: "running" }) });
  button("Stop").click();
  expect(model.sent).not.toContainEqual({ kind: "stop" });
  button("Stop now?").click();
  expect(model.sent).toContainEqual({ kind: "stop" });
});

test("stop calms down when nothing follows", () => {
  const { model, button } = show({ seq: 1, status: status({ state: "running" }) });
  button("Stop").click();
  vi.advanceTimersByTime(5000);
  button("Stop").click();
  expect(model.sent).not.toContainEqual({ kind: "stop" });
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

test("a click that nobody answers says so, an answer with a problem shows it", () => {
  const { node, button, tell } = show({ seq: 1, status: status({ state: "running" }) });
  button("Pause").click();
  vi.advanceTimersByTime(3000);
  expect(node.querySelector(".mf-notice")?.textContent).toContain("No answer from the kernel");
  tell({ kind: "answer", to: "pause", text: "the disk is full" });
  expect(node.querySelector(".mf-notice")?.textContent).toBe("the disk is full");
});

test("asks for everything after a gap, but not all the time", () => {
  const { model, tell } = show({ seq: 1 });
  vi.advanceTimersByTime(5000);
  const before = model.sent.length;
  for (const seq of [5, 6, 7]) tell({ kind: "points", seq });
  expect(model.sent.slice(before)).toEqual([{ kind: "open" }]);
});

test("text from data stays text", async () => {
  const { node, model } = show({
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
  expect(model.sent).toEqual([{ kind: "open" }]);
});

test("tabs move with the arrow keys", () => {
  const { node } = show({ seq: 1 });
  const tabs = Array.from(node.querySelectorAll<HTMLElement>("[role=tab]"));
  tabs[0]!.focus();
  tabs[0]!.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
  expect(tabs.map((tab) => tab.getAttribute("aria-selected"))).toEqual([
    "false", "false", "false", "true",
  ]);
  expect(document.activeElement).toBe(tabs[3]);
});

test("a closed view listens no more", () => {
  const { model, close } = show({ seq: 1 });
  close();
  expect(model.handlers.size).toBe(0);
});
