// Charts in a tab: as many as there are pictures, drawn only while they are seen.

import { Chart } from "./chart";
import { make } from "./dom";
import type { Plotly } from "./plotly_library";
import type { Picture } from "./run_lines";
import type { Theme } from "./theme";

const MOST = 12;

export class RunCharts {
  readonly node: HTMLElement;
  private readonly charts = new Map<string, Chart>();
  private readonly grid = make("div", { class: "mf-charts" });
  private readonly empty: HTMLElement;

  constructor(
    whenEmpty: string,
    private readonly fromZero = false,
    caption = "",
  ) {
    this.empty = make("p", { class: "mf-empty" }, whenEmpty);
    this.node = make("div", {}, this.empty, this.grid);
    if (caption !== "") this.node.append(make("p", { class: "mf-empty mf-caption" }, caption));
  }

  draw(pictures: Picture[], steps: number, theme: Theme, plotly: Plotly | null, log = false): void {
    this.node.classList.toggle("mf-none", pictures.length === 0);
    this.empty.hidden = pictures.length > 0;
    this.grid.classList.toggle("mf-one", pictures.length === 1);
    for (const { title, unit, lines, across } of pictures.slice(0, MOST)) {
      let chart = this.charts.get(title);
      if (chart === undefined) {
        chart = new Chart(title, unit, this.fromZero);
        this.charts.set(title, chart);
        this.grid.append(chart.node);
      }
      const extent = { steps: across === undefined ? steps : 0, over: true, best: null };
      chart.draw(lines, across === undefined ? extent : { ...extent, across }, theme, plotly, log);
    }
    const titles = new Set(pictures.map(({ title }) => title));
    for (const [title, chart] of this.charts) {
      if (titles.has(title)) continue; // of the run that was shown before
      chart.close(plotly);
      chart.node.remove();
      this.charts.delete(title);
    }
  }

  close(plotly: Plotly | null): void {
    for (const chart of this.charts.values()) chart.close(plotly);
  }
}
