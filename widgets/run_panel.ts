// The live panel of runs: the browser side of medfusion/widgets/run_panel.py.

import { Chart } from "./chart";
import { Connection, Refusal } from "./connection";
import { make, setText } from "./dom";
import { keepKeys } from "./keys";
import { t } from "./messages";
import type { Frame, Model, NewsMessage } from "./model";
import { plotly, type Plotly } from "./plotly_library";
import { RunControls, type Asked } from "./run_controls";
import { RunDetails } from "./run_details";
import { lossLines, metricLines, metricNames, rateLines, type Look, type ShownRun } from "./run_lines";
import { RunList } from "./run_list";
import { RunStore } from "./run_store";
import { RunTools } from "./run_tools";
import { tellThroughServer } from "./server_wish";
import { onThemeChange, theme, type Theme } from "./theme";
import { duration, metricName, stateWord } from "./wording";

const DRAW_MS = 150;
const ASK_MS = 1500;
const BUSY_MS = 300; // after this a kernel is taken for busy
const LOOK_MS = 120;

interface State {
  runs: { name: string; path: string; monitor: string; yaml: string; code: string }[];
  look: Look;
  open: string;
}

class RunPanel {
  private readonly connection: Connection;
  private readonly runs: ShownRun[];
  private readonly several: boolean;
  private readonly paths: string[];
  private readonly title = make("h3");
  private readonly badge = make("span", { class: "mf-badge", role: "status" });
  private readonly counts = make("span", { class: "mf-counts" });
  private readonly left = make("span", { class: "mf-left" });
  private readonly bar = make("div");
  private readonly progress = make(
    "div",
    { class: "mf-progress", role: "progressbar", "aria-label": t("progress"), "aria-valuemin": "0" },
    this.bar,
  );
  private readonly notice = make("div", { class: "mf-notice", "aria-live": "polite" });
  private readonly controls = new RunControls(
    (kind) => void this.wish(kind),
    (text) => this.say(text),
  );
  private readonly list: RunList;
  private readonly tools = new RunTools((changed) => this.change(changed));
  private readonly loss = new Chart(t("loss"), t("loss").toLowerCase());
  private readonly metrics = new Chart(t("validation_metrics"), t("value"));
  private readonly rate = new Chart(t("learning_rate"), t("learning_rate").toLowerCase(), true);
  private readonly details: RunDetails;
  private readonly undo: (() => void)[] = [];
  private readonly page = Math.random().toString(36).slice(2);
  private wishes = 0;
  private look: Look;
  private changing = 0;
  private changed: Partial<Look> = {};
  private theme: Theme | null = null;
  private plotly: Plotly | null = null;
  private plotlyKnown = false;
  private hint = "";
  private drawing: ReturnType<typeof setTimeout> | undefined;
  private sending: ReturnType<typeof setTimeout> | undefined;
  private asked = -Infinity;

