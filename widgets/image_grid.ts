// The images of a view, small, any number of them: those in view are asked for.

import type { Connection } from "./connection";
import { picture, type Order, type PicturePage } from "./data_answers";
import { make, setText } from "./dom";
import { t } from "./messages";
import { PageStore } from "./page_store";
import { VirtualRows } from "./virtual_rows";

const SIDE = 104; // pixels of a tile with its margin
const LINE = 132; // with its words
const PAGE = 48;

interface Shown extends PicturePage {
  addresses: string[];
}

export interface ImageHost {
  order: Order;
  open(row: number, place: number): void;
  counted(total: number): void;
}

export class ImageGrid {
  readonly node = make("div", { class: "mf-images" });
  private readonly rows: VirtualRows;
  private readonly pages: PageStore<Shown>;
  private readonly empty = make("p", { class: "mf-empty" }, t("data_images_none"));
  private view = "";
  private total = 0;
  private across = 6;
  private active = 0;

  constructor(
    connection: Connection,
    private readonly host: ImageHost,
  ) {
    this.pages = new PageStore<Shown>(
      PAGE,
      async (start) => {
        const asked = { view: this.view, start, count: PAGE, order: host.order };
        const { values, buffers } = await connection.ask("data_pictures", asked);
        const page = values as unknown as PicturePage;
        const addresses = buffers.map((one) => (one.byteLength > 0 ? picture(one) : ""));
        return { ...page, addresses };
      },
      (start, page) => this.came(start, page),
      (page) => page.addresses.forEach((address) => URL.revokeObjectURL(address)),
    );
    this.rows = new VirtualRows(
      LINE,
      (line) => this.line(line),
      (first, last) => {
        if (this.view !== "") this.pages.need(first * this.across, last * this.across);
      },
      { class: "mf-image-rows", role: "group", "aria-label": t("data_images") },
    );
    this.node.append(this.empty, this.rows.node);
    this.node.addEventListener("keydown", (event) => this.key(event));
    if (typeof ResizeObserver !== "undefined") {
      new ResizeObserver(() => this.fit()).observe(this.rows.node);
    }
  }

  /** Show a view from its beginning; none says what is to be done. */
  show(view: string | undefined, total: number): void {
    this.view = view ?? "";
    this.empty.hidden = view !== undefined;
    this.rows.node.hidden = view === undefined;
    this.total = view === undefined ? 0 : total;
    this.active = 0;
    this.pages.clear();
    this.rows.node.scrollTop = 0;
    if (view !== undefined) this.pages.need(0, 0); // also while it is hidden: it is there at once then
    this.lay();
  }

  close(): void {
    this.pages.clear();
  }

  private fit(): void {
    const across = Math.max(1, Math.floor((this.rows.node.clientWidth - 8) / SIDE));
    if (this.rows.node.clientWidth === 0 || across === this.across) return;
    this.across = across;
    this.lay();
  }

  private lay(): void {
    this.rows.reset(Math.ceil(this.total / this.across));
  }

  private came(start: number, page: Shown): void {
    if (start === 0) this.host.counted(page.total);
    if (page.total !== this.total) {
      this.total = page.total;
      this.lay();
      return;
    }
    const last = start + PAGE - 1;
    this.rows.redraw(Math.floor(start / this.across), Math.floor(last / this.across));
  }

  private line(line: number): HTMLElement {
    const made = make("div", { class: "mf-image-line" });
    const end = Math.min(this.total, (line + 1) * this.across);
    for (let place = line * this.across; place < end; place += 1) made.append(this.tile(place));
    return made;
  }

  private tile(place: number): HTMLElement {
    const page = this.pages.of(place);
    const at = page === undefined ? -1 : place - page.start;
    const tile = make("button", {
      type: "button",
      class: "mf-tile",
      "data-place": String(place),
      tabindex: place === this.active ? "0" : "-1",
    });
    const frame = make("span", { class: "mf-tile-frame" });
    const words = make("span", { class: "mf-tile-words" });
    tile.append(frame, words);
    if (page === undefined || at >= page.rows.length) return tile;
    const row = page.rows[at]!;
    const name = page.id[at] ?? String(row + 1);
    const address = page.addresses[at]!;
    if (address !== "") {
      const image = make("img", { alt: t("data_image_of", { id: name }), decoding: "async" });
      image.src = address;
      frame.append(image);
    } else {
      frame.append(make("span", { class: "mf-tile-none" }, page.reasons[at] === "" ? "–" : "!"));
      tile.title = page.reasons[at]!;
    }
    words.append(make("span", {}, name));
    const label = page.label[at];
    if (label !== null && label !== undefined) words.append(make("b", {}, label));
    if (tile.title === "") tile.title = label ? `${name}: ${label}` : name;
    tile.addEventListener("click", () => {
      this.active = place;
      this.host.open(row, place);
    });
    return tile;
  }

  private key(event: KeyboardEvent): void {
    const step: Record<string, number> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: this.across,
      ArrowUp: -this.across,
      Home: -this.total,
      End: this.total,
    };
    const by = step[event.key];
    if (by === undefined || this.total === 0) return;
    event.preventDefault();
    this.focus(Math.min(this.total - 1, Math.max(0, this.active + by)));
  }

  /** Move the keyboard to an image. */
  focus(place: number): void {
    this.active = place;
    const line = this.rows.reveal(Math.floor(place / this.across));
    const tile = line?.querySelector<HTMLElement>(`[data-place="${place}"]`);
    tile?.setAttribute("tabindex", "0");
    tile?.focus({ preventScroll: true });
  }
}

/** A choice of views, hidden where there is but one. */
export function viewChoice(chosen: (view: string) => void) {
  const select = make("select", { "aria-label": t("data_view") });
  select.addEventListener("change", () => chosen(select.value));
  return {
    node: select,
    show(views: string[]): string | undefined {
      const before = select.value;
      if ([...select.options].map((one) => one.value).join("\n") !== views.join("\n")) {
        select.replaceChildren(
          ...views.map((view) => {
            const option = make("option", { value: view });
            setText(option, view);
            return option;
          }),
        );
      }
      if (views.includes(before)) select.value = before;
      select.hidden = views.length < 2;
      return views.includes(before) ? before : views[0];
    },
  };
}
