// Panels inside a panel: children that the kernel names are drawn by their own twins.

import { make, setText } from "./dom";
import { t } from "./messages";

/** What anywidget hands to `render` for showing other widgets. */
export interface Host {
  getWidget(reference: string): Promise<{
    render(view: { el: HTMLElement; signal: AbortSignal }): Promise<unknown>;
  }>;
}

interface Place {
  node: HTMLElement;
  shown: string;
  stop: AbortController;
}

/** What the kernel says of them: name to anywidget's reference (Panel.show_inside). */
export type References = Record<string, string | null>;

/** Shows other panels, each in its own place. */
export class InnerPanels {
  private readonly places = new Map<string, Place>();

  constructor(private readonly host: Host | undefined) {}

  /** The element in which the child of a name stands, empty while there is none. */
  place(name: string): HTMLElement {
    const node = make("div", { class: "mf-inner" });
    this.places.set(name, { node, shown: "", stop: new AbortController() });
    return node;
  }

  close(): void {
    for (const place of this.places.values()) place.stop.abort();
  }

  update(panels: References = {}): void {
    for (const [name, place] of this.places) {
      const reference = panels[name] ?? "";
      if (reference === place.shown) continue;
      place.stop.abort();
      place.stop = new AbortController();
      place.shown = reference;
      place.node.replaceChildren();
      if (reference !== "") void this.show(place, reference);
    }
  }

  private async show(place: Place, reference: string): Promise<void> {
    const el = make("div");
    const { signal } = place.stop;
    try {
      if (this.host === undefined) throw new Error(t("anywidget_old"));
      const widget = await this.host.getWidget(reference);
      if (signal.aborted) return;
      place.node.replaceChildren(el);
      await widget.render({ el, signal });
    } catch (error) {
      if (signal.aborted) return;
      const told = make("p", { class: "mf-empty" });
      setText(told, String((error as Error).message));
      place.node.replaceChildren(told);
    }
  }
}
