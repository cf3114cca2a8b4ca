// Which lines the charts of runs draw: of one run several, of several runs one or two each.

import type { Line } from "./chart";
import { t } from "./messages";
import type { Curve, RunStore } from "./run_store";
import { smooth } from "./smoothing";
import { drawnMetrics, metricName } from "./wording";

/** How the curves are shown; the kernel keeps it, so that all views show the same. */
export interface Look {
  smoothing: number;
  log: boolean;
  hidden: number[];
  chosen: number;
  metric: string;
}

export interface ShownRun {
  place: number;
  name: string;
  monitor: string;
  store: RunStore;
}

export const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "x", "cross"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

const LOADS = ["cpu", "memory", "disk", "gpu", "gpu_memory"] as const;

/** A line with its smoothed one before it, where smoothing is asked for. */
function drawn(line: Line, look: Look): Line[] {
  if (look.smoothing <= 0 || line.curve.step.length < 3) return [line];
  const { symbol: _, dash: __, ...plain } = line;
  return [
    { ...plain, faint: true },
    { ...line, faint: false, curve: smooth(line.curve, look.smoothing) },
  ];
}

function line(
  curves: Map<string, Curve>,
  name: string,
  label: string,
  place: number,
  more: Partial<Line> = {},
): Line[] {
  const curve = curves.get(name);
  return curve === undefined ? [] : [{ label, curve, colour: place, ...more }];
}

const styled = (place: number) => ({
  symbol: SYMBOLS[place % SYMBOLS.length]!,
  dash: DASHES[place % DASHES.length]!,
});

export function lossLines(runs: ShownRun[], look: Look, several: boolean): Line[] {
  const found = runs.flatMap(({ place, name, store: { curves } }) => {
    if (several) {
      return [
        ...line(curves, "train/loss", `${name}, ${t("train")}`, place),
        ...line(curves, "val/loss", `${name}, ${t("validation")}`, place, {
          symbol: SYMBOLS[place % SYMBOLS.length]!,
          dash: "dash",
        }),
      ];
    }
    return [
      ...line(curves, "step/loss", t("train_each_step"), 0, { faint: true }),
      ...line(curves, "train/loss", t("train"), 0, { symbol: "circle" }),
      ...line(curves, "val/loss", t("validation"), 1, { symbol: "diamond", dash: "dash" }),
    ];
  });
  return found.flatMap((one) => drawn(one, look));
}

/** Names of the metrics of validation that a person can choose from. */
export function metricNames(runs: ShownRun[]): string[] {
  const names = runs.flatMap(({ store }) => [...store.curves.keys()]);
  return [...new Set(names)].filter((name) => name.startsWith("val/") && name !== "val/loss");
}

export function metricLines(runs: ShownRun[], look: Look, several: boolean): Line[] {
  const found = runs.flatMap(({ place, name, monitor, store: { curves } }) => {
    if (several) {
      const metric = look.metric || (runs[0]?.monitor ?? monitor);
      return line(curves, metric, name, place, styled(place));
    }
    const names = look.metric ? [look.metric] : drawnMetrics([...curves.keys()], monitor);
    return names.flatMap((metric, index) =>
      line(curves, metric, metricName(metric.slice(4)), index, styled(index)),
    );
  });
  return found.flatMap((one) => drawn(one, look));
}

export function rateLines(runs: ShownRun[], several: boolean): Line[] {
  return runs.flatMap(({ place, name, store: { curves } }) =>
    line(curves, "step/lr", several ? name : t("learning_rate"), several ? place : 0, {
      ...(several ? { dash: DASHES[place % DASHES.length]! } : {}),
    }),
  );
}

export interface Picture {
  title: string;
  unit: string;
  lines: Line[];
  /** What the horizontal axis counts; steps by default. */
  across?: string;
}

/** Metrics of each class of one run: a picture a metric. */
export function classPictures({ store: { curves } }: ShownRun, look: Look): Picture[] {
  const titles: Record<string, string> = { auc: t("class_auc"), sensitivity: t("class_sensitivity") };
  const by = new Map<string, string[]>();
  for (const name of curves.keys()) {
    const found = /^class\/([^/]+)\/(.+)$/s.exec(name);
    if (found !== null) by.set(found[1]!, [...(by.get(found[1]!) ?? []), found[2]!]);
  }
  return [...by].map(([metric, classes]) => ({
    title: titles[metric] ?? metricName(metric),
    unit: t("value"),
    lines: classes.flatMap((one, index) =>
      line(curves, `class/${metric}/${one}`, one, index, styled(index)).flatMap((found) =>
        drawn(found, look),
      ),
    ),
  }));
}

/** Gates, attention weights, load of experts of one run: a picture for each kind. */
export function insidePictures({ store: { curves } }: ShownRun): Picture[] {
  const by = new Map<string, string[]>();
  for (const name of curves.keys()) {
    const found = /^inside\/(.+)\/mean$/s.exec(name)?.[1];
    if (found === undefined) continue;
    const group = found.includes("/") ? found.slice(0, found.lastIndexOf("/")) : found;
    by.set(group, [...(by.get(group) ?? []), found]);
  }
  return [...by].map(([group, names]) => ({
    title: metricName(group.replaceAll("/", ", ")),
    unit: t("value"),
    lines: names.flatMap((name, index) => {
      const label = name === group ? group : name.slice(group.length + 1);
      return [
        ...line(curves, `inside/${name}/low`, label, index, { faint: true }),
        ...line(curves, `inside/${name}/high`, label, index, { faint: true }),
        ...line(curves, `inside/${name}/mean`, label, index, styled(index)),
      ];
    }),
  }));
}

/** Norms of the gradient of one run. */
export function gradientPictures({ store: { curves } }: ShownRun, look: Look): Picture[] {
  const parts = [...curves.keys()].filter((name) => name.startsWith("gradient/"));
  const lines = [
    ...parts.flatMap((name, index) =>
      line(curves, name, name.slice("gradient/".length), index, {
        dash: DASHES[index % DASHES.length]!,
      }),
    ),
    ...line(curves, "step/grad_norm", t("gradients_whole"), parts.length),
  ].flatMap((one) => drawn(one, look));
  return lines.length === 0
    ? []
    : [{ title: t("gradients_title"), unit: t("gradients_unit"), lines }];
}

/** Load of the machine that a run worked on. */
export function machinePictures({ store: { curves } }: ShownRun): Picture[] {
  const lines = LOADS.flatMap((name, index) =>
    line(curves, `load/${name}`, t(`load_${name}`), index, { dash: DASHES[index]! }),
  );
  const across = t("seconds");
  return lines.length === 0 ? [] : [{ title: t("machine_title"), unit: "%", lines, across }];
}
