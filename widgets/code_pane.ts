// The experiment as YAML and as Python: to read, copy, put into a cell, or take over from YAML.

import { make, setText } from "./dom";
import { t, type Key } from "./messages";
import type { Model } from "./model";
import { insertBelow } from "./notebook_cells";
import { Tabs } from "./tabs";

const LARGEST = 1_000_000; // bytes of a YAML file; experiments have a few thousand
const SHOWN_MS = 1500;

/** What the pane shows, and the id of the widget whose cell a new one follows. */
export interface Written {
  yaml: string;
  code: string;
  widget: string;
}

/** What the pane asks of its panel. */
export interface CodeHost {
  /** Take over an experiment from YAML; resolves to whether it was. */
  read(content: string): Promise<boolean>;
  notice(text: string): void;
}

export class CodePane {
  readonly node = make("aside", { class: "mf-code-pane" });
  private readonly yaml = make("pre", { class: "mf-code", tabindex: "0", "aria-label": "YAML" });
  private readonly python = make("pre", { class: "mf-code", tabindex: "0", "aria-label": "Python" });
  private readonly edited = make("textarea", { class: "mf-code", spellcheck: "false" });
  private readonly editing = make("div", { class: "mf-editing" });
  private readonly reading = make("div");
  private written: Written = { yaml: "", code: "", widget: "" };

  constructor(
    private readonly model: Model,
    private readonly host: CodeHost,
  ) {
    const tabs = new Tabs("YAML, Python", () => undefined);
    this.reading.append(
      this.bar(
        () => this.written.yaml,
        () => `%%medfusion\n${this.written.yaml}`,
        button("open_yaml", () => this.edit(true)),
      ),
      this.yaml,
    );
    tabs.add("YAML", make("div", {}, this.reading, this.editing));
    const code = () => this.written.code;
    tabs.add("Python", make("div", {}, this.bar(code, code), this.python));
    this.edited.setAttribute("aria-label", t("load_hint"));
    this.edited.placeholder = t("load_hint");
    const file = make("input", { type: "file", accept: ".yaml,.yml", hidden: "" });
    file.addEventListener("change", () => void this.open(file));
    this.editing.append(
      make(
        "div",
        { class: "mf-code-bar" },
        button("open_file", () => file.click()),
        button("cancel", () => this.edit(false)),
        button("load", () => void this.takeOver(), "mf-main"),
      ),
      file,
      this.edited,
    );
    this.edited.addEventListener("keydown", (event) => {
      event.stopPropagation(); // undo and Enter are the text's own here
      if (event.key === "Escape") this.edit(false);
    });
    this.editing.hidden = true;
    this.node.append(tabs.node);
  }

  update(written: Written): void {
    this.written = written;
    setText(this.yaml, written.yaml);
    setText(this.python, written.code === "" ? t("code_waits") : written.code);
    this.python.classList.toggle("mf-empty", written.code === "");
  }

  private bar(text: () => string, cell: () => string, ...more: HTMLElement[]): HTMLElement {
    const copied = button("copy", () => {
      void copy(text()).then(() => flash(copied, "copied", "copy"));
    });
    const inserted = button("insert", () => {
      if (text() === "") {
        this.host.notice(t("code_waits"));
      } else if (insertBelow(this.model, this.written.widget, cell())) {
        this.host.notice(t("inserted"));
      } else {
        void copy(cell()).then(() => this.host.notice(t("no_notebook")));
      }
    });
    return make("div", { class: "mf-code-bar" }, ...more, copied, inserted);
  }

  private edit(on: boolean): void {
    this.editing.hidden = !on;
    this.reading.hidden = on;
    if (on) {
      this.edited.value = "";
      this.edited.focus();
    }
  }

  private async open(input: HTMLInputElement): Promise<void> {
    const file = input.files?.[0];
    if (file === undefined) return;
    if (file.size > LARGEST) this.host.notice(t("file_large", { name: file.name }));
    else this.edited.value = await file.text();
    input.value = "";
  }

  private async takeOver(): Promise<void> {
    if (await this.host.read(this.edited.value)) this.edit(false);
  }
}

export function button(key: Key, act: () => void, kind = ""): HTMLButtonElement {
  const made = make("button", { type: "button", class: `mf-button ${kind}`.trim() }, t(key));
  made.addEventListener("click", act);
  return made;
}

function flash(button: HTMLElement, then: Key, before: Key): void {
  setText(button, t(then));
  setTimeout(() => setText(button, t(before)), SHOWN_MS);
}

/** Copy text, also on pages without a clipboard of their own (plain http, not localhost). */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const carrier = make("textarea", { class: "mf-carrier", "aria-hidden": "true" });
    carrier.value = text;
    document.body.append(carrier);
    carrier.select();
    document.execCommand("copy");
    carrier.remove();
  }
}
