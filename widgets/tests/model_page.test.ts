// @vitest-environment happy-dom
import { afterEach, expect, test } from "vitest";
import { Connection } from "../connection";
import { EncoderGrid, type Encoder } from "../encoder_grid";
import type { FormHost, Path } from "../form";
import { speak, t } from "../messages";
import { arrange } from "../model_diagram";
import { bytes, count, fitSentence, multiplyAdds, largestBatch, trainingBytes, type Block, type Facts, type ModelState } from "../model_facts";
import { ModelPage } from "../model_page";
import { isRecord } from "../schema";

const HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';

const FACTS: Facts = {
  parts: {
    image: { parameters: 11_176_512, trained: 11_176_512, multiply_adds: 1_813_561_344, shapes: { vector: [512], map: [512, 7, 7] } },
    table: { parameters: 5632, trained: 5632, multiply_adds: 5376, shapes: { vector: [32], tokens: [3, 16] } },
    fusion: { parameters: 103_040, trained: 103_040, multiply_adds: 102_400, shapes: { z: [128] } },
    head: { parameters: 129, trained: 129, multiply_adds: 128, shapes: { vector: [1] } },
  },
  parameters: 11_285_313,
  trained: 11_285_313,
  multiply_adds: 1_813_669_248,
  fixed_bytes: 180e6,
  subject_bytes: 23e6,
  image_bytes: 2e6,
  several: [4, 100],
  at_once: 256,
  outputs: 1,
  notes: [],
};

const BLOCKS: Block[] = [
  { id: "view:photo", name: "photo", shape: [3, 224, 224], images: null },
  { id: "image", kind: "resnet18" },
  { id: "columns", numeric: 2, categorical: 1 },
  { id: "table", kind: "mlp" },
  { id: "fusion", kind: "gated" },
  { id: "head", kind: "linear" },
  { id: "output", kind: "binary" },
];

const ENCODERS: Encoder[] = Array.from({ length: 80 }, (_, place) => ({
  name: `net${place}`,
  family: place < 40 ? "first" : "second",
  size: 224,
  parameters: 100 - place,
  multiply_adds: place,
  summary: place === 7 ? "For chest films" : "Any",
  licence: place % 2 === 0 ? "mit" : "cc-by-nc-4.0",
  commercial: place % 2 === 0 ? "yes" : "no",
}));
const FAMILIES = ["first", "second"].map((name) => ({ name, title: name.toUpperCase(), paper: "https://x.org/1", summary: "A design." }));

afterEach(() => {
  speak("en");
  document.body.replaceChildren();
});

function model(more: Partial<ModelState> = {}): ModelState {
  return {
    blocks: BLOCKS, wrong: {}, assumed: [], waits: false, facts: FACTS, batch: 32, device: "auto",
    machine: { bytes: 25e9, gpu: null }, formulas: false, ...more,
  };
}

async function page(first: ModelState | null, said: Record<string, unknown> = {}) {
  const sent: { name: string; values: Record<string, unknown> }[] = [];
  const handlers = new Map<string, (...args: unknown[]) => void>();
  const about = (name: string) => ({ [name]: { summary: `${name} in one sentence`, text: ["One of\nseveral.", "    z = a + b"], papers: ["https://x.org/2"] } });
  const parts = {
    fusion: { ...about("gated"), ...about("film") }, views: about("mean"), table: about("mlp"),
    attention: about("cbam"), head: about("linear"),
  };
  const values = { encoders: ENCODERS, families: FAMILIES, parts, defaults: { fusion: "gated", views: "mean", table: "mlp", head: "linear", attention: "" } };
  const connection = new Connection({
    get: () => undefined,
    on: (event: string, handler: never) => void handlers.set(event, handler),
    off: () => undefined,
    send: (message: { id: string; name: string; values: Record<string, unknown> }) => {
      sent.push(message);
      queueMicrotask(() => handlers.get("msg:custom")?.({ kind: "answer", id: message.id, values }, []));
    },
  } as never);
  const host = {
    said: (path: Path) => path.reduce<unknown>((here, part) => (isRecord(here) ? here[part as string] : undefined), said),
  } as FormHost;
  const made = new ModelPage(connection, host, { model: first });
  document.body.append(made.node);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return { made, sent, text: (name: string) => made.node.querySelector(name)!.textContent };
}

test("numbers in words", () => {
  expect([0, 640, 5632, 11_176_512, 999_600, 1_813_561_344].map(count)).toEqual(["0", "640", "5.63 k", "11.2 M", "1.00 M", "1.81 G"]);
  expect([128, 61_400, 1_813_561_344].map(multiplyAdds)).toEqual(["128 MAC", "61.4 kMAC", "1.81 GMAC"]);
  expect([85e6, 1.2e9, 25.1e9, 1].map(bytes)).toEqual(["85 MB", "1.20 GB", "25.1 GB", "1 MB"]);
});

