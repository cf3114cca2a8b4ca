// Tabs as JupyterLab has them; arrow keys move, one is open.

import { make } from "./dom";

let made = 0;

export class Tabs {
  readonly node = make("div", { class: "mf-tabs" });
  private readonly bar = make("div", { class: "mf-tab-bar", role: "tablist" });
  private readonly buttons: HTMLButtonElement[] = [];
  private readonly panes: HTMLElement[] = [];

  constructor(
    label: string,
    private readonly opened: (index: number) => void,
  ) {
    this.bar.setAttribute("aria-label", label);
    this.bar.addEventListener("keydown", (event) => this.move(event));
    this.node.append(this.bar);
  }

  add(title: string, pane: HTMLElement): HTMLElement {
    const id = `mf-tab-${++made}-${Math.random().toString(36).slice(2, 8)}`;
    const text = make("span", {}, title);
    const button = make("button", { type: "button", role: "tab", id, "aria-controls": `${id}-p` });
    button.append(text);
    const index = this.buttons.length;
    button.addEventListener("click", () => this.open(index));
    pane.setAttribute("role", "tabpanel");
    pane.setAttribute("id", `${id}-p`);
    pane.setAttribute("aria-labelledby", id);
    pane.tabIndex = 0;
    pane.classList.add("mf-pane");
    this.buttons.push(button);
    this.panes.push(pane);
    this.bar.append(button);
    this.node.append(pane);
    if (index === 0) this.open(0);
    else pane.hidden = true;
    button.setAttribute("aria-selected", String(index === 0));
    button.tabIndex = index === 0 ? 0 : -1;
    return text;
  }

  open(chosen: number): void {
    this.buttons.forEach((button, index) => {
      button.setAttribute("aria-selected", String(index === chosen));
      button.tabIndex = index === chosen ? 0 : -1;
    });
    this.panes.forEach((pane, index) => {
      pane.hidden = index !== chosen;
    });
    this.opened(chosen);
  }

  private move(event: KeyboardEvent): void {
    const now = this.buttons.findIndex((button) => button === event.target);
    const count = this.buttons.length;
    const to: Record<string, number> = {
      ArrowRight: (now + 1) % count,
      ArrowLeft: (now + count - 1) % count,
      Home: 0,
      End: count - 1,
    };
    const next = to[event.key];
    if (now < 0 || next === undefined) return;
    event.preventDefault();
    this.open(next);
    this.buttons[next]?.focus();
  }
}
