// The chosen case of a label review: its images, its values, why it is listed, and the decisions.

import { button } from "./code_pane";
import { make, setText } from "./dom";
import { t, type Key } from "./messages";
import { address, distance, said, share, type Row } from "./suspect_list";

export type Action = "relabel" | "exclude" | "flag" | "keep";

export interface Subject {
  row: Row;
  labels: string[];
  pictures: { view: string; note: string; there: boolean }[];
  values: [string, string][];
  reason: string;
  who: string;
  time: string;
}

export interface Choice {
  label: string | null;
  reason: string;
}

export class SuspectDetail {
  readonly node = make("div", { class: "mf-case", role: "group" });
  private readonly images = make("div", { class: "mf-images" });
  private readonly title = make("h4");
  private readonly verdict = make("div", { class: "mf-verdict" });
  private readonly why = make("p", { class: "mf-why" });
  private readonly weak = make("p", { class: "mf-why mf-weak-word" });
  private readonly values = make("table");
  private readonly label = make("select", { class: "mf-control" });
  private readonly number = make("input", { type: "text", inputmode: "decimal", class: "mf-control" });
  private readonly reason = make("input", { type: "text", class: "mf-control mf-reason", maxlength: "2000" });
  private readonly buttons: Record<Action, HTMLButtonElement>;
  private readonly addresses: string[] = [];
  private subject: Subject | null = null;
  private key = "";

  /**
   * @param act Told what is decided.
   * @param several Whether rows have several labels, so that the label's name is worth saying.
   */
  constructor(
    act: (action: Action) => void,
    private readonly several: boolean,
    pictured: boolean,
  ) {
    this.node.setAttribute("aria-label", t("review_case"));
    const make_ = (action: Action) => {
      const found = button(`review_${action}` as Key, () => act(action), action === "relabel" ? "mf-main" : "");
      found.title = t(`review_${action}_hint` as Key);
      found.setAttribute("aria-keyshortcuts", action.charAt(0).toUpperCase());
      found.append(make("kbd", { "aria-hidden": "true" }, action.charAt(0).toUpperCase()));
      return found;
    };
    this.buttons = {
      relabel: make_("relabel"),
      exclude: make_("exclude"),
      flag: make_("flag"),
      keep: make_("keep"),
    };
    this.label.setAttribute("aria-label", t("review_label"));
    this.number.setAttribute("aria-label", t("review_label"));
    this.number.placeholder = t("review_new_number");
    this.reason.setAttribute("aria-label", t("review_note"));
    this.reason.placeholder = t("review_note");
    this.images.hidden = !pictured;
    const { relabel, exclude, flag, keep } = this.buttons;
    this.node.append(
      this.images,
      make(
        "div",
        { class: "mf-case-words" },
        this.title,
        this.verdict,
        this.why,
        this.weak,
        make("div", { class: "mf-acts" }, relabel, this.label, this.number),
        make("div", { class: "mf-acts" }, keep, exclude, flag),
        this.reason,
        this.values,
      ),
    );
    this.show(null, []);
  }

  close(): void {
    for (const url of this.addresses.splice(0)) URL.revokeObjectURL(url);
  }

  /** What is chosen for a decision; null where a number is needed and none is there. */
  choice(action: Action): Choice | null {
    const reason = this.reason.value.trim();
    if (action !== "relabel" || this.subject === null) return { label: null, reason };
    if (this.subject.labels.length > 0) return { label: this.label.value, reason };
    const number = this.number.value.trim();
    if (number === "") {
      this.number.focus();
      return null;
    }
    return { label: number, reason };
  }

  show(subject: Subject | null, buffers: DataView[]): void {
    const row = subject?.row;
    const key = row === undefined ? "" : `${row.id}\n${row.column}`;
    const same = key === this.key;
    this.subject = subject;
    this.key = key;
    for (const one of Object.values(this.buttons)) one.disabled = subject === null;
    if (subject === null || row === undefined) {
      setText(this.title, "");
      this.verdict.replaceChildren();
      setText(this.why, "");
      setText(this.weak, "");
      this.values.replaceChildren();
      this.images.replaceChildren();
      this.label.hidden = this.number.hidden = true;
      return;
    }
    setText(this.title, this.several ? `${row.id} · ${row.column}` : row.id);
    this.verdict.replaceChildren(
      fact("review_given", row.given, row.confidence),
      fact("review_suggested", row.suggested, row.probability),
      make("span", { class: `mf-did mf-did-${row.decision ?? "none"}` }, said(row)),
    );
    setText(this.why, reasons(row));
    setText(this.weak, t(`review_by_${row.source}` as Key));
    this.weak.classList.toggle("mf-warn", row.source === "train");
    if (same) return; // what a person is typing stays
    this.reason.value = subject.reason;
    const numeric = subject.labels.length === 0;
    this.label.hidden = numeric;
    this.number.hidden = !numeric;
    this.number.value = "";
    const offered = subject.labels.filter((name) => name !== row.given);
    this.label.replaceChildren(...offered.map((name) => make("option", { value: name }, name)));
    this.label.value = row.suggested;
    this.values.replaceChildren(
      ...subject.values.map(([name, value]) =>
        make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value === "" ? "–" : value)),
      ),
    );
    this.illustrate(subject, buffers);
  }

  private illustrate(subject: Subject, buffers: DataView[]): void {
    const before = this.addresses.splice(0);
    const figures = subject.pictures.map((picture, index) => {
      const url = address(buffers[index]);
      const caption = [picture.view, picture.note].filter((one) => one !== "").join(": ");
      if (url === "") {
        const none = picture.note === "no image" ? t("review_no_image") : picture.note;
        return make("figure", {}, make("p", { class: "mf-empty" }, `${picture.view}: ${none}`));
      }
      this.addresses.push(url);
      return make(
        "figure",
        {},
        make("img", { src: url, alt: `${subject.row.id}, ${caption}` }),
        make("figcaption", {}, caption),
      );
    });
    this.images.replaceChildren(...figures);
    for (const url of before) URL.revokeObjectURL(url);
  }
}

function fact(key: Key, label: string, probability: number | null): HTMLElement {
  const parts: (Node | string)[] = [make("span", {}, t(key)), make("b", { title: label }, label)];
  if (probability !== null) {
    const bar = make("i");
    bar.style.width = `${Math.round(probability * 100)}%`;
    parts.push(make("span", { class: "mf-share" }, bar), make("span", {}, share(probability)));
  }
  return make("div", { class: "mf-fact" }, ...parts);
}

function reasons(row: Row): string {
  if (row.confidence === null || row.probability === null) {
    return t("review_far", { given: row.given, suggested: row.suggested, distance: distance(row).replace(" SD", "") });
  }
  const why = t("review_why", {
    given: row.given,
    confidence: share(row.confidence),
    suggested: row.suggested,
    probability: share(row.probability),
  });
  if (row.usual === null) return why;
  return `${why} ${t("review_usual", { label: row.suggested, usual: share(row.usual) })}`;
}
