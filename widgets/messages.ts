// All words of the panels, in English and Chinese; the browser's language is taken.

import { BUILDER } from "./messages/builder";
import { DATA } from "./messages/data";
import { LIVE } from "./messages/live";
import { MODELS } from "./messages/models";
import { REVIEW } from "./messages/review";
import { RUNS } from "./messages/runs";
import { WORKFLOW } from "./messages/workflow";

export type Language = "en" | "zh";

/** The words of each panel. No key is in two of them. */
export const CATALOGUES = [BUILDER, DATA, LIVE, MODELS, REVIEW, RUNS, WORKFLOW];

const MESSAGES = {
  ...BUILDER,
  ...DATA,
  ...LIVE,
  ...MODELS,
  ...REVIEW,
  ...RUNS,
  ...WORKFLOW,
} as const satisfies Record<string, readonly [en: string, zh: string]>;

export type Key = keyof typeof MESSAGES;

let chosen: Language = (globalThis.navigator?.language ?? "en").toLowerCase().startsWith("zh")
  ? "zh"
  : "en";

/** Speak another language than the browser's. */
export function speak(language: Language): void {
  chosen = language;
}

export function language(): Language {
  return chosen;
}

/** A message with its values put in: `t("saved", { path })`. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = MESSAGES[key][chosen === "zh" ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A word of a form or a value of a field: its message where there is one, else the word itself. */
export function word(key: string): string {
  return Object.hasOwn(MESSAGES, key) ? t(key as Key) : key;
}

/** Every key with its text in a language, for tests. */
export function catalogue(in_: Language): Map<string, string> {
  return new Map(Object.entries(MESSAGES).map(([key, both]) => [key, both[in_ === "zh" ? 1 : 0]]));
}
