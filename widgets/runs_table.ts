// The table of runs: the browser side of medfusion/widgets/runs_table.py.

import { CodeLines } from "./code_lines";
import { ComparisonView, type Chosen } from "./comparison_view";
import { Connection, Refusal } from "./connection";
import { make, setText } from "./dom";
import { whileShown } from "./keys";
import { t, word } from "./messages";
import type { Model } from "./model";
import { RunCard, type Report } from "./run_card";
import { RunsGrid, type GridHost, type Row } from "./runs_grid";
import { metricName } from "./wording";

interface State {
  folder: string;
  home: string;
  total: number;
  shown: number;
  version: number;
  order: { by: string; descending: boolean };
  filter: { text: string; state: string; tag: string };
  states: string[];
  tags: string[];
  metric: string;
  metrics: string[];
  selected: string[];
  current: string | null;
  comparison: Chosen | null;
  reports: Record<string, Report>;
  python: string[];
  commands: string[];
}

interface Pushed {
  kind?: string;
  rows?: Record<string, Row | null>;
}

const TYPING_MS = 150;

class RunsTable implements GridHost {
  private readonly connection: Connection;
  /** For rows that the table fetches by itself: no person waits for these. */
  private readonly quiet: Connection;
  private readonly count = make("span", { class: "mf-counts" });
  private readonly notice = make("div", { class: "mf-notice", "aria-live": "polite" });
  private readonly text = make("input", { type: "search", class: "mf-runs-text" });
  private readonly states = make("select", {});
  private readonly tags = make("select", {});
  private readonly metrics = make("select", {});
  private readonly chosen = make("span", { class: "mf-runs-chosen", role: "status" });
  private readonly clear = make("button", { type: "button", class: "mf-button" }, t("runs_clear"));
  private readonly none = make("p", { class: "mf-empty mf-grid-none" });
  private readonly grid: RunsGrid;
  private readonly card: RunCard;
  private readonly comparison: ComparisonView;
  private readonly code = new CodeLines();
  private state: State;
  private version = -1;
  private fetching = false;
  private typing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: Model,
    node: HTMLElement,
  ) {
    this.state = model.get("state") as State;
    const tell = (text: string) => setText(this.notice, text);
    this.connection = new Connection(model, (waits) => tell(waits ? t("busy") : ""));
    this.quiet = new Connection(model);
    this.grid = new RunsGrid(this);
    const host = {
      ask: (name: string, values: Record<string, unknown>) => this.ask(name, values),
      tell,
      close: () => {
        this.open(null);
        this.grid.focus();
      },
    };
    this.card = new RunCard(host, this.state.home);
    this.comparison = new ComparisonView(this.connection, model, tell);
    this.build(node);
    model.on("change:state", this.changed);
    model.on("msg:custom", this.pushed);
    this.changed();
  }

  close(): void {
    this.model.off("change:state", this.changed);
    this.model.off("msg:custom", this.pushed);
    clearTimeout(this.typing);
    this.card.close();
    this.comparison.close();
    this.connection.close();
    this.quiet.close();
  }

  // What the rows ask ------------------------------------------------------------------------------

  arrange(by: string, descending: boolean): void {
    void this.ask("arrange", { by, descending });
  }

  select(names: string[]): void {
    void this.ask("select", { names });
  }

  open(name: string | null): void {
    if (name !== this.state.current) void this.ask("turn_to", { name });
  }

  act(what: "stop" | "resume", name: string): void {
    void this.ask(what, { name });
  }

  need(first: number, count: number): void {
    if (!this.fetching) void this.fetch(first, count);
  }

  enter(): void {
    setTimeout(() => this.card.focus(), 50);
  }

  // The page ----------------------------------------------------------------------------------------

  private readonly changed = () => {
    this.state = this.model.get("state") as State;
    this.write();
    this.grid.update(this.state);
    if (this.state.version !== this.version && !this.fetching) void this.fetch(...this.grid.window());
    this.writeCard();
    this.comparison.update(this.state.comparison);
    this.code.update(this.state.python, this.state.commands);
  };

  private readonly pushed = (message: Pushed) => {
    if (message.kind !== "rows" || message.rows === undefined) return;
    this.grid.merge(message.rows);
    this.writeCard();
    this.comparison.moved(Object.keys(message.rows));
  };

  private async fetch(first: number, count: number): Promise<void> {
    this.fetching = true;
    try {
      const { values } = await this.quiet.ask("rows", { first, count });
      const version = Number(values["version"]);
      const fresh = version !== this.version;
      this.version = version;
      this.fetching = false;
      this.grid.fill(Number(values["first"]), values["rows"] as Row[], fresh);
      this.writeCard();
      if (this.state.version > version) void this.fetch(...this.grid.window());
    } catch (error) {
      this.fetching = false;
      setText(this.notice, String((error as Error).message));
    }
  }

  private async ask(name: string, values: Record<string, unknown>): Promise<Record<string, unknown> | null> {
    try {
      const answer = await this.connection.ask(name, values);
      setText(this.notice, "");
      this.notice.classList.remove("mf-bad");
      return answer.values;
    } catch (error) {
      const text = error instanceof Refusal ? error.message : String(error);
      setText(this.notice, text);
      this.notice.title = text;
      this.notice.classList.add("mf-bad");
      return null;
    }
  }

  private build(node: HTMLElement): void {
    this.text.placeholder = t("runs_search");
    this.text.setAttribute("aria-label", t("runs_search"));
    this.text.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => void this.ask("narrow", { text: this.text.value }), TYPING_MS);
    });
    const choice = (control: HTMLSelectElement, label: string, act: (value: string) => void) => {
      control.setAttribute("aria-label", label);
      control.addEventListener("change", () => act(control.value));
    };
    choice(this.states, t("run_state"), (state) => void this.ask("narrow", { state }));
    choice(this.tags, t("run_tags"), (tag) => void this.ask("narrow", { tag }));
    choice(this.metrics, t("run_metric"), (metric) => void this.ask("measure", { metric }));
    this.clear.addEventListener("click", () => this.select([]));
    const title = make("h3", { title: this.state.folder }, t("runs_of", { folder: short(this.state.folder) }));
    node.append(
      make(
        "section",
        { class: "mf-panel mf-runs", "aria-label": t("runs") },
        make("header", {}, title, this.count),
        make(
          "div",
          { class: "mf-runs-filter", role: "search", "aria-label": t("runs_filter") },
          this.text,
          this.states,
          this.tags,
          this.metrics,
        ),
        this.notice,
        make("div", { class: "mf-grid-frame" }, this.grid.node, this.none),
        make("div", { class: "mf-runs-under" }, this.chosen, this.clear),
        this.card.node,
        this.comparison.node,
        this.code.node,
      ),
    );
  }

  private write(): void {
    const { state } = this;
    setText(this.count, t("runs_count", { shown: state.shown, total: state.total }));
    if (document.activeElement !== this.text) this.text.value = state.filter.text;
    fill(this.states, state.states, state.filter.state, t("runs_all_states"), (name) => word(`state_${name}`));
    fill(this.tags, state.tags, state.filter.tag, t("runs_all_tags"), (name) => name);
    fill(this.metrics, state.metrics, state.metric, t("runs_main_metric"), metricName);
    const count = state.selected.length;
    setText(this.chosen, count < 2 ? t("runs_compare_hint") : t("runs_chosen", { count }));
    this.clear.hidden = count === 0;
    this.none.hidden = state.shown > 0;
    setText(this.none, state.total === 0 ? t("runs_none") : t("runs_none_fit"));
  }

  private writeCard(): void {
    const { current, reports } = this.state;
    this.card.update(this.grid.row(current), current === null ? undefined : reports[current]);
  }
}

function short(folder: string): string {
  return folder.split("/").filter(Boolean).slice(-2).join("/");
}

function fill(
  control: HTMLSelectElement,
  names: string[],
  now: string,
  all: string,
  label: (name: string) => string,
): void {
  const known = now === "" || names.includes(now) ? names : [...names, now];
  const there = Array.from(control.options, (option) => option.value).slice(1);
  if (control.options.length === 0 || there.join("\n") !== known.join("\n")) {
    control.replaceChildren(
      make("option", { value: "" }, all),
      ...known.map((name) => make("option", { value: name }, label(name))),
    );
  }
  control.value = now;
}

export default {
  render({ model, el }: { model: Model; el: HTMLElement }) {
    const table = new RunsTable(model, el);
    return whileShown(el, () => table.close());
  },
};
