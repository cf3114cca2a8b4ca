// What forms need of a panel whose state is a draft: reads the state, asks for every change.

import type { FormHost, Path } from "./form";
import { word } from "./messages";
import { isRecord, type Field } from "./schema";

/** The part of a draft panel's state that forms read. */
export interface DraftState {
  document: Record<string, unknown>;
  problems: { path: (string | number)[]; sentence: string }[];
}

export class DraftHost implements FormHost {
  /**
   * @param state Gives the panel's state as it is now.
   * @param ask Asks the kernel for a change.
   */
  constructor(
    private readonly state: () => DraftState,
    private readonly ask: (name: string, values: Record<string, unknown>) => void,
  ) {}

  said(path: Path): unknown {
    let here: unknown = this.state().document;
    for (const part of path) {
      here = isRecord(here) || Array.isArray(here) ? (here as Record<string, unknown>)[part] : undefined;
    }
    return here;
  }

  problems(path: Path): string[] {
    const place = path.join("\n");
    return this.state()
      .problems.filter((one) => one.path.join("\n") === place)
      .map((one) => one.sentence);
  }

  set(path: Path, value: unknown, merge: boolean): void {
    this.ask("set", { path, value, merge });
  }

  remove(path: Path): void {
    this.ask("remove", { path });
  }

  choose(path: Path, kind: string): void {
    this.ask("choose", { path, kind });
  }

  rename(path: Path, name: string): void {
    this.ask("rename", { path, name });
  }

  word(key: string): string {
    return word(key);
  }

  label(path: Path): string {
    const words = String(path.at(-1)).replaceAll("_", " ");
    return words.charAt(0).toUpperCase() + words.slice(1);
  }

  help(_path: Path, field: Field): string {
    return field.help;
  }
}
