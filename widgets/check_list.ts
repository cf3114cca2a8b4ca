// What the data checks found, the worst first, each with what mends it.

import type { Connection } from "./connection";
import type { Checks, Remedy } from "./data_answers";
import { make } from "./dom";
import { t, type Key } from "./messages";

const AGAIN_MS = 500;
const SIGNS = { FAIL: "✖", WARN: "▲", PASS: "✓" } as const;
const ORDER = ["FAIL", "WARN", "PASS"];

export class CheckList {
  readonly node = make("div", { class: "mf-checks", "aria-live": "polite" });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private turn = 0;

  constructor(
    private readonly connection: Connection,
    private readonly mend: (remedy: Remedy) => void,
    private readonly lacking: () => string[],
  ) {}

  /** Ask for the checks of the draft as it is now, and again until they are done. */
  ask(): void {
    clearTimeout(this.timer);
    this.turn += 1;
    const lacking = this.lacking();
    if (lacking.length > 0) {
      this.node.replaceChildren(
        make("p", {}, t("data_checks_need")),
        make("ul", {}, ...lacking.map((line) => make("li", {}, line))),
      );
      return;
    }
    void this.get(this.turn);
  }

  close(): void {
    this.turn += 1;
    clearTimeout(this.timer);
  }

  private async get(turn: number): Promise<void> {
    let found: Checks;
    try {
      found = (await this.connection.ask("data_checks")).values as Checks;
    } catch (refusal) {
      found = { error: String((refusal as Error).message) };
    }
    if (turn !== this.turn) return;
    if (found.working) {
      if (this.node.querySelector(".mf-empty") === null) {
        this.node.replaceChildren(make("p", { class: "mf-empty" }, t("data_checks_wait")));
      }
      this.timer = setTimeout(() => void this.get(turn), AGAIN_MS);
      return;
    }
    this.show(found);
  }

  private show(found: Checks): void {
    const lines: HTMLElement[] = [];
    if (found.error !== undefined) lines.push(this.line("FAIL", "", found.error, found.remedies ?? []));
    const checks = [...(found.checks ?? [])].sort(
      (a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome),
    );
    for (const check of checks.filter((one) => one.outcome !== "PASS")) {
      lines.push(this.line(check.outcome, check.name, check.message, check.remedies));
    }
    if ((found.grouping ?? []).length > 0) {
      lines.push(this.line("WARN", "", t("data_no_group"), found.grouping!));
    }
    const fine = checks.filter((one) => one.outcome === "PASS");
    const rest = make(
      "details",
      { class: "mf-more" },
      make("summary", {}, t("data_checks_fine", { count: fine.length })),
      ...fine.map((check) => this.line("PASS", check.name, check.message, [])),
    );
    rest.open = lines.length === 0;
    this.node.replaceChildren(...lines, ...(fine.length > 0 ? [rest] : []));
  }

  private line(
    outcome: "PASS" | "WARN" | "FAIL",
    name: string,
    message: string,
    remedies: Remedy[],
  ): HTMLElement {
    const text = make("div", { class: "mf-check-text" });
    if (name !== "") text.append(make("b", {}, name), " ");
    text.append(message);
    const line = make(
      "div",
      { class: `mf-check mf-check-${outcome.toLowerCase()}` },
      make("span", { class: "mf-check-sign", "aria-label": outcome }, SIGNS[outcome]),
      text,
    );
    for (const remedy of remedies) {
      const columns = remedy.columns.join(", ");
      const label = t(`data_mend_${remedy.action}` as Key, { columns });
      const button = make("button", { type: "button", class: "mf-button mf-mend" }, label);
      button.addEventListener("click", () => this.mend(remedy));
      line.append(button);
    }
    return line;
  }
}
