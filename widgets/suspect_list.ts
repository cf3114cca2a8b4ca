// The list of labels under review: only rows in view are there, their pictures come as they do.

import { make, setText } from "./dom";
import { t, type Key } from "./messages";

const AHEAD = 8; // rows above and below those in view
const ASK_MS = 60;
const PICTURES = 400; // that are kept

export interface Row {
  id: string;
  column: string;
  split: string;
  source: "fold" | "test" | "val" | "train";
  given: string;
  suggested: string;
  confidence: number | null;
  probability: number | null;
  usual: number | null;
  distance: number | null;
  suspect: boolean;
  decision: "relabel" | "exclude" | "flag" | "keep" | null;
  to: string | null;
}

export interface ListHost {
  rows(start: number, count: number): Promise<{ total: number; rows: Row[] }>;
  /** PNG bytes of each row, empty where there is no picture. */
  thumbnails(ids: string[]): Promise<DataView[]>;
  chosen(row: Row): void;
}

export class SuspectList {
  readonly node = make("div", { class: "mf-list", role: "listbox", tabindex: "0" });
  /** Place of the chosen row, from 0. */
  place = 0;
  total = 0;
  private readonly space = make("div", { class: "mf-list-space" });
  private readonly empty = make("p", { class: "mf-empty" });
  private readonly rows = new Map<number, Row>();
  private readonly shown = new Map<number, { node: HTMLElement; text: string }>();
  private readonly pictures = new Map<string, string>();
  private readonly height: number;
  private asking: ReturnType<typeof setTimeout> | undefined;
  private round = 0;

