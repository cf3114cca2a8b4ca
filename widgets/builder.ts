// The no-code door: the browser side of medfusion/widgets/builder.py.

import { button, CodePane } from "./code_pane";
import { Connection, Refusal } from "./connection";
import { make, setText } from "./dom";
import type { DataState } from "./data_answers";
import { DataPage } from "./data_page";
import { DraftHost } from "./draft_host";
import { Form } from "./form";
import { whileShown } from "./keys";
import { InnerPanels, type Host, type References } from "./inner_panels";
import { t, type Key } from "./messages";
import type { Model } from "./model";
import { ModelPage } from "./model_page";
import { isRecord, SchemaReader, type Field, type Schema } from "./schema";
import { Tabs } from "./tabs";

interface State extends DataState {
  yaml: string;
  code: string;
  steps: [number, number];
  name: string;
  file: string | null;
  widget: string;
  panels?: References;
}

const PAGES = ["data", "model", "training", "evaluation"] as const;

/** Fields that are shown at once; the others are folded away. */
const USUAL = {
  model: ["image", "table", "views", "fusion", "modality_dropout"],
  training: ["epochs", "batch_size", "optimizer", "schedule", "early_stopping", "loss", "device"],
  evaluation: ["threshold", "bootstrap"],
} as const satisfies Partial<Record<(typeof PAGES)[number], string[]>>;

/** Pages that need the whole width: their code stands below them. */
const BROAD = ["data", "model"];

class Builder {
  private readonly connection: Connection;
  private readonly title = make("h3");
  private readonly undo = button("undo", () => void this.ask("undo"));
  private readonly redo = button("redo", () => void this.ask("redo"));
  private readonly save = button("save", () => this.store());
  private readonly notice = make("div", { class: "mf-notice", "aria-live": "polite" });
  private readonly pages = make("div", { class: "mf-pages" });
  private readonly train = button("start_training", () => void this.start(), "mf-main");
  private readonly noRuns = make("p", { class: "mf-empty" }, t("builder_runs_none"));
  private readonly code: CodePane;
  private readonly inner: InnerPanels;
  private tabs: Tabs | undefined;
  private readonly wrong = make("div", { class: "mf-problems" });
  private readonly titles = new Map<string, HTMLElement>();
  private readonly forms: Form[] = [];
  private readonly panel: HTMLElement;
  private refused = false;
  private dataPage: DataPage | undefined;
  private modelPage: ModelPage | undefined;
  private readonly practice = make(
    "div",
    { class: "mf-starting" },
    button("practice", () => void this.ask("practice")),
    make("span", { class: "mf-help" }, t("practice_hint")),
  );
  private state: State;

  constructor(
    private readonly model: Model,
    node: HTMLElement,
    host: Host | undefined,
  ) {
    this.state = model.get("state") as State;
    this.connection = new Connection(model, (waits) => {
      this.tell(waits ? t("busy") : "");
    });
    this.inner = new InnerPanels(host);
    this.code = new CodePane(model, {
      read: (content) => this.ask("read", { content }),
      notice: (text) => this.tell(text),
    });
    this.panel = make(
      "section",
      { class: "mf-panel mf-builder" },
      make(
        "header",
        {},
        this.title,
        make("div", { class: "mf-controls", role: "group" }, this.undo, this.redo, this.save),
      ),
      this.notice,
      make("div", { class: "mf-columns" }, this.pages, this.code.node),
    );
    this.panel.addEventListener("keydown", (event) => this.key(event));
    node.append(this.panel);
    model.on("change:state", this.changed);
    this.write();
    void this.build();
  }

  close(): void {
    this.model.off("change:state", this.changed);
    this.dataPage?.close();
    this.connection.close();
    this.inner.close();
  }

  private readonly changed = () => {
    this.state = this.model.get("state") as State;
    this.write();
    for (const form of this.forms) form.update();
    this.dataPage?.update(this.state);
    this.modelPage?.update(this.state);
  };

