// What was clicked, as lines of Python and of the command line, to be copied.

import { make, setText } from "./dom";
import { t } from "./messages";
import { Tabs } from "./tabs";

export class CodeLines {
  readonly node: HTMLElement;
  private readonly python = make("pre", { class: "mf-code", tabindex: "0" });
  private readonly shell = make("pre", { class: "mf-code", tabindex: "0" });

  constructor() {
    const tabs = new Tabs(t("code_of_clicks"), () => undefined);
    for (const [key, pre] of [
      ["code_python", this.python],
      ["code_shell", this.shell],
    ] as const) {
      pre.setAttribute("aria-label", t(key));
      tabs.add(t(key), make("div", {}, copier(pre), pre));
    }
    this.node = make("div", { class: "mf-code-lines" }, tabs.node);
  }

  update(python: string[], shell: string[]): void {
    this.write(this.python, python.length > 0 ? ["import medfusion as mf", ...imports(python), ...python] : []);
    this.write(this.shell, shell);
  }

  private write(pre: HTMLElement, lines: string[]): void {
    const before = pre.textContent;
    setText(pre, lines.length > 0 ? lines.join("\n") : t("code_lines_wait"));
    if (pre.textContent !== before) pre.scrollTop = pre.scrollHeight;
  }
}

function imports(lines: string[]): string[] {
  return lines.some((line) => line.startsWith("versions."))
    ? ["from medfusion.runs import versions"]
    : [];
}

/** A button that copies what an element says. */
export function copier(from: HTMLElement): HTMLButtonElement {
  const made = make("button", { type: "button", class: "mf-button mf-copy" }, t("copy"));
  made.addEventListener("click", () => {
    void navigator.clipboard.writeText(from.textContent ?? "").then(() => {
      setText(made, t("copied"));
      setTimeout(() => setText(made, t("copy")), 1500);
    });
  });
  return made;
}
