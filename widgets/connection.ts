// Questions to the kernel and their answers: the browser side of medfusion/widgets/panel.py.

import type { Model } from "./model";

const BUSY_MS = 300;

export interface Answered {
  values: Record<string, unknown>;
  buffers: DataView[];
}

/** What the kernel says where it cannot do what was asked. */
export class Refusal extends Error {
  constructor(
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

interface Waiting {
  resolve: (answer: Answered) => void;
  reject: (refusal: Refusal) => void;
}

interface Reply {
  kind?: string;
  id?: string;
  values?: Record<string, unknown>;
  error?: { type: string; message: string };
}

export class Connection {
  private readonly waiting = new Map<string, Waiting>();
  private readonly own = Math.random().toString(36).slice(2);
  private readonly hear = (reply: Reply, buffers: DataView[]) => this.receive(reply, buffers);
  private count = 0;
  private late: ReturnType<typeof setTimeout> | undefined;
  private isBusy = false;

  /**
   * @param model Of anywidget.
   * @param busy Told when the kernel lets a question wait, as while a cell runs, and when it no
   *   longer does.
   */
  constructor(
    private readonly model: Model,
    private readonly busy: (waits: boolean) => void = () => undefined,
  ) {
    model.on("msg:custom", this.hear);
  }

  /** Ask the kernel; the promise fails with a Refusal where it says why not. */
  ask(name: string, values: Record<string, unknown> = {}): Promise<Answered> {
    this.count += 1;
    const id = `${this.own}-${this.count}`;
    const answer = new Promise<Answered>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
    });
    this.model.send({ kind: "ask", id, name, values });
    this.late ??= setTimeout(() => this.setBusy(true), BUSY_MS);
    return answer;
  }

  close(): void {
    this.model.off("msg:custom", this.hear);
    clearTimeout(this.late);
    this.waiting.clear();
  }

  private receive(reply: Reply, buffers: DataView[]): void {
    const waiting = reply.kind === "answer" ? this.waiting.get(reply.id ?? "") : undefined;
    if (waiting === undefined) return; // of another view, or no answer
    this.waiting.delete(reply.id!);
    clearTimeout(this.late);
    // What still waits has been waiting for less than this answer took.
    this.late =
      this.waiting.size > 0 ? setTimeout(() => this.setBusy(true), BUSY_MS) : undefined;
    this.setBusy(false);
    if (reply.error !== undefined) {
      waiting.reject(new Refusal(reply.error.type, reply.error.message));
    } else {
      waiting.resolve({ values: reply.values ?? {}, buffers });
    }
  }

  private setBusy(waits: boolean): void {
    if (waits === this.isBusy) return;
    this.isBusy = waits;
    this.busy(waits);
  }
}
