// Tells a run to pause, go on or stop while its kernel is busy with a cell: the page writes the
// wish into the run folder itself, through the Jupyter server that shows the notebook.

/** Who works on a run, as status.json says: host, process, its start. */
export type Worker = [host: string, pid: number, born: number | null];

export interface Wish {
  wish: "run" | "pause" | "stop";
  page: string;
  count: number;
}

interface Page {
  baseUrl?: string;
  token?: string;
  serverRoot?: string;
}

const DEEPEST = 12;
const places = new Map<string, string>();

/** What JupyterLab says of its server; null outside of it. */
function page(): Page | null {
  try {
    const text = document.getElementById("jupyter-config-data")?.textContent ?? "";
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null ? found : null;
  } catch {
    return null;
  }
}

/**
 * Where a folder may lie below the server's root, the likeliest first. The root is known only as a
 * person writes it ("~/work"), and a link may lead to it.
 */
export function candidates(path: string, root: string): string[] {
  const parts = path.split(/[/\\]/).filter((part) => part !== "");
  const tails = parts.map((_, index) => parts.slice(index).join("/")).slice(-DEEPEST);
  const last = root.split(/[/\\]/).filter((part) => part !== "" && part !== "~").join("/");
  const likely = tails.filter((tail) => last !== "" && parts.join("/").endsWith(`${last}/${tail}`));
  return [...new Set([...likely, ...tails.reverse()])];
}

/** Write the wish; return whether the run's own folder was found and written to. */
export async function tellThroughServer(path: string, worker: Worker, wish: Wish): Promise<boolean> {
  const server = page();
  if (server === null || typeof server.baseUrl !== "string") return false;
  try {
    const place = await find(server, path, worker);
    if (place === null) return false;
    // It may arrive when that process has ended and another goes on: it is not meant for that one.
    const content = `${JSON.stringify({ ...wish, pid: worker[1], born: worker[2] })}\n`;
    const body = JSON.stringify({ type: "file", format: "text", content });
    const done = await ask(server, `${place}/control.json`, { method: "PUT", body });
    return done.ok;
  } catch {
    return false; // the server is away, too
  }
}

async function find(server: Page, path: string, worker: Worker): Promise<string | null> {
  const known = places.get(path);
  const tried = known === undefined ? candidates(path, server.serverRoot ?? "") : [known];
  for (const place of tried) {
    if (await isRun(server, place, worker)) {
      places.set(path, place);
      return place;
    }
  }
  return null;
}

/** Whether a folder is that of the run: the same process works on it. */
async function isRun(server: Page, place: string, worker: Worker): Promise<boolean> {
  const answer = await ask(server, `${place}/status.json?type=file&format=text&content=1`);
  if (!answer.ok) return false;
  const { content } = (await answer.json()) as { content?: unknown };
  const found = JSON.parse(String(content)) as { host?: string; pid?: number; born?: number };
  const [host, pid, born] = worker;
  return found.host === host && found.pid === pid && found.born === born;
}

function ask(server: Page, file: string, more: RequestInit = {}): Promise<Response> {
  const [path, query] = file.split("?", 2);
  const encoded = path!.split("/").map(encodeURIComponent).join("/");
  const base = server.baseUrl!.endsWith("/") ? server.baseUrl! : `${server.baseUrl!}/`;
  const url = new URL(`${base}api/contents/${encoded}`, window.location.href);
  if (query !== undefined) url.search = query;
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  const xsrf = /(?:^|;\s*)_xsrf=([^;]+)/.exec(document.cookie)?.[1];
  if (xsrf !== undefined) headers["X-XSRFToken"] = xsrf;
  if (server.token) headers["Authorization"] = `token ${server.token}`;
  return fetch(url, { cache: "no-store", credentials: "same-origin", headers, ...more });
}
