// Below the charts, of the chosen run: log, checks, results, what goes on inside, the experiment.

import type { Connection } from "./connection";
import { make, setText } from "./dom";
import { t, type Key } from "./messages";
import type { Check, LogLine, Results, System } from "./model";
import type { Plotly } from "./plotly_library";
import { RunCharts } from "./run_charts";
import {
  classPictures,
  gradientPictures,
  insidePictures,
  machinePictures,
  type Look,
  type ShownRun,
} from "./run_lines";
import { RunWrong } from "./run_wrong";
import { Tabs } from "./tabs";
import type { Theme } from "./theme";
import { clock, figure, metricName } from "./wording";

const LOADS = ["cpu", "memory", "disk", "gpu", "gpu_memory"] as const;
const ORDER = ["FAIL", "WARN", "PASS"];

interface Described {
  yaml: string;
  code: string;
}

export class RunDetails {
  readonly node: HTMLElement;
  private readonly log = make("div", { class: "mf-log", role: "log" });
  private readonly logPane = make("div", {}, this.log);
  private readonly checks = make("div");
  private readonly results = make("div");
  private readonly classes = new RunCharts(t("classes_empty"));
  private readonly inside = new RunCharts(t("inside_empty"), false, t("inside_caption"));
  private readonly gradients = new RunCharts(t("gradients_empty"));
  private readonly machine = new RunCharts(t("machine_empty"), true);
  private readonly wrong: RunWrong;
  private readonly experiment = new ExperimentText();
  private readonly loads = make("div", { class: "mf-loads" });
  private readonly checksTitle: HTMLElement;
  private shownLog: LogLine[] | null = null;
  private shownChecks: Check[] | null = null;
  private shownResults: Results | null = null;

  /**
   * @param open Code that opens the runs again.
   * @param opened Called when another tab was opened.
   */
  constructor(
    connection: Connection,
    private readonly runs: Described[],
    open: string,
    opened: () => void,
  ) {
    this.wrong = new RunWrong(connection);
    const tabs = new Tabs(t("details"), () => {
      this.toEnd();
      opened();
    });
    tabs.add(t("log"), this.logPane);
    this.checksTitle = tabs.add(t("checks"), this.checks);
    tabs.add(t("results"), this.results);
    tabs.add(t("classes"), this.classes.node);
    tabs.add(t("inside"), this.inside.node);
    tabs.add(t("gradients"), this.gradients.node);
    tabs.add(t("wrong_cases"), this.wrong.node);
    tabs.add(t("machine"), this.machine.node);
    tabs.add(t("experiment"), this.experiment.node);
    this.node = make(
      "div",
      {},
      tabs.node,
      make(
        "footer",
        {},
        make("code", { title: t("opens_run") }, open),
        copyButton(() => open),
        this.loads,
      ),
    );
  }

  update({ place, store }: ShownRun): void {
    const { checks, results, system } = store.facts;
    if (store.log !== this.shownLog) this.writeLog(store.log);
    if (checks !== this.shownChecks) this.writeChecks(checks);
    if (results !== this.shownResults) this.writeResults(results);
    this.writeLoads(system);
    this.experiment.show(this.runs[place]!);
  }

  /** Draw the charts of the tab that is open. */
  draw(run: ShownRun, look: Look, theme: Theme, plotly: Plotly | null): void {
    const { steps, state } = run.store.facts.status;
    const best = run.store.facts.best;
    if (!this.wrong.node.hidden) this.wrong.show(run.place, `${best} ${state}`);
    if (!this.classes.node.hidden) {
      this.classes.draw(classPictures(run, look), steps, theme, plotly);
    }
    if (!this.inside.node.hidden) this.inside.draw(insidePictures(run), steps, theme, plotly);
    if (!this.gradients.node.hidden) {
      this.gradients.draw(gradientPictures(run, look), steps, theme, plotly, look.log);
    }
    if (!this.machine.node.hidden) this.machine.draw(machinePictures(run), 0, theme, plotly);
  }

  close(plotly: Plotly | null): void {
    this.wrong.close();
    for (const charts of [this.classes, this.inside, this.gradients, this.machine]) {
      charts.close(plotly);
    }
  }

  private toEnd(): void {
    this.logPane.scrollTop = this.logPane.scrollHeight;
  }