  private async build(): Promise<void> {
    const { values } = await this.connection.ask("schema");
    const reader = new SchemaReader(values["schema"] as Schema);
    const tabs = new Tabs(t("review"), (index) => {
      this.panel.classList.toggle("mf-below", BROAD.includes(PAGES[index] ?? ""));
      const runs = index > PAGES.length; // they bring their own code
      this.panel.classList.toggle("mf-wide", runs);
      if (runs) void this.ask("runs_page");
    });
    this.tabs = tabs;
    const host = new DraftHost(
      () => this.state,
      (name, values) => void this.ask(name, values),
    );
    const form = (page: keyof typeof USUAL) => {
      const found = reader.at([page], this.state.document)!;
      const made = new Form(host, found, [page], [...USUAL[page]]);
      this.forms.push(made);
      return made.node;
    };
    this.dataPage = new DataPage(this.connection, host, this.state, this.model);
    this.modelPage = new ModelPage(this.connection, host, this.state);
    const nodes = {
      data: make("div", {}, this.practice, this.dataPage.node),
      model: make("div", {}, this.modelPage.node, make("h4", {}, t("m_settings")), form("model")),
      training: form("training"),
      evaluation: form("evaluation"),
    };
    for (const page of PAGES) this.titles.set(page, tabs.add(t(page), nodes[page]));
    const whole = new Form(host, topOf(reader.document()), []);
    this.forms.push(whole);
    this.titles.set("", tabs.add(t("review"), make("div", {}, whole.node, this.wrong, this.starting())));
    tabs.add(t("builder_runs"), make("div", {}, this.noRuns, this.inner.place("run"), this.inner.place("runs")));
    this.pages.replaceChildren(tabs.node);
    this.write();
  }

  private write(): void {
    const { state } = this;
    setText(this.title, state.file ?? state.name);
    this.title.title = state.folder;
    this.undo.disabled = state.steps[0] === 0;
    this.redo.disabled = state.steps[1] === 0;
    this.code.update(state);
    this.train.disabled = state.code === "";
    const data = state.document["data"];
    this.practice.hidden = isRecord(data) && Boolean(data["table"]);
    this.noRuns.hidden = Boolean(state.panels?.["run"]);
    this.inner.update(state.panels);
    for (const [page, title] of this.titles) {
      const count = state.problems.filter((one) => page === "" || one.path[0] === page).length;
      const name = page === "" ? t("review") : t(page as Key);
      setText(title, count > 0 ? `${name} (${count})` : name);
      title.classList.toggle("mf-warn", count > 0);
    }
    const lines = state.problems.map((one) =>
      make("li", {}, make("code", {}, one.path.join(".")), ` ${one.sentence}`),
    );
    this.wrong.replaceChildren(
      lines.length === 0
        ? make("p", { class: "mf-empty" }, t("nothing_wrong"))
        : make("ul", {}, ...lines),
    );
  }

  private starting(): HTMLElement {
    const hint = make("span", { class: "mf-help" }, t("train_hint"));
    return make("div", { class: "mf-starting" }, this.train, hint);
  }

  private async start(): Promise<void> {
    this.train.disabled = true; // one click is one run
    if (await this.ask("train", {}, "started")) this.tabs?.open(PAGES.length + 1);
    this.write();
  }

  /**
   * Ask the kernel; what it refuses is shown. Resolves to whether it was done.
   *
   * @param done What is told then, with the answer's values.
   */
  private async ask(
    name: string,
    values: Record<string, unknown> = {},
    done?: Key,
  ): Promise<boolean> {
    try {
      const answer = await this.connection.ask(name, values);
      if (done !== undefined) this.tell(t(done, answer.values as Record<string, string>));
      else if (this.refused) this.tell(""); // other news stay
      return true;
    } catch (refusal) {
      this.tell(refusal instanceof Refusal ? refusal.message : String(refusal), true);
      return false;
    }
  }

  private tell(text: string, refused = false): void {
    this.refused = refused;
    setText(this.notice, text);
    this.notice.title = text;
    this.notice.classList.toggle("mf-bad", refused);
  }

  private store(): void {
    const path = this.state.file === null ? `${this.state.name}.yaml` : null;
    void this.ask("save", { path }, "saved");
  }

  private key(event: KeyboardEvent): void {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    event.stopPropagation(); // the notebook's own undo stays out of it
    void this.ask(event.shiftKey ? "redo" : "undo");
  }
}

/** The fields of the experiment itself: its name, its seed. */
function topOf(document: Field): Field {
  if (document.shape.is !== "group") return document;
  const fields = new Map(
    [...document.shape.fields].filter(([name]) => name === "name" || name === "seed"),
  );
  return { ...document, shape: { ...document.shape, fields } };
}

export default {
  render({ model, el, host }: { model: Model; el: HTMLElement; host?: Host }) {
    const builder = new Builder(model, el, host);
    return whileShown(el, () => builder.close());
  },
};
