// The rows of the table of runs: only those in view are made; arrows move, Space chooses.

import { icon, make, setText } from "./dom";
import { t, word, type Key } from "./messages";
import { duration, figure, metricName } from "./wording";
import type { Figure } from "./model";

export interface Row {
  name: string;
  state: string;
  epoch: number;
  epochs: number;
  start: number | null;
  seconds: number | null;
  metric: (Figure & { name: string }) | null;
  model: string;
  target: string;
  data: string;
  tags: string[];
  note: string;
  versions: string[];
  trouble: string;
  path: string;
}

export interface GridHost {
  arrange(by: string, descending: boolean): void;
  select(names: string[]): void;
  open(name: string | null): void;
  act(what: "stop" | "resume", name: string): void;
  /** Fetch rows that are in view but not known. */
  need(first: number, count: number): void;
  /** Go to what there is about the current run. */
  enter(): void;
}

export interface GridState {
  shown: number;
  order: { by: string; descending: boolean };
  selected: string[];
  current: string | null;
}

export const ROW_PX = 30;
const SPARE = 8;
const COLUMNS = ["name", "state", "start", "seconds", "metric", "model", "data", "tags"] as const;
const SORTED = COLUMNS.slice(0, 7) as readonly string[];
const PLAY = "M4 2.5v11l9-5.5z";
const STOP = "M3.5 3.5h9v9h-9z";
const RESUMES = ["stopped", "interrupted", "failed", "paused"];
const STOPS = ["running", "evaluating", "paused"];
let made = 0;

/** What can be asked of a run in this state. */
export function actOf(state: string): "stop" | "resume" | null {
  if (RESUMES.includes(state)) return "resume";
  return STOPS.includes(state) ? "stop" : null;
}

export class RunsGrid {
  readonly node: HTMLElement;
  private readonly head = make("div", { class: "mf-grid-head", role: "row" });
  private readonly body = make("div", { class: "mf-grid-body", tabindex: "0", role: "rowgroup" });
  private readonly space = make("div", { class: "mf-grid-space", role: "presentation" });
  private readonly heads = new Map<string, HTMLButtonElement>();
  private readonly lines = new Map<number, Line>();
  private readonly names = new Map<number, string>();
  private readonly rows = new Map<string, Row>();
  private readonly id = `mf-run-${++made}-${Math.random().toString(36).slice(2, 8)}`;
  private state: GridState = {
    shown: 0,
    order: { by: "start", descending: true },
    selected: [],
    current: null,
  };
  private active = 0;

  constructor(private readonly host: GridHost) {
    this.head.append(make("span", { role: "columnheader", "aria-label": t("runs_chosen", { count: "" }).trim() }));
    for (const column of COLUMNS) this.head.append(this.header(column));
    this.head.append(make("span", { role: "columnheader" }));
    this.body.append(this.space);
    this.node = make("div", { class: "mf-grid", role: "grid", "aria-label": t("runs"), "aria-multiselectable": "true" }, this.head, this.body);
    this.body.addEventListener("scroll", () => this.draw());
    this.body.addEventListener("keydown", (event) => this.key(event));
  }

  /** Take over rows of a window; with `fresh` all that was known of the order is forgotten. */
  fill(first: number, rows: Row[], fresh: boolean): void {
    if (fresh) this.names.clear();
    rows.forEach((row, index) => {
      this.names.set(first + index, row.name);
      this.rows.set(row.name, row);
    });
    this.draw();
  }

  /** Rows that have changed where they stand. */
  merge(rows: Record<string, Row | null>): void {
    for (const [name, row] of Object.entries(rows)) {
      if (row === null) this.rows.delete(name);
      else this.rows.set(name, row);
    }
    this.draw();
  }

  row(name: string | null): Row | undefined {
    return name === null ? undefined : this.rows.get(name);
  }

  update(state: GridState): void {
    this.state = state;
    this.active = Math.max(0, Math.min(this.active, state.shown - 1));
    for (const [name, button] of this.heads) {
      const sorted = state.order.by === name;
      const way = state.order.descending ? "descending" : "ascending";
      button.parentElement!.setAttribute("aria-sort", sorted ? way : "none");
    }
    this.node.setAttribute("aria-rowcount", String(state.shown + 1));
    this.space.style.height = `${state.shown * ROW_PX}px`;
    this.draw();
  }

  /** The rows in view, with some around them. */
  window(): [first: number, count: number] {
    const top = Math.floor(this.body.scrollTop / ROW_PX);
    const high = Math.ceil((this.body.clientHeight || 10 * ROW_PX) / ROW_PX);
    const first = Math.max(0, top - SPARE);
    return [first, Math.max(0, Math.min(this.state.shown, top + high + SPARE) - first)];
  }

  focus(): void {
    this.body.focus();
  }

  private draw(): void {
    const [first, count] = this.window();
    let missing = false;
    for (const [index, line] of this.lines) {
      if (index < first || index >= first + count) {
        line.node.remove();
        this.lines.delete(index);
      }
    }
    for (let index = first; index < first + count; index += 1) {
      const name = this.names.get(index);
      const row = name === undefined ? undefined : this.rows.get(name);
      missing ||= name === undefined;
      let line = this.lines.get(index);
      if (line === undefined) {
        line = new Line(`${this.id}-${index}`, index, this.host, () => this.state.selected, (at) => this.go(at));
        this.lines.set(index, line);
        this.space.append(line.node);
      }
      line.update(row, this.state, index === this.active);
    }
    if (this.state.shown > 0) this.body.setAttribute("aria-activedescendant", `${this.id}-${this.active}`);
    else this.body.removeAttribute("aria-activedescendant");
    if (missing) this.host.need(first, count);
  }

