// A form for any part of an experiment, made from its schema. It keeps nothing of its own: what a
// person types goes to the kernel, and what the kernel says is shown.

import { make, setText } from "./dom";
import { read, written } from "./field_text";
import { fieldsOf, isRecord, type Field, type Shape } from "./schema";

export type Path = readonly (string | number)[];

/** What a form needs of the panel around it. */
export interface FormHost {
  /** What is said at a place; undefined where nothing is, so that the default holds. */
  said(path: Path): unknown;
  /** What is wrong at a place, in sentences. */
  problems(path: Path): string[];
  /** Say something; `merge` while a word is being typed. */
  set(path: Path, value: unknown, merge: boolean): void;
  remove(path: Path): void;
  choose(path: Path, kind: string): void;
  rename(path: Path, name: string): void;
  /** A word of the form's own, such as "add", or a value of a field, such as a kind. */
  word(key: string): string;
  /** The name of a field for people. */
  label(path: Path): string;
  /** Help of a field; its docstring where there is nothing better. */
  help(path: Path, field: Field): string;
}

interface Control {
  node: HTMLElement;
  update(): void;
}

let made = 0;

/** A part of the document: its fields one below the other, the less usual ones folded away. */
export class Form implements Control {
  readonly node = make("div", { class: "mf-form" });
  private rows: Row[] = [];
  private shownKind: unknown = null;

  /**
   * @param usual Names of fields that are shown at once; without it all are.
   */
  constructor(
    private readonly host: FormHost,
    private readonly field: Field,
    private readonly path: Path,
    private readonly usual: readonly string[] | null = null,
  ) {
    this.update();
  }

  update(): void {
    const said = this.host.said(this.path) ?? this.field.fallback;
    const kind = isRecord(said) ? said["kind"] : undefined;
    if (this.rows.length === 0 || kind !== this.shownKind) this.build(said);
    this.shownKind = kind;
    for (const row of this.rows) row.update();
  }

  private build(said: unknown): void {
    const fields = [...fieldsOf(this.field.shape, said)];
    const row = ([name, field]: [string, Field]) => new Row(this.host, field, [...this.path, name]);
    const atOnce = fields.filter(([name, field]) => this.isUsual(name, field)).map(row);
    const folded = fields.filter(([name, field]) => !this.isUsual(name, field)).map(row);
    this.rows = [...atOnce, ...folded];
    this.node.replaceChildren(...atOnce.map((one) => one.node));
    if (folded.length > 0) {
      const more = make("details", { class: "mf-more" }, make("summary", {}, this.host.word("more")));
      more.append(...folded.map((one) => one.node));
      // What differs from the default, or is wrong, is not hidden.
      more.open = folded.some((one) => one.isSaid() || one.isWrong());
      this.node.append(more);
    }
  }

  private isUsual(name: string, field: Field): boolean {
    return this.usual === null || this.usual.includes(name) || field.required;
  }
}

/** A field with its name, help and what is wrong with it. */
class Row implements Control {
  readonly node: HTMLElement;
  private readonly control: Control;
  private readonly wrong = make("div", { class: "mf-wrong", role: "alert" });

  constructor(
    private readonly host: FormHost,
    field: Field,
    private readonly path: Path,
  ) {
    made += 1;
    const id = `mf-field-${made}`;
    const label = host.label(path);
    this.control = control(host, field, path, { id, label });
    const help = make("div", { class: "mf-help", id: `${id}-help` }, host.help(path, field));
    const name = make(
      isSimple(field.shape) ? "label" : "div",
      { class: "mf-name", ...(isSimple(field.shape) ? { for: id } : {}) },
      label,
    );
    if (field.required) name.append(make("span", { class: "mf-required", "aria-hidden": "true" }, "*"));
    this.node = make(
      "div",
      { class: `mf-row mf-of-${field.shape.is}`, "data-path": path.join(".") },
      name,
      this.control.node,
      help,
      this.wrong,
    );
  }

  isSaid(): boolean {
    return this.host.said(this.path) !== undefined;
  }

  isWrong(): boolean {
    return this.host.problems(this.path).length > 0;
  }

  update(): void {
    this.control.update();
    const sentences = this.host.problems(this.path);
    setText(this.wrong, sentences.join(" "));
    this.node.classList.toggle("mf-bad", sentences.length > 0);
    this.node.classList.toggle("mf-said", this.isSaid());
    const input = this.node.querySelector("input, select");
    if (isInput(input)) input.setAttribute("aria-invalid", String(sentences.length > 0));
  }
}

interface Named {
  id: string;
  label: string;
}

