// What there is about one run of the table: tags, note, versions, report, stop, resume, delete.

import { copier } from "./code_lines";
import { make, setText } from "./dom";
import { t, word } from "./messages";
import { actOf, moment, type Row } from "./runs_grid";
import { fileUrl, served } from "./server_files";

export interface Report {
  state: string;
  path: string;
  trouble: string;
}

export interface CardHost {
  ask(name: string, values: Record<string, unknown>): Promise<Record<string, unknown> | null>;
  tell(text: string): void;
  close(): void;
}

const CONFIRM_MS = 4000;

export class RunCard {
  readonly node: HTMLElement;
  private readonly title = make("h4", { tabindex: "-1" });
  private readonly facts = make("div", { class: "mf-card-facts" });
  private readonly tags = make("span", { class: "mf-tags" });
  private readonly tag = make("input", { type: "text", maxlength: "40", class: "mf-tag-new" });
  private readonly note = make("textarea", { rows: "2", maxlength: "4000" });
  private readonly model = make("input", { type: "text", maxlength: "64", class: "mf-version-new" });
  private readonly versions = make("span", { class: "mf-versions" });
  private readonly act = button("", () => this.doAct());
  private readonly report = button(t("run_report"), () => this.send("report", {}));
  private readonly shown = make("span", { class: "mf-card-report", role: "status" });
  private readonly drop = new TwoSteps("run_delete", "run_delete_sure", () => this.send("delete", { sure: true }));
  private readonly halt = new TwoSteps("run_stop", "run_stop_sure", () => this.send("stop", {}));
  private row: Row | undefined;
  private noted = "";
  private writing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: CardHost,
    private readonly home: string,
  ) {
    this.tag.placeholder = t("run_tag_add");
    this.tag.setAttribute("aria-label", t("run_tag_add"));
    this.tag.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || this.tag.value.trim() === "") return;
      event.preventDefault();
      void this.ask("tag", { tag: this.tag.value }).then((done) => {
        if (done !== null) this.tag.value = "";
      });
    });
    this.note.placeholder = t("run_note_hint");
    this.note.addEventListener("input", () => {
      clearTimeout(this.writing);
      this.writing = setTimeout(() => this.keep(), 800);
    });
    this.note.addEventListener("blur", () => this.keep());
    this.model.placeholder = t("run_version_hint");
    this.model.setAttribute("aria-label", t("run_version"));
    this.model.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.nameIt();
    });
    const close = button(t("run_close"), () => host.close());
    this.node = make(
      "section",
      { class: "mf-card" },
      make(
        "div",
        { class: "mf-card-head" },
        this.title,
        make("div", { class: "mf-controls", role: "group" }, this.act, this.halt.node, this.report, this.drop.node, close),
      ),
      this.facts,
      make("div", { class: "mf-card-line" }, make("span", { class: "mf-card-label" }, t("run_tags")), this.tags, this.tag),
      make("label", { class: "mf-card-line" }, make("span", { class: "mf-card-label" }, t("run_note")), this.note),
      make(
        "div",
        { class: "mf-card-line" },
        make("span", { class: "mf-card-label" }, t("run_versions")),
        this.versions,
        this.model,
        button(t("run_version"), () => this.nameIt()),
      ),
      make("div", { class: "mf-card-line mf-card-last" }, this.shown),
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Escape") host.close();
      event.stopPropagation(); // the notebook's shortcuts stay out of it
    });
  }

  close(): void {
    clearTimeout(this.writing);
    this.drop.calm();
    this.halt.calm();
  }

  focus(): void {
    this.title.focus();
  }

  update(row: Row | undefined, report: Report | undefined): void {
    this.node.hidden = row === undefined;
    if (row === undefined) {
      this.row = undefined;
      return;
    }
    if (row.name !== this.row?.name) {
      this.keep();
      this.drop.calm();
      this.halt.calm();
      this.tag.value = this.model.value = "";
      this.note.value = this.noted = row.note;
    } else if (row.note !== this.noted && document.activeElement !== this.note) {
      this.note.value = this.noted = row.note;
    }
    this.row = row;
    setText(this.title, row.name);
    this.node.setAttribute("aria-label", t("run_details", { name: row.name }));
    const said = [word(`state_${row.state}`), moment(row.start), row.model, row.target, row.trouble];
    setText(this.facts, said.filter(Boolean).join(" · "));
    this.writeTags(row.tags);
    setText(this.versions, row.versions.join(", ") || t("none"));
    const act = actOf(row.state);
    this.act.hidden = act !== "resume";
    setText(this.act, t("run_resume"));
    this.halt.node.hidden = !["running", "evaluating", "paused"].includes(row.state);
    this.drop.node.disabled = ["running", "evaluating", "paused"].includes(row.state);
    this.writeReport(report);
  }

  private writeTags(tags: string[]): void {
    const there = Array.from(this.tags.children, (one) => (one as HTMLElement).dataset["tag"]);
    if (there.join("\n") === tags.join("\n")) return;
    this.tags.replaceChildren(
      ...tags.map((tag) => {
        const off = make("button", { type: "button", "aria-label": t("run_tag_remove", { tag }) }, "×");
        off.addEventListener("click", () => this.send("untag", { tag }));
        const chip = make("span", { class: "mf-chip" }, tag, off);
        chip.dataset["tag"] = tag;
        return chip;
      }),
    );
  }

  private writeReport(report: Report | undefined): void {
    this.report.disabled = report?.state === "writing";
    const now = JSON.stringify(report ?? null);
    if (this.shown.dataset["of"] === now) return;
    this.shown.dataset["of"] = now;
    if (report === undefined) {
      this.shown.replaceChildren();
    } else if (report.state === "written") {
      const path = make("code", {}, report.path);
      const url = fileUrl(report.path, this.home, served());
      const link = make("a", { target: "_blank", rel: "noopener" }, t("run_report_open"));
      if (url !== null) link.href = url;
      this.shown.replaceChildren(...(url === null ? [] : [link]), path, copier(path));
    } else if (report.state === "failed") {
      setText(this.shown, t("run_report_failed", { why: report.trouble }));
    } else {
      setText(this.shown, t("run_report_writing"));
    }
  }

  private keep(): void {
    clearTimeout(this.writing);
    if (this.row === undefined || this.note.value === this.noted) return;
    this.noted = this.note.value;
    void this.ask("annotate", { note: this.noted });
  }

  private nameIt(): void {
    if (this.model.value.trim() === "") {
      this.model.focus();
      return;
    }
    void this.ask("name_version", { model: this.model.value }).then((done) => {
      if (done === null) return;
      this.model.value = "";
      this.host.tell(t("run_version_made", { version: String(done["version"]) }));
    });
  }

  private doAct(): void {
    this.send("resume", {});
  }

  private send(name: string, values: Record<string, unknown>): void {
    void this.ask(name, values);
  }

  private ask(name: string, values: Record<string, unknown>): Promise<Record<string, unknown> | null> {
    return this.host.ask(name, { name: this.row?.name, ...values });
  }
}

/** A button that asks once more before it acts. */
class TwoSteps {
  readonly node: HTMLButtonElement;
  private waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly first: "run_delete" | "run_stop",
    second: "run_delete_sure" | "run_stop_sure",
    act: () => void,
  ) {
    this.node = button(t(first), () => {
      if (!this.node.classList.contains("mf-sure")) {
        this.node.classList.add("mf-sure");
        setText(this.node, t(second));
        this.waiting = setTimeout(() => this.calm(), CONFIRM_MS);
        return;
      }
      this.calm();
      act();
    });
    this.node.addEventListener("blur", () => this.calm());
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.node.classList.contains("mf-sure")) return;
      event.stopPropagation();
      this.calm();
    });
  }

  calm(): void {
    clearTimeout(this.waiting);
    this.node.classList.remove("mf-sure");
    setText(this.node, t(this.first));
  }
}

function button(label: string, act: () => void): HTMLButtonElement {
  const made = make("button", { type: "button", class: "mf-button" }, label);
  made.addEventListener("click", act);
  return made;
}
