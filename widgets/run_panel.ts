// The live panel of a run: the browser side of medfusion/widgets/run_panel.py.

import { Chart, type Line } from "./chart";
import { make, setText } from "./dom";
import type { Frame, Message, Model } from "./model";
import { plotly, type Plotly } from "./plotly_library";
import { RunControls } from "./run_controls";
import { RunDetails } from "./run_details";
import { RunStore } from "./run_store";
import { onThemeChange, theme, type Theme } from "./theme";
import { drawnMetrics, duration, metricName, stateWord } from "./wording";

const DRAW_MS = 150;
const ASK_MS = 1500;
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "x", "cross"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

class RunPanel {
  private readonly store = new RunStore();
  private readonly badge = make("span", { class: "mf-badge", role: "status" });
  private readonly counts = make("span", { class: "mf-counts" });
  private readonly left = make("span", { class: "mf-left" });
  private readonly bar = make("div");
  private readonly progress = make(
    "div",
    { class: "mf-progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0" },
    this.bar,
  );
  private readonly notice = make("div", { class: "mf-notice", "aria-live": "polite" });
  private readonly controls = new RunControls(
    (kind) => this.model.send({ kind }),
    (text) => {
      this.hint = text;
      this.writeNotice();
    },
  );
  private readonly loss = new Chart("Loss", "loss");
  private readonly metrics = new Chart("Validation metrics", "value");
  private readonly rate = new Chart("Learning rate", "learning rate", true);
  private readonly details: RunDetails;
  private readonly undo: (() => void)[] = [];
  private theme: Theme | null = null;
  private plotly: Plotly | null = null;
  private plotlyKnown = false;
  private hint = "";
  private drawing: ReturnType<typeof setTimeout> | undefined;
  private asked = -Infinity;

  constructor(
    private readonly model: Model,
    private readonly node: HTMLElement,
  ) {
    this.details = new RunDetails(model);
    const name = String(model.get("name"));
    node.append(
      make(
        "section",
        { class: "mf-panel", "aria-label": `Run ${name}` },
        make(
          "header",
          {},
          make("h3", { title: String(model.get("path")) }, name),
          this.badge,
          this.controls.node,
        ),
        make("div", { class: "mf-line" }, this.counts, this.left),
        this.progress,
        this.notice,
        make("div", { class: "mf-charts" }, this.loss.node, this.metrics.node, this.rate.node),
        this.details.node,
      ),
    );
    this.store.adopt(model.get("frame") as Frame);
    this.listen("msg:custom", (message: Message, buffers: DataView[]) =>
      this.receive(message, buffers),
    );
    this.listen("change:frame", () => {
      if (this.store.adopt(model.get("frame") as Frame)) this.redraw();
    });
    this.undo.push(
      onThemeChange(() => {
        // JupyterLab sets the attribute before the new style sheet has loaded.
        for (const wait of [50, 400, 1500]) setTimeout(() => this.newTheme(), wait);
      }),
    );
    void plotly(model)
      .then((found) => {
        this.plotly = found;
      })
      .catch(() => undefined)
      .then(() => {
        this.plotlyKnown = true;
        this.redraw();
      });
    this.askForAll();
    this.write();
  }

  close(): void {
    clearTimeout(this.drawing);
    this.controls.close();
    for (const undo of this.undo) undo();
    for (const chart of [this.loss, this.metrics, this.rate]) chart.close(this.plotly);
  }

  private listen(event: string, handler: (...args: never[]) => void): void {
    this.model.on(event, handler);
    this.undo.push(() => this.model.off(event, handler));
  }

  private receive(message: Message, buffers: DataView[]): void {
    if (message.kind === "answer") {
      if (message.to === "open") return;
      this.controls.answered();
      this.hint = message.text;
      this.writeNotice();
      return;
    }
    if (message.kind === "all") this.store.replace(message, buffers);
    else if (!this.store.append(message)) this.askForAll();
    this.redraw();
  }

