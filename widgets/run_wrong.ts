// The cases that a run is most wrong about, with small pictures.

import { Refusal, type Connection } from "./connection";
import { make, setText } from "./dom";
import { t } from "./messages";
import { short } from "./wording";

interface Case {
  id: string;
  split: string;
  truth: string;
  said: string;
  task: string;
  wrong: number;
  number: boolean;
  picture?: number;
  note?: string;
}

export class RunWrong {
  readonly node: HTMLElement;
  private readonly caption = make("p", { class: "mf-empty" }, t("wrong_empty"));
  private readonly list = make("ul", { class: "mf-wrong-cases" });
  private known = "";
  private urls: string[] = [];
  private asking = false;

  constructor(private readonly connection: Connection) {
    this.node = make("div", {}, this.caption, this.list);
  }

  /**
   * Show the cases of a run.
   *
   * @param run Which of the panel's.
   * @param stamp Changes when there may be others: then the kernel is asked again.
   */
  show(run: number, stamp: string): void {
    const wanted = `${run} ${stamp}`;
    if (this.asking || wanted === this.known) return;
    this.asking = true;
    const late = setTimeout(() => setText(this.caption, t("busy")), 600);
    void this.connection
      .ask("wrong_cases", { run })
      .then(
        ({ values, buffers }) => {
          this.write(values["cases"] as Case[], values["epoch"] as number | null, buffers);
        },
        (refusal: unknown) => {
          this.list.replaceChildren();
          setText(this.caption, refusal instanceof Refusal ? refusal.message : String(refusal));
        },
      )
      .finally(() => {
        clearTimeout(late);
        this.asking = false;
        this.known = wanted;
      });
  }

  close(): void {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls = [];
  }

  private write(cases: Case[], epoch: number | null, buffers: DataView[]): void {
    this.close();
    const caption = epoch === null ? t("wrong_of_run") : t("wrong_of_epoch", { epoch });
    setText(this.caption, cases.length === 0 ? t("wrong_empty") : caption);
    this.list.replaceChildren(...cases.map((one) => this.card(one, buffers)));
  }

  private card(one: Case, buffers: DataView[]): HTMLElement {
    const { id, truth, said, task, split } = one;
    const value = short(one.number ? one.wrong : Math.max(0, 1 - one.wrong));
    const sentence = t(one.number ? "wrong_distance" : "wrong_probability", { truth, said, value });
    const where = [split, task].filter((part) => part !== "").join(", ");
    return make(
      "li",
      {},
      this.picture(one, buffers),
      make("div", {}, make("b", {}, id), make("small", {}, where), make("span", {}, sentence)),
    );
  }

  private picture(one: Case, buffers: DataView[]): HTMLElement {
    const bytes = one.picture === undefined ? undefined : buffers[one.picture];
    if (bytes === undefined) {
      return make("i", { class: "mf-no-picture", title: one.note ?? "" }, t("wrong_none"));
    }
    const url = URL.createObjectURL(new Blob([bytes as DataView<ArrayBuffer>], { type: "image/png" }));
    this.urls.push(url);
    return make("img", { src: url, alt: t("wrong_picture", { id: one.id }) });
  }
}
