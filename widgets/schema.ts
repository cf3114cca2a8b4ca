// What fields a JSON Schema describes: the shapes that a form can show.

/** The part of JSON Schema that the Experiment's schema uses. */
export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  title?: string;
  description?: string;
  default?: unknown;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  discriminator?: { propertyName: string; mapping: Record<string, string> };
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
  prefixItems?: Schema[];
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

export interface Bounds {
  low: number | null;
  high: number | null;
  lowOpen: boolean;
  highOpen: boolean;
}

export type Shape =
  | { is: "flag" }
  | { is: "choice"; options: (string | number)[] }
  | ({ is: "number"; whole: boolean } & Bounds)
  | { is: "text"; pattern: string | null }
  | { is: "group"; fields: Map<string, Field>; text: string }
  | { is: "kinds"; kinds: Map<string, Field> }
  | { is: "list"; of: Field; least: number; most: number | null }
  | { is: "row"; of: Field[] }
  | { is: "entries"; of: Field; names: string | null }
  | { is: "either"; of: Field[] };

export interface Field {
  shape: Shape;
  /** Help, the field's own docstring. */
  help: string;
  required: boolean;
  /** Whether nothing at all is a value too. */
  optional: boolean;
  /** The value that holds where none is given; undefined where there is none. */
  fallback: unknown;
}

/** Fields of a schema, resolved when they are asked for, since schemas may hold themselves. */
export class SchemaReader {
  constructor(private readonly root: Schema) {}

  /** The whole document as one field. */
  document(): Field {
    return this.field(this.root, true);
  }

  /**
   * The field at a place of a document, undefined where there can be none.
   *
   * @param path Keys and places in lists.
   * @param document Says which kinds were chosen on the way.
   */
  at(path: readonly (string | number)[], document: unknown): Field | undefined {
    let field: Field | undefined = this.document();
    let here: unknown = document;
    for (const part of path) {
      if (field === undefined) return undefined;
      field = child(field.shape, part, here);
      here = isRecord(here) || Array.isArray(here) ? (here as Record<string, unknown>)[part] : undefined;
    }
    return field;
  }

  private field(given: Schema, required: boolean): Field {
    const { shape, optional } = this.shape(given);
    const target = this.target(given);
    return {
      shape,
      help: given.description ?? target.description ?? "",
      required: required && given.default === undefined,
      optional,
      fallback: given.default,
    };
  }

  private target(given: Schema): Schema {
    let here = given;
    while (here.$ref !== undefined) {
      const name = here.$ref.split("/").at(-1)!;
      const found = this.root.$defs?.[name];
      if (found === undefined) throw new Error(`the schema lacks ${here.$ref}`);
      here = found;
    }
    return here;
  }

  private shape(given: Schema): { shape: Shape; optional: boolean } {
    const schema = this.target(given);
    if (schema.anyOf !== undefined) {
      const members = schema.anyOf.filter((one) => one.type !== "null");
      const optional = members.length < schema.anyOf.length;
      if (members.length === 1) return { shape: this.shape(members[0]!).shape, optional };
      const of = members.map((one) => this.field(one, true));
      return { shape: { is: "either", of }, optional };
    }
    return { shape: this.single(schema), optional: false };
  }

  private single(schema: Schema): Shape {
    if (schema.discriminator !== undefined) {
      const kinds = Object.entries(schema.discriminator.mapping).map(
        ([kind, $ref]) => [kind, lazy(() => this.field({ $ref }, true))] as const,
      );
      // In the order of the union, which is the order of the docs.
      const order = (schema.oneOf ?? []).map((one) => one.$ref);
      const place = (kind: string) => order.indexOf(schema.discriminator!.mapping[kind]);
      kinds.sort(([a], [b]) => place(a) - place(b));
      return { is: "kinds", kinds: new Map(kinds) };
    }
    if (schema.const !== undefined) return { is: "choice", options: [schema.const as string] };
    if (schema.enum !== undefined) {
      return { is: "choice", options: schema.enum as (string | number)[] };
    }
    switch (schema.type) {
      case "boolean":
        return { is: "flag" };
      case "integer":
      case "number":
        return { is: "number", whole: schema.type === "integer", ...bounds(schema) };
      case "string":
        return { is: "text", pattern: schema.pattern ?? null };
      case "array":
        return this.array(schema);
      case "object":
        return this.object(schema);
      default:
        throw new Error(`no form for ${JSON.stringify(schema).slice(0, 200)}`);
    }
  }

  private array(schema: Schema): Shape {
    if (schema.prefixItems !== undefined) {
      return { is: "row", of: schema.prefixItems.map((one) => this.field(one, true)) };
    }
    const of = lazy(() => this.field(schema.items ?? {}, true));
    return { is: "list", of, least: schema.minItems ?? 0, most: schema.maxItems ?? null };
  }

  private object(schema: Schema): Shape {
    const [pattern, entry] = Object.entries(schema.patternProperties ?? {})[0] ?? [];
    if (entry !== undefined) {
      return { is: "entries", of: lazy(() => this.field(entry, true)), names: pattern ?? null };
    }
    const more = schema.additionalProperties;
    if (typeof more === "object") {
      return { is: "entries", of: lazy(() => this.field(more, true)), names: null };
    }
    const required = new Set(schema.required ?? []);
    const fields = Object.entries(schema.properties ?? {})
      .filter(([name]) => name !== "kind")
      .map(([name, one]) => [name, lazy(() => this.field(one, required.has(name)))] as const);
    return { is: "group", fields: new Map(fields), text: schema.description ?? "" };
  }
}

/** The fields of a group, or of the kind that a value chose. */
export function fieldsOf(shape: Shape, value: unknown): Map<string, Field> {
  if (shape.is === "group") return shape.fields;
  if (shape.is === "kinds" && isRecord(value)) {
    const kind = shape.kinds.get(String(value["kind"]));
    return kind === undefined ? new Map() : fieldsOf(kind.shape, value);
  }
  return new Map();
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function child(shape: Shape, part: string | number, value: unknown): Field | undefined {
  switch (shape.is) {
    case "group":
      return shape.fields.get(String(part));
    case "kinds":
      if (part === "kind") {
        const options = [...shape.kinds.keys()];
        const choice: Shape = { is: "choice", options };
        return { shape: choice, help: "", required: true, optional: false, fallback: undefined };
      }
      return fieldsOf(shape, value).get(String(part));
    case "list":
    case "entries":
      return shape.of;
    case "row":
      return shape.of[Number(part)];
    case "either":
      return shape.of.map((one) => child(one.shape, part, value)).find((one) => one !== undefined);
    default:
      return undefined;
  }
}

function bounds(schema: Schema): Bounds {
  const lowOpen = schema.exclusiveMinimum !== undefined;
  const highOpen = schema.exclusiveMaximum !== undefined;
  return {
    low: schema.exclusiveMinimum ?? schema.minimum ?? null,
    high: schema.exclusiveMaximum ?? schema.maximum ?? null,
    lowOpen,
    highOpen,
  };
}

/** A field that is read from the schema at its first use. */
function lazy(make: () => Field): Field {
  let made: Field | undefined;
  const field = () => (made ??= make());
  return {
    get shape() {
      return field().shape;
    },
    get help() {
      return field().help;
    },
    get required() {
      return field().required;
    },
    get optional() {
      return field().optional;
    },
    get fallback() {
      return field().fallback;
    },
  };
}
