// The label review: the browser side of medfusion/widgets/label_review.py.

import { button, copy } from "./code_pane";
import { Connection, Refusal } from "./connection";
import { make, setText } from "./dom";
import { InnerPanels, type Host, type References } from "./inner_panels";
import { whileShown } from "./keys";
import { t, type Key } from "./messages";
import type { Model } from "./model";
import { insertBelow } from "./notebook_cells";
import { SuspectDetail, type Action, type Subject } from "./suspect_detail";
import { SuspectList, type Row } from "./suspect_list";
import { Tabs } from "./tabs";

const LOOK_MS = 60; // after which a chosen case is asked for: arrows run through many
const ACTIONS: Action[] = ["relabel", "exclude", "flag", "keep"];
const WHICH = ["suspects", "all", "decided"] as const;

interface State {
  run: string;
  path: string;
  journal: string;
  classes: Record<string, string[]>;
  noise: Record<string, number>;
  sources: Record<string, number>;
  views: string[];
  command: string;
  yaml: string;
  code: string;
  widget: string;
  progress: Record<Action | "suspects" | "reviewed", number>;
  steps: [number, number];
  revision: number;
  panels?: References;
}

class LabelReview {
  private readonly connection: Connection;
  private readonly notice = make("div", { class: "mf-notice", "aria-live": "polite" });
  private readonly undo = button("undo", () => this.step("undo"));
  private readonly redo = button("redo", () => this.step("redo"));
  private readonly train = button("review_train", () => this.start());
  private readonly counts = make("span", { class: "mf-counts" });
  private readonly bar = make("div");
  private readonly progress = make("div", { class: "mf-progress", role: "progressbar", "aria-valuemin": "0" }, this.bar);
  private readonly which = make("select", { class: "mf-control" });
  private readonly held = make("input", { type: "checkbox" });
  private readonly column = make("select", { class: "mf-control" });
  private readonly yaml = make("pre", { class: "mf-code", tabindex: "0", "aria-label": "YAML" });
  private readonly python = make("pre", { class: "mf-code", tabindex: "0", "aria-label": "Python" });
  private readonly terminal = make("pre", { class: "mf-code", tabindex: "0" });
  private readonly list: SuspectList;
  private readonly detail: SuspectDetail;
  private readonly inner: InnerPanels;
  private state: State;
  private chosen: Row | null = null;
  private looking: ReturnType<typeof setTimeout> | undefined;
  /** Which row is chosen when the decision that is under way has arrived. */
  private place: number | undefined;

  constructor(
    private readonly model: Model,
    node: HTMLElement,
    host: Host | undefined,
  ) {
    this.state = model.get("state") as State;
    this.connection = new Connection(model, (waits) => setText(this.notice, waits ? t("busy") : ""));
    const columns = Object.keys(this.state.classes);
    const several = columns.length > 1;
    const pictured = this.state.views.length > 0;
    this.inner = new InnerPanels(host);
    this.list = new SuspectList(
      {
        rows: (start, count) => this.rows(start, count),
        thumbnails: async (ids) => (await this.connection.ask("thumbnails", { ids })).buffers,
        chosen: (row) => this.look(row),
      },
      pictured,
      several,
    );
    this.detail = new SuspectDetail((action) => this.decide(action), several, pictured);
    this.which.append(...WHICH.map((one) => make("option", { value: one }, t(`review_${one}` as Key))));
    this.column.append(
      make("option", { value: "" }, t("review_column_all")),
      ...columns.map((one) => make("option", { value: one }, one)),
    );
    for (const one of [this.which, this.held, this.column]) {
      one.addEventListener("change", () => this.refresh(0));
    }
    this.train.title = t("review_train_hint");
    const panel = make(
      "section",
      // Letters decide here; in a notebook's command mode they would move its cells.
      { class: "mf-panel mf-review", "data-lm-suppress-shortcuts": "true" },
      make(
        "header",
        {},
        make("h3", { title: this.state.path }, `${t("review_title")}: ${this.state.run}`),
        make("div", { class: "mf-controls", role: "group" }, this.undo, this.redo, this.train),
      ),
      make("div", { class: "mf-line" }, this.counts, this.noise()),
      this.progress,
      this.notice,
      this.filters(several),
      make("div", { class: "mf-columns" }, this.list.node, this.detail.node),
      this.inner.place("run"),
      this.next(),
    );
    panel.addEventListener("keydown", (event) => this.key(event));
    node.append(panel);
    model.on("change:state", this.changed);
    this.write();
    this.refresh(0);
    void this.connection.ask("look").catch(() => undefined);
  }

  close(): void {
    clearTimeout(this.looking);
    this.model.off("change:state", this.changed);
    this.connection.close();
    this.list.close();
    this.detail.close();
    this.inner.close();
  }

  private readonly changed = () => {
    const before = this.state.revision;
    this.state = this.model.get("state") as State;
    this.write();
    if (this.state.revision !== before) this.refresh(this.place);
    this.place = undefined;
  };

  // The parts of the page ---------------------------------------------------------------------------

  private filters(several: boolean): HTMLElement {
    const named = (key: Key, control: HTMLElement) => make("label", {}, make("span", {}, t(key)), control);
    const shown = [named("review_show", this.which)];
    if (several) shown.push(named("review_column", this.column));
    const learnt = this.state.sources["train"] ?? 0;
    if (learnt > 0) shown.push(make("label", {}, this.held, make("span", {}, t("review_held"))));
    return make("div", { class: "mf-filters" }, ...shown);
  }

