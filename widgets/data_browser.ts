// A table, understood: the browser side of medfusion/widgets/data_browser.py.

import { button, CodePane } from "./code_pane";
import { Connection } from "./connection";
import type { DataState } from "./data_answers";
import { DataPage } from "./data_page";
import { make, setText } from "./dom";
import { DraftHost } from "./draft_host";
import { whileShown } from "./keys";
import { t } from "./messages";
import type { Model } from "./model";

interface State extends DataState {
  yaml: string;
  code: string;
  steps: [number, number];
  name: string;
}

class DataBrowser {
  private readonly connection: Connection;
  private readonly title = make("h3");
  private readonly undo = button("undo", () => void this.ask("undo"));
  private readonly redo = button("redo", () => void this.ask("redo"));
  private readonly notice = make("div", { class: "mf-notice", "aria-live": "polite" });
  private readonly code: CodePane;
  private readonly page: DataPage;
  private state: State;

  constructor(
    private readonly model: Model,
    node: HTMLElement,
  ) {
    this.state = model.get("state") as State;
    this.connection = new Connection(model, (waits) => {
      setText(this.notice, waits ? t("busy") : "");
    });
    const host = new DraftHost(
      () => this.state,
      (name, values) => void this.ask(name, values),
    );
    this.page = new DataPage(this.connection, host, this.state, model);
    this.code = new CodePane(model, {
      read: (content) => this.ask("read", { content }),
      notice: (text) => setText(this.notice, text),
    });
    const panel = make(
      "section",
      { class: "mf-panel mf-builder mf-data-browser" },
      make(
        "header",
        {},
        this.title,
        make("div", { class: "mf-controls", role: "group" }, this.undo, this.redo),
      ),
      this.notice,
      this.page.node,
      make("details", { class: "mf-more" }, make("summary", {}, "YAML, Python"), this.code.node),
    );
    panel.addEventListener("keydown", (event) => this.key(event));
    node.append(panel);
    model.on("change:state", this.changed);
    this.write();
  }

  close(): void {
    this.model.off("change:state", this.changed);
    this.page.close();
    this.connection.close();
  }

  private readonly changed = () => {
    this.state = this.model.get("state") as State;
    this.page.update(this.state);
    this.write();
  };

  private write(): void {
    const { state } = this;
    setText(this.title, `${t("data")}: ${state.name}`);
    this.title.title = state.folder;
    this.undo.disabled = state.steps[0] === 0;
    this.redo.disabled = state.steps[1] === 0;
    this.code.update({ yaml: state.yaml, code: state.code, widget: "" });
  }

  private async ask(name: string, values: Record<string, unknown> = {}): Promise<boolean> {
    try {
      await this.connection.ask(name, values);
      setText(this.notice, "");
      return true;
    } catch (refusal) {
      setText(this.notice, String((refusal as Error).message));
      return false;
    }
  }

  private key(event: KeyboardEvent): void {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if ((event.target as HTMLElement).matches("textarea, input")) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook's own undo stays out of it
    void this.ask(event.shiftKey ? "redo" : "undo");
  }
}

export default {
  render({ model, el }: { model: Model; el: HTMLElement }) {
    const browser = new DataBrowser(model, el);
    return whileShown(el, () => browser.close());
  },
};
