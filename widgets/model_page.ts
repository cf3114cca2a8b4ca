// The model page: a live diagram with its costs, the catalogue of image encoders, the other parts.

import { Refusal, type Connection } from "./connection";
import { make, setText } from "./dom";
import { EncoderGrid, type Encoder, type Family } from "./encoder_grid";
import type { FormHost, Path } from "./form";
import { t, word, type Key } from "./messages";
import { ModelDiagram } from "./model_diagram";
import { blockName, bytes, count, fitSentence, trainingBytes, type Facts, type ModelState } from "./model_facts";
import { isRecord } from "./schema";

interface About {
  summary: string;
  text: string[];
  papers: string[];
}

type Parts = Record<string, Record<string, About>>;

const OFFERED: [family: string, path: Path, optional: boolean][] = [
  ["attention", ["model", "image", "attention"], true],
  ["views", ["model", "views"], false],
  ["table", ["model", "table"], false],
  ["fusion", ["model", "fusion"], false],
  ["head", ["model", "head"], false],
];

export class ModelPage {
  readonly node = make("div", { class: "mf-model" });
  private readonly diagram = new ModelDiagram();
  private readonly sum = make("p", { class: "mf-sum" });
  private readonly fit = make("p", { class: "mf-fit" });
  private readonly status = make("p", { class: "mf-status", role: "status" });
  private readonly wrong = make("ul", { class: "mf-model-wrong", role: "alert" });
  private readonly assumed = make("p", { class: "mf-assumed" });
  private readonly choices = make("div", { class: "mf-choices" });
  private grid: EncoderGrid | null = null;
  private parts: PartChoice[] = [];
  private defaults: Record<string, string> = {};
  private last: Facts | null = null;
  private formulas = false;
  private now: object;

  /**
   * @param connection To a panel that attached `ModelDesk`.
   * @param state The panel's state; its "model" is this page's.
   */
  constructor(
    private readonly connection: Connection,
    private readonly host: FormHost,
    state: object,
  ) {
    this.now = state;
    this.node.append(
      make("div", { class: "mf-model-top" }, this.status, this.sum, this.fit),
      make("div", { class: "mf-model-shape" }, this.diagram.node, this.wrong, this.assumed),
      this.choices,
    );
    this.update(state);
    void this.open();
  }

  /** Show a state of the panel. */
  update(state: object): void {
    this.now = state;
    const model = (state as { model?: ModelState | null }).model ?? null;
    setText(this.status, model === null || model.waits ? t("m_waits") : "");
    if (model === null) return;
    const broken = Object.keys(model.wrong).length > 0;
    if (model.facts !== null || broken) this.last = model.facts;
    // While new numbers are made, those before stay where they are, paler.
    this.node.classList.toggle("mf-stale", model.waits);
    this.diagram.update(model, this.last);
    this.writeSum(model);
    this.writeWrong(model);
    const assumed = model.assumed.map((what) => t(`m_assume_${what}` as Key));
    setText(this.assumed, assumed.length === 0 ? "" : t("m_assumed", { what: assumed.join("; ") }));
    const image = model.blocks.find((block) => block.id === "image");
    const said = this.host.said(["model", "image", "name"]);
    this.grid?.update(typeof said === "string" ? said : (image?.kind ?? "resnet18"));
    for (const part of this.parts) part.update(model);
    if (model.formulas && !this.formulas && this.grid !== null) void this.open();
  }

  private async open(): Promise<void> {
    try {
      const { values } = await this.connection.ask("model_open");
      const parts = values["parts"] as Parts;
      this.formulas = Object.values(parts["fusion"] ?? {}).some((one) => one.text.length > 0);
      this.defaults = values["defaults"] as Record<string, string>;
      if (this.grid === null) {
        const pick = (name: string) => this.ask("model_pick", { name });
        this.grid = new EncoderGrid(values["encoders"] as Encoder[], values["families"] as Family[], pick);
        this.parts = OFFERED.map(([family, path, optional]) => {
          const choose = (kind: string | null) => this.ask("model_part", { family, kind });
          return new PartChoice(family, path, optional, this.host, choose);
        });
        this.choices.append(
          make("h4", {}, t("m_encoders")),
          this.grid.node,
          make("h4", {}, t("m_parts")),
          ...this.parts.map((part) => part.node),
        );
      }
      for (const part of this.parts) part.tell(parts[part.family] ?? {}, this.defaults[part.family] ?? "");
      this.update(this.now);
    } catch (refusal) {
      setText(this.status, refusal instanceof Refusal ? refusal.message : String(refusal));
    }
  }

