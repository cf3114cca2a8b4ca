// Bundles each panel into medfusion/widgets/static and puts plotly.js where reports and panels find it.
import { copyFile, mkdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const PANELS = ["builder", "comparison", "run_panel", "runs_table"];
const LARGEST = 60_000; // bytes; a panel rides along with every view of it

const here = import.meta.dirname;
const widgets = join(here, "..", "medfusion", "widgets", "static");
const report = join(here, "..", "medfusion", "report", "static");
await mkdir(widgets, { recursive: true });
await mkdir(report, { recursive: true });

for (const panel of PANELS) {
  await build({
    entryPoints: { [panel]: join(here, `${panel}.ts`) },
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
  if (size > LARGEST) throw new Error(`${panel}.js has ${size} bytes, more than ${LARGEST}`);
  console.log(`${panel}.js ${(size / 1000).toFixed(1)} kB`);
}

const plotly = dirname(createRequire(import.meta.url).resolve("plotly.js-basic-dist-min"));
await copyFile(join(plotly, "plotly-basic.min.js"), join(report, "plotly-basic.min.js"));
