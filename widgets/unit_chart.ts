// Curves on the unit square: ROC, precision-recall, calibration. Drawn plainly, so always there.

import { make, makeSvg } from "./dom";
import type { Theme } from "./theme";

export interface UnitLine {
  label: string;
  /** What the legend says behind the label, such as an area with its interval. */
  value: string;
  colour: number;
  x: Float32Array;
  y: Float32Array;
  /** Ends of an interval at each point; points are drawn then. */
  low?: Float32Array;
  high?: Float32Array;
  stepped?: boolean;
}

const [LEFT, TOP, SIDE] = [40, 8, 190];
const [WIDTH, HEIGHT] = [LEFT + SIDE + 12, TOP + SIDE + 36];
const TICKS = [0, 0.25, 0.5, 0.75, 1];
export const DASHES = ["", "6 3", "2 2", "8 3 2 3", "10 4", "10 3 2 3 2 3"];

export class UnitChart {
  readonly node: HTMLElement;
  private readonly legend = make("div", { class: "mf-legend" });
  private readonly plot = make("div", { class: "mf-unit-plot", role: "img" });

  constructor(
    private readonly title: string,
    private readonly across: string,
    private readonly up: string,
    private readonly diagonal: boolean,
  ) {
    this.node = make(
      "figure",
      { class: "mf-chart mf-unit" },
      make("figcaption", {}, title),
      this.plot,
      this.legend,
    );
  }

  draw(lines: UnitLine[], theme: Theme): void {
    const svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
    this.drawAxes(svg, theme);
    for (const line of lines) this.drawLine(svg, line, theme);
    this.plot.replaceChildren(svg);
    this.legend.replaceChildren(
      ...lines.map((line) => {
        const mark = make("i", { "aria-hidden": "true" }, "━");
        mark.style.color = colour(line, theme);
        return make("span", {}, mark, make("span", {}, line.label), make("b", {}, line.value));
      }),
    );
    const said = lines.map((line) => `${line.label} ${line.value}`).join(", ");
    this.plot.setAttribute("aria-label", `${this.title}: ${said}`);
  }

  private drawAxes(svg: Element, theme: Theme): void {
    for (const tick of TICKS) {
      const [x, y] = [at(tick), over(tick)];
      svg.append(
        makeSvg("path", { d: `M${x} ${over(0)}V${over(1)}M${at(0)} ${y}H${at(1)}`, stroke: theme.line, fill: "none" }),
      );
      if (tick * 4 % 2 === 0) {
        svg.append(text(`${tick}`, x, over(0) + 13, "middle", theme.faint));
        svg.append(text(`${tick}`, LEFT - 5, y + 3.5, "end", theme.faint));
      }
    }
    if (this.diagonal) {
      svg.append(
        makeSvg("path", {
          d: `M${at(0)} ${over(0)}L${at(1)} ${over(1)}`,
          stroke: theme.faint,
          "stroke-dasharray": "2 3",
          fill: "none",
        }),
      );
    }
    svg.append(text(this.across, at(0.5), HEIGHT - 6, "middle", theme.faint));
    const label = text(this.up, 0, 0, "middle", theme.faint);
    label.setAttribute("transform", `translate(11 ${over(0.5)}) rotate(-90)`);
    svg.append(label);
  }

  private drawLine(svg: Element, line: UnitLine, theme: Theme): void {
    if (line.x.length === 0) return;
    const stroke = colour(line, theme);
    const points: string[] = [];
    line.x.forEach((x, index) => {
      const y = line.y[index] ?? 0;
      // A step of precision and recall has the precision of its right end.
      if (line.stepped && index > 0) points.push(`${at(line.x[index - 1]!)},${over(y)}`);
      points.push(`${at(x)},${over(y)}`);
    });
    svg.append(
      makeSvg("polyline", {
        points: points.join(" "),
        fill: "none",
        stroke,
        "stroke-width": "1.8",
        "stroke-linejoin": "round",
        "stroke-dasharray": DASHES[line.colour % DASHES.length]!,
      }),
    );
    if (line.low === undefined || line.high === undefined) return;
    line.x.forEach((x, index) => {
      const ends = `M${at(x)} ${over(line.low![index]!)}V${over(line.high![index]!)}`;
      svg.append(
        makeSvg("path", { d: ends, stroke, "stroke-width": "1", opacity: "0.55" }),
        makeSvg("circle", { cx: at(x), cy: `${over(line.y[index]!)}`, r: "2.4", fill: stroke }),
      );
    });
  }
}

function colour(line: UnitLine, theme: Theme): string {
  return theme.palette[line.colour % theme.palette.length]!;
}

function at(x: number): string {
  return (LEFT + Math.min(1, Math.max(0, x)) * SIDE).toFixed(1);
}

function over(y: number): number {
  return Math.round(10 * (TOP + (1 - Math.min(1, Math.max(0, y))) * SIDE)) / 10;
}

function text(content: string, x: number | string, y: number, anchor: string, fill: string) {
  return makeSvg("text", { x: `${x}`, y: `${y}`, "text-anchor": anchor, fill }, content);
}