  private askForAll(): void {
    const now = performance.now();
    if (now - this.asked < ASK_MS) return;
    this.asked = now;
    this.model.send({ kind: "open" });
  }

  private newTheme(): void {
    this.theme = null;
    this.redraw();
  }

  private redraw(): void {
    this.drawing ??= setTimeout(() => {
      this.drawing = undefined;
      this.write();
      this.draw();
    }, DRAW_MS);
  }

  private write(): void {
    const { status, best } = this.store.facts;
    setText(this.badge, stateWord(status));
    this.badge.dataset["state"] = status.state;
    const parts = [];
    if (status.epochs > 0) parts.push(`Epoch ${this.epoch()} of ${status.epochs}`);
    if (status.steps > 0) parts.push(`step ${status.step} of ${status.steps}`);
    const monitor = String(this.model.get("monitor"));
    const reached = best === null ? undefined : this.valueAt(monitor, best);
    if (reached !== undefined) {
      parts.push(`best validation ${metricName(monitor.replace("val/", ""))} ${reached.toFixed(3)}`);
    }
    setText(this.counts, parts.join(" · "));
    const left = status.seconds_left;
    setText(
      this.left,
      status.state === "running" && left !== null ? `about ${duration(left)} left` : "",
    );
    const share =
      status.state === "finished" ? 1 : status.steps > 0 ? status.step / status.steps : 0;
    this.bar.style.transform = `scaleX(${Math.min(1, share)})`;
    this.progress.setAttribute("aria-valuemax", String(Math.max(1, status.steps)));
    this.progress.setAttribute("aria-valuenow", String(status.step));
    this.controls.update(status);
    this.writeNotice();
    this.details.update(this.store);
  }

  private epoch(): number {
    const { state, epoch, epochs } = this.store.facts.status;
    const within = state === "running" || state === "paused";
    return Math.min(epochs, within ? epoch + 1 : epoch);
  }

  private valueAt(name: string, step: number): number | undefined {
    const curve = this.store.curves.get(name);
    return curve?.value[curve.step.lastIndexOf(step)];
  }

  private writeNotice(): void {
    const { error, trouble, note } = this.store.facts.status;
    const text = this.hint || error || trouble || note;
    setText(this.notice, text);
    this.notice.title = text;
    this.notice.classList.toggle("mf-bad", !this.hint && (error || trouble) !== "");
  }

  private draw(): void {
    if (!this.plotlyKnown) return; // one moment, rather than two different pictures
    this.theme ??= theme(this.node);
    const { curves, facts } = this.store;
    const { state, steps } = facts.status;
    const over = ["finished", "stopped", "failed", "interrupted"].includes(state);
    const extent = { steps, over, best: null };
    const line = (name: string, label: string, colour: number, more: Partial<Line> = {}): Line[] => {
      const curve = curves.get(name);
      return curve === undefined ? [] : [{ label, curve, colour, ...more }];
    };
    this.loss.draw(
      [
        ...line("step/loss", "train, each step", 0, { faint: true }),
        ...line("train/loss", "train", 0, { symbol: "circle" }),
        ...line("val/loss", "validation", 1, { symbol: "diamond", dash: "dash" }),
      ],
      extent,
      this.theme,
      this.plotly,
    );
    const monitor = String(this.model.get("monitor"));
    const names = drawnMetrics([...curves.keys()], monitor);
    this.metrics.draw(
      names.flatMap((name, index) =>
        line(name, metricName(name.slice(4)), index, {
          symbol: SYMBOLS[index % SYMBOLS.length]!,
          dash: DASHES[index % DASHES.length]!,
        }),
      ),
      { ...extent, best: facts.best },
      this.theme,
      this.plotly,
    );
    this.rate.draw(line("step/lr", "learning rate", 0), extent, this.theme, this.plotly);
  }
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const panel = new RunPanel(model, el);
  return () => panel.close();
}

export default { render };
