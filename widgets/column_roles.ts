// What each column of a table is: a guess by the kernel, a drop-down for the person who knows better.

import { brief, count, percent, ROLES, type ColumnFacts, type Role, type TableFacts } from "./data_answers";
import { make, makeSvg, setText } from "./dom";
import { t, word, type Key } from "./messages";

interface Line {
  node: HTMLElement;
  role: HTMLSelectElement;
  notes: HTMLElement;
  facts: ColumnFacts;
}

const BARS = 60; // pixels of a small picture
const TALL = 18;

export class ColumnRoles {
  readonly node = make("div", { class: "mf-roles", role: "table" });
  private readonly lines = new Map<string, Line>();

  constructor(
    private readonly assign: (column: string, role: Role) => void,
    private readonly look: (column: string) => void,
  ) {
    this.node.setAttribute("aria-label", t("data_columns"));
  }

  /** Show the columns of a table. */
  show(table: TableFacts): void {
    this.lines.clear();
    const head = make(
      "div",
      { class: "mf-roles-line mf-roles-head", role: "row" },
      ...(["data_column", "data_content", "data_role"] as const).map((key) =>
        make("div", { role: "columnheader" }, t(key)),
      ),
    );
    const lines = table.columns.map((facts) => this.line(facts, table.rows));
    this.node.replaceChildren(head, ...lines);
  }

  /** Show which role each column has now, and what speaks against it. */
  update(roles: Record<string, string>, leaks: Record<string, string>): void {
    for (const [name, line] of this.lines) {
      const role = (roles[name] ?? "unused") as Role;
      if (line.role.value !== role) line.role.value = role;
      line.node.dataset["role"] = role;
      const notes = notesOf(line.facts, role, leaks[name]);
      setText(line.notes, notes.map(([text]) => text).join("; "));
      line.notes.classList.toggle("mf-bad", notes.some(([, bad]) => bad));
    }
  }

  private line(facts: ColumnFacts, rows: number): HTMLElement {
    const name = make("button", { type: "button", class: "mf-link" }, facts.name);
    name.title = facts.name;
    name.addEventListener("click", () => this.look(facts.name));
    const role = make("select", { "aria-label": t("data_role_of", { column: facts.name }) });
    for (const one of ROLES) {
      role.append(make("option", { value: one }, t(`data_role_${one}` as Key)));
    }
    role.addEventListener("change", () => this.assign(facts.name, role.value as Role));
    const notes = make("div", { class: "mf-roles-notes" });
    const node = make(
      "div",
      { class: "mf-roles-line", role: "row", "data-column": facts.name },
      make("div", { role: "cell", class: "mf-roles-name" }, name),
      make(
        "div",
        { role: "cell", class: "mf-roles-content" },
        bars(facts),
        make("span", {}, described(facts, rows)),
      ),
      make("div", { role: "cell" }, role),
      notes,
    );
    this.lines.set(facts.name, { node, role, notes, facts });
    return node;
  }
}

/** What a column holds, in a few words. */
export function described(facts: ColumnFacts, rows: number): string {
  const words = [t(`data_guess_${facts.guess}` as Key)];
  if (facts.guess === "numeric") {
    words.push(`${brief(facts.min!)} – ${brief(facts.max!)}`);
  } else if (facts.guess === "categorical") {
    const levels = Object.keys(facts.levels ?? {});
    words.push(levels.slice(0, 6).join(", ") + (facts.distinct > 6 ? ", …" : ""));
  } else if (facts.distinct > 0 && facts.guess !== "id") {
    words.push(t("data_distinct", { count: count(facts.distinct) }));
  }
  if (facts.missing > 0 && facts.guess !== "empty") {
    words.push(t("data_missing_share", { share: percent(facts.missing / rows) }));
  }
  return words.join("; ");
}

/** What speaks against a column's role; true where it is used all the same. */
function notesOf(facts: ColumnFacts, role: Role, leak: string | undefined): [string, boolean][] {
  const feature = role === "numeric" || role === "categorical";
  const found: [string, boolean][] = [];
  for (const [mark, text] of facts.notes) {
    if (mark === "missing" && !feature) continue;
    if (["identifier", "text"].includes(mark) && ["id", "group", "image"].includes(role)) continue;
    if (mark === "empty" && role === "unused") continue;
    found.push([t(`data_note_${mark}` as Key, { text }), feature && mark !== "missing"]);
  }
  if (leak !== undefined && (feature || role === "unused")) {
    found.push([t("data_note_leak", { text: leak }), feature]);
  }
  return found;
}

function bars(facts: ColumnFacts): Element {
  const most = Math.max(1, ...facts.bars);
  const shown = facts.guess === "numeric" || facts.guess === "categorical" ? facts.bars : [];
  const wide = BARS / Math.max(1, shown.length);
  return makeSvg(
    "svg",
    { width: String(BARS), height: String(TALL), class: "mf-bars", "aria-hidden": "true" },
    ...shown.map((value, index) => {
      const height = value === 0 ? 0 : Math.max(1, (value / most) * TALL);
      return makeSvg("rect", {
        x: String(index * wide),
        y: String(TALL - height),
        width: String(Math.max(1, Math.min(wide - 1, 12))),
        height: String(height),
      });
    }),
  );
}

/** What the experiment does with the table, in one sentence. */
export function summary(document: Record<string, unknown>, roles: Record<string, string>): string {
  const data = (document["data"] ?? {}) as Record<string, unknown>;
  const target = data["target"] as Record<string, unknown> | undefined;
  const named = Object.keys(roles).filter((name) =>
    ["target", "label", "time", "event"].includes(roles[name]!),
  );
  if (target === undefined || named.length === 0) return t("data_summary_no_target");
  const having = (...wanted: string[]) =>
    Object.values(roles).filter((role) => wanted.includes(role)).length;
  const split = (data["split"] ?? {}) as Record<string, unknown>;
  return t("data_summary", {
    target: named.join(", "),
    kind: word(String(target["kind"])),
    features: t("data_features", {
      images: having("image"),
      columns: having("numeric", "categorical"),
    }),
    split: typeof split["column"] === "string" ? split["column"] : word(String(split["kind"] ?? "?")),
  });
}
