// Plotly of this page: taken from the kernel's library model once and kept on the window.

import type { Model } from "./model";

export type Trace = Record<string, unknown>;

/** What Plotly makes of the element that it draws in. */
export interface PlotlyNode extends HTMLElement {
  on(event: string, handler: (change: Record<string, unknown>) => void): void;
}

export interface Plotly {
  Icons: Record<string, unknown>;
  react(node: HTMLElement, data: Trace[], layout: object, config?: object): Promise<unknown>;
  Plots: { resize(node: HTMLElement): Promise<unknown> };
  purge(node: HTMLElement): void;
}

declare global {
  interface Window {
    medfusionPlotly?: Promise<Plotly> | undefined;
  }
}

const PREFIX = "IPY_MODEL_";

/** Return Plotly, loading it on the first call of a page. */
export function plotly(model: Model): Promise<Plotly> {
  window.medfusionPlotly ??= load(model).catch((error: unknown) => {
    window.medfusionPlotly = undefined; // another panel, with a living kernel, may do better
    throw error;
  });
  return window.medfusionPlotly;
}

async function load(model: Model): Promise<Plotly> {
  const reference = model.get("library");
  if (typeof reference !== "string" || !reference.startsWith(PREFIX)) {
    throw new Error("the kernel has no plotly.js");
  }
  const library = await model.widget_manager.get_model(reference.slice(PREFIX.length));
  const code = await unpack(library.get("code") as DataView);
  const url = URL.createObjectURL(
    new Blob(["const module={exports:{}};", code, ";export default module.exports;"], {
      type: "text/javascript",
    }),
  );
  try {
    return ((await import(url)) as { default: Plotly }).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function unpack(packed: DataView): Promise<string> {
  const bytes = new Uint8Array(packed.buffer as ArrayBuffer, packed.byteOffset, packed.byteLength);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** Text that Plotly shows as it is: it would read tags, entities and places of a template in it. */
export function plain(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%{", "&#37;{");
}
