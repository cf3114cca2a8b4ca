// Where values are missing: a line for each column, from the first row to the last.

import { bytes, percent } from "./data_answers";
import { make } from "./dom";
import { t } from "./messages";
import type { Theme } from "./theme";

export interface Missing {
  columns: string[];
  share: number[];
  blocks: number;
  rows: number;
}

const TALL = 14;

export class MissingMap {
  readonly node = make("figure", { class: "mf-missing-map" });
  private shown: [Missing, Uint8Array] | null = null;

  show(missing: Missing, buffer: DataView): void {
    this.shown = [missing, bytes(buffer)];
  }

  draw(theme: Theme): void {
    if (this.shown === null) return;
    const [missing, levels] = this.shown;
    const lines = missing.columns.map((name, n) => {
      const canvas = make("canvas", { width: String(missing.blocks), height: "1", role: "img" });
      const words = t("data_missing_share", { share: percent(missing.share[n]!) });
      canvas.setAttribute("aria-label", `${name}: ${words}`);
      canvas.style.height = `${TALL}px`;
      paint(canvas, levels.subarray(n * missing.blocks, (n + 1) * missing.blocks), theme);
      const label = make("span", { class: "mf-missing-name" }, name);
      label.title = name;
      return make(
        "div",
        { class: "mf-missing-line" },
        label,
        canvas,
        make("span", { class: "mf-number" }, percent(missing.share[n]!)),
      );
    });
    const some = missing.share.some((share) => share > 0);
    const caption = some ? t("data_missing_caption") : t("data_missing_none");
    this.node.replaceChildren(make("figcaption", {}, caption), ...lines);
  }
}

function paint(canvas: HTMLCanvasElement, levels: Uint8Array, theme: Theme): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.fillStyle = theme.palette[1]!;
  levels.forEach((level, x) => {
    if (level === 0) return;
    context.globalAlpha = level / 255;
    context.fillRect(x, 0, 1, 1);
  });
}
