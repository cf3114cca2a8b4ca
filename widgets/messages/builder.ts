// Words of the builder, and those that all panels use.

export const BUILDER = {
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
} as const;
