// @vitest-environment happy-dom
import { afterEach, expect, test } from "vitest";
import document_ from "../../docs/reference/experiment.schema.json";
import panel from "../data_browser";
import { PageStore } from "../page_store";
import { latest } from "../subject_page";
import { plain } from "../plotly_library";

const HOSTILE = '<img src=x onerror="window.hacked = 1">';

const column = (name: string, more: object = {}) => ({
  name,
  guess: "categorical",
  missing: 0,
  distinct: 2,
  levels: { a: 3, b: 2 },
  notes: [],
  target: "binary",
  bars: [3, 2],
  ...more,
});

const ANSWERS: Record<string, Record<string, unknown>> = {
  data_tables: { tables: [{ path: "t.csv", bytes: 1200 }], complete: true, folder: "/home" },
  data_columns: {
    path: "t.csv",
    rows: 5,
    format: "csv",
    notes: [],
    columns: [column("id", { guess: "id" }), column(HOSTILE), column("ill")],
    leaks: { [HOSTILE]: "ranks the target with AUC 1.000" },
  },
  data_page: { total: 5, start: 0, rows: [0], cells: [["1", HOSTILE, null]] },
  data_checks: {
    checks: [
      { name: "fine", outcome: "PASS", message: "all well", rows: [], remedies: [] },
      {
        name: "target leakage",
        outcome: "FAIL",
        message: HOSTILE,
        rows: [],
        remedies: [{ action: "drop_columns", columns: [HOSTILE] }],
      },
    ],
    grouping: [{ action: "use_group", columns: ["id"] }],
  },
  schema: { schema: document_ },
};

function state(roles: Record<string, string>, problems: object[] = []) {
  return {
    document: { medfusion: 1, data: { table: "t.csv", id: "id", target: { kind: "binary", column: "ill" } } },
    problems,
    yaml: "",
    code: "",
    steps: [1, 0],
    name: "t",
    folder: "/home",
    data: { table: "t.csv", roles, views: [] },
  };
}

async function show() {
  const handlers = new Map<string, (...args: unknown[]) => void>();
  const sent: { name: string; values: Record<string, unknown> }[] = [];
  let now = state({ id: "id", ill: "target" });
  const model = {
    get: () => now,
    on: (event: string, handler: never) => void handlers.set(event, handler),
    off: (event: string) => void handlers.delete(event),
    send: (message: { id: string; name: string; values: Record<string, unknown> }) => {
      sent.push(message);
      const values = ANSWERS[message.name] ?? {};
      queueMicrotask(() => handlers.get("msg:custom")?.({ kind: "answer", id: message.id, values }, []));
    },
    widget_manager: { get_model: () => Promise.reject(new Error("none")) },
  };
  const el = document.createElement("div");
  document.body.append(el);
  const close = panel.render({ model: model as never, el });
  await new Promise((resolve) => setTimeout(resolve, 450));
  const change = (next: typeof now) => {
    now = next;
    handlers.get("change:state")?.();
  };
  const tab = (name: string) =>
    [...el.querySelectorAll<HTMLElement>('[role="tab"]')].find((one) => one.textContent === name)!;
  return { el, sent, close, change, tab };
}

afterEach(() => document.body.replaceChildren());

test("roles are shown, corrected by a drop-down, and warned of", async () => {
  const { el, sent, change, close } = await show();
  const roles = [...el.querySelectorAll<HTMLSelectElement>(".mf-roles-line select")];
  expect(roles.map((one) => one.value)).toEqual(["id", "unused", "target"]);
  expect(el.querySelector(".mf-data-told")!.textContent).toContain("Predicts ill (binary)");
  roles[1]!.value = "categorical";
  roles[1]!.dispatchEvent(new Event("change"));
  expect(sent.at(-1)).toMatchObject({ name: "data_assign", values: { column: HOSTILE, role: "categorical" } });
  const notes = el.querySelectorAll(".mf-roles-notes")[1]!;
  expect(notes.classList.contains("mf-bad")).toBe(false);
  change(state({ id: "id", ill: "target", [HOSTILE]: "categorical" }));
  expect(notes.classList.contains("mf-bad")).toBe(true);
  expect(notes.textContent).toContain("AUC 1.000");
  expect(el.querySelector("img")).toBeNull();
  close();
});

test("findings come with what mends them, and wait for complete data", async () => {
  const { el, sent, change, tab, close } = await show();
  tab("Checks").click();
  await new Promise((resolve) => setTimeout(resolve, 0));
  const buttons = [...el.querySelectorAll<HTMLElement>(".mf-mend")];
  expect(buttons.map((one) => one.textContent)).toEqual([`Do not use ${HOSTILE}`, "Use id as group"]);
  buttons[1]!.click();
  expect(sent.at(-1)).toMatchObject({ name: "data_mend", values: { action: "use_group", columns: ["id"] } });
  change({
    ...state({ ill: "target" }, [{ path: ["data", "id"], sentence: "is missing" }]),
    document: { medfusion: 1, data: { table: "t.csv", id: "other", target: { kind: "binary", column: "ill" } } },
  });
  expect(el.querySelector(".mf-checks")!.textContent).toContain("data.id: is missing");
  close();
});

test("another order starts from the first row, and finds rows again after none", async () => {
  const { el, sent, tab, close } = await show();
  tab("Rows").click();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(el.querySelector(".mf-grid-row [role=gridcell]")!.textContent).toBe("1");
  const pages = () => sent.filter((one) => one.name === "data_page");
  const before = pages().length;
  el.querySelector<HTMLElement>(".mf-grid-head button")!.click();
  expect(pages().length).toBe(before + 1);
  expect(pages().at(-1)!.values).toMatchObject({ start: 0, order: { by: "id" } });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(el.querySelector('[aria-sort="ascending"]')!.textContent).toContain("id");
  const find = el.querySelector<HTMLInputElement>(".mf-data-rows input")!;
  for (const [text, total] of [["zzz", 0], ["", 5]] as const) {
    ANSWERS["data_page"] = { total, start: 0, rows: [0].slice(0, total), cells: [["1", HOSTILE, null]].slice(0, total) };
    find.value = text;
    find.dispatchEvent(new Event("input"));
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(el.querySelectorAll(".mf-grid-row").length).toBe(total);
  }
  close();
});

test("pages are asked for once, forgotten when old, and late answers are dropped", async () => {
  const asked: number[] = [];
  const gone: number[] = [];
  const store = new PageStore<number>(10, async (start) => (asked.push(start), start), () => undefined, (page) => void gone.push(page), 2);
  store.need(5, 25);
  store.need(0, 29);
  expect(asked).toEqual([0, 10, 20]);
  await Promise.resolve();
  await Promise.resolve();
  store.need(20, 29);
  expect(store.of(25)).toBe(20);
  expect(gone).toContain(0);
  store.need(90, 99);
  store.clear();
  await Promise.resolve();
  await Promise.resolve();
  expect(store.of(95)).toBeUndefined();
});

test("of many slices asked for at once the first and the last are fetched", async () => {
  const done: number[] = [];
  const ask = latest(async (n: number) => {
    await Promise.resolve();
    done.push(n);
  });
  await Promise.all([ask(1), ask(2), ask(3), ask(4)]);
  expect(done).toEqual([1, 4]);
});

test("Plotly's own markup is taken out of names", () => {
  expect(plain('<a href="javascript:x">%{y} & $x$')).toBe(
    '&lt;a href="javascript:x"&gt;&#37;{y} &amp; $x$',
  );
});