  private ask(name: string, values: Record<string, unknown>): void {
    this.connection.ask(name, values).catch((refusal: unknown) => {
      setText(this.status, refusal instanceof Refusal ? refusal.message : String(refusal));
    });
  }

  private writeSum(model: ModelState): void {
    const facts = this.last;
    if (facts === null) {
      setText(this.sum, "");
      setText(this.fit, "");
      return;
    }
    const parts = [t("m_cost", { parameters: count(facts.parameters) })];
    if (facts.trained < facts.parameters) parts.push(t("m_trained", { count: count(facts.trained) }));
    parts.push(t("m_macs", { count: count(facts.multiply_adds) }));
    setText(this.sum, parts.join(" · "));
    const memory = bytes(trainingBytes(facts, model.batch));
    const fit = fitSentence(facts, model.batch, model.device, model.machine);
    const taken = t("m_memory", { memory, batch: model.batch });
    setText(this.fit, fit.text === "" ? taken : `${taken}: ${fit.text}`);
    this.fit.classList.toggle("mf-bad", !fit.fits);
  }

  private writeWrong(model: ModelState): void {
    const said = Object.entries(model.wrong).flatMap(([block, sentences]) =>
      sentences.map((sentence) => [blockName(block), sentence] as const),
    );
    const text = said.map((one) => one.join("\n")).join("\n\n");
    const notes = this.last?.notes ?? [];
    if (this.wrong.dataset["shown"] === text + notes.join("\n")) return;
    this.wrong.dataset["shown"] = text + notes.join("\n");
    this.wrong.replaceChildren(
      ...said.map(([name, sentence]) => make("li", { class: "mf-bad" }, make("b", {}, name), ` ${sentence}`)),
      ...notes.map((note) => make("li", {}, note)),
    );
  }
}

/** A part with its kinds: what the chosen one is, its paper and its formula. */
class PartChoice {
  readonly node: HTMLElement;
  private readonly select: HTMLSelectElement;
  private readonly absent = make("span", { class: "mf-absent" });
  private readonly summary = make("span", {});
  private readonly papers = make("div", { class: "mf-papers" });
  private readonly text = make("div", {});
  private readonly more = make("details", { class: "mf-how" }, make("summary", {}, t("m_how")), this.text);
  private shown = "";
  private about: Record<string, About> = {};
  private usual = "";
  private kind = "";

  constructor(
    readonly family: string,
    private readonly path: Path,
    private readonly optional: boolean,
    private readonly host: FormHost,
    private readonly choose: (kind: string | null) => void,
  ) {
    const name = blockName(family);
    this.select = make("select", { class: "mf-control", "aria-label": name, "data-family": family });
    this.select.addEventListener("change", () => {
      this.choose(this.select.value === "" ? null : this.select.value);
    });
    this.node = make(
      "div",
      { class: "mf-part-choice" },
      make("div", { class: "mf-name" }, name, this.absent),
      this.select,
      make("div", { class: "mf-what" }, this.summary, this.papers, this.more),
    );
  }

  /** Take what the kinds are. */
  tell(about: Record<string, About>, usual: string): void {
    this.about = about;
    this.usual = usual;
    this.select.replaceChildren(
      ...(this.optional ? [make("option", { value: "" }, word("none"))] : []),
      ...Object.keys(about).map((kind) => make("option", { value: kind }, word(kind))),
    );
    this.write();
  }

  update(model: ModelState): void {
    const block = model.blocks.find((one) => one.id === this.family);
    const said = this.host.said(this.path);
    const own = isRecord(said) ? String(said["kind"] ?? this.usual) : this.usual;
    this.kind = block?.kind || own;
    setText(this.absent, block === undefined && !this.optional ? t("m_absent") : "");
    this.write();
  }

  private write(): void {
    if (this.select.value !== this.kind) this.select.value = this.kind;
    const about = this.about[this.kind];
    setText(this.summary, about?.summary ?? "");
    const papers = (about?.papers ?? []).filter((link) => !about!.summary.includes(link));
    setText(this.papers, papers.map((link) => t("m_paper", { link })).join(" "));
    const text = about?.text ?? [];
    this.more.hidden = text.length === 0;
    if (text.join("\n\n") === this.shown) return;
    this.shown = text.join("\n\n");
    // Formulas keep their lines, which are indented.
    this.text.replaceChildren(
      ...text.map((one) => (/^ {4}/m.test(one) ? make("pre", {}, one) : make("p", {}, one.replace(/\s+/g, " ")))),
    );
  }
}
