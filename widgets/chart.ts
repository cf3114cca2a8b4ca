// One chart: a title, a legend with the last values, the curves. Its size never changes by its data.

import { make, makeSvg, setText } from "./dom";
import { t } from "./messages";
import { plain, type Plotly, type PlotlyNode } from "./plotly_library";
import type { Curve } from "./run_store";
import type { Theme } from "./theme";
import { short } from "./wording";

export interface Line {
  label: string;
  curve: Curve;
  colour: number;
  faint?: boolean;
  dash?: string;
  symbol?: string;
}

export interface Extent {
  steps: number;
  over: boolean;
  best: number | null;
  /** What the horizontal axis counts, where it is not steps. */
  across?: string;
}

// As Plotly draws its markers, so that the legend does not stand on colour alone.
export const SIGNS: Record<string, string> = {
  circle: "●",
  diamond: "◆",
  square: "■",
  "triangle-up": "▲",
  x: "✖",
  cross: "✚",
};

/** Where the step axis ends: it doubles now and then up to all steps, and does not creep. */
export function reach(lines: Line[], { steps, over }: Extent): number {
  const last = Math.max(1, ...lines.map((line) => line.curve.step.at(-1) ?? 0));
  if (over || steps < last) return last;
  let end = steps;
  while (end / 2 > 1.1 * last && end / 2 >= 20) end /= 2;
  return end;
}

const SETTLE_MS = 100; // Plotly works the zoom out after the button is released

export class Chart {
  readonly node: HTMLElement;
  private readonly legend = make("div", { class: "mf-legend" });
  private readonly plot = make("div", { class: "mf-plot", role: "img" });
  private drawn = false;
  private revision = 0;
  // Plotly keeps a person's zoom only while we ask for the same range as before it.
  private zooms = 0;
  private zoomed = false;
  private end = 1;
  private held = false;
  private config: object | undefined;
  private redraw = () => {};
  private library: Plotly | null = null;
  private readonly fitting: ResizeObserver;

  constructor(
    private readonly title: string,
    private readonly unit: string,
    private readonly fromZero = false,
  ) {
    this.node = make(
      "figure",
      { class: "mf-chart" },
      make("figcaption", {}, title),
      this.legend,
      this.plot,
    );
    // Drawn while its page was not open, a chart has a width of its own making.
    this.fitting = new ResizeObserver(() => this.fit());
    this.fitting.observe(this.plot);
    // A redraw would take the box that is being drawn with the mouse away.
    this.plot.addEventListener("pointerdown", () => {
      this.held = true;
      const release = () => {
        setTimeout(() => {
          this.held = false;
          this.redraw();
        }, SETTLE_MS);
      };
      window.addEventListener("pointerup", release, { once: true, capture: true });
    });
  }

  draw(lines: Line[], extent: Extent, theme: Theme, plotly: Plotly | null, log = false): void {
    this.redraw = () => this.draw(lines, extent, theme, plotly, log);
    this.writeLegend(lines, theme);
    if (this.held) return;
    if (plotly === null) this.drawPlain(lines, extent, theme, log);
    else this.drawPlotly(lines, extent, theme, plotly, log);
  }

  close(plotly: Plotly | null): void {
    this.fitting.disconnect();
    if (this.drawn) plotly?.purge(this.plot);
  }

  private fit(): void {
    if (this.drawn && this.plot.clientWidth > 0) void this.library?.Plots.resize(this.plot);
  }

  private writeLegend(lines: Line[], theme: Theme): void {
    const named = lines.filter((line) => !line.faint);
    const shown = named.length > 0 ? named : lines;
    while (this.legend.children.length > shown.length) this.legend.lastElementChild?.remove();
    const words: string[] = [];
    shown.forEach((line, index) => {
      let item = this.legend.children[index];
      if (item === undefined) {
        item = make("span", {}, make("i", { "aria-hidden": "true" }), make("span"), make("b"));
        this.legend.append(item);
      }
      const [mark, label, value] = Array.from(item.children) as HTMLElement[];
      const last = line.curve.value.at(-1);
      mark!.style.color = theme.palette[line.colour % theme.palette.length]!;
      setText(mark!, SIGNS[line.symbol ?? ""] ?? "━");
      setText(label!, line.label);
      setText(value!, last === undefined ? "" : short(last));
      words.push(
        last === undefined
          ? t("without_values", { label: line.label })
          : `${line.label} ${short(last)}`,
      );
    });
    const all = words.length > 0 ? words.join(", ") : t("no_values");
    this.plot.setAttribute("aria-label", t("by_step", { title: this.title, lines: all }));
  }