function control(host: FormHost, field: Field, path: Path, named: Named): Control {
  const { shape } = field;
  switch (shape.is) {
    case "flag":
      return new Flag(host, field, path, named);
    case "choice":
      return new Choice(host, field, path, named, shape.options);
    case "number":
    case "text":
      return new Typed(host, field, path, named);
    case "group":
      return field.optional
        ? new Part(host, field, path, named)
        : new Form(host, field, path);
    case "kinds":
      return new Part(host, field, path, named);
    case "list":
      return isSimple(shape.of.shape)
        ? new Typed(host, field, path, named)
        : new Several(host, shape.of, path, named, null);
    case "row":
    case "either":
      return new Typed(host, field, path, named);
    case "entries":
      return isSimple(shape.of.shape)
        ? new Typed(host, field, path, named)
        : new Several(host, shape.of, path, named, shape.names);
  }
}

class Flag implements Control {
  readonly node = make("span", { class: "mf-control" });
  private readonly box: HTMLInputElement;

  constructor(
    private readonly host: FormHost,
    private readonly field: Field,
    private readonly path: Path,
    { id }: Named,
  ) {
    this.box = make("input", { type: "checkbox", id, "aria-describedby": `${id}-help` });
    this.node.append(this.box);
    this.box.addEventListener("change", () => host.set(path, this.box.checked, false));
    this.update();
  }

  update(): void {
    this.box.checked = (this.host.said(this.path) ?? this.field.fallback) === true;
  }
}

class Choice implements Control {
  readonly node: HTMLSelectElement;

  constructor(
    private readonly host: FormHost,
    private readonly field: Field,
    private readonly path: Path,
    { id }: Named,
    private readonly options: (string | number)[],
  ) {
    this.node = make("select", { id, class: "mf-control", "aria-describedby": `${id}-help` });
    if (field.fallback === undefined) this.node.append(make("option", { value: "" }, ""));
    for (const [place, option] of options.entries()) {
      this.node.append(make("option", { value: String(place) }, host.word(String(option))));
    }
    this.node.addEventListener("change", () => {
      if (this.node.value === "") host.remove(path);
      else host.set(path, this.options[Number(this.node.value)], false);
    });
    this.update();
  }

  update(): void {
    const said = this.host.said(this.path) ?? this.field.fallback;
    const place = this.options.indexOf(said as string | number);
    this.node.value = place < 0 ? "" : String(place);
  }
}

/** Numbers, words, and short lists of them, as they are written in YAML. */
class Typed implements Control {
  readonly node: HTMLInputElement;
  /** What the person is writing, while it differs from how the value would be written. */
  private typed: { text: string; value: unknown } | null = null;

  constructor(
    private readonly host: FormHost,
    private readonly field: Field,
    private readonly path: Path,
    { id }: Named,
  ) {
    this.node = make("input", {
      type: "text",
      id,
      class: "mf-control",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": `${id}-help`,
      ...(field.shape.is === "number" ? { inputmode: field.shape.whole ? "numeric" : "decimal" } : {}),
    });
    this.node.placeholder = field.fallback === undefined ? "" : written(field.fallback);
    this.node.addEventListener("input", () => this.send(true));
    this.node.addEventListener("change", () => this.send(false));
    this.node.addEventListener("blur", () => {
      this.typed = null;
      this.update();
    });
    this.update();
  }

  update(): void {
    const said = this.host.said(this.path);
    if (this.typed !== null && same(said, this.typed.value)) return; // leave the cursor alone
    this.typed = null;
    const text = said === undefined || said === null ? "" : written(said);
    if (this.node.value !== text) this.node.value = text;
  }

  private send(merge: boolean): void {
    const value = read(this.node.value, this.field.shape);
    this.typed = { text: this.node.value, value };
    if (value === undefined) {
      if (this.host.said(this.path) !== undefined) this.host.remove(this.path);
    } else {
      this.host.set(this.path, value, merge);
    }
  }
}

/** A part that has kinds, or may be left out: a select, and the fields of what was chosen. */
class Part implements Control {
  readonly node = make("div", { class: "mf-part" });
  private readonly select: HTMLSelectElement;
  private readonly form: Form;

  constructor(
    private readonly host: FormHost,
    private readonly field: Field,
    private readonly path: Path,
    { id, label }: Named,
  ) {
    const { shape } = field;
    this.select = make("select", {
      id,
      class: "mf-control",
      "aria-label": label,
      "aria-describedby": `${id}-help`,
    });
    if (field.optional || field.fallback === undefined) {
      this.select.append(make("option", { value: "" }, host.word(field.optional ? "none" : "choose")));
    }
    const kinds = shape.is === "kinds" ? [...shape.kinds.keys()] : ["with"];
    for (const kind of kinds) this.select.append(make("option", { value: kind }, host.word(kind)));
    this.select.addEventListener("change", () => this.chosen());
    this.form = new Form(host, field, path);
    this.node.append(this.select, this.form.node);
    this.update();
  }

