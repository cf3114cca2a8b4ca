import { expect, test } from "vitest";
import { word } from "../messages";

test("names that every object has are words like any other", () => {
  for (const name of ["__proto__", "constructor", "toString"]) expect(word(name)).toBe(name);
});
