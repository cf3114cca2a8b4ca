// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { candidates, tellThroughServer, type Worker } from "../server_wish";

const WORKER: Worker = ["ward", 41, 5.25];
const WISH = { wish: "pause", page: "p", count: 2 } as const;

/** A Jupyter server with files: addresses as written, and what was put. */
function server(files: Record<string, unknown>, config: object) {
  const asked: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal("fetch", (url: URL, init: RequestInit) => {
    asked.push({ url: String(url), init });
    const path = decodeURIComponent(url.pathname);
    const found = files[path];
    const ok = init.method === "PUT" || found !== undefined;
    return Promise.resolve({ ok, json: () => Promise.resolve({ content: JSON.stringify(found) }) });
  });
  const script = document.createElement("script");
  script.id = "jupyter-config-data";
  script.type = "application/json";
  script.textContent = JSON.stringify(config);
  document.body.append(script);
  return asked;
}

afterEach(() => {
  vi.unstubAllGlobals();
  document.body.replaceChildren();
});

test("the likeliest place comes first, all others follow", () => {
  expect(candidates("/home/eva/work/runs/a", "~/work")).toEqual([
    "runs/a", "a", "work/runs/a", "eva/work/runs/a", "home/eva/work/runs/a",
  ]);
});

test("writes below the base URL, with the cookie's token, only where the process is the run's", async () => {
  document.cookie = "_xsrf=secret";
  const asked = server(
    {
      "/user/eva/api/contents/runs/a b/status.json": { host: "ward", pid: 41, born: 5.25 },
      "/user/eva/api/contents/a b/status.json": { host: "ward", pid: 7, born: 5.25 },
    },
    { baseUrl: "/user/eva/", serverRoot: "/srv", token: "t" },
  );
  expect(await tellThroughServer("/mnt/data/runs/a b", WORKER, WISH)).toBe(true);
  const last = asked.at(-1)!;
  expect(last.init.method).toBe("PUT");
  expect(new URL(last.url).pathname).toBe("/user/eva/api/contents/runs/a%20b/control.json");
  expect(last.init.headers).toMatchObject({ "X-XSRFToken": "secret", Authorization: "token t" });
  const body = JSON.parse(String(last.init.body)) as { content: string };
  expect(JSON.parse(body.content)).toEqual({ ...WISH, pid: 41, born: 5.25 });
});

test.each([
  ["no folder of the run below the root", {}, { baseUrl: "/" }],
  ["no JupyterLab", {}, {}],
])("says so where there is %s", async (_, files, config) => {
  const asked = server(files, config);
  expect(await tellThroughServer("/elsewhere/runs/z", WORKER, WISH)).toBe(false);
  expect(asked.every(({ init }) => init.method !== "PUT")).toBe(true);
});
