// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import panel from "../label_review";
import { speak, t } from "../messages";
import { share, type Row } from "../suspect_list";

const HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';
const ROW: Row = {
  id: "P0", column: "ill", split: "test", source: "test", given: "no", suggested: "yes",
  confidence: 0.04, probability: 0.96, usual: 0.8, distance: null, suspect: true,
  decision: null, to: null,
};

interface Sent {
  id: string;
  name: string;
  values: Record<string, unknown>;
}

function state(more: object = {}) {
  return {
    run: "skin-1", path: "/runs/skin-1", journal: "/t.corrections.jsonl",
    classes: { ill: ["no", "yes"] }, noise: { ill: 0.05 }, sources: { test: 30, train: 70 },
    views: ["photo"], command: "medfusion review /runs/skin-1", yaml: "data:\n", code: "x = 1\n",
    widget: "w", progress: { suspects: 8, reviewed: 2, relabel: 1, exclude: 1, flag: 0, keep: 0 },
    steps: [2, 0], revision: 2, ...more,
  };
}

/** A kernel with `count` rows, whose answers come at once. */
async function show(first: object = {}, count = 8, row: Partial<Row> = {}) {
  const handlers = new Map<string, (...args: unknown[]) => void>();
  const sent: Sent[] = [];
  const rows = Array.from({ length: count }, (_, place) => ({ ...ROW, id: `P${place}`, ...row }));
  let now = state(first);
  const labels = (first as { labels?: string[] }).labels ?? ["no", "yes"];
  const answer = ({ name, values }: Sent): [object, DataView[]] => {
    if (name === "suspects") {
      const start = Number(values["start"]);
      return [{ total: count, start, rows: rows.slice(start, start + Number(values["count"])) }, []];
    }
    if (name === "subject") {
      const found = rows.find((one) => one.id === values["name"])!;
      return [{ row: found, labels, pictures: [], values: [["age", "61"], ["site", HOSTILE]], reason: "", who: "", time: "" }, []];
    }
    if (name === "thumbnails") {
      return [{}, (values["ids"] as string[]).map(() => new DataView(new ArrayBuffer(4)))];
    }
    if (name === "undo") return [{ place: 3 }, []];
    return [{}, []];
  };
  const model = {
    get: () => now,
    on: (event: string, handler: never) => void handlers.set(event, handler),
    off: (event: string) => void handlers.delete(event),
    send: (message: Sent) => {
      sent.push(message);
      const [values, buffers] = answer(message);
      queueMicrotask(() =>
        handlers.get("msg:custom")?.({ kind: "answer", id: message.id, values }, buffers),
      );
    },
    widget_manager: { get_model: () => Promise.reject(new Error("none")) },
  };
  const el = document.createElement("div");
  document.body.append(el);
  const close = panel.render({ model: model as never, el });
  const settle = () => vi.advanceTimersByTimeAsync(200);
  await settle();
  const change = async (next: object) => {
    now = state(next);
    handlers.get("change:state")?.();
    await settle();
  };
  const press = async (key: string, init: KeyboardEventInit = {}, at = ".mf-list") => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init });
    el.querySelector(at)!.dispatchEvent(event);
    await settle();
    return event;
  };
  const asked = (name: string) => sent.filter((one) => one.name === name).map((one) => one.values);
  const title = () => el.querySelector("h4")!.textContent;
  return { el, asked, change, press, close, settle, title, handlers };
}

beforeEach(() => {
  vi.useFakeTimers();
  URL.createObjectURL = () => "blob:x";
  URL.revokeObjectURL = () => undefined;
});
afterEach(() => {
  vi.useRealTimers();
  speak("en");
  document.body.replaceChildren();
});

test("the first suspect is chosen, and the arrows go on", async () => {
  const { el, press, title } = await show();
  expect(title()).toBe("P0");
  expect(el.querySelector(".mf-verdict")!.textContent).toContain("0.960");
  await press("ArrowDown");
  expect(title()).toBe("P1");
  await press("End");
  expect(title()).toBe("P7");
  await press("ArrowDown");
  expect(title()).toBe("P7");
  const chosen = el.querySelector('[aria-selected="true"]')!;
  expect(el.querySelector(".mf-list")!.getAttribute("aria-activedescendant")).toBe(chosen.id);
});

