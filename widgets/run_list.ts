// The list of several runs: which are shown, which one the buttons and details are of.

import { make, setText } from "./dom";
import { t } from "./messages";
import { SYMBOLS, type Look, type ShownRun } from "./run_lines";
import { SIGNS } from "./chart";
import type { Theme } from "./theme";
import { stateWord } from "./wording";

interface Row {
  node: HTMLElement;
  shown: HTMLInputElement;
  mark: HTMLElement;
  name: HTMLButtonElement;
  state: HTMLElement;
  best: HTMLElement;
}

export class RunList {
  readonly node = make("ul", { class: "mf-runs", "aria-label": t("runs_shown") });
  private readonly rows: Row[];

  constructor(
    runs: ShownRun[],
    private readonly show: (run: number, shown: boolean) => void,
    private readonly choose: (run: number) => void,
  ) {
    this.rows = runs.map((run) => this.make(run));
    this.node.append(...this.rows.map((row) => row.node));
    this.node.hidden = runs.length < 2;
  }

  update(runs: ShownRun[], look: Look, best: (run: ShownRun) => string): void {
    this.rows.forEach((row, place) => {
      const run = runs[place]!;
      const shown = !look.hidden.includes(place);
      if (row.shown.checked !== shown) row.shown.checked = shown;
      row.name.setAttribute("aria-pressed", String(look.chosen === place));
      row.node.classList.toggle("mf-chosen", look.chosen === place);
      const { status } = run.store.facts;
      setText(row.state, stateWord(status));
      row.state.dataset["state"] = status.state;
      setText(row.best, best(run));
    });
  }

  colour(theme: Theme): void {
    this.rows.forEach((row, place) => {
      row.mark.style.color = theme.palette[place % theme.palette.length]!;
    });
  }

  private make({ name, place }: ShownRun): Row {
    const shown = make("input", { type: "checkbox", "aria-label": t("run_show", { name }) });
    const mark = make("i", { "aria-hidden": "true" }, SIGNS[SYMBOLS[place % SYMBOLS.length]!]!);
    const choice = make(
      "button",
      { type: "button", class: "mf-run-name", title: t("run_choose", { name }) },
      name,
    );
    const state = make("span", { class: "mf-badge" });
    const best = make("span", { class: "mf-run-best" });
    shown.addEventListener("change", () => this.show(place, shown.checked));
    choice.addEventListener("click", () => this.choose(place));
    return { node: make("li", {}, shown, mark, choice, state, best), shown, mark, name: choice, state, best };
  }
}