  private drawPlotly(
    lines: Line[],
    extent: Extent,
    theme: Theme,
    plotly: Plotly,
    log: boolean,
  ): void {
    const first = !this.drawn;
    if (first) this.plot.replaceChildren();
    this.drawn = true;
    if (!this.zoomed) this.end = reach(lines, extent);
    const axis = {
      gridcolor: theme.line,
      linecolor: theme.line,
      zerolinecolor: theme.line,
      tickcolor: theme.line,
      tickfont: { color: theme.faint, size: 10 },
      exponentformat: "e",
      tickformat: "~g",
      nticks: 6,
    };
    const small = { color: theme.faint, size: 11 };
    const traces = lines.map((line) => {
      const colour = theme.palette[line.colour % theme.palette.length]!;
      const few = line.curve.step.length <= 60;
      return {
        type: "scatter",
        name: plain(line.label),
        mode: !line.faint && few && line.symbol ? "lines+markers" : "lines",
        x: line.curve.step,
        y: line.curve.value,
        opacity: line.faint ? 0.35 : 1,
        line: { color: colour, width: line.faint ? 1 : 1.8, dash: line.dash ?? "solid" },
        marker: { color: colour, size: 5, symbol: line.symbol ?? "circle" },
        hovertemplate: `${plain(line.label)} %{y:.4g}<extra></extra>`,
        ...(line.faint ? { hoverinfo: "skip", hovertemplate: null } : {}),
      };
    });
    const marks =
      extent.best === null
        ? []
        : [
            {
              type: "line",
              x0: extent.best,
              x1: extent.best,
              yref: "paper",
              y0: 0,
              y1: 1,
              line: { color: theme.faint, width: 1, dash: "dot" },
            },
          ];
    const layout = {
      height: 190,
      margin: { l: 58, r: 10, t: 6, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: theme.font, color: theme.text, size: 11 },
      showlegend: false,
      hovermode: "x unified",
      hoverlabel: { bgcolor: theme.back, bordercolor: theme.line, font: { color: theme.text } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.faint, activecolor: theme.text },
      uirevision: `zoom ${this.zooms}`, // a falsy one keeps nothing
      datarevision: ++this.revision, // the curves grow in place
      shapes: marks,
      xaxis: {
        ...axis,
        title: { text: extent.across ?? t("step"), font: small, standoff: 4 },
        range: [0, this.end * 1.02],
      },
      annotations: marks.map((mark) => ({
        x: mark.x0,
        y: 1,
        yref: "paper",
        xanchor: mark.x0 > this.end / 2 ? "right" : "left",
        yanchor: "top",
        text: t("best"),
        font: { color: theme.faint, size: 10 },
        showarrow: false,
      })),
      yaxis: {
        ...axis,
        ...(this.fromZero ? { rangemode: "tozero" } : {}),
        ...(this.fromZero && this.unit !== "%" ? { tickformat: ".1~e" } : {}),
        // Another type of axis has another range: a zoom on the one means nothing on the other.
        type: log ? "log" : "linear",
        uirevision: `zoom ${this.zooms} ${log}`,
        title: { text: this.unit, font: small, standoff: 6 },
      },
    };
    this.config ??= this.configure(plotly);
    this.library = plotly;
    void plotly.react(this.plot, traces, layout, this.config);
    if (first) {
      const plot = this.plot as HTMLElement as PlotlyNode;
      plot.on("plotly_doubleclick", () => this.whole());
      plot.on("plotly_relayout", (change) => {
        if (Object.keys(change).some((key) => key.startsWith("xaxis.range"))) this.zoomed = true;
      });
    }
  }

  // Made once: with another configuration Plotly begins anew and forgets the zoom.
  private configure(plotly: Plotly): object {
    const whole = {
      name: "whole",
      title: t("zoom_whole"),
      icon: plotly.Icons["home"],
      click: () => this.whole(),
    };
    return {
      displaylogo: false,
      typesetMath: false, // dollars in names are no formulas
      doubleClick: false,
      // Named one by one: Plotly's own choice has a button that sends the data to its cloud.
      modeBarButtons: [["toImage"], ["zoom2d", "pan2d", whole]],
      plotlyServerURL: "",
      toImageButtonOptions: { filename: this.title.toLowerCase().replaceAll(" ", "-"), scale: 3 },
    };
  }

  /** Undo a person's zoom. */
  private whole(): void {
    this.zoomed = false;
    this.zooms += 1;
    this.redraw();
  }

  /** The same curves without Plotly: no zoom, but there in a saved notebook without a kernel. */
  private drawPlain(lines: Line[], extent: Extent, theme: Theme, log: boolean): void {
    const [width, height] = [320, 170];
    const scale = (value: number) => (log ? Math.log10(value) : value);
    const values = lines.flatMap((line) => line.curve.value.map(scale)).filter(Number.isFinite);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const last = Math.round(reach(lines, extent));
    const across = (step: number) => 40 + (step / last) * (width - 48);
    const up = (value: number) =>
      8 + (high > low ? 1 - (value - low) / (high - low) : 0.5) * (height - 36);
    const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, class: "mf-plain" });
    svg.append(
      makeSvg("path", { d: `M40 8V${height - 28}H${width - 8}`, stroke: theme.line, fill: "none" }),
    );
    const write = (text: string, x: number, y: number, anchor: string) =>
      svg.append(
        makeSvg("text", { x: `${x}`, y: `${y}`, "text-anchor": anchor, fill: theme.faint }, text),
      );
    if (values.length > 0) {
      write(short(log ? 10 ** high : high), 36, 14, "end");
      write(short(log ? 10 ** low : low), 36, height - 28, "end");
    }
    write(`${extent.across ?? t("step")} ${last}`, width - 8, height - 12, "end");
    for (const line of lines) {
      const points = line.curve.step.flatMap((step, index) => {
        const value = scale(line.curve.value[index] ?? Number.NaN);
        return Number.isFinite(value) ? [`${across(step).toFixed(1)},${up(value).toFixed(1)}`] : [];
      });
      svg.append(
        makeSvg("polyline", {
          points: points.join(" "),
          fill: "none",
          stroke: theme.palette[line.colour % theme.palette.length]!,
          "stroke-width": line.faint ? "0.6" : "1.6",
        }),
      );
    }
    this.plot.replaceChildren(svg);
  }
}