  constructor(
    private readonly host: ListHost,
    private readonly pictured: boolean,
    private readonly several: boolean,
  ) {
    this.height = pictured ? 52 : 40;
    this.node.setAttribute("aria-label", t("review_list"));
    this.node.style.setProperty("--mf-row", `${this.height}px`);
    this.empty.hidden = true;
    this.node.append(this.empty, this.space);
    this.node.addEventListener("scroll", () => this.draw());
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  close(): void {
    clearTimeout(this.asking);
    for (const url of this.pictures.values()) URL.revokeObjectURL(url);
  }

  /** Ask anew for what is in view; `place` is chosen where it is given. */
  async refresh(place?: number): Promise<void> {
    const round = ++this.round;
    const [start, count] = this.view(place);
    const found = await this.host.rows(start, count);
    if (round !== this.round) return; // asked again meanwhile
    this.rows.clear();
    found.rows.forEach((row, index) => this.rows.set(start + index, row));
    this.total = found.total;
    this.space.style.height = `${found.total * this.height}px`;
    this.empty.hidden = found.total > 0;
    setText(this.empty, t("review_empty"));
    this.draw();
    if (found.total > 0) this.choose(Math.min(place ?? this.place, found.total - 1), place !== undefined);
    else this.place = 0;
  }

  /** Choose a row and bring it into view. */
  choose(place: number, move = true): void {
    if (this.total === 0) return;
    this.place = Math.max(0, Math.min(place, this.total - 1));
    if (move) {
      const top = this.place * this.height;
      const { scrollTop, clientHeight } = this.node;
      if (top < scrollTop) this.node.scrollTop = top;
      else if (top + this.height > scrollTop + clientHeight) {
        this.node.scrollTop = top + this.height - clientHeight;
      }
    }
    this.draw();
    const row = this.rows.get(this.place);
    if (row !== undefined) this.host.chosen(row);
  }

  private view(place?: number): [number, number] {
    const height = this.node.clientHeight || 440;
    const top = place === undefined ? this.node.scrollTop : place * this.height - height / 2;
    const first = Math.max(0, Math.floor(top / this.height) - AHEAD);
    return [first, Math.ceil(height / this.height) + 2 * AHEAD];
  }

  private draw(): void {
    const [first, count] = this.view();
    const last = Math.min(this.total, first + count);
    for (const [place, { node }] of this.shown) {
      if (place >= first && place < last) continue;
      node.remove();
      this.shown.delete(place);
    }
    let lacks = false;
    for (let place = first; place < last; place++) {
      const row = this.rows.get(place);
      if (row === undefined) lacks = true;
      else this.show(place, row);
    }
    if (lacks) {
      clearTimeout(this.asking);
      this.asking = setTimeout(() => void this.more(), ASK_MS);
    }
    this.illustrate(first, last);
  }

  private async more(): Promise<void> {
    const round = this.round;
    const [start, count] = this.view();
    const found = await this.host.rows(start, count);
    if (round !== this.round) return;
    found.rows.forEach((row, index) => this.rows.set(start + index, row));
    const waited = found.rows[this.place - start] !== undefined && !this.shown.has(this.place);
    this.draw();
    if (waited) this.choose(this.place, false);
  }

  private show(place: number, row: Row): void {
    const text = JSON.stringify([row, this.pictures.has(row.id)]);
    let drawn = this.shown.get(place);
    if (drawn === undefined || drawn.text !== text) {
      const node = this.made(place, row);
      if (drawn === undefined) this.space.append(node);
      else drawn.node.replaceWith(node);
      drawn = { node, text };
      this.shown.set(place, drawn);
    }
    const chosen = place === this.place;
    drawn.node.setAttribute("aria-selected", String(chosen));
    if (chosen) this.node.setAttribute("aria-activedescendant", drawn.node.id);
  }

  private made(place: number, row: Row): HTMLElement {
    const node = make("div", {
      class: "mf-suspect",
      role: "option",
      id: `${this.prefix}-${place}`,
      "aria-setsize": String(this.total),
      "aria-posinset": String(place + 1),
    });
    node.style.top = `${place * this.height}px`;
    if (this.pictured) {
      const frame = make("span", { class: "mf-thumb" });
      const url = this.pictures.get(row.id);
      if (url) frame.append(make("img", { src: url, alt: "" }));
      node.append(frame);
    }
    const name = this.several ? `${row.id} · ${row.column}` : row.id;
    const change = `${row.given} → ${row.suggested}`;
    const sure = row.confidence === null ? distance(row) : share(row.confidence);
    node.append(
      make(
        "span",
        { class: "mf-suspect-name" },
        make("b", { title: name }, name),
        make("span", { title: change }, change),
      ),
      make("span", { class: "mf-suspect-sure", title: t("review_probability") }, sure),
      make("span", { class: `mf-did mf-did-${row.decision ?? "none"}` }, said(row)),
    );
    if (row.source === "train") {
      node.classList.add("mf-weak");
      node.title = t("review_by_train_why");
    }
    node.addEventListener("click", () => this.choose(place, false));
    return node;
  }

  private readonly prefix = `mf-suspect-${Math.random().toString(36).slice(2, 8)}`;

  private illustrate(first: number, last: number): void {
    if (!this.pictured) return;
    const ids = [];
    for (let place = first; place < last; place++) {
      const id = this.rows.get(place)?.id;
      if (id !== undefined && !this.pictures.has(id)) ids.push(id);
    }
    const wanted = [...new Set(ids)];
    if (wanted.length === 0) return;
    for (const id of wanted) this.pictures.set(id, ""); // asked for
    this.host.thumbnails(wanted).then(
      (found) => {
        wanted.forEach((id, index) => this.pictures.set(id, address(found[index])));
        this.forget();
        for (const [place, row] of this.rows) {
          const drawn = this.shown.get(place);
          if (drawn !== undefined && wanted.includes(row.id)) {
            drawn.text = "";
            this.show(place, row);
          }
        }
      },
      () => wanted.forEach((id) => this.pictures.delete(id)),
    );
  }

  private forget(): void {
    for (const [id, url] of this.pictures) {
      if (this.pictures.size <= PICTURES) return;
      URL.revokeObjectURL(url);
      this.pictures.delete(id);
    }
  }

  private key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.node.clientHeight / this.height) - 1);
    const to: Record<string, number> = {
      ArrowDown: this.place + 1,
      ArrowUp: this.place - 1,
      PageDown: this.place + page,
      PageUp: this.place - page,
      Home: 0,
      End: this.total - 1,
    };
    const next = to[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.choose(next);
  }
}

/** The address of a picture that came as bytes; empty where there is none. */
export function address(bytes: DataView | undefined): string {
  if (bytes === undefined || bytes.byteLength === 0) return "";
  return URL.createObjectURL(new Blob([bytes as DataView<ArrayBuffer>], { type: "image/png" }));
}

/** What was decided, in a word. */
export function said(row: Row): string {
  if (row.decision === null) return "";
  return t(`review_did_${row.decision}` as Key, { label: row.to ?? "?" });
}

/** A probability: small ones are not none, nor large ones all. */
export function share(value: number): string {
  if (value < 0.001) return "< 0.001";
  return value > 0.999 ? "> 0.999" : value.toFixed(3);
}

export function distance(row: Row): string {
  return `${(row.distance ?? 0).toFixed(1)} SD`;
}
