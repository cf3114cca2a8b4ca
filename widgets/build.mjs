// Bundles each panel into medfusion/widgets/static and puts plotly.js where reports and panels find it.
import { existsSync } from "node:fs";
import { copyFile, mkdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const PANELS = [
  "builder",
  "comparison",
  "data_browser",
  "label_review",
  "run_panel",
  "runs_table",
  "workflow_editor",
];
const LARGEST = 60_000; // bytes; a panel rides along with every view of it
const LARGER = {
  builder: 120_000, // the data browser's and the model's pages are in it
  data_browser: 90_000, // forms of the whole experiment, grids and charts of the data
  run_panel: 70_000, // several runs, their classes, gates, gradients, mistakes
  runs_table: 80_000, // with the comparison of runs in it
  workflow_editor: 520_000, // React and @xyflow/react; no other notebook loads it
};

const here = import.meta.dirname;
const widgets = join(here, "..", "medfusion", "widgets", "static");
const report = join(here, "..", "medfusion", "report", "static");
await mkdir(widgets, { recursive: true });
await mkdir(report, { recursive: true });

for (const panel of PANELS) {
  const react = existsSync(join(here, `${panel}.tsx`));
  await build({
    entryPoints: { [panel]: join(here, `${panel}.${react ? "tsx" : "ts"}`) },
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    outdir: widgets,
    logLevel: "warning",
  });
  await build({
    entryPoints: [join(here, `${panel}.css`)],
    bundle: true,
    minify: true,
    charset: "utf8",
    outdir: widgets,
    logLevel: "warning",
  });
  const { size } = await stat(join(widgets, `${panel}.js`));
  const most = LARGER[panel] ?? LARGEST;
  if (size > most) throw new Error(`${panel}.js has ${size} bytes, more than ${most}`);
  console.log(`${panel}.js ${(size / 1000).toFixed(1)} kB`);
}

const plotly = dirname(createRequire(import.meta.url).resolve("plotly.js-basic-dist-min"));
await copyFile(join(plotly, "plotly-basic.min.js"), join(report, "plotly-basic.min.js"));
