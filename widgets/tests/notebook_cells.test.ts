import { expect, test } from "vitest";
import { insertBelow } from "../notebook_cells";

function notebook(...views: (string | undefined)[]) {
  const cells = views.map((id) => ({
    toJSON: () => ({
      cell_type: "code",
      outputs:
        id === undefined
          ? []
          : [{ data: { "application/vnd.jupyter.widget-view+json": { model_id: id } } }],
    }),
  }));
  const inserted: [number, string][] = [];
  const sharedModel = {
    cells,
    insertCell: (index: number, cell: { source: string }) => inserted.push([index, cell.source]),
  };
  const model = { widget_manager: { context: { model: { sharedModel } } } };
  return { model: model as never, inserted };
}

test("a cell goes below the one that shows the widget, wherever that is now", () => {
  const { model, inserted } = notebook(undefined, "other", "mine", undefined);
  expect(insertBelow(model, "mine", "1 + 1\n\n")).toBe(true);
  expect(inserted).toEqual([[3, "1 + 1"]]);
});

test("a widget that no output shows has its cell at the end", () => {
  const { model, inserted } = notebook(undefined, "other");
  expect(insertBelow(model, "mine", "x")).toBe(true);
  expect(inserted).toEqual([[2, "x"]]);
});

test("a page without a notebook says so", () => {
  expect(insertBelow({ widget_manager: {} } as never, "mine", "x")).toBe(false);
  expect(insertBelow({ widget_manager: { context: { model: {} } } } as never, "mine", "x")).toBe(false);
});
