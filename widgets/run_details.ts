// Below the charts: log, data checks, results, the experiment as YAML and Python, load of the machine.

import { make, setText } from "./dom";
import type { Check, LogLine, Model, Results, System } from "./model";
import type { RunStore } from "./run_store";
import { Tabs } from "./tabs";
import { clock, figure, metricName } from "./wording";

const LOADS: [string, string][] = [
  ["cpu", "CPU"],
  ["memory", "Memory"],
  ["disk", "Disk"],
  ["gpu", "GPU"],
  ["gpu_memory", "GPU memory"],
];
const ORDER = ["FAIL", "WARN", "PASS"];

export class RunDetails {
  readonly node: HTMLElement;
  private readonly log = make("div", { class: "mf-log", role: "log" });
  private readonly logPane = make("div", {}, this.log);
  private readonly checks = make("div");
  private readonly results = make("div");
  private readonly loads = make("div", { class: "mf-loads" });
  private readonly checksTitle: HTMLElement;
  private shownLog: LogLine[] | null = null;
  private shownChecks: Check[] | null = null;
  private shownResults: Results | null = null;

  constructor(model: Model) {
    const tabs = new Tabs("Details of the run", () => this.toEnd());
    tabs.add("Log", this.logPane);
    this.checksTitle = tabs.add("Data checks", this.checks);
    tabs.add("Results", this.results);
    tabs.add("Experiment", experiment(String(model.get("yaml")), String(model.get("code"))));
    const open = `mf.Run(${JSON.stringify(String(model.get("path")))})`;
    this.node = make(
      "div",
      {},
      tabs.node,
      make(
        "footer",
        {},
        make("code", { title: "Opens this run in any notebook, now or later" }, open),
        copyButton(() => open),
        this.loads,
      ),
    );
  }

  update(store: RunStore): void {
    const { checks, results, system } = store.facts;
    if (store.log !== this.shownLog) this.writeLog(store.log);
    if (checks !== this.shownChecks) this.writeChecks(checks);
    if (results !== this.shownResults) this.writeResults(results);
    this.writeLoads(system);
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
      this.log.append(
        make(
          "div",
          { class: `mf-${line.level === "error" || line.level === "warning" ? line.level : "info"}` },
          make("time", {}, clock(line.time)),
          ...(line.level === "info" ? [] : [make("b", {}, line.level)]),
          make("span", {}, line.text),
        ),
      );
    }
    if (lines.length === 0) this.log.replaceChildren(empty("No messages yet."));
    if (atEnd) this.toEnd();
  }

  private writeChecks(checks: Check[]): void {
    this.shownChecks = checks;
    const open = checks.filter((check) => check.outcome !== "PASS").length;
    setText(this.checksTitle, open > 0 ? `Data checks (${open})` : "Data checks");
    this.checksTitle.classList.toggle("mf-warn", open > 0);
    const sorted = [...checks].sort((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome));
    this.checks.replaceChildren(
      checks.length === 0
        ? empty("The data checks appear when the run has read its data.")
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
      this.results.replaceChildren(
        empty("Metrics of every split, with their intervals, appear at the end of the run."),
      );
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
        make("tr", {}, make("th", {}, "Metric"), ...splits.map((split) => make("th", {}, split))),
        ...names.map((name) =>
          make("tr", {}, make("td", {}, metricName(name)), ...splits.map((s) => cell(s, name))),
        ),
      ),
      make("p", { class: "mf-empty" }, "Value (95 % interval), where one is estimable."),
    );
  }

  private writeLoads(system: System): void {
    const known = LOADS.filter(([key]) => typeof system[key] === "number");
    while (this.loads.children.length > known.length) this.loads.lastElementChild?.remove();
    known.forEach(([key, label], index) => {
      let item = this.loads.children[index];
      if (item === undefined) {
        item = make("span", {}, make("span"), make("meter", { min: "0", max: "100" }), make("b"));
        this.loads.append(item);
      }
      const [name, meter, value] = Array.from(item.children);
      const percent = Math.round(system[key] ?? 0);
      setText(name!, label);
      meter!.setAttribute("value", String(percent));
      meter!.setAttribute("aria-label", `${label} ${percent} %`);
      setText(value!, `${percent} %`);
    });
  }
}

function empty(text: string): HTMLElement {
  return make("p", { class: "mf-empty" }, text);
}

function experiment(yaml: string, code: string): HTMLElement {
  const text = make("pre", {}, yaml);
  const choices = (["YAML", "Python"] as const).map((label) => {
    const choice = make("button", { type: "button", class: "mf-choice" }, label);
    choice.addEventListener("click", () => {
      setText(text, label === "YAML" ? yaml : code);
      for (const other of choices) other.setAttribute("aria-pressed", String(other === choice));
    });
    choice.setAttribute("aria-pressed", String(label === "YAML"));
    return choice;
  });
  return make(
    "div",
    {},
    make(
      "div",
      { class: "mf-tools", role: "group", "aria-label": "Show the experiment as" },
      ...choices,
      copyButton(() => text.textContent ?? ""),
    ),
    text,
  );
}

function copyButton(text: () => string): HTMLButtonElement {
  const button = make("button", { type: "button", class: "mf-choice" }, "Copy");
  button.addEventListener("click", () => {
    void navigator.clipboard?.writeText(text()).then(() => {
      setText(button, "Copied");
      setTimeout(() => setText(button, "Copy"), 1500);
    });
  });
  return button;
}
