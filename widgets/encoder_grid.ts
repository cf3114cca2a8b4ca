// The catalogue of image encoders: filters, and a grid of which only the rows in view are made.

import { make, setText } from "./dom";
import { t, type Key } from "./messages";

export interface Encoder {
  name: string;
  family: string;
  size: number;
  parameters: number;
  multiply_adds: number;
  summary: string;
  licence: string;
  commercial: "yes" | "own terms" | "no" | "unstated";
}

export interface Family {
  name: string;
  title: string;
  paper: string;
  summary: string;
}

type Column = "name" | "parameters" | "multiply_adds" | "size" | "licence";

const COLUMNS: [Column, Key][] = [
  ["name", "m_head_name"],
  ["parameters", "m_head_weights"],
  ["multiply_adds", "m_head_gmac"],
  ["size", "m_head_size"],
  ["licence", "m_head_licence"],
];
const MOST = [5, 15, 30, 60, 100];
const ROW = 24;
const ROWS = 8;
const NAME = /^[a-z0-9_]+(\.[a-z0-9_]+)?$/;

let made = 0;

export class EncoderGrid {
  readonly node = make("div", { class: "mf-encoders" });
  private readonly search: HTMLInputElement;
  private readonly family: HTMLSelectElement;
  private readonly most: HTMLSelectElement;
  private readonly licence: HTMLSelectElement;
  private readonly found = make("span", { class: "mf-found", "aria-live": "polite" });
  private readonly heads = new Map<Column, HTMLButtonElement>();
  private readonly view: HTMLElement;
  private readonly sheet = make("div", { class: "mf-sheet", role: "rowgroup" });
  private readonly about = make("div", { class: "mf-about", "aria-live": "polite" });
  private readonly other = make("button", { type: "button", class: "mf-button" });
  private readonly id = `mf-encoders-${(made += 1)}`;
  private sorted: { by: Column; down: boolean } | null = null;
  private shown: Encoder[] = [];
  private cursor = -1;
  private chosen = "";

