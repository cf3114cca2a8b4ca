// The data of an experiment: a table chosen, its columns' roles, rows, images, spreads, checks.
//
// Used by the data browser and by the builder; its kernel side is medfusion/widgets/data_desk.py.

import { CheckList } from "./check_list";
import { ColumnRoles, summary } from "./column_roles";
import type { Connection } from "./connection";
import type { DataState, Order, Spread, TableFacts } from "./data_answers";
import { make, setText } from "./dom";
import { Form, type FormHost } from "./form";
import { ImageGrid, viewChoice } from "./image_grid";
import { t, type Key } from "./messages";
import { MissingMap, type Missing } from "./missing_map";
import type { Model } from "./model";
import { plotly, type Plotly } from "./plotly_library";
import { SchemaReader, type Schema } from "./schema";
import { SpreadChart } from "./spread_chart";
import { SubjectPage } from "./subject_page";
import { TableChoice } from "./table_choice";
import { TableGrid, writeCount } from "./table_grid";
import { Tabs } from "./tabs";
import { onThemeChange, theme } from "./theme";

const SETTLE_MS = 300; // while a path or a word is being typed

export class DataPage {
  readonly node = make("div", { class: "mf-data" });
  order: Order = {};
  private readonly choice: TableChoice;
  private readonly told = make("div", { class: "mf-data-told", "aria-live": "polite" });
  private readonly problem = make("div", { class: "mf-data-problem", role: "alert" });
  private readonly body = make("div", { class: "mf-data-body" });
  private readonly roles: ColumnRoles;
  private readonly grid: TableGrid;
  private readonly images: ImageGrid;
  private readonly checks: CheckList;
  private readonly subject: SubjectPage;
  private readonly chart = new SpreadChart();
  private readonly map = new MissingMap();
  private readonly spreadColumn = make("select", { "aria-label": t("data_column") });
  private readonly spreadBy = make("select", { "aria-label": t("data_by") });
  private readonly view = viewChoice((view) => this.images.show(view, this.total));
  private readonly counts: HTMLElement[] = [];
  private readonly finds: HTMLInputElement[] = [];
  private readonly settings = make("details", { class: "mf-more" }, make("summary", {}, t("data_settings")));
  private readonly panes = new Map<string, HTMLElement>();
  private readonly tabs = new Tabs(t("data"), () => this.shown());
  private readonly stopTheme: () => void;
  private form: Form | null = null;
  private facts: TableFacts | null = null;
  private library: Plotly | null = null;
  private total = 0;
  private place = 0;
  private from: "rows" | "images" = "rows";
  private written = { table: "", target: "", data: "", images: "" };
  private timer: ReturnType<typeof setTimeout> | undefined;
  private turn = 0;

  /**
   * @param connection To a panel that has a `DataDesk` attached.
   * @param host For the form of all settings of the data.
   * @param state The panel's state.
   * @param model With a trait `library` for Plotly; charts are plain without it.
   */
  constructor(
    private readonly connection: Connection,
    private readonly host: FormHost,
    private state: DataState,
    private readonly model: Model | null = null,
  ) {
    const refused = (message: string) => setText(this.problem, message);
    this.choice = new TableChoice(connection, (path, typed) => void this.open(path, typed), refused);
    this.roles = new ColumnRoles(
      (column, role) => void this.ask("data_assign", { column, role }),
      (column) => this.look(column),
    );
    const grids = {
      counted: (total: number) => this.counted(total),
      sort: (order: Order) => this.reorder(order),
    };
    const self = this;
    const open = (from: "rows" | "images") => ({
      ...grids,
      get order() {
        return self.order;
      },
      open: (row: number, place: number) => this.openSubject(row, place, from),
    });
    this.grid = new TableGrid(connection, open("rows"));
    this.images = new ImageGrid(connection, open("images"));
    this.checks = new CheckList(
      connection,
      ({ action, columns }) => void this.ask("data_mend", { action, columns }),
      () => this.lacking(),
    );
    this.subject = new SubjectPage(connection, {
      close: () => this.closeSubject(),
      step: (by) => void this.step(by),
      role: (column) => this.state.data?.roles[column],
    });
    this.build();
    this.stopTheme = onThemeChange(() => this.draw());
    this.update(state);
  }

  close(): void {
    clearTimeout(this.timer);
    this.turn += 1;
    this.stopTheme();
    this.checks.close();
    this.images.close();
    this.subject.close();
    this.chart.close(this.library);
  }

