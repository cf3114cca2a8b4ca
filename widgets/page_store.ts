// Pages of a long list: each is asked for once, when rows of it come into view, and the oldest go.

export class PageStore<Item> {
  private readonly pages = new Map<number, Item | null>();
  private turn = 0;

  /**
   * @param size Rows of a page.
   * @param fetch Asks for the page that starts at a row.
   * @param came Told when a page is there.
   * @param gone Told of a page that is let go.
   */
  constructor(
    readonly size: number,
    private readonly fetch: (start: number) => Promise<Item>,
    private readonly came: (start: number, page: Item) => void,
    private readonly gone: (page: Item) => void = () => undefined,
    private readonly most = 30,
  ) {}

  /** The page that a row is in; undefined while it is not there yet. */
  of(row: number): Item | undefined {
    return this.pages.get(this.start(row)) ?? undefined;
  }

  start(row: number): number {
    return Math.floor(row / this.size) * this.size;
  }

  /** Ask for all pages of these rows that are not there. */
  need(first: number, last: number): void {
    for (let start = this.start(first); start <= last; start += this.size) {
      if (this.pages.has(start)) continue;
      this.pages.set(start, null);
      void this.get(start, this.turn);
    }
    this.drop(first, last);
  }

  /** Forget all pages, and answers that are still on the way. */
  clear(): void {
    this.turn += 1;
    for (const page of this.pages.values()) if (page !== null) this.gone(page);
    this.pages.clear();
  }

  private async get(start: number, turn: number): Promise<void> {
    try {
      const page = await this.fetch(start);
      if (turn !== this.turn || !this.pages.has(start)) {
        this.gone(page);
        return;
      }
      this.pages.set(start, page);
      this.came(start, page);
    } catch {
      if (turn === this.turn) this.pages.delete(start); // asked for again when it is in view again
    }
  }

  private drop(first: number, last: number): void {
    const middle = (first + last) / 2;
    const far = [...this.pages.keys()]
      .filter((start) => start + this.size <= first || start > last) // never one in view
      .sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
    for (const start of far.slice(0, Math.max(0, this.pages.size - this.most))) {
      const page = this.pages.get(start);
      this.pages.delete(start);
      if (page !== null && page !== undefined) this.gone(page);
    }
  }
}
