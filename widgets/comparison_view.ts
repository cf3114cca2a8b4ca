// Runs beside each other: curves, overlays, paired differences, what was changed. Part of a panel.

import { Chart, type Line } from "./chart";
import { Refusal, type Answered, type Connection } from "./connection";
import { make, setText } from "./dom";
import { t, word } from "./messages";
import type { Figure, Model } from "./model";
import { plotly, type Plotly } from "./plotly_library";
import { onThemeChange, theme, type Theme } from "./theme";
import { UnitChart, type UnitLine } from "./unit_chart";
import { figure, metricName } from "./wording";

export interface Chosen {
  runs: string[];
  split: string;
  class: string | null;
  curve: string | null;
}

interface Compared {
  runs: { name: string; path: string; state: string; epoch: number; epochs: number }[];
  split: string;
  metrics: { name: string; values: (Figure | null)[] }[];
  main: string;
  curves: string[];
  classes: string[];
  fields: Field[];
  places: Field[];
  troubles: string[];
}

interface Field {
  field: string;
  values: string[];
}

interface Counted {
  n: number;
  positive: number;
  why: string;
}

interface Difference {
  run: string;
  why: string;
  metric: string;
  value: number | null;
  ci: number[] | null;
  n: number;
  p: number | null;
  adjusted?: number;
}

const LETTERS = "ABCDEFGH";
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "x", "cross"];
const SPLITS = ["test", "val", "train"] as const;
const AGAIN_MS = 3000;