test("memory follows the batch, and parts of many images are kept one at a time", () => {
  expect(trainingBytes(FACTS, 2)).toBe(180e6 + 2 * 23e6 + (2 * 4 + 2 * 100) * 2e6);
  expect(trainingBytes(FACTS, 32)).toBe(180e6 + 32 * 23e6 + (32 * 4 + 256) * 2e6);
  const largest = largestBatch(FACTS, 2e9);
  expect(trainingBytes(FACTS, largest)).toBeLessThanOrEqual(2e9);
  expect(trainingBytes(FACTS, largest + 1)).toBeGreaterThan(2e9);
  expect(largestBatch(FACTS, 1e6)).toBe(0);
});

test("what the machine has room for is said", () => {
  expect(fitSentence(FACTS, 32, "auto", { bytes: 25e9, gpu: null })).toEqual({ fits: true, text: t("m_fits", { where: t("m_memory_here"), room: "25.0 GB" }) });
  const small = fitSentence(FACTS, 32, "auto", { bytes: 25e9, gpu: { name: "Card", bytes: 1e9 } });
  expect(small.fits).toBe(false);
  expect(small.text).toContain("Card");
  expect(fitSentence(FACTS, 32, "cpu", { bytes: 25e9, gpu: { name: "Card", bytes: 1e9 } }).fits).toBe(true);
  expect(fitSentence(FACTS, 32, "auto", { bytes: 1e6, gpu: null }).text).toContain("even for a single subject");
  expect(fitSentence(FACTS, 32, "auto", null).text).toBe("");
});

test("blocks stand below what they come from, and none over another", () => {
  const many = Array.from({ length: 6 }, (_, place) => ({ id: `view:v${place}`, shape: [3, 8, 8] }));
  const alone = BLOCKS.filter((block) => !["view:photo", "image"].includes(block.id));
  const full = [...many, { id: "image", kind: "resnet18" }, { id: "attention", kind: "cbam" }, { id: "instances", kind: "mean" }, { id: "views", kind: "max" }, ...BLOCKS.slice(2)];
  for (const blocks of [BLOCKS, alone, full, BLOCKS.filter((block) => !["columns", "table"].includes(block.id))]) {
    const { boxes, lines, height } = arrange(blocks);
    for (const [from, to] of lines) expect(to.y > from.y || to.x > from.x).toBe(true);
    for (const one of boxes) {
      expect(one.y + 40).toBeLessThanOrEqual(height);
      expect(one.x + one.width).toBeLessThanOrEqual(641);
      for (const other of boxes) {
        if (one === other || one.y !== other.y) continue;
        expect(one.x + one.width <= other.x || other.x + other.width <= one.x).toBe(true);
      }
    }
    expect(lines.length).toBeGreaterThanOrEqual(boxes.length - blocks.filter((b) => b.id.startsWith("view:") || b.id === "columns").length);
  }
});

test("the diagram says shapes and costs, and stays while new ones are made", async () => {
  const { made, text } = await page(null);
  expect(text(".mf-status")).toBe(t("m_waits"));
  made.update({ model: model() });
  expect(text(".mf-status")).toBe("");
  const image = made.node.querySelector('[data-block="image"]')!;
  expect(image.textContent).toContain("512 × 7 × 7");
  expect(image.textContent).toContain("11.2 M");
  expect(made.node.querySelector("svg")!.getAttribute("aria-label")).toContain("Image encoder resnet18");
  expect(text(".mf-sum")).toContain("11.3 M");
  made.update({ model: model({ waits: true, facts: null }) });
  expect(text(".mf-status")).toBe(t("m_waits"));
  expect(made.node.querySelector('[data-block="image"]')!.textContent).toContain("11.2 M");
  expect(made.node.classList.contains("mf-stale")).toBe(true);
  made.update({ model: model({ facts: null, wrong: { fusion: ["dim: too small"] } }) });
  expect(text(".mf-model-wrong")).toBe("Fusion dim: too small");
  expect(made.node.querySelector('[data-block="fusion"]')!.classList.contains("mf-bad")).toBe(true);
  expect(text(".mf-sum")).toBe("");
});

