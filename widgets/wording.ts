// Numbers and states in words.

import { t, word } from "./messages";
import type { Figure, Status } from "./model";

/** The run's state as a person says it, with what was asked for but is not done yet. */
export function stateWord(status: Status): string {
  if (["running", "evaluating"].includes(status.state)) {
    if (status.asked === "stop") return t("state_stopping");
    if (status.asked === "pause") return t("state_pausing");
  }
  if (status.state === "paused" && status.asked === "stop") return t("state_stopping");
  const known = word(`state_${status.state}`);
  return known === `state_${status.state}` ? status.state : known;
}

/** A duration, coarser the longer it is, so that it does not flicker. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 600) {
    const tens = Math.round(seconds / 10) * 10;
    return `${Math.floor(tens / 60)} min ${String(tens % 60).padStart(2, "0")} s`;
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** A value in few digits: 0.412, 12.3, 1.2e-5. */
export function short(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 0.001 || size >= 100_000) {
    return value.toExponential(1).replace("e+", "e");
  }
  return size < 10 ? value.toFixed(3) : size < 1000 ? value.toFixed(1) : value.toFixed(0);
}

/** A metric with its interval, or why there is none. */
export function figure(found: Figure | undefined): string {
  if (found === undefined) return "";
  if (found.value === null) return t("not_estimable");
  const [low, high] = found.ci;
  const value = short(found.value);
  if (typeof low !== "number" || typeof high !== "number") return value;
  return t("interval", { value, low: short(low), high: short(high) });
}

const NAMES: Record<string, string> = {
  auc: "AUC",
  auc_micro: "AUC, micro",
  average_precision: "Average precision",
  brier: "Brier score",
  f1: "F1",
  hd95: "HD95",
  iou: "IoU",
  mae: "MAE",
  mse: "MSE",
  npv: "NPV",
  ppv: "PPV",
  r2: "R²",
  rmse: "RMSE",
  ece: "ECE",
};

/** A metric's name for people; that of a task ("death/auc") begins with the task. */
export function metricName(name: string): string {
  const slash = name.indexOf("/");
  if (slash > 0) return `${name.slice(0, slash)}: ${metricName(name.slice(slash + 1))}`;
  const known = NAMES[name];
  if (known !== undefined) return known;
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Hours, minutes and seconds of a moment given in seconds since 1970. */
export function clock(seconds: number | null): string {
  if (seconds === null) return "";
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}

const CURVES = 8;

/**
 * The validation metrics to draw: all of them, or of several tasks, which have many, the monitored
 * one and the first of each task.
 */
export function drawnMetrics(names: string[], monitor: string): string[] {
  const metrics = names.filter((name) => name.startsWith("val/") && name !== "val/loss");
  const first = new Map<string, string>();
  for (const name of metrics) {
    const task = name.split("/").slice(1, -1).join("/");
    if (!name.endsWith("/loss") && !first.has(task)) first.set(task, name);
  }
  const several = metrics.length > CURVES && first.size > 1;
  const shown = several
    ? metrics.filter((name) => name === monitor || [...first.values()].includes(name))
    : metrics;
  return shown.sort((a, b) => Number(b === monitor) - Number(a === monitor));
}
