// The settings of one node: forms over its part of the experiment, made from the schema.

import { make } from "./dom";
import { Form, type FormHost, type Path } from "./form";
import { word } from "./messages";
import { isRecord, SchemaReader, type Field } from "./schema";
import { before, nodesOf, type Ask, type Catalogue, type State } from "./workflow_state";

/** Fields that are shown at once; the others are folded away. */
const USUAL: Record<string, string[]> = {
  data: ["table", "id", "group", "images", "numeric", "categorical", "target"],
  model: ["image", "table", "views", "fusion"],
  training: ["epochs", "batch_size", "optimizer", "schedule", "early_stopping", "loss"],
  evaluation: ["threshold", "bootstrap"],
};

export class NodeSettings implements FormHost {
  readonly node = make("div", { class: "mf-settings" });
  private readonly forms: Form[];

  /**
   * @param name Of the node.
   * @param state The newest state.
   */
  constructor(
    private readonly name: string,
    private readonly kind: string,
    private readonly catalogue: Catalogue,
    private state: State,
    private readonly ask: Ask,
  ) {
    const reader = new SchemaReader(catalogue.schema);
    this.forms = this.parts(reader).map(
      ([path, field, usual]) => new Form(this, field, path, usual),
    );
    this.node.append(...this.forms.map((form) => form.node));
  }

  get isEmpty(): boolean {
    return this.forms.length === 0;
  }

  update(state: State): void {
    this.state = state;
    for (const form of this.forms) form.update();
  }

  private parts(reader: SchemaReader): [Path, Field, string[] | null][] {
    const top = reader.document();
    const data = reader.at(["data"], {});
    const usual = USUAL[this.kind] ?? null;
    const apart = this.catalogue.preprocessing;
    switch (this.kind) {
      case "data":
        return [[["data"], views(keep(data!, (key) => key !== "split"), (key) => !apart.includes(key)), usual]];
      case "preprocessing":
        return [[["data"], views(keep(data!, (key) => key === "images"), (key) => apart.includes(key)), usual]];
      case "split":
        return [[["data"], keep(data!, (key) => key === "split"), usual]];
      case "training":
        return [
          [[], keep(top, (key) => key === "name" || key === "seed"), null],
          [["training"], reader.at(["training"], {})!, usual],
        ];
      case "model":
      case "evaluation":
        return [[[this.kind], reader.at([this.kind], {})!, usual]];
      default:
        return [];
    }
  }

  // What the forms need ---------------------------------------------------------------------------

  said(path: Path): unknown {
    let here: unknown = this.settings();
    for (const part of path) {
      here = isRecord(here) || Array.isArray(here) ? (here as Record<string, unknown>)[part] : undefined;
    }
    return here;
  }

  problems(path: Path): string[] {
    const place = path.join("\n");
    return this.state.problems
      .filter((one) => one.node === this.name && one.path.length > 0 && one.path.join("\n") === place)
      .map((one) => one.sentence);
  }

  set(path: Path, value: unknown, merge: boolean): void {
    this.ask("set", { node: this.name, path, value, merge });
  }

  remove(path: Path): void {
    this.ask("remove", { node: this.name, path });
  }

  choose(path: Path, kind: string): void {
    this.ask("choose", { node: this.name, path, kind });
  }

  rename(path: Path, name: string): void {
    this.ask("rename", { node: this.name, path, name });
  }

  word(key: string): string {
    return word(key);
  }

  label(path: Path): string {
    const words = String(path.at(-1)).replaceAll("_", " ");
    return words.charAt(0).toUpperCase() + words.slice(1);
  }

  help(_path: Path, field: Field): string {
    return field.help;
  }

  /** What the node says; a preprocessing has an entry for each view of the data before it. */
  private settings(): Record<string, unknown> {
    const nodes = nodesOf(this.state);
    const own = nodes[this.name]?.settings ?? {};
    if (this.kind !== "preprocessing") return own;
    const images: Record<string, unknown> = {};
    for (const name of before(this.state, this.name)) {
      const node = nodes[name];
      if (node?.kind === "data") for (const view of Object.keys(imagesOf(node.settings))) images[view] = {};
    }
    return { data: { images: { ...images, ...imagesOf(own) } } };
  }
}

function imagesOf(settings: Record<string, unknown> | undefined): Record<string, unknown> {
  const data = settings?.["data"];
  const images = isRecord(data) ? data["images"] : undefined;
  return isRecord(images) ? images : {};
}

/** A group with some of its fields. */
function keep(field: Field, wanted: (key: string) => boolean): Field {
  const { shape } = field;
  if (shape.is !== "group") return field;
  const fields = new Map([...shape.fields].filter(([key]) => wanted(key)));
  return { ...plain(field), shape: { ...shape, fields } };
}

/** The data with some of each view's fields. */
function views(data: Field, wanted: (key: string) => boolean): Field {
  const { shape } = data;
  const images = shape.is === "group" ? shape.fields.get("images") : undefined;
  if (shape.is !== "group" || images?.shape.is !== "entries") return data;
  const entry: Field = {
    ...plain(images),
    shape: { ...images.shape, of: keep(images.shape.of, wanted) },
  };
  return { ...plain(data), shape: { ...shape, fields: new Map([...shape.fields, ["images", entry]]) } };
}

/** A field's values, where it may be one that is read when it is asked. */
function plain(field: Field): Field {
  const { shape, help, required, optional, fallback } = field;
  return { shape, help, required, optional, fallback };
}
