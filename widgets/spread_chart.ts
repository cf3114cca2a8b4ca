// How the values of a column are spread, divided by split or class: one bar chart.

import { brief, int32, percent, type Spread } from "./data_answers";
import { make, makeSvg, setText } from "./dom";
import { t } from "./messages";
import { plain, type Plotly, type Trace } from "./plotly_library";
import type { Theme } from "./theme";

const HEIGHT = 280;

export class SpreadChart {
  readonly node: HTMLElement;
  private readonly title = make("figcaption");
  private readonly plot = make("div", { class: "mf-plot mf-spread-plot", role: "img" });
  private readonly legend = make("div", { class: "mf-legend" });
  private drawn = false;
  private shown: [Spread, Int32Array] | null = null;

  constructor() {
    this.node = make("figure", { class: "mf-chart" }, this.title, this.legend, this.plot);
  }

  /** Show an answer of the kernel. */
  show(spread: Spread, buffer: DataView): void {
    this.shown = [spread, int32(buffer)];
  }

  draw(theme: Theme, plotly: Plotly | null): void {
    if (this.shown === null) return;
    const [spread, counts] = this.shown;
    const wide = counts.length / Math.max(1, spread.series.length);
    const rows = spread.series.map((_, n) => counts.slice(n * wide, (n + 1) * wide));
    const missing = spread.missing.reduce((a, b) => a + b, 0);
    const known = spread.n.reduce((a, b) => a + b, 0);
    const share = percent(missing / Math.max(1, missing + known));
    setText(this.title, t(spread.by === "" ? "data_spread_caption" : "data_spread_share", { column: spread.column, missing: share }));
    this.plot.setAttribute("aria-label", this.title.textContent!);
    this.write(spread, theme);
    if (plotly === null) this.drawPlain(spread, rows, theme);
    else this.drawPlotly(spread, rows, theme, plotly);
  }

  close(plotly: Plotly | null): void {
    if (this.drawn) plotly?.purge(this.plot);
  }

  private write(spread: Spread, theme: Theme): void {
    this.legend.replaceChildren(
      ...spread.series
        .map((name, n) => {
          const mark = make("i", { "aria-hidden": "true" }, "■");
          mark.style.color = theme.palette[n % theme.palette.length]!;
          const total = spread.n[n]!.toLocaleString("en-US").replaceAll(",", "\u2009");
          return make("span", {}, mark, make("span", {}, name), make("b", {}, total));
        })
        .filter(() => spread.by !== ""),
    );
  }

  private drawPlotly(spread: Spread, rows: Int32Array[], theme: Theme, plotly: Plotly): void {
    if (!this.drawn) this.plot.replaceChildren();
    this.drawn = true;
    const labels = labelsOf(spread);
    const axis = { gridcolor: theme.line, linecolor: theme.line, zerolinecolor: theme.line };
    const font = { color: theme.faint, size: 11 };
    const edges = spread.edges ?? [];
    const traces: Trace[] = rows.map((row, n) => ({
      type: "bar",
      name: plain(spread.series[n]!),
      x: spread.kind === "numeric" ? edges.slice(0, -1).map((low, i) => (low + edges[i + 1]!) / 2) : labels.map((_, i) => i),
      y: shares(row, spread),
      customdata: Array.from(row, (value, i) => [labels[i]!, String(value)].map(plain)),
      hovertemplate: "%{customdata[0]}: %{customdata[1]}<extra>%{fullData.name}</extra>",
      marker: { color: theme.palette[n % theme.palette.length]!, opacity: 0.85 },
    }));
    const ticks = { tickmode: "array", tickvals: labels.map((_, i) => i), ticktext: labels.map(plain) };
    const layout = {
      height: HEIGHT,
      barmode: "group",
      bargap: spread.kind === "numeric" ? 0.05 : 0.25,
      margin: { l: 58, r: 10, t: 6, b: spread.kind === "numeric" ? 40 : 70 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: theme.font, color: theme.text, size: 11 },
      showlegend: false,
      hoverlabel: { bgcolor: theme.back, bordercolor: theme.line, font: { color: theme.text } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.faint, activecolor: theme.text },
      xaxis: {
        ...axis,
        tickfont: font,
        title: { text: plain(spread.column), font, standoff: 6 },
        ...(spread.kind === "numeric" ? { tickformat: "~g" } : ticks),
      },
      yaxis: {
        ...axis,
        tickfont: font,
        rangemode: "tozero",
        title: { text: spread.by === "" ? t("data_rows") : "%", font, standoff: 4 },
      },
    };
    const config = {
      displaylogo: false,
      typesetMath: false, // dollars in names are no formulas
      responsive: true,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    };
    void plotly.react(this.plot, traces, layout, config);
  }

  private drawPlain(spread: Spread, rows: Int32Array[], theme: Theme): void {
    const labels = labelsOf(spread);
    const series = rows.map((row) => shares(row, spread));
    const most = Math.max(1e-9, ...series.flat());
    const group = 600 / Math.max(1, labels.length);
    const bar = (group * 0.85) / Math.max(1, rows.length);
    const drawn = series.flatMap((values, n) =>
      values.map((value, i) => {
        const height = (value / most) * 230;
        const rect = makeSvg("rect", {
          x: String(i * group + n * bar),
          y: String(240 - height),
          width: String(Math.max(1, bar - 1)),
          height: String(height),
          fill: theme.palette[n % theme.palette.length]!,
        });
        rect.append(makeSvg("title", {}, `${labels[i]}: ${rows[n]![i]}`));
        return rect;
      }),
    );
    this.plot.replaceChildren(
      makeSvg("svg", { viewBox: "0 0 600 250", width: "100%", height: String(HEIGHT) }, ...drawn),
    );
  }
}

/** Rows, or per cent of the rows of a series where several are compared. */
function shares(row: Int32Array, spread: Spread): number[] {
  const total = row.reduce((a, b) => a + b, 0);
  const scale = spread.by === "" ? 1 : 100 / Math.max(1, total);
  return Array.from(row, (value) => value * scale);
}

function labelsOf(spread: Spread): string[] {
  if (spread.kind === "numeric") {
    const edges = spread.edges ?? [];
    return edges.slice(0, -1).map((low, i) => `${brief(low)} – ${brief(edges[i + 1]!)}`);
  }
  const levels = (spread.levels ?? []).map((level) =>
    level.length > 24 ? `${level.slice(0, 23)}…` : level,
  );
  return (spread.others ?? 0) > 0 ? [...levels, t("data_others")] : levels;
}