export class ComparisonView {
  readonly node: HTMLElement;
  private readonly key = make("ol", { class: "mf-cmp-key" });
  private readonly trouble = make("div", { class: "mf-cmp-trouble", role: "status" });
  private readonly split = select("cmp_split", (value) => this.look({ split: value }));
  private readonly curve = select("cmp_curve", (value) => this.look({ curve: value }));
  private readonly class_ = select("cmp_class", (value) => this.look({ class_: value }));
  private readonly loss = new Chart(t("cmp_loss"), "loss");
  private readonly metric = new Chart(t("cmp_curve"), "value");
  private readonly units = [
    new UnitChart(t("cmp_roc"), t("cmp_fpr"), t("cmp_tpr"), true),
    new UnitChart(t("cmp_recall"), t("cmp_recall_axis"), t("cmp_precision"), false),
    new UnitChart(t("cmp_calibration"), t("cmp_predicted"), t("cmp_observed"), true),
  ];
  private readonly unitRow = make("div", { class: "mf-units" }, ...this.units.map((u) => u.node));
  private readonly noClasses = make("p", { class: "mf-empty" }, t("cmp_no_classes"));
  private readonly cases = make("span", { class: "mf-cmp-cases" });
  private readonly differences = make("div", { class: "mf-cmp-differences", role: "status" });
  private readonly tables = make("div", { class: "mf-cmp-tables" });
  private readonly undo: (() => void)[] = [];
  private plotly: Plotly | null = null;
  private theme: Theme | null = null;
  private chosen: Chosen | null = null;
  private found: Compared | null = null;
  private curves: Map<string, { step: number[]; value: number[] }>[] = [];
  private shown: { counted: Counted[]; buffers: DataView[]; of: string } | null = null;
  private asked = "";
  private again: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly connection: Connection,
    model: Model,
    private readonly tell: (text: string) => void,
  ) {
    this.split.control.append(
      ...SPLITS.map((name) => make("option", { value: name }, t(`cmp_${name}`))),
    );
    this.node = make(
      "section",
      { class: "mf-comparison", "aria-label": t("cmp_title") },
      make("h4", {}, t("cmp_title")),
      this.key,
      this.trouble,
      make("div", { class: "mf-cmp-choices" }, this.split.node, this.curve.node, this.class_.node, this.cases),
      make("div", { class: "mf-cmp-curves" }, this.loss.node, this.metric.node),
      this.noClasses,
      this.unitRow,
      this.differences,
      this.tables,
    );
    this.node.hidden = true;
    this.undo.push(
      onThemeChange(() => {
        // JupyterLab sets the attribute before the new style sheet has loaded.
        for (const wait of [50, 400, 1500]) {
          setTimeout(() => {
            this.theme = null;
            this.draw();
          }, wait);
        }
      }),
    );
    void plotly(model)
      .then((found) => {
        this.plotly = found;
      })
      .catch(() => undefined)
      .then(() => this.draw());
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.again);
    for (const undo of this.undo) undo();
    for (const chart of [this.loss, this.metric]) chart.close(this.plotly);
  }

  /** Show what the state says is compared; null hides all. */
  update(chosen: Chosen | null): void {
    this.chosen = chosen;
    this.node.hidden = chosen === null;
    if (chosen === null) {
      this.found = this.shown = null;
      this.asked = "";
      return;
    }
    this.split.control.value = chosen.split;
    const wanted = JSON.stringify([chosen.runs, chosen.split]);
    if (wanted !== this.asked) {
      this.asked = wanted;
      void this.fetch(true);
    } else if (this.found !== null) {
      this.write();
      this.draw();
      void this.overlay();
    }
  }

  /** A run that is compared has moved on: its curves follow, now and then. */
  moved(names: string[]): void {
    const ours = this.chosen?.runs ?? [];
    if (!names.some((name) => ours.includes(name))) return;
    this.again ??= setTimeout(() => {
      this.again = undefined;
      if (this.chosen !== null && !this.closed) void this.fetch(false);
    }, AGAIN_MS);
  }

  private look(values: Record<string, string>): void {
    this.connection.ask("look", values).catch((error: unknown) => this.tell(sentence(error)));
  }

  private async fetch(whole: boolean): Promise<void> {
    const wanted = this.asked;
    let answer: Answered;
    try {
      answer = await this.connection.ask("compared");
    } catch (error) {
      if (wanted === this.asked) setText(this.trouble, sentence(error));
      return;
    }
    if (wanted !== this.asked || this.closed) return;
    const ended = this.found?.runs.map((run) => run.state).join();
    this.found = answer.values as unknown as Compared;
    this.readCurves(answer.buffers);
    this.write();
    this.draw();
    const moved = ended !== this.found.runs.map((run) => run.state).join();
    if (!whole && !moved) return;
    this.shown = null;
    setText(this.differences, t("cmp_working"));
    await this.overlay();
    await this.difference(wanted);
  }

  private readCurves(buffers: DataView[]): void {
    const { runs, curves } = this.found!;
    this.curves = runs.map((_, run) => {
      const own = new Map<string, { step: number[]; value: number[] }>();
      curves.forEach((name, place) => {
        const first = 2 * (run * curves.length + place);
        const step = Array.from(numbers(Int32Array, buffers[first]!));
        if (step.length > 0) {
          own.set(name, { step, value: Array.from(numbers(Float32Array, buffers[first + 1]!)) });
        }
      });
      return own;
    });
  }

  private async overlay(): Promise<void> {
    const name = this.className();
    if (name === null) return;
    const of = JSON.stringify([this.asked, name]);
    if (this.shown?.of === of) return;
    try {
      const { values, buffers } = await this.connection.ask("overlays", { class_: name });
      if (this.closed || of !== JSON.stringify([this.asked, this.className()])) return;
      this.shown = { counted: values["runs"] as Counted[], buffers, of };
      this.draw();
    } catch (error) {
      this.tell(sentence(error));
    }
  }

  private async difference(wanted: string): Promise<void> {
    try {
      const { values } = await this.connection.ask("differences");
      if (wanted !== this.asked || this.closed) return;
      this.writeDifferences(String(values["reference"]), values["differences"] as Difference[]);
    } catch (error) {
      setText(this.differences, sentence(error));
    }
  }

  private className(): string | null {
    const classes = this.found?.classes ?? [];
    const said = this.chosen?.class ?? null;
    return said !== null && classes.includes(said) ? said : (classes[0] ?? null);
  }

  private curveName(): string {
    const { curves, main } = this.found!;
    const said = this.chosen?.curve ?? `val/${main}`;
    return curves.includes(said) ? said : (curves.find((name) => name !== "val/loss") ?? "");
  }

  private write(): void {
    const found = this.found!;
    this.key.replaceChildren(
      ...found.runs.map((run, index) => {
        const mark = make("b", { class: "mf-cmp-letter" }, LETTERS[index]!);
        mark.dataset["run"] = String(index);
        return make("li", { title: run.path }, mark, run.name, make("small", {}, word(`state_${run.state}`)));
      }),
    );
    setText(this.trouble, found.troubles.join(" "));
    fill(this.curve.control, found.curves, curveLabel, this.curveName());
    const name = this.className();
    fill(this.class_.control, found.classes, (one) => one, name ?? "");
    this.class_.node.hidden = found.classes.length < 2;
    this.noClasses.hidden = name !== null;
    this.unitRow.hidden = name === null;
    setText(this.cases, "");
    this.tables.replaceChildren(
      table(
        t("cmp_metrics"),
        [t("cmp_metric"), ...letters(found.runs.length)],
        found.metrics.map((one) => [
          metricName(one.name),
          ...one.values.map((value) => (value === null ? "–" : figure({ ...value, ci: value.ci ?? [] }))),
        ]),
      ),
      ...(["fields", "places"] as const).map((which) =>
        table(
          t(`cmp_${which}`),
          [t("cmp_field"), ...letters(found.runs.length)],
          found[which].map((one) => [one.field, ...one.values]),
        ),
      ),
    );
  }

  private draw(): void {
    if (this.found === null || this.closed || this.node.hidden) return;
    this.theme ??= theme(this.node);
    const { palette } = this.theme;
    for (const mark of this.key.querySelectorAll<HTMLElement>(".mf-cmp-letter")) {
      mark.style.color = palette[Number(mark.dataset["run"]) % palette.length]!;
    }
    const extent = { steps: 0, over: true, best: null };
    this.loss.draw(this.lines("val/loss"), extent, this.theme, this.plotly);
    const name = this.curveName();
    setText(this.metric.node.querySelector("figcaption")!, name === "" ? t("cmp_none") : curveLabel(name));
    this.metric.draw(this.lines(name), extent, this.theme, this.plotly);
    this.drawUnits(this.theme);
  }

  private lines(name: string): Line[] {
    return this.curves.flatMap((own, index): Line[] => {
      const curve = own.get(name);
      if (curve === undefined) return [];
      return [
        {
          label: LETTERS[index]!,
          curve,
          colour: index,
          dash: DASHES[index % DASHES.length]!,
          symbol: SYMBOLS[index % SYMBOLS.length]!,
        },
      ];
    });
  }

  private drawUnits(now: Theme): void {
    const { shown, found } = this;
    if (shown === null || found === null) return;
    const several = found.classes.length > 1;
    const area = (name: string, run: number): string => {
      const class_ = this.className() ?? "";
      const slash = class_.lastIndexOf("/") + 1;
      const task = class_.slice(0, slash);
      const own = several ? `${task}${name}[${class_.slice(slash)}]` : `${task}${name}`;
      const metric = found.metrics.find((one) => one.name === own)?.values[run];
      return metric ? `${metricName(name)} ${figure({ ...metric, ci: metric.ci ?? [] })}` : "";
    };
    const rows = shown.counted.map((_, run) =>
      Array.from({ length: 8 }, (_, row) => numbers(Float32Array, shown.buffers[8 * run + row]!)),
    );
    const lines = (x: number, name: string | null, more: (run: number) => Partial<UnitLine>) =>
      rows.map((row, run) => ({
        label: LETTERS[run]!,
        value: name === null ? "" : area(name, run),
        colour: run,
        x: row[x]!,
        y: row[x + 1]!,
        ...more(run),
      }));
    this.units[0]!.draw(lines(0, "auc", () => ({})), now);
    this.units[1]!.draw(lines(2, "average_precision", () => ({ stepped: true })), now);
    this.units[2]!.draw(
      lines(4, "calibration_slope", (run) => ({ low: rows[run]![6]!, high: rows[run]![7]! })),
      now,
    );
    const words = shown.counted.map((one, run) => `${LETTERS[run]} ${one.why || t("cmp_cases", { ...one })}`);
    const same = new Set(shown.counted.map((one) => `${one.n} ${one.positive}`)).size === 1;
    setText(this.cases, same && !shown.counted[0]?.why ? t("cmp_cases", { ...shown.counted[0] }) : words.join(" · "));
  }

  private writeDifferences(reference: string, found: Difference[]): void {
    const names = this.found!.runs.map((run) => run.name);
    const letter = (name: string) => LETTERS[names.indexOf(name)] ?? "?";
    const adjusted = found.filter((one) => one.p !== null && one.p !== undefined).length > 1;
    const lines = found.map((one) => {
      if (one.why !== "") return make("li", {}, `${letter(one.run)}: ${one.why}`);
      const p = chance(one.p);
      return make(
        "li",
        {},
        t("cmp_difference_line", {
          letter: letter(one.run),
          reference: letter(reference),
          metric: metricName(one.metric),
          value: figure({ value: one.value, ci: one.ci ?? [], n: one.n }),
          p: adjusted && one.adjusted !== undefined ? t("cmp_adjusted", { p, adjusted: chance(one.adjusted) }) : p,
          n: one.n,
        }),
      );
    });
    this.differences.replaceChildren(
      make("h5", {}, t("cmp_difference", { name: reference, letter: letter(reference) })),
      make("ul", {}, ...lines),
      ...(adjusted ? [make("p", { class: "mf-empty" }, t("cmp_adjusted_why"))] : []),
    );
  }
}

