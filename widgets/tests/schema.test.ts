import { expect, test } from "vitest";
import document from "../../docs/reference/experiment.schema.json";
import { fieldsOf, SchemaReader, type Field, type Schema } from "../schema";

const schema = document as unknown as Schema;
const reader = new SchemaReader(schema);

test("every field of the Experiment has a shape, whichever kinds are chosen", () => {
  let count = 0;
  const walk = (field: Field, depth: number) => {
    count += 1;
    const { shape } = field;
    if (depth > 12) throw new Error("the schema holds itself");
    if (shape.is === "group") shape.fields.forEach((one) => walk(one, depth + 1));
    else if (shape.is === "kinds") shape.kinds.forEach((one) => walk(one, depth + 1));
    else if (shape.is === "row" || shape.is === "either") shape.of.forEach((one) => walk(one, depth + 1));
    else if (shape.is === "list" || shape.is === "entries") walk(shape.of, depth + 1);
  };
  walk(reader.document(), 0);
  expect(count).toBeGreaterThan(400);
});

test("bounds, defaults and help come from the schema", () => {
  const lr = reader.at(["training", "optimizer", "lr"], { training: { optimizer: { kind: "adamw" } } })!;
  expect(lr.shape).toMatchObject({ is: "number", whole: false, low: 0, lowOpen: true });
  expect(lr.fallback).toBe(schema.$defs!["AdamW"]!.properties!["lr"]!.default);
  expect(lr.required).toBe(false);
  const dropout = reader.at(["model", "fusion", "dropout"], { model: { fusion: { kind: "film" } } })!;
  expect(dropout.shape).toMatchObject({ low: 0, high: 1, lowOpen: false, highOpen: true });
  const table = reader.at(["data", "table"], {})!;
  expect(table).toMatchObject({ required: true, optional: false });
  expect(table.help).toBe(schema.$defs!["Data"]!.properties!["table"]!.description);
});

test("kinds stand in the order of the union and have their own fields", () => {
  const fusion = reader.at(["model", "fusion"], {})!.shape;
  if (fusion.is !== "kinds") throw new Error(fusion.is);
  const union = schema.$defs!["Model"]!.properties!["fusion"]!;
  const mapping = union.discriminator!.mapping;
  expect([...fusion.kinds.keys()].map((kind) => mapping[kind])).toEqual(
    union.oneOf!.map((one) => one.$ref),
  );
  expect([...fieldsOf(fusion, { kind: "gated" }).keys()]).toContain("initial_gate");
  expect([...fieldsOf(fusion, { kind: "film" }).keys()]).not.toContain("initial_gate");
  expect(fieldsOf(fusion, { kind: "none such" }).size).toBe(0);
  expect(fieldsOf(fusion, undefined).size).toBe(0);
});

test("views, optional parts and unions without kinds", () => {
  const said = { data: { images: { photo: { column: "a" } } } };
  const images = reader.at(["data", "images"], said)!.shape;
  expect(images).toMatchObject({ is: "entries", names: "^[A-Za-z_][A-Za-z0-9_-]*$" });
  const size = reader.at(["data", "images", "photo", "size", 1], said)!;
  expect(size.shape).toMatchObject({ is: "number", whole: true, low: 8, high: 4096 });
  expect(reader.at(["model", "table"], {})).toMatchObject({ optional: true });
  const trained = reader.at(["model", "image", "trainable"], {})!.shape;
  if (trained.is !== "either") throw new Error(trained.is);
  expect(trained.of.map((one) => one.shape.is)).toEqual(["choice", "number"]);
  expect(reader.at(["data", "nothing"], said)).toBeUndefined();
  expect(reader.at(["name", "deeper"], said)).toBeUndefined();
});
