// Choosing a table: one of those in the folder, a path, or a file that is dropped and sent in parts.

import type { Connection } from "./connection";
import { make, setText } from "./dom";
import { t } from "./messages";

interface Found {
  path: string;
  bytes: number;
}

const OTHER = "\u0000other";

export class TableChoice {
  readonly node: HTMLElement;
  private readonly select = make("select", { "aria-label": t("data_pick") });
  private readonly path = make("input", { type: "text", spellcheck: "false", autocomplete: "off" });
  private readonly told = make("span", { class: "mf-choice-told" });
  private readonly file = make("input", { type: "file", hidden: "", accept: ".csv,.tsv,.txt,.xlsx,.xlsm,.parquet" });
  private listed = false;
  private chosen: string | null = null;

  /**
   * @param open Opens a table; `typed` where a person wrote its path.
   * @param refused Told why a table could not be had.
   */
  constructor(
    private readonly connection: Connection,
    private readonly open: (path: string, typed: boolean) => void,
    private readonly refused: (message: string) => void,
  ) {
    this.path.placeholder = t("data_other_path");
    this.path.setAttribute("aria-label", t("data_other_path"));
    const go = make("button", { type: "button", class: "mf-button" }, t("data_open"));
    const upload = make("button", { type: "button", class: "mf-button" }, t("data_upload"));
    const typed = make("span", { class: "mf-choice-typed" }, this.path, go);
    typed.hidden = true;
    this.select.addEventListener("change", () => {
      typed.hidden = this.select.value !== OTHER;
      if (this.select.value === OTHER) this.path.focus();
      else if (this.select.value !== "") this.open(this.select.value, false);
    });
    const type = () => {
      if (this.path.value.trim() !== "") this.open(this.path.value.trim(), true);
    };
    go.addEventListener("click", type);
    this.path.addEventListener("keydown", (event) => {
      if (event.key === "Enter") type();
    });
    upload.addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => {
      const file = this.file.files?.[0];
      if (file !== undefined) void this.send(file);
      this.file.value = "";
    });
    this.node = make(
      "div",
      { class: "mf-table-choice" },
      this.select,
      typed,
      upload,
      this.file,
      this.told,
    );
    setText(this.told, t("data_drop"));
    this.dropped();
  }

  /** Show which table is open. */
  async show(path: string | null): Promise<void> {
    this.chosen = path;
    if (!this.listed) {
      this.listed = true;
      await this.list();
    }
    this.mark();
  }

  /** Look again what tables there are. */
  async list(): Promise<void> {
    let found: Found[] = [];
    let complete = true;
    let folder = "";
    try {
      const { values } = await this.connection.ask("data_tables");
      found = values["tables"] as Found[];
      complete = values["complete"] as boolean;
      folder = String(values["folder"]);
    } catch (refusal) {
      this.refused(String((refusal as Error).message));
    }
    const options = found.map(({ path, bytes }) =>
      make("option", { value: path }, `${path} (${size(bytes)})`),
    );
    this.select.replaceChildren(
      make("option", { value: "" }, t("data_choose")),
      ...options,
      make("option", { value: OTHER }, `${t("data_other_path")} …`),
    );
    if (!complete) this.select.title = t("data_knows_more");
    if (found.length === 0) this.select.title = t("data_no_tables", { folder });
    this.mark();
  }

  private mark(): void {
    const path = this.chosen ?? "";
    const known = [...this.select.options].some((one) => one.value === path);
    if (!known) this.select.insertBefore(make("option", { value: path }, path), this.select.lastChild);
    if (this.select.value !== OTHER || path !== "") this.select.value = path;
  }

  private dropped(): void {
    const over = (on: boolean) => this.node.classList.toggle("mf-over", on);
    this.node.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    this.node.addEventListener("dragleave", () => over(false));
    this.node.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would open it
      over(false);
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) void this.send(file);
    });
  }

  private async send(file: File): Promise<void> {
    const tell = (at: number) => {
      const share = `${Math.round((100 * at) / Math.max(1, file.size))} %`;
      setText(this.told, t("data_uploading", { name: file.name, share }));
    };
    try {
      tell(0);
      const begun = await this.connection.ask("data_upload", { name: file.name, size: file.size });
      const key = begun.values["key"];
      const part = begun.values["part"] as number;
      for (let at = 0; at < file.size; at += part) {
        const content = base64(new Uint8Array(await file.slice(at, at + part).arrayBuffer()));
        await this.connection.ask("data_upload_part", { key, at, content });
        tell(Math.min(file.size, at + part));
      }
      await this.list();
    } catch (refusal) {
      this.refused(String((refusal as Error).message));
    } finally {
      setText(this.told, t("data_drop"));
    }
  }
}

function base64(content: Uint8Array): string {
  let text = "";
  for (let at = 0; at < content.length; at += 0x8000) {
    text += String.fromCharCode(...content.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

function size(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}
