// @vitest-environment happy-dom
import { afterEach, expect, test } from "vitest";
import document_ from "../../docs/reference/experiment.schema.json";
import panel from "../builder";
import { catalogue, CATALOGUES, speak, t } from "../messages";

const HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';

const ANSWERS: Record<string, object> = {
  schema: { schema: document_ },
  data_tables: { tables: [], folder: "/home/me" },
  model_catalogue: { encoders: [], families: [] },
  model_parts: { parts: {}, defaults: {} },
};

interface Sent {
  id: string;
  name: string;
  values: Record<string, unknown>;
}

function state(more: object = {}) {
  return {
    document: { medfusion: 1, name: "skin", data: { table: "t.csv" } },
    problems: [{ path: ["training", "epochs"], sentence: "is missing" }],
    yaml: "medfusion: 1\n",
    code: "",
    steps: [1, 0],
    name: "skin",
    file: null,
    folder: "/home/me",
    ...more,
  };
}

async function show(first: object) {
  const handlers = new Map<string, (...args: unknown[]) => void>();
  const sent: Sent[] = [];
  let now = first;
  const model = {
    get: () => now,
    on: (event: string, handler: never) => void handlers.set(event, handler),
    off: (event: string) => void handlers.delete(event),
    send: (message: Sent) => {
      sent.push(message);
      const values = ANSWERS[message.name] ?? { path: "skin.yaml" };
      queueMicrotask(() => handlers.get("msg:custom")?.({ kind: "answer", id: message.id, values }, []));
    },
    widget_manager: { get_model: () => Promise.reject(new Error("none")) },
  };
  const el = document.createElement("div");
  document.body.append(el);
  const close = panel.render({ model: model as never, el });
  await new Promise((resolve) => setTimeout(resolve, 0));
  const change = (next: object) => {
    now = next;
    handlers.get("change:state")?.();
  };
  const tab = (name: string) =>
    [...el.querySelectorAll('[role="tab"]')].find((one) => one.textContent!.startsWith(name))!;
  return { el, sent, close, change, tab, handlers };
}

afterEach(() => {
  speak("en");
  document.body.replaceChildren();
});

test("pages say how much is to mend, and YAML and Python follow", async () => {
  const { el, tab, change } = await show(state());
  expect(tab("Training").textContent).toBe("Training (1)");
  expect(tab("Model").textContent).toBe("Model");
  expect(el.querySelector('[data-path="training.epochs"] .mf-wrong')!.textContent).toBe("is missing");
  expect(el.querySelector('[aria-label="Python"]')!.textContent).toBe(t("code_waits"));
  change(state({ problems: [], code: "exp = 1", yaml: "a: 1\n", steps: [2, 1] }));
  expect(tab("Training").textContent).toBe("Training");
  expect(el.querySelector('[aria-label="Python"]')!.textContent).toBe("exp = 1");
  expect(el.querySelector('[aria-label="YAML"]')!.textContent).toBe("a: 1\n");
  expect(el.textContent).toContain(t("nothing_wrong"));
});

test("what is typed reaches the kernel by its place, and Ctrl-Z takes it back", async () => {
  const { el, sent } = await show(state());
  const input = el.querySelector<HTMLInputElement>('[data-path="training.batch_size"] input')!;
  input.value = "16";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  expect(sent.at(-1)).toMatchObject({
    name: "set",
    values: { path: ["training", "batch_size"], value: 16, merge: true },
  });
  const key = (init: KeyboardEventInit) =>
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "z", bubbles: true, ...init }));
  key({ ctrlKey: true });
  expect(sent.at(-1)!.name).toBe("undo");
  key({ ctrlKey: true, shiftKey: true });
  expect(sent.at(-1)!.name).toBe("redo");
  const before = sent.length;
  key({});
  expect(sent).toHaveLength(before);
});

test("text from data stays text everywhere", async () => {
  const { el } = await show(
    state({
      document: { data: { images: { [HOSTILE]: { column: HOSTILE } }, table: HOSTILE } },
      problems: [{ path: ["data", HOSTILE], sentence: HOSTILE }],
      yaml: HOSTILE, code: HOSTILE, name: HOSTILE, folder: HOSTILE,
    }),
  );
  expect(el.querySelector("img, script")).toBeNull();
  expect(el.querySelector("h3")!.textContent).toBe(HOSTILE);
});

test("a closed builder leaves nothing behind", async () => {
  const { close, handlers } = await show(state());
  close();
  expect(handlers.size).toBe(0);
});

test("no key is in the catalogues of two panels", () => {
  const keys = CATALOGUES.flatMap((one) => Object.keys(one));
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
});

test("every message is there in both languages with the same values", async () => {
  const [english, chinese] = [catalogue("en"), catalogue("zh")];
  expect([...chinese.keys()]).toEqual([...english.keys()]);
  for (const [key, text] of english) {
    const names = (one: string) => (one.match(/\{\w+\}/g) ?? []).sort();
    expect(chinese.get(key), key).not.toBe("");
    expect(names(chinese.get(key)!), key).toEqual(names(text));
  }
  speak("zh");
  const { tab } = await show(state());
  expect(tab("训练").textContent).toBe("训练 (1)");
});