  update(): void {
    const said = this.host.said(this.path);
    const value = said === undefined ? this.field.fallback : said;
    if (this.field.shape.is === "kinds") {
      this.select.value = isRecord(value) ? String(value["kind"]) : "";
    } else {
      this.select.value = isRecord(value) ? "with" : "";
    }
    this.form.node.hidden = !isRecord(value);
    this.form.update();
  }

  private chosen(): void {
    const { value } = this.select;
    if (value === "") {
      // Where something stands by default, nothing has to be said aloud.
      if (isRecord(this.field.fallback)) this.host.set(this.path, null, false);
      else this.host.remove(this.path);
    } else if (this.field.shape.is === "kinds") {
      this.host.choose(this.path, value);
    } else {
      this.host.set(this.path, {}, false);
    }
  }
}

/** Parts of one form, by name or by number, that can be added and taken away. */
class Several implements Control {
  readonly node = make("div", { class: "mf-several" });
  private readonly items = make("div", {});
  private readonly add: HTMLButtonElement;
  private shown: (string | number)[] = [];
  private parts: { control: Control; name: HTMLInputElement | null }[] = [];

  constructor(
    private readonly host: FormHost,
    private readonly of: Field,
    private readonly path: Path,
    { label }: Named,
    private readonly names: string | null,
  ) {
    this.add = make("button", { type: "button", class: "mf-button" }, host.word("add"));
    this.add.setAttribute("aria-label", `${host.word("add")}: ${label}`);
    this.add.addEventListener("click", () => this.append());
    this.node.append(this.items, this.add);
    this.update();
  }

  update(): void {
    const keys = this.keys();
    if (keys.join("\n") !== this.shown.join("\n")) this.build(keys);
    this.shown = keys;
    for (const { control: one } of this.parts) one.update();
  }

  private keys(): (string | number)[] {
    const said = this.host.said(this.path);
    if (Array.isArray(said)) return said.map((_, place) => place);
    return isRecord(said) ? Object.keys(said) : [];
  }

  private build(keys: (string | number)[]): void {
    const focused = this.items.querySelector<HTMLElement>(":focus")?.dataset["entry"];
    this.parts = keys.map((key) => {
      const path = [...this.path, key];
      const named = { id: `mf-field-${(made += 1)}`, label: this.host.label(path) };
      return {
        control: control(this.host, this.of, path, named),
        name: typeof key === "string" ? this.nameOf(key) : null,
      };
    });
    const boxes = this.parts.map(({ control: one, name }, place) => {
      const remove = make(
        "button",
        { type: "button", class: "mf-button mf-remove", "aria-label": `${this.host.word("remove")}: ${keys[place]}` },
        this.host.word("remove"),
      );
      remove.addEventListener("click", () => this.host.remove([...this.path, keys[place]!]));
      const head = make("div", { class: "mf-entry-head" }, ...(name === null ? [] : [name]), remove);
      return make("fieldset", { class: "mf-entry" }, head, one.node);
    });
    this.items.replaceChildren(...boxes);
    if (focused !== undefined) {
      // A name that was just changed keeps the cursor.
      const place = Math.min(Number(focused), this.parts.length - 1);
      this.parts[place]?.name?.focus();
    }
    this.parts.forEach(({ name }, place) => name?.setAttribute("data-entry", String(place)));
  }

  private nameOf(key: string): HTMLInputElement {
    const name = make("input", { type: "text", class: "mf-entry-name", "aria-label": this.host.word("name") });
    name.value = key;
    name.addEventListener("change", () => {
      if (name.value !== key && name.value !== "") this.host.rename([...this.path, key], name.value);
      else name.value = key;
    });
    return name;
  }

  private append(): void {
    const keys = this.keys();
    const first = this.of.shape.is === "kinds" ? { kind: [...this.of.shape.kinds.keys()][0] } : {};
    if (this.names === null) {
      this.host.set([...this.path, keys.length], first, false);
      return;
    }
    const base = String(this.path.at(-1)).replace(/s$/, "");
    let name = base;
    for (let number = 2; keys.includes(name); number += 1) name = `${base}${number}`;
    this.host.set([...this.path, name], first, false);
  }
}

function isSimple(shape: Shape): boolean {
  return ["flag", "choice", "number", "text", "row", "either"].includes(shape.is);
}

function isInput(node: Element | null): node is HTMLInputElement | HTMLSelectElement {
  return node instanceof HTMLInputElement || node instanceof HTMLSelectElement;
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
