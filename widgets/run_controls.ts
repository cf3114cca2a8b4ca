// Pause, Resume and Stop. Stop asks once more, and a click always says what became of it.

import { icon, make, setText } from "./dom";
import { t } from "./messages";
import type { Status } from "./model";

const PAUSE = "M4 3h3v10H4zM9 3h3v10H9z";
const PLAY = "M4 2.5v11l9-5.5z";
const STOP = "M3.5 3.5h9v9h-9z";

const CONFIRM_MS = 4000;

export type Asked = "pause" | "resume" | "stop";

export class RunControls {
  readonly node: HTMLElement;
  private readonly pause = button("pause", PAUSE, t("pause_help"));
  private readonly resume = button("resume", PLAY, t("resume_help"));
  private readonly stop = button("stop", STOP, t("stop_help"));
  private confirming: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ask: (kind: Asked) => void,
    private readonly hint: (text: string) => void,
  ) {
    this.node = make(
      "div",
      { class: "mf-controls", role: "group", "aria-label": t("run") },
      this.pause,
      this.resume,
      this.stop,
    );
    this.pause.addEventListener("click", () => this.send("pause"));
    this.resume.addEventListener("click", () => this.send("resume"));
    this.stop.addEventListener("click", () => this.twoSteps());
    this.stop.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.calm();
    });
    this.stop.addEventListener("blur", () => this.calm());
  }

  update(status: Status): void {
    const { state, asked } = status;
    const busy = state === "running" || state === "paused" || state === "evaluating";
    const stopping = busy && asked === "stop";
    this.pause.disabled = state !== "running" || asked !== "run";
    this.resume.disabled =
      stopping ||
      !(asked === "pause" && busy) && !["stopped", "interrupted", "failed"].includes(state);
    this.stop.disabled = !busy || stopping;
    if (this.stop.disabled) this.calm();
  }

  close(): void {
    clearTimeout(this.confirming);
  }

  private twoSteps(): void {
    if (!this.stop.classList.contains("mf-sure")) {
      this.stop.classList.add("mf-sure");
      setText(this.stop.lastElementChild!, t("stop_sure"));
      this.hint(t("stop_once_more"));
      this.confirming = setTimeout(() => this.calm(), CONFIRM_MS);
      return;
    }
    this.calm();
    this.send("stop");
  }

  private calm(): void {
    clearTimeout(this.confirming);
    if (!this.stop.classList.contains("mf-sure")) return;
    this.stop.classList.remove("mf-sure");
    setText(this.stop.lastElementChild!, t("stop"));
    this.hint("");
  }

  private send(kind: Asked): void {
    this.hint("");
    this.ask(kind);
  }
}

function button(kind: Asked, path: string, title: string): HTMLButtonElement {
  return make(
    "button",
    { type: "button", class: `mf-button mf-${kind}`, title },
    icon(path),
    make("span", {}, t(kind)),
  );
}