test("one key decides, the next row follows when the kernel has it", async () => {
  const { asked, press, change, title } = await show();
  for (const [key, action] of [["r", "relabel"], ["e", "exclude"], ["f", "flag"], ["K", "keep"]] as const) {
    const event = await press(key);
    expect(event.defaultPrevented).toBe(true);
    expect(asked("decide").at(-1)).toMatchObject({ action, name: "P0", column: "ill" });
  }
  expect(asked("decide")[0]!["label"]).toBe("yes");
  expect(asked("decide")[1]!["label"]).toBeNull();
  expect(title()).toBe("P0");
  await change({ revision: 3 });
  expect(title()).toBe("P1");
  await change({ revision: 4 }); // somebody else's decision moves nothing
  expect(title()).toBe("P1");
  await press("z", { ctrlKey: true });
  expect(asked("undo")).toHaveLength(1);
  expect(title()).toBe("P3");
});

test("letters that are written decide nothing", async () => {
  const { el, asked, press } = await show();
  el.querySelector<HTMLInputElement>(".mf-reason")!.value = "seen again";
  await press("e", {}, ".mf-reason");
  await press("k", {}, ".mf-acts select");
  await press("e", { ctrlKey: true });
  await press("e", { repeat: true });
  expect(asked("decide")).toHaveLength(0);
  await press("f");
  expect(asked("decide")[0]).toMatchObject({ action: "flag", reason: "seen again" });
});

test("a number is asked for before it is given", async () => {
  const number = { confidence: null, probability: null, usual: null, distance: 6.2, given: "99" };
  const { el, asked, press } = await show({ classes: { size: [] }, labels: [] }, 3, number);
  expect(el.querySelector(".mf-why")!.textContent).toContain("6.2");
  await press("r");
  expect(asked("decide")).toHaveLength(0);
  expect(el.querySelector(".mf-notice")!.textContent).toBe(t("review_number_needed"));
  el.querySelector<HTMLInputElement>(".mf-acts input")!.value = "9.9";
  await press("r");
  expect(asked("decide")[0]).toMatchObject({ action: "relabel", label: "9.9" });
});

test("of a long list only what is in view is there", async () => {
  const { el, press, asked, title } = await show({}, 100_000);
  expect(el.querySelectorAll(".mf-suspect").length).toBeLessThan(40);
  await press("End");
  expect(title()).toBe("P99999");
  expect(el.querySelectorAll(".mf-suspect").length).toBeLessThan(40);
  for (const { count } of asked("suspects")) expect(count).toBeLessThan(60);
  const pictured = asked("thumbnails").flatMap((one) => one["ids"] as string[]);
  expect(new Set(pictured).size).toBe(pictured.length);
});

test("filters ask anew; where nothing is left there is nothing to decide", async () => {
  const { el, asked, settle } = await show();
  const held = el.querySelector<HTMLInputElement>('input[type="checkbox"]')!;
  held.checked = true;
  held.dispatchEvent(new Event("change"));
  await settle();
  expect(asked("suspects").at(-1)).toMatchObject({ held: true, which: "suspects", column: "" });
  const empty = await show({}, 0);
  expect(empty.el.querySelector(".mf-list .mf-empty")!.textContent).toBe(t("review_empty"));
  expect(empty.el.querySelector<HTMLButtonElement>(".mf-acts .mf-main")!.disabled).toBe(true);
  await empty.press("e");
  expect(empty.asked("decide")).toHaveLength(0);
});

test("text from data stays text everywhere, in both languages", async () => {
  for (const language of ["en", "zh"] as const) {
    speak(language);
    const { el } = await show(
      { run: HOSTILE, journal: HOSTILE, yaml: HOSTILE, code: HOSTILE, command: HOSTILE,
        classes: { [HOSTILE]: [HOSTILE], b: ["x", "y"] }, noise: { [HOSTILE]: 0.1 }, labels: [HOSTILE] },
      3,
      { column: HOSTILE, given: HOSTILE, suggested: HOSTILE, decision: "relabel", to: HOSTILE },
    );
    expect(el.querySelector("script, img:not([src='blob:x'])")).toBeNull();
    expect(el.textContent).toContain(HOSTILE);
  }
  expect((window as { hacked?: number }).hacked).toBeUndefined();
});

test("a closed panel leaves nothing behind", async () => {
  const { close, handlers } = await show();
  close();
  expect(handlers.size).toBe(0);
});

test("probabilities never read as certain", () => {
  expect([0, 0.0004, 0.5, 0.9996].map(share)).toEqual(["< 0.001", "< 0.001", "0.500", "> 0.999"]);
});
