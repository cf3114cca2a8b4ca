// What the kernel says of a model (medfusion/widgets/model_desk.py), and its numbers in words.

import { t, word, type Key } from "./messages";

export interface Block {
  id: string;
  kind?: string;
  name?: string;
  shape?: number[];
  images?: number | null;
  numeric?: number;
  categorical?: number;
}

export interface PartFacts {
  parameters: number;
  trained: number;
  multiply_adds: number;
  shapes: Record<string, number[]>;
}

export interface Facts {
  parts: Record<string, PartFacts>;
  parameters: number;
  trained: number;
  multiply_adds: number;
  fixed_bytes: number;
  subject_bytes: number;
  image_bytes: number;
  several: number[];
  at_once: number;
  outputs: number;
  notes: string[];
}

export interface Machine {
  bytes: number;
  gpu: { name: string; bytes: number } | null;
}

export interface ModelState {
  blocks: Block[];
  wrong: Record<string, string[]>;
  assumed: string[];
  waits: boolean;
  facts: Facts | null;
  batch: number;
  device: string;
  machine: Machine | null;
  formulas: boolean;
}

/** What training takes; as `Blueprint.training_bytes` in medfusion/models/blueprint.py. */
export function trainingBytes(facts: Facts, batch: number): number {
  const images = facts.several.map((count) => batch * count);
  const small = images.filter((count) => count <= facts.at_once).reduce((a, b) => a + b, 0);
  const parts = images.some((count) => count > facts.at_once) ? facts.at_once : 0;
  return facts.fixed_bytes + batch * facts.subject_bytes + (small + parts) * facts.image_bytes;
}

/** The largest batch that some bytes have room for; 0 where none has. */
export function largestBatch(facts: Facts, room: number): number {
  let [low, high] = [0, 65_536];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (trainingBytes(facts, middle) <= room) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Whether the machine has the memory, in a sentence; empty while it is not known. */
export function fitSentence(facts: Facts, batch: number, device: string, machine: Machine | null) {
  if (machine === null) return { fits: true, text: "" };
  const gpu = device === "cpu" || device === "mps" ? null : machine.gpu;
  const room = gpu?.bytes ?? machine.bytes;
  const values = { where: gpu?.name ?? t("m_memory_here"), room: bytes(room) };
  if (trainingBytes(facts, batch) <= room) return { fits: true, text: t("m_fits", values) };
  const largest = largestBatch(facts, room);
  if (largest === 0) return { fits: false, text: t("m_fits_never", values) };
  return { fits: false, text: t("m_fits_not", { ...values, batch: largest }) };
}

/** A number in three digits: 640, 11.2 k, 4.01 M, 1.82 G. */
export function count(value: number): string {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (value >= size * 0.9995) return `${digits(value / size)} ${unit}`;
  }
  return String(value);
}

/** Multiply-adds: 128 MAC, 61.4 kMAC, 1.81 GMAC. */
export function multiplyAdds(value: number): string {
  const text = count(value);
  return /\d$/.test(text) ? `${text} MAC` : `${text}MAC`;
}

/** Bytes as machines are sold: 850 MB, 1.20 GB. */
export function bytes(value: number): string {
  return value >= 0.9995e9 ? `${digits(value / 1e9)} GB` : `${Math.max(1, Math.round(value / 1e6))} MB`;
}

function digits(value: number): string {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** The name of a block for people. */
export function blockName(id: string): string {
  if (id.startsWith("view:")) return id.slice("view:".length);
  const key = `m_block_${id}`;
  const found = word(key);
  return found === key ? word(id) : found;
}

/** What a block gives for one subject: "512 × 7 × 7, 512". */
export function shapeText(block: Block, facts: Facts | null): string {
  if (block.shape !== undefined) {
    const shape = block.shape.join(" × ");
    return block.images ? `${block.images} × (${shape})` : shape;
  }
  if (block.id === "columns") {
    const parts: [Key, number][] = [
      ["m_numeric", block.numeric ?? 0],
      ["m_categorical", block.categorical ?? 0],
    ];
    return parts.filter(([, n]) => n > 0).map(([key, n]) => t(key, { count: n })).join(", ");
  }
  if (block.id === "output") {
    if (facts === null) return "";
    return facts.outputs === 1 ? t("m_output_one") : t("m_outputs", { count: facts.outputs });
  }
  const shapes = facts?.parts[block.id]?.shapes ?? {};
  const order = block.id === "attention" ? [] : ["map", "tokens", "vector", "z"];
  return order
    .filter((name) => shapes[name] !== undefined)
    .map((name) => shapes[name]!.join(" × "))
    .join(", ");
}
