// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { InnerPanels } from "../inner_panels";
import { t } from "../messages";

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

function host() {
  const signals = new Map<string, AbortSignal>();
  return {
    signals,
    getWidget: (reference: string) =>
      reference.includes("lost")
        ? Promise.reject(new Error("No binding found"))
        : Promise.resolve({
            render: ({ el, signal }: { el: HTMLElement; signal: AbortSignal }) => {
              el.textContent = reference;
              signals.set(reference, signal);
              return Promise.resolve();
            },
          }),
  };
}

test("a child is drawn once, and taken off when another takes its place", async () => {
  const found = host();
  const inner = new InnerPanels(found);
  const place = inner.place("run");
  inner.update({ run: "anywidget:1" });
  await settled();
  expect(place.textContent).toBe("anywidget:1");
  const first = place.firstElementChild;
  inner.update({ run: "anywidget:1", other: "anywidget:9" });
  await settled();
  expect(place.firstElementChild).toBe(first);
  inner.update({ run: "anywidget:2" });
  await settled();
  expect(place.textContent).toBe("anywidget:2");
  expect(found.signals.get("anywidget:1")!.aborted).toBe(true);
  inner.update({ run: null });
  expect(place.childElementCount).toBe(0);
  expect(found.signals.get("anywidget:2")!.aborted).toBe(true);
});

test("what overtakes a child on its way wins", async () => {
  const inner = new InnerPanels(host());
  const place = inner.place("run");
  inner.update({ run: "anywidget:1" });
  inner.update({ run: "anywidget:2" });
  await settled();
  expect(place.textContent).toBe("anywidget:2");
});

test("a child that cannot be drawn says why", async () => {
  const inner = new InnerPanels(host());
  const place = inner.place("run");
  inner.update({ run: "anywidget:lost" });
  await settled();
  expect(place.textContent).toBe("No binding found");
  const old = new InnerPanels(undefined);
  const other = old.place("run");
  old.update({ run: "anywidget:1" });
  await settled();
  expect(other.textContent).toBe(t("anywidget_old"));
});
