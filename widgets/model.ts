// What a panel needs of anywidget's model, and what the kernel sends (medfusion/widgets/feed.py).

export interface Model {
  get(name: string): unknown;
  on(event: string, handler: (...args: never[]) => void): void;
  off(event: string, handler: (...args: never[]) => void): void;
  send(content: unknown): void;
  widget_manager: { get_model(id: string): Promise<{ get(name: string): unknown }> };
}

export interface Status {
  state: string;
  asked: string;
  epoch: number;
  epochs: number;
  step: number;
  steps: number;
  seconds_left: number | null;
  error: string;
  trouble: string;
  note: string;
  process: [host: string, pid: number, born: number | null];
}

export interface LogLine {
  time: number | null;
  level: string;
  text: string;
}

export interface Check {
  name: string;
  outcome: string;
  message: string;
}

export interface Figure {
  value: number | null;
  ci: (number | null)[];
  n: number | null;
}

export type System = Record<string, number>;
export type Results = Record<string, Record<string, Figure>>;

export interface Facts {
  status: Status;
  system: System;
  best: number | null;
  checks: Check[];
  results: Results;
}

type Pair = [number[], number[]];

export interface Frame extends Partial<Facts> {
  seq?: number;
  curves?: Record<string, Pair>;
  messages?: LogLine[];
}

export interface PointsMessage extends Partial<Facts> {
  kind: "points";
  seq: number;
  curves?: Record<string, Pair>;
  messages?: LogLine[];
}

export interface AllMessage extends Facts {
  kind: "all";
  seq: number;
  curves: string[];
  messages: LogLine[];
}

/** What is new in the runs of a panel; the buffers of all follow one another. */
export interface NewsMessage {
  kind: "news";
  news: ((PointsMessage | AllMessage) & { run: number; buffers: number })[];
}
