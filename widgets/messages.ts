// All words of the panels, in English and Chinese; the browser's language is taken.

export type Language = "en" | "zh";

const MESSAGES = {
  add: ["Add", "添加"],
  busy: [
    "The kernel is busy with a cell; this follows when the cell has ended.",
    "内核正在运行单元格；单元格结束后将继续。",
  ],
  choose: ["Choose …", "请选择 …"],
  code_waits: [
    "Python appears when nothing is missing or wrong any more.",
    "补全并修正所有内容后，将显示 Python 代码。",
  ],
  copied: ["Copied", "已复制"],
  copy: ["Copy", "复制"],
  data: ["Data", "数据"],
  evaluation: ["Evaluation", "评估"],
  load: ["Take over", "载入"],
  load_hint: ["Paste the YAML of an experiment", "粘贴实验的 YAML"],
  model: ["Model", "模型"],
  more: ["More settings", "更多设置"],
  name: ["Name", "名称"],
  none: ["none", "无"],
  nothing_wrong: ["Nothing is missing or wrong.", "没有缺失或错误。"],
  problems: ["{count} to mend", "{count} 处待修正"],
  redo: ["Redo", "重做"],
  remove: ["Remove", "删除"],
  review: ["Review", "检查"],
  save: ["Save", "保存"],
  saved: ["Saved: {path}", "已保存：{path}"],
  training: ["Training", "训练"],
  undo: ["Undo", "撤销"],
  with: ["yes", "是"],
} as const satisfies Record<string, readonly [en: string, zh: string]>;

export type Key = keyof typeof MESSAGES;

let chosen: Language = (globalThis.navigator?.language ?? "en").toLowerCase().startsWith("zh")
  ? "zh"
  : "en";

/** Speak another language than the browser's. */
export function speak(language: Language): void {
  chosen = language;
}

export function language(): Language {
  return chosen;
}

/** A message with its values put in: `t("saved", { path })`. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = MESSAGES[key][chosen === "zh" ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A word of a form or a value of a field: its message where there is one, else the word itself. */
export function word(key: string): string {
  return key in MESSAGES ? t(key as Key) : key;
}

/** Every key with its text in a language, for tests. */
export function catalogue(in_: Language): Map<string, string> {
  return new Map(Object.entries(MESSAGES).map(([key, both]) => [key, both[in_ === "zh" ? 1 : 0]]));
}
