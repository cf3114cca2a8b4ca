// What the kernel says of a draft's data: the answers of medfusion/widgets/data_desk.py.

/** The part of the panel's state that the data page reads. */
export interface DataState {
  document: Record<string, unknown>;
  problems: { path: (string | number)[]; sentence: string }[];
  folder: string;
  data?: { table: string | null; roles: Record<string, string>; views: string[] };
}

export const ROLES = [
  "unused",
  "id",
  "group",
  "image",
  "numeric",
  "categorical",
  "target",
  "label",
  "time",
  "event",
  "split",
] as const;

export type Role = (typeof ROLES)[number];

export interface ColumnFacts {
  name: string;
  guess: "numeric" | "categorical" | "image" | "volume" | "id" | "text" | "empty";
  missing: number;
  distinct: number;
  min?: number;
  median?: number;
  max?: number;
  levels?: Record<string, number>;
  notes: [string, string][];
  target: string;
  bars: number[];
}

export interface TableFacts {
  path: string;
  rows: number;
  format: string;
  notes: string[];
  columns: ColumnFacts[];
  leaks: Record<string, string>;
}

/** Which rows, and in which order. */
export interface Order {
  by?: string;
  down?: boolean;
  find?: string;
}

export interface Page {
  total: number;
  start: number;
  rows: number[];
  cells: (string | null)[][];
}

export interface PicturePage {
  total: number;
  start: number;
  rows: number[];
  id: (string | null)[];
  label: (string | null)[];
  reasons: string[];
}

export interface Spread {
  column: string;
  by: string;
  kind: "numeric" | "categorical";
  series: string[];
  missing: number[];
  n: number[];
  edges?: number[];
  levels?: string[];
  others?: number;
}

export interface ViewFacts {
  name: string;
  files: string[];
  problem: string;
  kind?: "image" | "volume";
  height?: number;
  width?: number;
  planes?: Record<string, number>;
  size?: number[];
  spacing?: number[];
  units?: string;
}

export interface SubjectFacts {
  row: number;
  where: string;
  columns: string[];
  cells: (string | null)[];
  views: ViewFacts[];
}

export interface Remedy {
  action: string;
  columns: string[];
}

export interface Checks {
  working?: boolean;
  error?: string;
  remedies?: Remedy[];
  grouping?: Remedy[];
  splits?: Record<string, number>;
  checks?: {
    name: string;
    outcome: "PASS" | "WARN" | "FAIL";
    message: string;
    rows: string[];
    remedies: Remedy[];
  }[];
}

/** The numbers of a buffer, which may lie anywhere in it. */
export function int32(view: DataView): Int32Array {
  return new Int32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

export function bytes(view: DataView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer,
  );
}

/** A picture of the kernel's as an address that an img may show; to be revoked. */
export function picture(view: DataView): string {
  return URL.createObjectURL(new Blob([bytes(view)], { type: "image/png" }));
}

/** A number with separators between thousands. */
export function count(value: number): string {
  return value.toLocaleString("en-US").replaceAll(",", "\u2009");
}

export function percent(share: number): string {
  if (share === 0) return "0 %";
  return share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}

/** A number in at most four digits: 85, 0.7812. */
export function brief(value: number): string {
  return String(Number(value.toPrecision(4)));
}
