// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import comparison from "../comparison";
import { UnitChart } from "../unit_chart";
import { theme } from "../theme";

type Handler = (...given: unknown[]) => void;
type Sent = { id: string; name: string; values: Record<string, unknown> };

const HOSTILE = "<script>window.hacked = 1</script>";
const view = (numbers: ArrayLike<number>, kind: typeof Float32Array | typeof Int32Array = Float32Array) =>
  new DataView(kind.from(numbers).buffer as ArrayBuffer);

function opened() {
  const handlers: [string, Handler][] = [];
  const sent: Sent[] = [];
  const chosen = { runs: ["/r/one", "/r/two"], split: "test", class: null, curve: null };
  const state = { comparison: chosen, python: ["mf.compare()"], commands: ["medfusion compare"] };
  const model = {
    get: (name: string) => (name === "state" ? state : undefined),
    on: (event: string, handler: Handler) => handlers.push([event, handler]),
    off: (event: string, handler: Handler) => {
      const at = handlers.findIndex(([e, h]) => e === event && h === handler);
      if (at >= 0) handlers.splice(at, 1);
    },
    send: (content: Sent) => sent.push(content),
    widget_manager: { get_model: () => Promise.reject(new Error("none")) },
  };
  const node = document.createElement("div");
  document.body.append(node);
  const close = comparison.render({ model: model as never, el: node });
  const reply = async (name: string, values: object, buffers: DataView[] = []) => {
    const asked = sent.filter((one) => one.name === name).at(-1)!;
    for (const [event, handler] of [...handlers]) {
      if (event === "msg:custom") handler({ kind: "answer", id: asked.id, values }, buffers);
    }
    await vi.advanceTimersByTimeAsync(1);
  };
  return { node, sent, reply, close, handlers };
}

const auc = (value: number) => ({ value, ci: [value - 0.1, value + 0.1], method: "DeLong", n: 60 });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("what the kernel worked out is shown, and is only ever text", async () => {
  const { node, sent, reply, close, handlers } = opened();
  await reply(
    "compared",
    {
      runs: ["one", HOSTILE].map((name) => ({ name, path: name, state: "finished", epoch: 5, epochs: 5 })),
      split: "test",
      metrics: [{ name: "auc", values: [auc(0.8), null] }],
      main: "auc",
      curves: ["val/loss", "val/auc"],
      classes: [HOSTILE],
      fields: [{ field: "model.fusion.kind", values: ["film", HOSTILE] }],
      places: [],
      troubles: [HOSTILE],
    },
    [0, 1].flatMap(() => [0, 1].flatMap(() => [view([4, 8], Int32Array), view([0.5, 0.25])])),
  );
  expect(sent.at(-1)).toMatchObject({ name: "overlays", values: { class_: HOSTILE } });
  const rows = [0, 1].flatMap(() => Array.from({ length: 8 }, () => view([0, 0.5, 1])));
  await reply("overlays", { runs: [0, 1].map(() => ({ n: 60, positive: 30, why: "" })) }, rows);
  await reply("differences", {
    reference: "one",
    differences: [
      { run: HOSTILE, why: "", metric: "auc", value: -0.2, ci: [-0.3, -0.1], n: 60, p: 0.0002, adjusted: 0.0002 },
    ],
  });
  expect(node.querySelector(".mf-cmp-differences li")!.textContent).toBe(
    "B − A: AUC -0.200 (-0.300 to -0.100), p < 0.001 (n = 60)",
  );
  expect(node.querySelectorAll(".mf-unit polyline")).toHaveLength(6);
  expect(node.querySelector(".mf-cmp-cases")!.textContent).toBe("30 of 60 cases");
  const cells = Array.from(node.querySelectorAll(".mf-cmp-table td"), (cell) => cell.textContent);
  expect(cells).toEqual(["0.800 (0.700 to 0.900)", "–", "film", HOSTILE]);
  expect(node.querySelector("script")).toBeNull();
  expect(node.querySelector(".mf-code")!.textContent).toBe("import medfusion as mf\nmf.compare()");
  close();
  expect(handlers).toEqual([]);
});

test("another split is asked of the kernel, not kept here", async () => {
  const { node, sent } = opened();
  const split = node.querySelector("select")!;
  split.value = "val";
  split.dispatchEvent(new Event("change"));
  expect(sent.at(-1)).toMatchObject({ name: "look", values: { split: "val" } });
});

test("a step of precision and recall has the precision of its right end", () => {
  const chart = new UnitChart("PR", "x", "y", false);
  const line = { label: "A", value: "", colour: 0, x: Float32Array.of(0, 1), y: Float32Array.of(1, 0.5) };
  const points = () => chart.node.querySelector("polyline")!.getAttribute("points")!.split(" ");
  chart.draw([line], theme(chart.node));
  expect(points()).toHaveLength(2);
  chart.draw([{ ...line, stepped: true }], theme(chart.node));
  expect(points()).toHaveLength(3);
  expect(points()[1]!.split(",")[0]).toBe(points()[0]!.split(",")[0]);
  expect(points()[1]!.split(",")[1]).toBe(points()[2]!.split(",")[1]);
});
