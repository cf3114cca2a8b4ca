// A new cell of the notebook that a panel stands in; only JupyterLab and Notebook have one.

import type { Model } from "./model";

interface Cell {
  cell_type?: string;
  outputs?: { data?: Record<string, unknown> }[];
}

interface Shared {
  cells: { toJSON(): Cell }[];
  insertCell(index: number, cell: { cell_type: string; source: string; metadata: object }): unknown;
}

const VIEW = "application/vnd.jupyter.widget-view+json";

/**
 * Put a code cell below the one that shows a widget; false where the page has no notebook.
 *
 * @param id The widget's model id; where no output shows it, the cell goes to the end.
 */
export function insertBelow(model: Model, id: string, source: string): boolean {
  const shared = notebook(model);
  if (shared === undefined) return false;
  const found = shared.cells.findIndex((cell) => shows(cell.toJSON(), id));
  const at = found < 0 ? shared.cells.length : found + 1;
  shared.insertCell(at, { cell_type: "code", source: source.trimEnd(), metadata: { trusted: true } });
  return true;
}

function notebook(model: Model): Shared | undefined {
  const manager = model.widget_manager as { context?: { model?: { sharedModel?: Shared } } };
  const shared = manager.context?.model?.sharedModel;
  return typeof shared?.insertCell === "function" ? shared : undefined;
}

function shows(cell: Cell, id: string): boolean {
  return (cell.outputs ?? []).some((output) => {
    const view = output.data?.[VIEW] as { model_id?: string } | undefined;
    return view?.model_id === id;
  });
}
