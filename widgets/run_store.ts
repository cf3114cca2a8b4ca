// What a view knows about its run: filled from a frame, kept up with messages, honest about gaps.

import type { AllMessage, Facts, Frame, LogLine, PointsMessage } from "./model";

export interface Curve {
  step: number[];
  value: number[];
}

const LOG_LINES = 500;

const UNKNOWN: Facts = {
  status: {
    state: "created",
    asked: "run",
    epoch: 0,
    epochs: 0,
    step: 0,
    steps: 0,
    seconds_left: null,
    error: "",
    trouble: "",
    note: "",
    process: ["", 0, null],
  },
  system: {},
  best: null,
  checks: [],
  results: {},
};

export class RunStore {
  facts: Facts = { ...UNKNOWN };
  curves = new Map<string, Curve>();
  log: LogLine[] = [];
  seq = -1;
  // Set while messages were missed: then only a frame or "all" can complete the picture.
  gap = true;

  /** Take a frame where it knows more than this view does; return whether it was taken. */
  adopt(frame: Frame): boolean {
    const seq = frame.seq ?? -1;
    if (!this.gap || seq < this.seq) return false;
    this.learn(frame);
    this.curves = new Map();
    for (const [name, [step, value]] of Object.entries(frame.curves ?? {})) {
      this.curves.set(name, { step: [...step], value: [...value] });
    }
    this.log = [...(frame.messages ?? [])];
    this.seq = seq;
    this.gap = seq < 0;
    return true;
  }

  /** Append what is new; return false where a message before this one was missed. */
  append(message: PointsMessage): boolean {
    if (message.seq <= this.seq) return true;
    this.learn(message);
    if (this.gap || message.seq !== this.seq + 1) {
      this.gap = true;
      return false;
    }
    this.seq = message.seq;
    for (const [name, [step, value]] of Object.entries(message.curves ?? {})) {
      const curve = this.curves.get(name);
      if (curve === undefined) {
        this.curves.set(name, { step: [...step], value: [...value] });
      } else {
        for (const one of step) curve.step.push(one);
        for (const one of value) curve.value.push(one);
      }
    }
    if (message.messages) this.log = [...this.log, ...message.messages].slice(-LOG_LINES);
    return true;
  }

  /** Replace everything. */
  replace(message: AllMessage, buffers: DataView[]): void {
    if (message.seq < this.seq) return;
    this.learn(message);
    this.curves = new Map();
    message.curves.forEach((name, index) => {
      const step = buffers[2 * index];
      const value = buffers[2 * index + 1];
      if (step === undefined || value === undefined) return;
      this.curves.set(name, {
        step: Array.from(numbers(Int32Array, step)),
        value: Array.from(numbers(Float32Array, value)),
      });
    });
    this.log = [...message.messages];
    this.seq = message.seq;
    this.gap = false;
  }

  private learn(news: Partial<Facts>): void {
    const { status, system, best, checks, results } = this.facts;
    this.facts = {
      status: news.status ?? status,
      system: news.system ?? system,
      best: news.best === undefined ? best : news.best,
      checks: news.checks ?? checks,
      results: news.results ?? results,
    };
  }
}

function numbers<T>(
  kind: new (buffer: ArrayBuffer, offset: number, length: number) => T,
  view: DataView,
): T {
  // A copy, as a message's buffers need not lie on a multiple of four bytes.
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  return new kind(bytes as ArrayBuffer, 0, view.byteLength / 4);
}
