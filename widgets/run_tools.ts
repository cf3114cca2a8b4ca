// How the curves are drawn: smoothing, log scale, which metric.

import { make, setText } from "./dom";
import { t } from "./messages";
import type { Look } from "./run_lines";
import { metricName } from "./wording";

export class RunTools {
  readonly node: HTMLElement;
  private readonly smoothing = make("input", {
    type: "range", min: "0", max: "0.99", step: "0.01", "aria-label": t("smoothing"),
  });
  private readonly weight = make("output", {}, "0");
  private readonly log = make("input", { type: "checkbox" });
  private readonly metric = make("select", { "aria-label": t("metric") });
  private names: string[] = [];

  constructor(change: (changed: Partial<Look>) => void) {
    this.smoothing.addEventListener("input", () =>
      change({ smoothing: Number(this.smoothing.value) }),
    );
    this.log.addEventListener("change", () => change({ log: this.log.checked }));
    this.metric.addEventListener("change", () => change({ metric: this.metric.value }));
    this.node = make(
      "div",
      { class: "mf-look" },
      make("label", {}, make("span", {}, t("smoothing")), this.smoothing, this.weight),
      make("label", {}, this.log, make("span", {}, t("log_scale"))),
      make("label", {}, make("span", {}, t("metric")), this.metric),
    );
  }

  /** @param standard What is drawn where no metric is chosen; empty for all. */
  update(look: Look, names: string[], standard: string): void {
    if (document.activeElement !== this.smoothing || Number(this.smoothing.value) !== look.smoothing) {
      this.smoothing.value = String(look.smoothing);
    }
    setText(this.weight, look.smoothing === 0 ? "0" : look.smoothing.toFixed(2));
    this.log.checked = look.log;
    const wanted = ["", ...new Set([...names, ...(look.metric ? [look.metric] : [])])];
    if (wanted.join("\n") !== this.names.join("\n")) {
      this.names = wanted;
      const usual = standard === "" ? t("metric_all") : metricName(standard.replace(/^val\//, ""));
      this.metric.replaceChildren(
        ...wanted
          .filter((name) => name === "" || name !== standard)
          .map((name) =>
            make("option", { value: name }, name === "" ? usual : metricName(name.slice(4))),
          ),
      );
    }
    if (this.metric.value !== look.metric) this.metric.value = look.metric;
  }
}
