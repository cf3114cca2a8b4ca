// Rows of one height of which only those in view are in the page; the others are asked for in time.

import { make } from "./dom";

const SPARE = 6; // rows above and below that are drawn too

/** What is shown: as many rows as wanted, each drawn when it comes into view. */
export class VirtualRows {
  readonly node: HTMLElement;
  private readonly canvas = make("div", { class: "mf-virtual-canvas" });
  private readonly drawn = new Map<number, HTMLElement>();
  private total = 0;
  private waiting = false;

  /**
   * @param height Pixels of a row.
   * @param draw Makes a row's element.
   * @param seen Told which rows are in view, so that they can be asked for.
   */
  constructor(
    private height: number,
    private readonly draw: (row: number) => HTMLElement,
    private readonly seen: (first: number, last: number) => void,
    attributes: Record<string, string> = {},
  ) {
    this.node = make("div", { ...attributes, class: `mf-virtual ${attributes["class"] ?? ""}`.trim() });
    this.node.append(this.canvas);
    this.node.addEventListener("scroll", () => this.later(), { passive: true });
    if (typeof ResizeObserver !== "undefined") {
      new ResizeObserver(() => this.later()).observe(this.node);
    }
  }

  /** How many rows there are; all are drawn anew. */
  reset(total: number, height = this.height): void {
    this.total = total;
    this.height = height;
    this.canvas.style.height = `${total * height}px`;
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    this.update();
  }

  /** Draw these rows anew, as their content came. */
  redraw(first: number, last: number): void {
    for (const [row, element] of this.drawn) {
      if (row < first || row > last) continue;
      const fresh = this.placed(row);
      const focused = element.contains(document.activeElement);
      element.replaceWith(fresh);
      this.drawn.set(row, fresh);
      if (focused) fresh.querySelector<HTMLElement>("[tabindex], button")?.focus({ preventScroll: true });
    }
  }

  /** Scroll so far that a row is in view, and return its element. */
  reveal(row: number): HTMLElement | undefined {
    const top = row * this.height;
    const { scrollTop, clientHeight } = this.node;
    if (top < scrollTop) this.node.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) {
      this.node.scrollTop = top + this.height - clientHeight;
    }
    this.update();
    return this.drawn.get(row);
  }

  get fitting(): number {
    return Math.max(1, Math.floor(this.node.clientHeight / this.height));
  }

  private later(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.update();
    });
  }

  private update(): void {
    const first = Math.max(0, Math.floor(this.node.scrollTop / this.height) - SPARE);
    const shown = Math.ceil((this.node.clientHeight || 400) / this.height);
    const last = Math.min(this.total - 1, first + shown + 2 * SPARE);
    for (const [row, element] of this.drawn) {
      if (row >= first && row <= last) continue;
      element.remove();
      this.drawn.delete(row);
    }
    for (let row = first; row <= last; row += 1) {
      if (this.drawn.has(row)) continue;
      const element = this.placed(row);
      this.drawn.set(row, element);
      this.canvas.append(element);
    }
    if (this.total > 0) this.seen(first, last);
  }

  private placed(row: number): HTMLElement {
    const element = this.draw(row);
    element.classList.add("mf-virtual-row");
    element.style.transform = `translateY(${row * this.height}px)`;
    element.style.height = `${this.height}px`;
    return element;
  }
}
