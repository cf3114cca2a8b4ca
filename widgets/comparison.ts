// A comparison of runs on its own: the browser side of medfusion/widgets/comparison.py.

import { CodeLines } from "./code_lines";
import { ComparisonView, type Chosen } from "./comparison_view";
import { Connection } from "./connection";
import { make, setText } from "./dom";
import { whileShown } from "./keys";
import { t } from "./messages";
import type { Model } from "./model";

interface State {
  comparison: Chosen | null;
  python: string[];
  commands: string[];
}

export default {
  render({ model, el }: { model: Model; el: HTMLElement }) {
    const notice = make("div", { class: "mf-notice", "aria-live": "polite" });
    const tell = (text: string) => setText(notice, text);
    const connection = new Connection(model, (waits) => tell(waits ? t("busy") : ""));
    const view = new ComparisonView(connection, model, tell);
    const code = new CodeLines();
    el.append(make("section", { class: "mf-panel mf-runs" }, view.node, notice, code.node));
    const update = () => {
      const state = model.get("state") as State;
      view.update(state.comparison);
      code.update(state.python, state.commands);
    };
    model.on("change:state", update);
    update();
    return whileShown(el, () => {
      model.off("change:state", update);
      view.close();
      connection.close();
    });
  },
};
