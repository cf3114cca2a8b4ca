// The rows of a table, any number of them: sorted and filtered by the kernel, a page at a time.

import type { Connection } from "./connection";
import type { ColumnFacts, Order, Page } from "./data_answers";
import { make, setText } from "./dom";
import { t } from "./messages";
import { PageStore } from "./page_store";
import { VirtualRows } from "./virtual_rows";

const HEIGHT = 24;
const PAGE = 100;

export interface GridHost {
  /** The rows that are looked at; the grid changes how they are sorted. */
  order: Order;
  sort(order: Order): void;
  open(row: number, place: number): void;
  counted(total: number): void;
}

export class TableGrid {
  readonly node: HTMLElement;
  private readonly head = make("div", { class: "mf-grid-head", role: "row" });
  private readonly rows: VirtualRows;
  private readonly pages: PageStore<Page>;
  private columns: ColumnFacts[] = [];
  private total = -1;
  private active = 0;

  constructor(
    connection: Connection,
    private readonly host: GridHost,
  ) {
    this.pages = new PageStore<Page>(
      PAGE,
      async (start) => {
        const values = { start, count: PAGE, order: host.order };
        return (await connection.ask("data_page", values)).values as unknown as Page;
      },
      (start, page) => this.came(start, page),
    );
    this.rows = new VirtualRows(
      HEIGHT,
      (row) => this.row(row),
      (first, last) => this.pages.need(first, last),
      { class: "mf-grid-rows", role: "rowgroup", tabindex: "-1" },
    );
    this.node = make("div", { class: "mf-grid", role: "grid", "aria-label": t("data_rows") });
    this.node.append(this.head, this.rows.node);
    this.rows.node.addEventListener("scroll", () => {
      this.head.scrollLeft = this.rows.node.scrollLeft;
    });
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show a table from its beginning. */
  show(columns: ColumnFacts[], total: number): void {
    this.columns = columns;
    this.active = 0;
    this.total = total;
    this.node.style.setProperty("--mf-columns", columns.map(width).join(" "));
    this.node.setAttribute("aria-rowcount", String(total + 1));
    this.head.replaceChildren(...columns.map((column) => this.title(column)));
    this.pages.clear();
    this.rows.node.scrollTop = 0;
    this.rows.reset(total);
  }

  /** Show the rows in another order, or others. */
  reorder(): void {
    this.head.replaceChildren(...this.columns.map((column) => this.title(column)));
    this.pages.clear();
    this.active = 0;
    this.rows.node.scrollTop = 0;
    this.rows.reset(this.total);
    this.pages.need(0, 0); // tells how many there are, also where there was none before
  }

  private came(start: number, page: Page): void {
    if (page.total !== this.total || start === 0) {
      const changed = page.total !== this.total;
      this.total = page.total;
      this.node.setAttribute("aria-rowcount", String(page.total + 1));
      this.host.counted(page.total);
      if (changed) {
        this.active = 0;
        this.rows.reset(page.total);
        return;
      }
    }
    this.rows.redraw(start, start + PAGE - 1);
  }

  private title(column: ColumnFacts): HTMLElement {
    const { order } = this.host;
    const sorted = order.by === column.name;
    const state = sorted ? (order.down ? "descending" : "ascending") : "none";
    const button = make("button", { type: "button", title: t("data_sort", { column: column.name }) });
    button.append(make("span", {}, column.name));
    if (sorted) button.append(make("i", { "aria-hidden": "true" }, order.down ? "▼" : "▲"));
    button.addEventListener("click", () => {
      const { by: _by, down: _down, ...rest } = order;
      if (!sorted) this.host.sort({ ...rest, by: column.name });
      else if (!order.down) this.host.sort({ ...rest, by: column.name, down: true });
      else this.host.sort(rest);
    });
    const cell = make("div", { role: "columnheader", "aria-sort": state }, button);
    if (column.guess === "numeric") cell.classList.add("mf-number");
    return cell;
  }

  private row(place: number): HTMLElement {
    const page = this.pages.of(place);
    const at = page === undefined ? -1 : place - page.start;
    const cells = page?.cells[at];
    const made = make("div", {
      class: "mf-grid-row",
      role: "row",
      tabindex: place === this.active ? "0" : "-1",
      "aria-rowindex": String(place + 2),
    });
    if (page !== undefined && cells !== undefined) {
      const row = page.rows[at]!;
      made.title = t("data_show_row", { row: row + 1 });
      made.addEventListener("click", () => this.host.open(row, place));
      this.columns.forEach((column, index) => {
        const text = cells[index] ?? null;
        const cell = make("div", { role: "gridcell" }, text ?? "–");
        if (text === null) cell.classList.add("mf-missing");
        if (column.guess === "numeric") cell.classList.add("mf-number");
        made.append(cell);
      });
    }
    return made;
  }

  private key(event: KeyboardEvent): void {
    const element = (event.target as HTMLElement).closest<HTMLElement>(".mf-grid-row");
    if (element === null) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      element.click();
      return;
    }
    const step: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: this.rows.fitting,
      PageUp: -this.rows.fitting,
      Home: -this.total,
      End: this.total,
    };
    const by = step[event.key];
    if (by === undefined) return;
    event.preventDefault();
    this.focus(Math.min(this.total - 1, Math.max(0, this.active + by)));
  }

  /** Move the keyboard to a row. */
  focus(place: number): void {
    this.active = place;
    const element = this.rows.reveal(place);
    element?.setAttribute("tabindex", "0");
    element?.focus({ preventScroll: true });
  }
}

function width(column: ColumnFacts): string {
  const longest = Math.max(
    column.name.length + 3,
    ...Object.keys(column.levels ?? {}).map((level) => level.length),
    column.guess === "numeric" ? 6 : column.levels === undefined ? 14 : 4,
  );
  return `${Math.min(26, longest + 2) * 7.2 + 12}px`;
}

/** How many rows there are, or are found among all. */
export function writeCount(node: HTMLElement, total: number, all: number): void {
  const shown = (value: number) => value.toLocaleString("en-US").replaceAll(",", "\u2009");
  setText(
    node,
    total === all
      ? t("data_all_rows", { count: shown(all) })
      : t("data_some_rows", { count: shown(total), total: shown(all) }),
  );
}