test("parts are chosen with their sentence, paper and formula", async () => {
  const { made, sent } = await page(model({ formulas: true }));
  const fusion = made.node.querySelector<HTMLSelectElement>('select[data-family="fusion"]')!;
  expect(fusion.value).toBe("gated");
  const row = fusion.closest(".mf-part-choice")!;
  expect(row.textContent).toContain("gated in one sentence");
  expect(row.textContent).toContain("https://x.org/2");
  expect(row.querySelector("pre")!.textContent).toBe("    z = a + b");
  expect(row.querySelector("details p")!.textContent).toBe("One of several.");
  expect(row.querySelector("a")).toBeNull();
  fusion.value = "film";
  fusion.dispatchEvent(new Event("change"));
  expect(sent.at(-1)).toMatchObject({ name: "model_part", values: { family: "fusion", kind: "film" } });
  const attention = made.node.querySelector<HTMLSelectElement>('select[data-family="attention"]')!;
  expect(attention.value).toBe("");
  const views = made.node.querySelector<HTMLSelectElement>('select[data-family="views"]')!;
  expect(views.closest(".mf-part-choice")!.textContent).toContain(t("m_absent"));
});

function grid() {
  const picked: string[] = [];
  const made = new EncoderGrid(ENCODERS, FAMILIES, (name) => picked.push(name));
  document.body.append(made.node);
  const rows = () => [...made.node.querySelectorAll<HTMLElement>("[data-encoder]")].map((row) => row.dataset["encoder"]);
  const say = (label: string, value: string) => {
    const field = made.node.querySelector<HTMLInputElement>(`[aria-label="${label}"]`)!;
    field.value = value;
    field.dispatchEvent(new Event(field.tagName === "INPUT" ? "input" : "change"));
  };
  const press = (key: string) =>
    made.node.querySelector(".mf-grid-view")!.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  return { made, picked, rows, say, press };
}

test("filters, order and keys of the catalogue; only rows in view are there", () => {
  const { made, picked, rows, say, press } = grid();
  expect(rows().length).toBeLessThanOrEqual(12);
  expect(made.node.querySelector(".mf-found")!.textContent).toBe("80 of 80");
  say("Search", "chest");
  expect(rows()).toEqual(["net7"]);
  say("Search", "");
  say("Family", "second");
  say("Licence of weights", "yes");
  say("Weights up to", "30");
  expect(rows()[0]).toBe("net70");
  expect(made.node.querySelector(".mf-found")!.textContent).toBe("5 of 80");
  made.node.querySelector<HTMLElement>('[data-column="parameters"] button')!.click();
  expect(rows()).toEqual(["net78", "net76", "net74", "net72", "net70"]);
  made.node.querySelector<HTMLElement>('[data-column="parameters"] button')!.click();
  expect(rows()[0]).toBe("net70");
  press("Home");
  press("ArrowDown");
  press("Enter");
  expect(picked).toEqual(["net72"]);
  made.update("net72");
  expect(made.node.querySelector('[aria-selected="true"]')!.getAttribute("data-encoder")).toBe("net72");
  made.node.querySelector<HTMLElement>('[data-encoder="net76"]')!.click();
  expect(picked).toEqual(["net72", "net76"]);
});

test("other names can be used, and what forbids commercial use is said", () => {
  const { made, picked, say, press } = grid();
  const other = made.node.querySelector<HTMLButtonElement>(".mf-grid-hint button")!;
  expect(other.hidden).toBe(true);
  say("Search", "resnest50d");
  expect(other.hidden).toBe(false);
  other.click();
  expect(picked).toEqual(["resnest50d"]);
  say("Search", HOSTILE);
  expect(other.hidden).toBe(true);
  say("Search", "");
  press("Home");
  press("ArrowDown");
  expect(made.node.querySelector(".mf-about")!.textContent).toContain("may not be used commercially");
});

test("text from data stays text", async () => {
  const blocks = BLOCKS.map((block) => (block.id === "view:photo" ? { ...block, id: `view:${HOSTILE}`, name: HOSTILE } : block));
  const { made } = await page(
    model({ blocks: [...blocks.slice(0, 1), { id: "image", kind: HOSTILE }, ...blocks.slice(2)], facts: null, wrong: { [HOSTILE]: [HOSTILE] }, assumed: [] }),
  );
  expect(made.node.querySelector("img, script, a, foreignObject")).toBeNull();
  expect(made.node.querySelector(".mf-model-wrong")!.textContent).toContain(HOSTILE);
});

test("all of it in Chinese", async () => {
  speak("zh");
  const { made, text } = await page(model({ assumed: ["example", "target", "classes", "categories"] }));
  expect(text('[data-block="image"]')).toContain("图像编码器");
  expect(text(".mf-assumed")).toContain("假定");
  expect(made.node.textContent).not.toMatch(/m_[a-z]/);
});
