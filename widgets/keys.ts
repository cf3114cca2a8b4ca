// Keys in a panel are the panel's: JupyterLab takes Enter, arrows and letters ("d d" deletes a cell)
// for a notebook in command mode, whatever in an output has the focus, unless it is marked.

const MARK = "data-lm-suppress-shortcuts";

/** Keep keys without Ctrl, Alt or Command from JupyterLab's shortcuts; return how to stop. */
export function keepKeys(panel: HTMLElement): () => void {
  const keep = (event: KeyboardEvent) => {
    const { target } = event;
    if (!(target instanceof Element) || !panel.contains(target)) return;
    target.toggleAttribute(MARK, !(event.ctrlKey || event.metaKey || event.altKey));
  };
  // JupyterLab listens at the document before the panel does; the window comes before it.
  window.addEventListener("keydown", keep, true);
  return () => window.removeEventListener("keydown", keep, true);
}

/** Keep a view's keys as long as it is shown: what `render` returns. */
export function whileShown(node: HTMLElement, close: () => void): () => void {
  const free = keepKeys(node);
  return () => {
    free();
    close();
  };
}