  private header(column: (typeof COLUMNS)[number]): HTMLElement {
    const label = t(`run_${column}` as Key);
    const cell = make("span", { role: "columnheader", class: `mf-of-${column}` });
    if (!SORTED.includes(column)) {
      cell.append(label);
      return cell;
    }
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      const { by, descending } = this.state.order;
      const first = ["start", "seconds", "metric"].includes(column);
      this.host.arrange(column, by === column ? !descending : first);
    });
    this.heads.set(column, button);
    cell.append(button);
    return cell;
  }

  private go(index: number): void {
    this.active = index;
    const name = this.names.get(index);
    if (name !== undefined) this.host.open(name);
    this.draw();
  }

  private key(event: KeyboardEvent): void {
    if (event.target !== this.body || this.state.shown === 0) return;
    const page = Math.max(1, Math.floor(this.body.clientHeight / ROW_PX) - 1);
    const moves: Record<string, number> = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.state.shown - 1,
    };
    const name = this.names.get(this.active);
    if (event.key in moves) {
      const to = Math.max(0, Math.min(this.state.shown - 1, moves[event.key]!));
      this.scrollTo(to);
      this.go(to);
    } else if (event.key === " " && name !== undefined) {
      this.host.select(toggled(this.state.selected, name));
    } else if (event.key === "Enter" && name !== undefined) {
      this.host.open(name);
      this.host.enter();
    } else if (event.key === "Escape") {
      this.host.open(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private scrollTo(index: number): void {
    const top = index * ROW_PX;
    const bottom = top + ROW_PX - this.body.clientHeight;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    else if (bottom > this.body.scrollTop) this.body.scrollTop = bottom;
  }
}

class Line {
  readonly node: HTMLElement;
  private readonly tick = make("input", { type: "checkbox", tabindex: "-1" });
  private readonly cells = new Map<string, HTMLElement>();
  private readonly badge = make("span", { class: "mf-badge" });
  private readonly button = make("button", { type: "button", class: "mf-choice", tabindex: "-1" });
  private name = "";

  constructor(id: string, index: number, host: GridHost, selected: () => string[], go: (index: number) => void) {
    this.node = make("div", { class: "mf-grid-row", role: "row", id, "aria-rowindex": String(index + 2) });
    this.node.style.transform = `translateY(${index * ROW_PX}px)`;
    this.tick.addEventListener("click", (event) => {
      event.stopPropagation();
      event.preventDefault(); // what is ticked is what the kernel says
      if (this.name !== "") host.select(toggled(selected(), this.name));
    });
    this.button.addEventListener("click", (event) => {
      event.stopPropagation();
      const act = this.button.dataset["act"];
      if (act === "resume") host.act("resume", this.name);
      else if (act === "stop") host.act("stop", this.name);
    });
    this.node.addEventListener("click", () => go(index));
    this.node.append(make("span", { role: "gridcell", class: "mf-of-tick" }, this.tick));
    for (const column of COLUMNS) {
      const cell = make("span", { role: "gridcell", class: `mf-of-${column}` });
      if (column === "state") cell.append(this.badge);
      this.cells.set(column, cell);
      this.node.append(cell);
    }
    this.node.append(make("span", { role: "gridcell", class: "mf-of-act" }, this.button));
  }

  update(row: Row | undefined, state: GridState, active: boolean): void {
    this.name = row?.name ?? "";
    const chosen = row !== undefined && state.selected.includes(row.name);
    this.node.classList.toggle("mf-current", row !== undefined && row.name === state.current);
    this.node.classList.toggle("mf-active", active);
    this.node.setAttribute("aria-selected", String(chosen));
    this.tick.checked = chosen;
    this.tick.disabled = row === undefined;
    this.tick.setAttribute("aria-label", t("runs_select", { name: this.name }));
    const act = row === undefined ? null : actOf(row.state);
    this.button.hidden = act === null;
    this.badge.hidden = row === undefined;
    if (row === undefined) {
      for (const [column, cell] of this.cells) if (column !== "state") setText(cell, "");
      return;
    }
    if (act !== null && this.button.dataset["act"] !== act) {
      this.button.dataset["act"] = act;
      this.button.replaceChildren(icon(act === "stop" ? STOP : PLAY));
    }
    if (act !== null) {
      const label = t("run_act", { act: t(`run_${act}`), name: row.name });
      this.button.setAttribute("aria-label", label);
      this.button.title = label;
    }
    this.badge.dataset["state"] = row.state;
    const live = ["running", "paused", "interrupted", "stopped"].includes(row.state) && row.epochs > 0;
    setText(this.badge, `${word(`state_${row.state}`)}${live ? ` ${row.epoch}/${row.epochs}` : ""}`);
    this.badge.title = row.trouble;
    this.say("name", row.versions.length > 0 ? `${row.name} · ${row.versions.join(", ")}` : row.name, row.path);
    this.say("start", moment(row.start));
    this.say("seconds", row.seconds === null ? "" : duration(row.seconds));
    this.say("metric", row.metric === null ? "" : `${metricName(row.metric.name)} ${figure(row.metric)}`);
    this.say("model", row.model);
    this.say("data", row.data.slice(0, 8), row.data);
    this.say("tags", row.tags.join(", "), row.note);
  }

  private say(column: string, text: string, title = text): void {
    const cell = this.cells.get(column)!;
    setText(cell, text);
    if (cell.title !== title) cell.title = title;
  }
}

function toggled(selected: string[], name: string): string[] {
  return selected.includes(name) ? selected.filter((one) => one !== name) : [...selected, name];
}

/** A moment given in seconds since 1970, as 2026-01-31 14:05 in the reader's own time. */
export function moment(seconds: number | null): string {
  if (seconds === null) return "";
  const at = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