  private writeLog(lines: LogLine[]): void {
    const before = this.shownLog;
    this.shownLog = lines;
    const { scrollTop, scrollHeight, clientHeight } = this.logPane;
    const atEnd = scrollHeight - scrollTop - clientHeight < 24;
    // The usual case is that lines were added; only those are made.
    const kept = before !== null && before.length > 0 && before.every((line, index) => line === lines[index]);
    if (!kept) this.log.replaceChildren();
    for (const line of lines.slice(kept ? before.length : 0)) {
      const known = line.level === "error" || line.level === "warning";
      this.log.append(
        make(
          "div",
          { class: `mf-${known ? line.level : "info"}` },
          make("time", {}, clock(line.time)),
          ...(line.level === "info"
            ? []
            : [make("b", {}, known ? t(`level_${line.level}` as Key) : line.level)]),
          make("span", {}, line.text),
        ),
      );
    }
    if (lines.length === 0) this.log.replaceChildren(empty(t("log_empty")));
    if (atEnd) this.toEnd();
  }

  private writeChecks(checks: Check[]): void {
    this.shownChecks = checks;
    const open = checks.filter((check) => check.outcome !== "PASS").length;
    setText(this.checksTitle, open > 0 ? t("checks_open", { count: open }) : t("checks"));
    this.checksTitle.classList.toggle("mf-warn", open > 0);
    const sorted = [...checks].sort((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome));
    this.checks.replaceChildren(
      checks.length === 0
        ? empty(t("checks_empty"))
        : make(
            "table",
            {},
            ...sorted.map((check) =>
              make(
                "tr",
                {},
                make("td", { class: `mf-outcome mf-${check.outcome.toLowerCase()}` }, check.outcome),
                make("td", {}, metricName(check.name.replaceAll("-", " "))),
                make("td", {}, check.message),
              ),
            ),
          ),
    );
  }

  private writeResults(results: Results): void {
    this.shownResults = results;
    const splits = Object.keys(results);
    const names = [...new Set(splits.flatMap((split) => Object.keys(results[split] ?? {})))];
    if (names.length === 0) {
      this.results.replaceChildren(empty(t("results_empty")));
      return;
    }
    const cell = (split: string, name: string) => {
      const found = results[split]?.[name];
      const n = found?.n ?? null;
      return make("td", n === null ? {} : { title: `n = ${n}` }, figure(found));
    };
    this.results.replaceChildren(
      make(
        "table",
        {},
        make("tr", {}, make("th", {}, t("metric")), ...splits.map((split) => make("th", {}, split))),
        ...names.map((name) =>
          make("tr", {}, make("td", {}, metricName(name)), ...splits.map((s) => cell(s, name))),
        ),
      ),
      make("p", { class: "mf-empty" }, t("results_caption")),
    );
  }

  private writeLoads(system: System): void {
    const known = LOADS.filter((key) => typeof system[key] === "number");
    while (this.loads.children.length > known.length) this.loads.lastElementChild?.remove();
    known.forEach((key, index) => {
      let item = this.loads.children[index];
      if (item === undefined) {
        item = make("span", {}, make("span"), make("meter", { min: "0", max: "100" }), make("b"));
        this.loads.append(item);
      }
      const [name, meter, value] = Array.from(item.children);
      const percent = Math.round(system[key] ?? 0);
      const label = t(`load_${key}`);
      setText(name!, label);
      meter!.setAttribute("value", String(percent));
      meter!.setAttribute("aria-label", `${label} ${percent} %`);
      setText(value!, `${percent} %`);
    });
  }
}

/** The experiment of a run as YAML or Python. */
class ExperimentText {
  readonly node: HTMLElement;
  private readonly text = make("pre");
  private readonly choices: HTMLButtonElement[];
  private python = false;
  private described: Described = { yaml: "", code: "" };

  constructor() {
    this.choices = (["YAML", "Python"] as const).map((label) => {
      const choice = make("button", { type: "button", class: "mf-choice" }, label);
      choice.addEventListener("click", () => {
        this.python = label === "Python";
        this.show(this.described);
      });
      return choice;
    });
    this.node = make(
      "div",
      {},
      make(
        "div",
        { class: "mf-tools", role: "group", "aria-label": t("show_as") },
        ...this.choices,
        copyButton(() => this.text.textContent ?? ""),
      ),
      this.text,
    );
  }

  show(described: Described): void {
    this.described = described;
    setText(this.text, this.python ? described.code : described.yaml);
    this.choices.forEach((choice, index) =>
      choice.setAttribute("aria-pressed", String(this.python === (index === 1))),
    );
  }
}

function empty(text: string): HTMLElement {
  return make("p", { class: "mf-empty" }, text);
}

function copyButton(text: () => string): HTMLButtonElement {
  const button = make("button", { type: "button", class: "mf-choice" }, t("copy"));
  button.addEventListener("click", () => {
    void navigator.clipboard?.writeText(text()).then(() => {
      setText(button, t("copied"));
      setTimeout(() => setText(button, t("copy")), 1500);
    });
  });
  return button;
}