  private noise(): HTMLElement {
    const parts = Object.entries(this.state.noise).map(([column, value]) => {
      const words = t("review_noise", { share: `${(100 * value).toFixed(1)} %` });
      return Object.keys(this.state.noise).length > 1 ? `${column}: ${words}` : words;
    });
    const text = parts.slice(0, 3).join(" · ");
    return make("span", { class: "mf-left", title: parts.join(" · ") }, text);
  }

  private next(): HTMLElement {
    const tabs = new Tabs(t("review_next"), () => undefined);
    this.terminal.setAttribute("aria-label", t("review_terminal"));
    const pane = (text: HTMLElement, cell?: () => string) => {
      const copied = button("copy", () => {
        void copy(text.textContent ?? "").then(() => setText(this.notice, t("copied")));
      });
      const bar = make("div", { class: "mf-code-bar" }, copied);
      if (cell !== undefined) bar.append(button("insert", () => this.insert(cell())));
      return make("div", {}, bar, text);
    };
    tabs.add("YAML", pane(this.yaml));
    tabs.add("Python", pane(this.python, () => this.state.code));
    tabs.add(t("review_terminal"), pane(this.terminal));
    const journal = make("p", { class: "mf-journal" }, t("review_journal", { path: this.state.journal }));
    return make("details", { class: "mf-more" }, make("summary", {}, t("review_next")), journal, tabs.node);
  }

  private write(): void {
    const { progress, steps } = this.state;
    this.undo.disabled = steps[0] === 0;
    this.redo.disabled = steps[1] === 0;
    this.train.disabled = steps[0] === 0;
    const counts = ACTIONS.filter((action) => progress[action] > 0).map(
      (action) => `${t(`review_${action}` as Key)} ${progress[action]}`,
    );
    setText(this.counts, [t("review_progress", progress), ...counts].join(" · "));
    this.progress.setAttribute("aria-label", t("review_progress", progress));
    this.progress.setAttribute("aria-valuemax", String(Math.max(1, progress.suspects)));
    this.progress.setAttribute("aria-valuenow", String(progress.reviewed));
    this.bar.style.transform = `scaleX(${progress.reviewed / Math.max(1, progress.suspects)})`;
    setText(this.yaml, this.state.yaml);
    setText(this.python, this.state.code);
    setText(this.terminal, this.state.command);
    this.inner.update(this.state.panels);
  }

  // What is asked -----------------------------------------------------------------------------------

  private get filter(): Record<string, unknown> {
    return { which: this.which.value, held: this.held.checked, column: this.column.value };
  }

  private async rows(start: number, count: number): Promise<{ total: number; rows: Row[] }> {
    const { values } = await this.connection.ask("suspects", { start, count, ...this.filter });
    return values as unknown as { total: number; rows: Row[] };
  }

  private refresh(place?: number): void {
    this.list.refresh(place).then(
      () => {
        if (this.list.total > 0) return;
        this.chosen = null;
        this.detail.show(null, []);
      },
      (refusal: unknown) => this.tell(refusal),
    );
  }

  private look(row: Row): void {
    this.chosen = row;
    clearTimeout(this.looking);
    this.looking = setTimeout(() => {
      const { id, column } = row;
      this.connection.ask("subject", { name: id, column }).then(
        ({ values, buffers }) => {
          const now = this.chosen;
          if (now?.id === id && now.column === column) {
            this.detail.show(values as unknown as Subject, buffers);
          }
        },
        (refusal: unknown) => this.tell(refusal),
      );
    }, LOOK_MS);
  }

  private decide(action: Action): void {
    const row = this.chosen;
    if (row === null) return;
    const choice = this.detail.choice(action);
    if (choice === null) {
      setText(this.notice, t("review_number_needed"));
      return;
    }
    this.place = this.list.place + (this.which.value === "decided" ? 0 : 1);
    const { label, reason } = choice;
    this.connection.ask("decide", { action, name: row.id, column: row.column, label, reason }).then(
      () => setText(this.notice, ""),
      (refusal: unknown) => {
        this.place = undefined;
        this.tell(refusal);
      },
    );
  }

  private step(name: "undo" | "redo"): void {
    this.connection.ask(name, this.filter).then(
      ({ values }) => {
        setText(this.notice, "");
        if (typeof values["place"] === "number") this.refresh(values["place"]);
      },
      (refusal: unknown) => this.tell(refusal),
    );
  }

  private start(): void {
    this.train.disabled = true;
    this.connection.ask("train").then(
      ({ values }) => setText(this.notice, t("started", { name: String(values["name"]) })),
      (refusal: unknown) => this.tell(refusal),
    ).finally(() => this.write());
  }

  private insert(source: string): void {
    if (insertBelow(this.model, this.state.widget, source)) setText(this.notice, t("inserted"));
    else void copy(source).then(() => setText(this.notice, t("no_notebook")));
  }

  private tell(refusal: unknown): void {
    setText(this.notice, refusal instanceof Refusal ? refusal.message : String(refusal));
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const writing = target.matches("input[type=text], select, textarea");
    if (writing) {
      if (event.key === "Escape") this.list.node.focus();
      return;
    }
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key.toLowerCase() === "z") {
      this.done(event);
      this.step(event.shiftKey ? "redo" : "undo");
      return;
    }
    if (control || event.altKey || event.repeat) return;
    const action = ACTIONS.find((one) => one.charAt(0) === event.key.toLowerCase());
    if (action === undefined) return;
    this.done(event);
    this.decide(action);
  }

  private done(event: KeyboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
  }
}

export default {
  render({ model, el, host }: { model: Model; el: HTMLElement; host?: Host }) {
    const review = new LabelReview(model, el, host);
    return whileShown(el, () => review.close());
  },
};