  constructor(
    private readonly encoders: Encoder[],
    private readonly families: Family[],
    private readonly pick: (name: string) => void,
  ) {
    const change = () => this.filter();
    this.search = make("input", {
      type: "text",
      class: "mf-control",
      placeholder: t("m_search_hint"),
      "aria-label": t("m_search"),
      spellcheck: "false",
      autocomplete: "off",
    });
    this.search.addEventListener("input", change);
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") this.key(event);
    });
    this.family = select(t("m_family"), change, [
      ["", t("m_family_every")],
      ...families.map((one) => [one.name, one.title] as [string, string]),
    ]);
    this.most = select(t("m_most"), change, [
      ["", t("m_most_every")],
      ...MOST.map((one) => [String(one), `≤ ${t("m_most_million", { count: one })}`] as [string, string]),
    ]);
    this.licence = select(t("m_head_licence"), change, [
      ["", t("m_licence_any")],
      ["yes", t("m_commercial")],
    ]);
    const head = make("div", { class: "mf-grid-row mf-grid-head", role: "row" });
    for (const [column, key] of COLUMNS) {
      const button = make("button", { type: "button" }, t(key));
      button.addEventListener("click", () => this.sort(column));
      this.heads.set(column, button);
      head.append(make("div", { role: "columnheader", "data-column": column }, button));
    }
    this.view = make("div", {
      class: "mf-grid-view",
      role: "grid",
      tabindex: "0",
      "aria-label": t("m_encoders"),
      "aria-describedby": `${this.id}-hint`,
    });
    this.view.append(head, this.sheet);
    this.view.addEventListener("scroll", () => this.draw());
    this.view.addEventListener("keydown", (event) => this.key(event));
    // A page that is not open cannot be scrolled: what is chosen is looked for when it opens.
    let hidden = true;
    new ResizeObserver(() => {
      if (hidden && this.view.clientHeight > 0) this.reveal();
      hidden = this.view.clientHeight === 0;
    }).observe(this.view);
    this.other.addEventListener("click", () => this.pick(this.typed()));
    this.node.append(
      make("div", { class: "mf-filters" }, this.search, this.family, this.most, this.licence, this.found),
      this.view,
      make("div", { class: "mf-grid-hint", id: `${this.id}-hint` }, t("m_encoder_hint"), this.other),
      this.about,
    );
    this.filter();
  }

  /** Show which encoder the draft has. */
  update(chosen: string): void {
    if (chosen === this.chosen) return;
    this.chosen = chosen;
    this.cursor = this.shown.findIndex((one) => one.name === chosen);
    this.reveal();
    this.draw();
  }

  private typed(): string {
    return this.search.value.trim();
  }

  private filter(): void {
    const words = this.typed().toLowerCase().split(/\s+/).filter((one) => one !== "");
    const title = new Map(this.families.map((one) => [one.name, one.title.toLowerCase()]));
    const most = this.most.value === "" ? Infinity : Number(this.most.value);
    this.shown = this.encoders.filter((one) => {
      const text = `${one.name} ${one.family} ${title.get(one.family)} ${one.summary.toLowerCase()} ${one.licence}`;
      return (
        words.every((part) => text.includes(part)) &&
        (this.family.value === "" || one.family === this.family.value) &&
        (this.licence.value === "" || one.commercial === "yes") &&
        one.parameters <= most
      );
    });
    if (this.sorted !== null) {
      const { by, down } = this.sorted;
      const sign = down ? -1 : 1;
      this.shown.sort((a, b) => sign * (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0));
    }
    setText(this.found, t("m_found", { count: this.shown.length, all: this.encoders.length }));
    this.cursor = this.shown.findIndex((one) => one.name === this.chosen);
    const name = this.typed();
    const known = this.encoders.some((one) => one.name === name);
    this.other.hidden = !NAME.test(name) || known || this.shown.length > 0;
    setText(this.other, t("m_use_name", { name }));
    this.sheet.style.height = `${Math.max(1, this.shown.length) * ROW}px`;
    this.view.scrollTop = 0;
    this.reveal();
    this.draw();
  }

  private sort(by: Column): void {
    const down = this.sorted?.by === by && !this.sorted.down;
    this.sorted = { by, down };
    for (const [column, button] of this.heads) {
      const own = column === by;
      button.parentElement!.setAttribute("aria-sort", own ? (down ? "descending" : "ascending") : "none");
    }
    this.filter();
  }

  private key(event: KeyboardEvent): void {
    if (event.target instanceof HTMLButtonElement) return; // a column's title acts for itself
    const last = this.shown.length - 1;
    const to: Record<string, number> = {
      ArrowDown: this.cursor + 1,
      ArrowUp: this.cursor - 1,
      PageDown: this.cursor + ROWS,
      PageUp: this.cursor - ROWS,
      Home: 0,
      End: last,
    };
    const next = to[event.key];
    const inSearch = event.target === this.search;
    if (next !== undefined && last >= 0) {
      event.preventDefault();
      this.cursor = Math.min(last, Math.max(0, next));
      if (inSearch) this.view.focus();
      this.reveal();
      this.draw();
    } else if (event.key === "Enter" || (event.key === " " && !inSearch)) {
      event.preventDefault();
      const one = this.shown[inSearch && this.shown.length === 1 ? 0 : this.cursor];
      if (one !== undefined) this.pick(one.name);
    }
  }

  private reveal(): void {
    if (this.cursor < 0) return;
    const top = this.cursor * ROW;
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    const lowest = top - (ROWS - 1) * ROW;
    if (lowest > this.view.scrollTop) this.view.scrollTop = lowest;
  }

  private draw(): void {
    const first = Math.max(0, Math.floor(this.view.scrollTop / ROW) - 2);
    const rows = this.shown.slice(first, first + ROWS + 4);
    this.view.setAttribute("aria-rowcount", String(this.shown.length));
    this.sheet.replaceChildren(
      ...(rows.length === 0
        ? [make("p", { class: "mf-empty" }, t("m_none_fit"))]
        : rows.map((one, place) => this.row(one, first + place))),
    );
    const active = this.shown[this.cursor];
    if (active === undefined) this.view.removeAttribute("aria-activedescendant");
    else this.view.setAttribute("aria-activedescendant", `${this.id}-${this.cursor}`);
    this.describe(active ?? this.encoders.find((one) => one.name === this.chosen));
  }

  private row(one: Encoder, place: number): HTMLElement {
    const terms = one.commercial === "no" ? t("m_licence_no") : one.commercial === "own terms" ? t("m_licence_own") : "";
    // The terms first: where the column is narrow, the licence's name is what is cut.
    const licence = make("div", { role: "gridcell", title: `${terms} ${one.licence}`.trim() });
    if (terms !== "") licence.append(make("b", { class: "mf-terms" }, terms));
    licence.append(one.licence);
    const row = make(
      "div",
      {
        class: `mf-grid-row${place === this.cursor ? " mf-cursor" : ""}`,
        role: "row",
        id: `${this.id}-${place}`,
        "aria-rowindex": String(place + 1),
        "aria-selected": String(one.name === this.chosen),
        "data-encoder": one.name,
      },
      make("div", { role: "gridcell", title: one.name }, one.name),
      make("div", { role: "gridcell" }, one.parameters.toFixed(1)),
      make("div", { role: "gridcell" }, one.multiply_adds.toFixed(2)),
      make("div", { role: "gridcell" }, String(one.size)),
      licence,
    );
    row.style.top = `${place * ROW}px`;
    row.addEventListener("click", () => {
      this.cursor = place;
      this.draw();
      this.pick(one.name);
    });
    return row;
  }

  private describe(one: Encoder | undefined): void {
    const family = this.families.find((group) => group.name === one?.family);
    if (one === undefined || family === undefined) {
      this.about.replaceChildren(make("p", {}, make("b", {}, this.chosen)));
      return;
    }
    const lines = [
      make("p", {}, make("b", {}, one.name), ` ${one.summary}`),
      make("p", {}, `${family.title}: ${family.summary} ${t("m_paper", { link: family.paper })}`),
    ];
    if (one.commercial === "no") {
      lines.push(make("p", { class: "mf-terms" }, t("m_read_licence", { licence: one.licence })));
    }
    this.about.replaceChildren(...lines);
  }
}

function select(label: string, change: () => void, options: [string, string][]): HTMLSelectElement {
  const box = make("select", { class: "mf-control", "aria-label": label });
  for (const [value, text] of options) box.append(make("option", { value }, text));
  box.addEventListener("change", change);
  return box;
}
