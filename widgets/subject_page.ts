// One row in full: its images large, slices of its volumes, its cells.

import type { Connection } from "./connection";
import { brief, picture, type SubjectFacts, type ViewFacts } from "./data_answers";
import { make, setText } from "./dom";
import { t, type Key } from "./messages";

export interface SubjectHost {
  close(): void;
  /** Show the row before or after this one, in the order that is looked at. */
  step(by: number): void;
  role(column: string): string | undefined;
}

export class SubjectPage {
  readonly node: HTMLElement;
  private readonly title = make("h4", { tabindex: "-1" });
  private readonly views = make("div", { class: "mf-subject-views" });
  private readonly cells = make("div", { class: "mf-subject-cells" });
  private readonly addresses = new Set<string>();
  private turn = 0;

  constructor(
    private readonly connection: Connection,
    private readonly host: SubjectHost,
  ) {
    const back = make("button", { type: "button", class: "mf-button" }, t("data_back"));
    back.addEventListener("click", () => host.close());
    const stepper = (key: Key, by: number) => {
      const made = make("button", { type: "button", class: "mf-button" }, t(key));
      made.addEventListener("click", () => host.step(by));
      return made;
    };
    this.node = make(
      "div",
      { class: "mf-subject" },
      make(
        "div",
        { class: "mf-subject-head" },
        back,
        this.title,
        stepper("data_before", -1),
        stepper("data_next", 1),
      ),
      make("div", { class: "mf-subject-body" }, this.views, this.cells),
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      host.close();
    });
  }

  async show(row: number, focus: boolean): Promise<void> {
    const turn = ++this.turn;
    const { values } = await this.connection.ask("data_subject", { row });
    if (turn !== this.turn) return;
    const facts = values as unknown as SubjectFacts;
    const id = facts.columns.findIndex((name) => this.host.role(name) === "id");
    setText(this.title, `${facts.cells[id] ?? ""} (${facts.where})`.trim());
    for (const address of this.addresses) URL.revokeObjectURL(address);
    this.addresses.clear();
    this.views.replaceChildren(...facts.views.map((view) => this.view(row, view, turn)));
    this.views.hidden = facts.views.length === 0;
    this.cells.replaceChildren(
      ...facts.columns.map((name, n) => {
        const role = this.host.role(name);
        const label = make("span", { class: "mf-subject-name" }, name);
        if (role !== undefined) label.append(make("i", {}, t(`data_role_${role}` as Key)));
        const cell = facts.cells[n] ?? null;
        const value = make("span", { class: "mf-subject-value" }, cell ?? "–");
        if (cell === null) value.classList.add("mf-missing");
        return make("div", { class: "mf-subject-cell" }, label, value);
      }),
    );
    if (focus) this.title.focus({ preventScroll: true });
  }

  close(): void {
    this.turn += 1;
    for (const address of this.addresses) URL.revokeObjectURL(address);
    this.addresses.clear();
  }

  private view(row: number, facts: ViewFacts, turn: number): HTMLElement {
    const caption = make("figcaption");
    const frame = make("div", { class: "mf-subject-frame" });
    const figure = make("figure", {}, frame, caption);
    const name = facts.files.length === 1 ? facts.files[0]! : `${facts.files.length}`;
    if (facts.files.length === 0 || facts.problem !== "") {
      frame.append(make("span", { class: "mf-empty" }, facts.problem || "–"));
      setText(caption, facts.name);
      return figure;
    }
    const image = make("img", { alt: `${facts.name}: ${name}` });
    frame.append(image);
    const get = latest(async (asked: Record<string, unknown>) => {
      const { buffers } = await this.connection.ask("data_picture", { row, view: facts.name, ...asked });
      if (turn !== this.turn) return;
      const address = picture(buffers[0]!);
      this.addresses.add(address);
      const before = image.src;
      image.src = address;
      if (this.addresses.delete(before)) URL.revokeObjectURL(before);
    });
    if (facts.kind === "volume") {
      this.slices(figure, facts, get);
      const size = (facts.size ?? []).join(" × ");
      const spacing = (facts.spacing ?? []).map(brief).join(" × ");
      const units = facts.units ? `, ${facts.units}` : "";
      setText(caption, `${facts.name}: ${name}; ${size}, ${spacing} mm${units}`);
    } else {
      const pixels = `${facts.height} × ${facts.width} px`;
      setText(caption, `${facts.name}: ${name}; ${pixels}`);
      if (facts.files.length > 1) this.files(figure, facts, get);
      void get({});
    }
    return figure;
  }

  private slices(
    figure: HTMLElement,
    facts: ViewFacts,
    get: (asked: Record<string, unknown>) => Promise<void>,
  ): void {
    const planes = Object.entries(facts.planes ?? {});
    const plane = make("select", { "aria-label": t("data_plane") });
    for (const [name] of planes) {
      plane.append(make("option", { value: name }, t(`data_plane_${name}` as Key)));
    }
    const slider = make("input", { type: "range", min: "0", "aria-label": t("data_slice") });
    const told = make("span", { class: "mf-number" });
    const ask = () => {
      const total = facts.planes?.[plane.value] ?? 1;
      setText(told, t("data_of", { place: Number(slider.value) + 1, count: total }));
      void get({ plane: plane.value, place: Number(slider.value) });
    };
    const choose = () => {
      const total = facts.planes?.[plane.value] ?? 1;
      slider.max = String(total - 1);
      slider.value = String(Math.floor(total / 2));
      ask();
    };
    plane.addEventListener("change", choose);
    slider.addEventListener("input", ask);
    figure.append(make("div", { class: "mf-slider" }, plane, slider, told));
    choose();
  }

  private files(
    figure: HTMLElement,
    facts: ViewFacts,
    get: (asked: Record<string, unknown>) => Promise<void>,
  ): void {
    const slider = make("input", { type: "range", min: "0", value: "0", "aria-label": t("data_images") });
    slider.max = String(facts.files.length - 1);
    const told = make("span", { class: "mf-number" });
    const tell = () => {
      const place = Number(slider.value);
      setText(told, t("data_of", { place: place + 1, count: facts.files.length }));
      slider.title = facts.files[place]!;
    };
    slider.addEventListener("input", () => {
      tell();
      void get({ file: Number(slider.value) });
    });
    tell();
    figure.append(make("div", { class: "mf-slider" }, slider, told));
  }
}

/** Ask one at a time; of what is asked meanwhile only the last counts. */
export function latest<T>(ask: (asked: T) => Promise<void>): (asked: T) => Promise<void> {
  let busy = false;
  let next: { asked: T } | null = null;
  return async (asked) => {
    next = { asked };
    if (busy) return;
    busy = true;
    try {
      while (next !== null) {
        const now: { asked: T } = next;
        next = null;
        await ask(now.asked);
      }
    } catch {
      // what is asked next may do better
    } finally {
      busy = false;
    }
  };
}
