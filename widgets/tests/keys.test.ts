// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { keepKeys } from "../keys";

const MARK = "data-lm-suppress-shortcuts";

test("plain keys are the panel's, those with Ctrl stay JupyterLab's", () => {
  const panel = document.createElement("section");
  const inside = document.createElement("button");
  const outside = document.createElement("button");
  panel.append(inside);
  document.body.append(panel, outside);
  const seen: boolean[] = [];
  // As JupyterLab listens: at the document, before the panel.
  document.addEventListener("keydown", () => seen.push(inside.hasAttribute(MARK)), true);
  const stop = keepKeys(panel);
  const press = (key: string, more: object = {}) =>
    inside.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
  press("ArrowRight");
  press("s", { ctrlKey: true });
  press("Enter");
  expect(seen).toEqual([true, false, true]);
  outside.dispatchEvent(new KeyboardEvent("keydown", { key: "d", bubbles: true }));
  expect(outside.hasAttribute(MARK)).toBe(false);
  press("s", { ctrlKey: true });
  stop();
  press("Enter");
  expect(seen.at(-1)).toBe(false);
});
