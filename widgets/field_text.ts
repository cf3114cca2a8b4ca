// Values as people write them into a field, and back.

import { isRecord, type Field, type Shape } from "./schema";

/** A value as it is written in a field: `64, 32`, `a, b`, `none`. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(written).join(", ");
  if (isRecord(value)) {
    return Object.entries(value)
      .map(([key, one]) => `${key}: ${written(one)}`)
      .join(", ");
  }
  return String(value);
}

/** What a text says, undefined where it is empty; a text that is no such value stays as it is. */
export function read(text: string, shape: Shape): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  switch (shape.is) {
    case "number":
      return number(trimmed);
    case "text":
      return text;
    case "list":
      return trimmed.split(",").map((part) => read(part.trim(), shape.of.shape) ?? "");
    case "row":
      return trimmed.split(",").map((part, place) => {
        const of = shape.of[Math.min(place, shape.of.length - 1)];
        return of === undefined ? part.trim() : (read(part.trim(), of.shape) ?? "");
      });
    case "entries":
      return Object.fromEntries(
        trimmed.split(",").map((part) => {
          const [key = "", value = ""] = part.split(":");
          return [key.trim(), read(value.trim(), shape.of.shape) ?? ""];
        }),
      );
    case "either":
      return either(trimmed, shape.of);
    case "choice":
      return shape.options.find((option) => String(option) === trimmed) ?? trimmed;
    case "flag":
      return trimmed === "true" ? true : trimmed === "false" ? false : trimmed;
    default:
      return trimmed;
  }
}

function either(text: string, of: Field[]): unknown {
  for (const { shape } of of) {
    if (shape.is === "choice" && shape.options.some((option) => String(option) === text)) {
      return read(text, shape);
    }
  }
  const rest = of.filter(({ shape }) => shape.is !== "choice");
  const fitting = rest.find(({ shape }) => fits(text, shape)) ?? rest[0];
  return fitting === undefined ? text : read(text, fitting.shape);
}

function fits(text: string, shape: Shape): boolean {
  if (shape.is === "number") return typeof number(text) === "number";
  if (shape.is === "list" || shape.is === "row") return text.includes(",") && !text.includes(":");
  if (shape.is === "entries" || shape.is === "group") return text.includes(":");
  return shape.is === "text";
}

function number(text: string): number | string {
  const value = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) ? Number(text) : NaN;
  return Number.isFinite(value) ? value : text;
}