  /** Show what the kernel says now. */
  update(state: DataState): void {
    this.state = state;
    this.form?.update();
    const data = (state.document["data"] ?? {}) as Record<string, unknown>;
    const table = state.data?.table ?? "";
    const target = JSON.stringify(data["target"] ?? null);
    const changedTable = table !== this.written.table;
    const changedTarget = target !== this.written.target;
    this.written.table = table;
    this.written.target = target;
    if (changedTable || this.facts === null) {
      void this.choice.show(table === "" ? null : table);
      clearTimeout(this.timer);
      if (table === "") this.forget();
      else if (this.facts?.path !== table) this.timer = setTimeout(() => void this.load(), changedTable ? SETTLE_MS : 0);
    } else if (changedTarget) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.relook(), SETTLE_MS);
    }
    this.write(data);
  }

  // What the page is made of -------------------------------------------------------------------------

  private build(): void {
    this.spreadColumn.addEventListener("change", () => void this.spread());
    for (const by of ["", "split", "class"] as const) {
      const key: Key = by === "" ? "data_by_none" : `data_by_${by}`;
      this.spreadBy.append(make("option", { value: by }, t(key)));
    }
    this.spreadBy.value = "split";
    this.spreadBy.addEventListener("change", () => void this.spread());
    this.pane("columns", this.roles.node);
    this.pane("images", this.bar(this.view.node), this.images.node);
    this.pane("rows", this.bar(), this.grid.node);
    const divided = make("label", {}, `${t("data_by")} `, this.spreadBy);
    const chosen = make("label", {}, `${t("data_column")} `, this.spreadColumn);
    this.pane("spread", make("div", { class: "mf-data-bar" }, chosen, divided), this.chart.node);
    this.pane("missing", this.map.node);
    const again = make("button", { type: "button", class: "mf-button" }, t("data_checks_again"));
    again.addEventListener("click", () => this.checks.ask());
    this.pane("checks", make("div", { class: "mf-data-bar" }, again), this.checks.node);
    this.settings.addEventListener("toggle", () => {
      if (this.settings.open && this.form === null) void this.buildForm();
    });
    this.subject.node.hidden = true;
    this.body.hidden = true;
    this.body.append(this.tabs.node, this.subject.node);
    this.node.append(this.choice.node, this.problem, this.told, this.body, this.settings);
  }

  private pane(name: string, ...parts: HTMLElement[]): void {
    const pane = make("div", { class: `mf-data-pane mf-data-${name}` }, ...parts);
    this.panes.set(name, pane);
    this.tabs.add(t(`data_${name}` as Key), pane);
  }

  /** A field to find rows by, and how many there are; the same in every pane that has one. */
  private bar(...more: HTMLElement[]): HTMLElement {
    const find = make("input", { type: "search", "aria-label": t("data_find"), placeholder: t("data_find") });
    const told = make("span", { class: "mf-data-count", "aria-live": "polite" });
    let timer: ReturnType<typeof setTimeout> | undefined;
    find.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const { find: _before, ...rest } = this.order;
        this.reorder(find.value === "" ? rest : { ...rest, find: find.value });
      }, SETTLE_MS);
    });
    this.finds.push(find);
    this.counts.push(told);
    return make("div", { class: "mf-data-bar" }, ...more, find, told);
  }

  private write(data: Record<string, unknown>): void {
    if (this.facts === null) return;
    const roles = this.state.data?.roles ?? {};
    this.roles.update(roles, this.facts.leaks);
    setText(this.told, `${this.size()} ${summary(this.state.document, roles)}`);
    const named = (role: string) => Object.keys(roles).filter((name) => roles[name] === role);
    const shown = JSON.stringify([data["images"], data["root"], named("id"), named("target"), named("event")]);
    if (shown !== this.written.images) {
      this.written.images = shown;
      this.images.show(this.view.show(this.state.data?.views ?? []), this.total);
    }
    const whole = JSON.stringify(data);
    if (whole !== this.written.data) {
      this.written.data = whole;
      if (!this.panes.get("checks")!.hidden) this.checks.ask();
      if (!this.panes.get("spread")!.hidden) void this.spread();
    }
  }

  private size(): string {
    const { rows, columns } = this.facts!;
    const shown = rows.toLocaleString("en-US").replaceAll(",", "\u2009");
    return `${t("data_columns_count", { rows: shown, columns: columns.length })}.`;
  }

  // The table ------------------------------------------------------------------------------------------

  private async open(path: string, typed: boolean): Promise<void> {
    setText(this.told, t("data_loading"));
    const turn = ++this.turn;
    const found = await this.ask("data_open", { path, typed });
    if (turn !== this.turn) return;
    if (found === null) {
      setText(this.told, "");
      void this.choice.show(this.state.data?.table ?? null);
    } else {
      this.show(found as unknown as TableFacts);
    }
  }

  /** Read the table that the draft names. */
  private async load(): Promise<void> {
    if (this.facts !== null && this.facts.path === this.state.data?.table) return;
    setText(this.told, t("data_loading"));
    const turn = ++this.turn;
    const found = await this.ask("data_columns");
    if (turn !== this.turn) return;
    if (found === null) {
      this.forget();
      this.settings.open = true; // the table may be elsewhere; what is said of it can be seen still
    } else {
      this.show(found as unknown as TableFacts);
    }
  }

  /** Another target: other columns give it away. */
  private async relook(): Promise<void> {
    const found = (await this.ask("data_columns")) as TableFacts | null;
    if (found === null || this.facts === null) return;
    this.facts = { ...this.facts, leaks: found.leaks };
    this.roles.update(this.state.data?.roles ?? {}, found.leaks);
  }

  private show(facts: TableFacts): void {
    clearTimeout(this.timer);
    this.facts = facts;
    this.total = facts.rows;
    this.order = {};
    for (const find of this.finds) find.value = "";
    setText(this.problem, facts.notes.join(" "));
    this.body.hidden = false;
    this.roles.show(facts);
    this.grid.show(facts.columns, facts.rows);
    this.counted(facts.rows);
    const before = this.spreadColumn.value;
    const names = facts.columns.filter((column) => column.guess !== "empty").map((column) => column.name);
    this.spreadColumn.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
    const first = facts.columns.find((column) => column.guess === "numeric")?.name ?? names[0];
    this.spreadColumn.value = names.includes(before) ? before : (first ?? "");
    this.written.images = this.written.data = "";
    this.closeSubject();
    this.write((this.state.document["data"] ?? {}) as Record<string, unknown>);
    void this.choice.show(facts.path);
    this.shown();
  }

  private forget(): void {
    this.facts = null;
    this.body.hidden = true;
    setText(this.told, "");
  }

  private reorder(order: Order): void {
    this.order = order;
    for (const find of this.finds) if (find !== document.activeElement) find.value = order.find ?? "";
    this.grid.reorder();
    this.images.show(this.view.show(this.state.data?.views ?? []), this.total);
    if (!this.panes.get("missing")!.hidden) void this.missing();
  }

  private counted(total: number): void {
    this.total = total;
    for (const node of this.counts) writeCount(node, total, this.facts?.rows ?? total);
  }

  // The panes --------------------------------------------------------------------------------------------

  private shown(): void {
    if (this.facts === null) return;
    if (!this.panes.get("spread")?.hidden) void this.spread();
    if (!this.panes.get("missing")?.hidden) void this.missing();
    if (!this.panes.get("checks")?.hidden) this.checks.ask();
  }

  private look(column: string): void {
    this.spreadColumn.value = column;
    this.tabs.node.querySelectorAll<HTMLElement>('[role="tab"]')[3]?.click();
  }

  private async spread(): Promise<void> {
    if (this.spreadColumn.value === "") return;
    const values = { column: this.spreadColumn.value, by: this.spreadBy.value };
    try {
      const { values: found, buffers } = await this.connection.ask("data_spread", values);
      if (found["column"] !== this.spreadColumn.value || found["by"] !== this.spreadBy.value) return;
      setText(this.problem, "");
      this.chart.show(found as unknown as Spread, buffers[0]!);
    } catch (refusal) {
      // What cannot be divided yet is shown undivided.
      if (this.spreadBy.value === "") setText(this.problem, String((refusal as Error).message));
      else {
        this.spreadBy.value = "";
        void this.spread();
      }
      return;
    }
    await this.plotly();
    this.draw();
  }

  private async missing(): Promise<void> {
    const { values, buffers } = await this.connection.ask("data_missing", { order: this.order });
    this.map.show(values as unknown as Missing, buffers[0]!);
    this.draw();
  }

  private draw(): void {
    const colours = theme(this.node);
    this.chart.draw(colours, this.library);
    this.map.draw(colours);
  }

  private async plotly(): Promise<void> {
    if (this.library !== null || this.model === null) return;
    this.library = await plotly(this.model).catch(() => null);
  }

  private async buildForm(): Promise<void> {
    const { values } = await this.connection.ask("schema");
    const reader = new SchemaReader(values["schema"] as Schema);
    this.form = new Form(this.host, reader.at(["data"], this.state.document)!, ["data"]);
    this.settings.append(this.form.node);
  }

  private lacking(): string[] {
    return this.state.problems
      .filter((one) => one.path[0] === "data")
      .map((one) => `${one.path.join(".")}: ${one.sentence}`);
  }

  // A row in full --------------------------------------------------------------------------------------

  private openSubject(row: number, place: number, from: "rows" | "images"): void {
    this.place = place;
    this.from = from;
    this.tabs.node.hidden = true;
    this.subject.node.hidden = false;
    void this.subject.show(row, true);
  }

  private closeSubject(): void {
    if (this.subject.node.hidden) return;
    this.subject.close();
    this.subject.node.hidden = true;
    this.tabs.node.hidden = false;
    (this.from === "images" ? this.images : this.grid).focus(this.place);
  }

  private async step(by: number): Promise<void> {
    const place = this.place + by;
    if (place < 0 || place >= this.total) return;
    this.place = place;
    const asked = { start: place, count: 1, order: this.order };
    const { values } = await this.connection.ask("data_page", asked);
    const row = (values["rows"] as number[])[0];
    if (row !== undefined && place === this.place) void this.subject.show(row, false);
  }

  /** Ask the kernel; what it refuses is shown, and null returned. */
  private async ask(name: string, values: Record<string, unknown> = {}): Promise<Record<string, unknown> | null> {
    try {
      const found = (await this.connection.ask(name, values)).values;
      setText(this.problem, "");
      return found;
    } catch (refusal) {
      setText(this.problem, String((refusal as Error).message));
      if (this.facts !== null) this.roles.update(this.state.data?.roles ?? {}, this.facts.leaks);
      return null;
    }
  }
}