  constructor(
    private readonly model: Model,
    private readonly node: HTMLElement,
  ) {
    const state = model.get("state") as State;
    this.look = state.look;
    this.runs = state.runs.map(({ name, monitor }, place) => ({
      place, name, monitor, store: new RunStore(),
    }));
    this.paths = state.runs.map(({ path }) => path);
    this.several = this.runs.length > 1;
    this.connection = new Connection(model);
    this.details = new RunDetails(this.connection, state.runs, state.open, () => this.redraw());
    this.list = new RunList(
      this.runs,
      (run, shown) => this.show(run, shown),
      (run) => this.change({ chosen: run }),
    );
    const names = state.runs.map(({ name }) => name).join(", ");
    node.append(
      make(
        "section",
        { class: "mf-panel mf-run-panel", "aria-label": t("run_label", { name: names }) },
        make("header", {}, this.title, this.badge, this.controls.node),
        make("div", { class: "mf-line" }, this.counts, this.left),
        this.progress,
        this.notice,
        this.list.node,
        this.tools.node,
        make("div", { class: "mf-charts" }, this.loss.node, this.metrics.node, this.rate.node),
        this.details.node,
      ),
    );
    this.undo.push(keepKeys(node));
    this.adopt();
    this.listen("msg:custom", (message: NewsMessage, buffers: DataView[]) =>
      this.receive(message, buffers),
    );
    this.listen("change:frames", () => {
      if (this.adopt()) this.redraw();
    });
    this.listen("change:state", () => {
      if (this.changing > 0 || this.sending !== undefined) return; // the person is ahead of it
      this.look = (model.get("state") as State).look;
      this.redraw();
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
    clearTimeout(this.sending);
    this.controls.close();
    this.connection.close();
    for (const undo of this.undo) undo();
    for (const chart of [this.loss, this.metrics, this.rate, this.details]) chart.close(this.plotly);
  }

  private listen(event: string, handler: (...args: never[]) => void): void {
    this.model.on(event, handler);
    this.undo.push(() => this.model.off(event, handler));
  }

  // From the kernel --------------------------------------------------------------------------------

  private adopt(): boolean {
    const frames = this.model.get("frames") as Frame[];
    // All of them: each store decides for itself.
    const taken = this.runs.map(({ store }, run) => store.adopt(frames[run] ?? {}));
    return taken.includes(true);
  }

  private receive(message: NewsMessage, buffers: DataView[]): void {
    if (message.kind !== "news") return;
    let at = 0;
    for (const news of message.news) {
      const own = buffers.slice(at, at + news.buffers);
      at += news.buffers;
      const store = this.runs[news.run]?.store;
      if (store === undefined) continue;
      if (news.kind === "all") store.replace(news, own);
      else if (!store.append(news)) this.askForAll();
    }
    this.redraw();
  }

  // To the kernel ----------------------------------------------------------------------------------

  private askForAll(): void {
    const now = performance.now();
    if (now - this.asked < ASK_MS) return;
    this.asked = now;
    // What it asks for comes to all views; a kernel that is busy sends frames until then.
    this.connection.ask("everything").catch(() => undefined);
  }

  private show(run: number, shown: boolean): void {
    const others = this.look.hidden.filter((one) => one !== run);
    this.change({ hidden: shown ? others : [...others, run] });
  }

  /** Change how it looks: here at once, in other views through the kernel. */
  private change(changed: Partial<Look>): void {
    this.look = { ...this.look, ...changed };
    this.changed = { ...this.changed, ...changed };
    this.redraw(0);
    clearTimeout(this.sending);
    this.sending = setTimeout(() => {
      this.sending = undefined;
      const sent = this.changed;
      this.changed = {};
      this.changing += 1;
      this.connection
        .ask("look", sent)
        .catch((refusal: unknown) => this.say(told(refusal)))
        .finally(() => {
          this.changing -= 1;
        });
    }, LOOK_MS);
  }

  /** Pause, resume or stop; where the kernel is busy with a cell, through the server. */
  private async wish(kind: Asked): Promise<void> {
    const run = this.look.chosen;
    const count = ++this.wishes;
    const asked = { run, wish: kind, page: this.page, count };
    let answered = false;
    const answer = this.connection.ask("wish", asked).then(
      () => this.say("", count),
      (refusal: unknown) => this.say(told(refusal), count),
    );
    void answer.then(() => {
      answered = true;
    });
    await Promise.race([answer, new Promise((done) => setTimeout(done, BUSY_MS))]);
    if (answered) return;
    const { state, process } = this.runs[run]!.store.facts.status;
    const works = ["running", "paused", "evaluating"].includes(state);
    const wish = kind === "resume" ? "run" : kind;
    const through =
      works && (await tellThroughServer(this.paths[run]!, process, { wish, page: this.page, count }));
    if (!answered) this.say(t(through ? "told_by_server" : "no_answer"), count);
  }

  private say(text: string, count = this.wishes): void {
    if (count !== this.wishes) return; // of a wish before the last
    this.hint = text;
    this.writeNotice();
  }

  // On the page ------------------------------------------------------------------------------------

  private newTheme(): void {
    this.theme = null;
    this.redraw();
  }

  private redraw(wait = DRAW_MS): void {
    this.drawing ??= setTimeout(() => {
      this.drawing = undefined;
      this.write();
      this.draw();
    }, wait);
  }

  private get chosen(): ShownRun {
    return this.runs[this.look.chosen] ?? this.runs[0]!;
  }

  private write(): void {
    const run = this.chosen;
    const { status } = run.store.facts;
    setText(this.title, run.name);
    this.title.title = this.paths[run.place] ?? "";
    setText(this.badge, stateWord(status));
    this.badge.dataset["state"] = status.state;
    const parts = [];
    if (status.epochs > 0) {
      parts.push(t("count_epochs", { epoch: epochNow(run), epochs: status.epochs }));
    }
    if (status.steps > 0) parts.push(t("count_steps", { step: status.step, steps: status.steps }));
    const reached = bestValue(run);
    if (reached !== undefined) {
      const metric = metricName(run.monitor.replace("val/", ""));
      parts.push(t("count_best", { metric, value: reached.toFixed(3) }));
    }
    setText(this.counts, parts.join(" · "));
    const left = status.seconds_left;
    setText(
      this.left,
      status.state === "running" && left !== null ? t("time_left", { time: duration(left) }) : "",
    );
    const share =
      status.state === "finished" ? 1 : status.steps > 0 ? status.step / status.steps : 0;
    this.bar.style.transform = `scaleX(${Math.min(1, share)})`;
    this.progress.setAttribute("aria-valuemax", String(Math.max(1, status.steps)));
    this.progress.setAttribute("aria-valuenow", String(status.step));
    this.controls.update(status);
    this.list.update(this.runs, this.look, (one) => bestValue(one)?.toFixed(3) ?? "");
    const standard = this.several ? (this.runs[0]?.monitor ?? "") : "";
    this.tools.update(this.look, metricNames(this.runs), standard);
    this.writeNotice();
    this.details.update(run);
  }

  private writeNotice(): void {
    const { error, trouble, note } = this.chosen.store.facts.status;
    const text = this.hint || error || trouble || (note === "sample" ? t("note_sample") : note);
    setText(this.notice, text);
    this.notice.title = text;
    this.notice.classList.toggle("mf-bad", !this.hint && (error || trouble) !== "");
  }

  private draw(): void {
    if (!this.plotlyKnown) return; // one moment, rather than two different pictures
    const colours = (this.theme ??= theme(this.node));
    this.list.colour(colours);
    const shown = this.runs.filter(({ place }) => !this.look.hidden.includes(place));
    const statuses = shown.map(({ store }) => store.facts.status);
    const over = statuses.every(({ state }) =>
      ["finished", "stopped", "failed", "interrupted"].includes(state),
    );
    const steps = Math.max(0, ...statuses.map((status) => status.steps));
    const extent = { steps, over, best: null };
    const { look, several, plotly: library } = this;
    this.loss.draw(lossLines(shown, look, several), extent, colours, library, look.log);
    const best = several ? null : this.chosen.store.facts.best;
    this.metrics.draw(metricLines(shown, look, several), { ...extent, best }, colours, library);
    this.rate.draw(rateLines(shown, several), extent, colours, library, look.log);
    this.details.draw(this.chosen, look, colours, library);
  }
}

function epochNow({ store }: ShownRun): number {
  const { state, epoch, epochs } = store.facts.status;
  const within = state === "running" || state === "paused";
  return Math.min(epochs, within ? epoch + 1 : epoch);
}

function bestValue({ store, monitor }: ShownRun): number | undefined {
  const { best } = store.facts;
  const curve = best === null ? undefined : store.curves.get(monitor);
  return curve?.value[curve.step.lastIndexOf(best!)];
}

function told(refusal: unknown): string {
  return refusal instanceof Refusal ? refusal.message : String(refusal);
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const panel = new RunPanel(model, el);
  return () => panel.close();
}

export default { render };
