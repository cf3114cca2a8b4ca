// Pause, Resume and Stop. Stop asks once more, and a click that nobody answers says so.

import { icon, make, setText } from "./dom";
import type { Status } from "./model";

const PAUSE = "M4 3h3v10H4zM9 3h3v10H9z";
const PLAY = "M4 2.5v11l9-5.5z";
const STOP = "M3.5 3.5h9v9h-9z";

const CONFIRM_MS = 4000;
const ANSWER_MS = 2500;

export class RunControls {
  readonly node: HTMLElement;
  private readonly pause = button("Pause", PAUSE, "Pause after the current step");
  private readonly resume = button("Resume", PLAY, "Go on where the run was left");
  private readonly stop = button("Stop", STOP, "Save and stop after the current step");
  private confirming: ReturnType<typeof setTimeout> | undefined;
  private waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ask: (kind: "pause" | "resume" | "stop") => void,
    private readonly hint: (text: string) => void,
  ) {
    this.node = make(
      "div",
      { class: "mf-controls", role: "group", "aria-label": "Run" },
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

  answered(): void {
    clearTimeout(this.waiting);
  }

  close(): void {
    clearTimeout(this.confirming);
    clearTimeout(this.waiting);
  }

  private twoSteps(): void {
    if (!this.stop.classList.contains("mf-sure")) {
      this.stop.classList.add("mf-sure");
      setText(this.stop.lastElementChild!, "Stop now?");
      this.hint("Press Stop once more to save and stop; the run can be resumed later.");
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
    setText(this.stop.lastElementChild!, "Stop");
    this.hint("");
  }

  private send(kind: "pause" | "resume" | "stop"): void {
    this.hint("");
    this.ask(kind);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(
      () =>
        this.hint(
          "No answer from the kernel yet. It may be busy with a cell (interrupt it, the run goes on), " +
            "or was restarted: then open the run again with the code below.",
        ),
      ANSWER_MS,
    );
  }
}

function button(label: string, path: string, title: string): HTMLButtonElement {
  return make(
    "button",
    { type: "button", class: `mf-button mf-${label.toLowerCase()}`, title },
    icon(path),
    make("span", {}, label),
  );
}