function chance(p: number | null | undefined): string {
  if (p === null || p === undefined) return t("cmp_p_none");
  return p < 0.001 ? t("cmp_p_small") : t("cmp_p", { p: p.toFixed(3) });
}

function curveLabel(name: string): string {
  const slash = name.indexOf("/");
  const split = name.slice(0, slash);
  const shown = split === "val" || split === "train" ? t(`cmp_${split}`) : split;
  return `${shown}: ${metricName(name.slice(slash + 1))}`;
}

function letters(count: number): string[] {
  return Array.from(LETTERS.slice(0, count));
}

function table(title: string, header: string[], rows: string[][]): HTMLElement {
  const body =
    rows.length === 0
      ? make("p", { class: "mf-empty" }, t("cmp_same"))
      : make(
          "div",
          { class: "mf-cmp-scroll", tabindex: "0", role: "region", "aria-label": title },
          make(
            "table",
            {},
            make("thead", {}, make("tr", {}, ...header.map((cell) => make("th", { scope: "col" }, cell)))),
            make(
              "tbody",
              {},
              ...rows.map(([first, ...rest]) =>
                make("tr", {}, make("th", { scope: "row" }, first!), ...rest.map((cell) => make("td", {}, cell))),
              ),
            ),
          ),
        );
  return make("div", { class: "mf-cmp-table" }, make("h5", {}, title), body);
}

function select(key: "cmp_split" | "cmp_curve" | "cmp_class", act: (value: string) => void) {
  const control = make("select", {});
  control.addEventListener("change", () => act(control.value));
  return { node: make("label", {}, make("span", {}, t(key)), control), control };
}

function fill(control: HTMLSelectElement, names: string[], label: (name: string) => string, now: string): void {
  const there = Array.from(control.options, (option) => option.value);
  if (there.join("\n") !== names.join("\n")) {
    control.replaceChildren(...names.map((name) => make("option", { value: name }, label(name))));
  }
  control.value = now;
}

function sentence(error: unknown): string {
  return error instanceof Refusal ? error.message : String(error);
}

function numbers<T>(kind: new (buffer: ArrayBuffer) => T, view: DataView): T {
  // A copy, as a message's buffers need not lie on a multiple of four bytes.
  return new kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer);
}
