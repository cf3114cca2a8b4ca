// Where Jupyter's server shows a file, if it lies below the folder that the server serves.

export interface Served {
  baseUrl: string;
  serverRoot: string;
}

/** What the page knows of its server; null outside of JupyterLab. */
export function served(): Served | null {
  try {
    const found: unknown = JSON.parse(
      document.getElementById("jupyter-config-data")?.textContent ?? "",
    );
    const { baseUrl, serverRoot } = found as Partial<Served>;
    if (typeof baseUrl !== "string" || typeof serverRoot !== "string") return null;
    return { baseUrl, serverRoot };
  } catch {
    return null;
  }
}

/**
 * The address of a file on the page's own server, null where the server does not serve it.
 *
 * @param home The home folder of who runs the kernel: the server writes it as "~".
 */
export function fileUrl(path: string, home: string, server: Served | null): string | null {
  if (server === null || !server.baseUrl.startsWith("/")) return null;
  const root = server.serverRoot.replace(/^~(?=\/|$)/, home).replace(/\/+$/, "");
  if (!path.startsWith(`${root}/`)) return null;
  const parts = path.slice(root.length + 1).split("/");
  if (parts.some((part) => part === "" || part.startsWith("."))) return null;
  return `${server.baseUrl.replace(/\/*$/, "/")}files/${parts.map(encodeURIComponent).join("/")}`;
}
