// A model as a diagram: from its inputs at the top to its output, image and table side by side.

import { make, makeSvg, setText } from "./dom";
import { t, word } from "./messages";
import { blockName, count, multiplyAdds, shapeText, type Block, type Facts, type ModelState } from "./model_facts";

const WIDTH = 640;
const HEIGHT = 40;
const GAP = 15;
const SPACE = 16;
const MOST_VIEWS = 3;
/** Letters of a line that a pixel has room for. */
const LETTERS = 0.155;

interface Box {
  block: Block;
  x: number;
  y: number;
  width: number;
}

/** Where the blocks stand, and which lead to which. */
export function arrange(blocks: Block[]): { boxes: Box[]; lines: [Box, Box][]; height: number } {
  const find = (id: string) => blocks.find((block) => block.id === id);
  const views = blocks.filter((block) => block.id.startsWith("view:"));
  const columns = find("columns");
  const both = views.length > 0 && columns !== undefined;
  const lane = both ? (WIDTH - SPACE) * 0.56 : WIDTH;
  const boxes: Box[] = [];
  const lines: [Box, Box][] = [];
  const put = (block: Block, x: number, row: number, width: number, from: Box[]) => {
    const box = { block, x, y: row * (HEIGHT + GAP), width };
    boxes.push(box);
    for (const one of from) lines.push([one, box]);
    return box;
  };
  let row = 0;
  let ends: Box[] = [];
  if (views.length > 0) {
    const shown = views.length > MOST_VIEWS ? views.slice(0, MOST_VIEWS - 1) : views;
    const rest = views.length - shown.length;
    const each = [...shown, ...(rest > 0 ? [{ id: `view:+ ${rest}` }] : [])];
    const width = (lane - SPACE * (each.length - 1)) / each.length;
    let before = each.map((block, place) => put(block, place * (width + SPACE), 0, width, []));
    for (const id of ["image", "attention", "instances", "views"]) {
      const block = find(id);
      if (block !== undefined) before = [put(block, 0, (row += 1), lane, before)];
    }
    ends = before;
  }
  if (columns !== undefined) {
    const x = both ? lane + SPACE : 0;
    const table = find("table");
    const top = put(columns, x, 0, WIDTH - x, []);
    if (table !== undefined) ends.push(put(table, x, 1, WIDTH - x, [top]));
    row = Math.max(row, 1);
  }
  for (const id of ["fusion", "members"]) {
    const block = find(id);
    if (block !== undefined) ends = [put(block, 0, (row += 1), WIDTH, ends)];
  }
  const head = find("head");
  const output = find("output");
  row += 1;
  const beside = (WIDTH - SPACE) * 0.56;
  if (head !== undefined) ends = [put(head, 0, row, beside, ends)];
  if (output !== undefined) {
    const x = head === undefined ? 0 : beside + SPACE;
    put(output, x, row, WIDTH - x, ends);
  }
  return { boxes, lines, height: (row + 1) * HEIGHT + row * GAP };
}

export class ModelDiagram {
  readonly node = make("figure", { class: "mf-diagram" });
  private readonly picture = makeSvg("svg", { role: "img" });
  private shown = "";

  constructor() {
    this.node.append(this.picture);
  }

  /** Draw anew where anything changed; `facts` may be of the state before, while new ones are made. */
  update(state: ModelState, facts: Facts | null): void {
    const content = JSON.stringify([state.blocks, facts?.parts, facts?.outputs, Object.keys(state.wrong)]);
    if (content === this.shown) return;
    this.shown = content;
    const { boxes, lines, height } = arrange(state.blocks);
    this.picture.setAttribute("viewBox", `-1 -1 ${WIDTH + 2} ${height + 2}`);
    this.picture.setAttribute("aria-label", describe(boxes, facts));
    this.picture.replaceChildren(
      ...lines.map(([from, to]) => arrow(from, to)),
      ...boxes.map((box) => draw(box, facts, box.block.id in state.wrong)),
    );
  }
}

function describe(boxes: Box[], facts: Facts | null): string {
  const said = boxes.map(({ block }) => {
    const shape = shapeText(block, facts);
    return [blockName(block.id), word(block.kind ?? ""), shape].filter((part) => part !== "").join(" ");
  });
  return `${t("m_diagram")}: ${said.join("; ")}`;
}

function draw({ block, x, y, width }: Box, facts: Facts | null, wrong: boolean): Element {
  const part = facts?.parts[block.id];
  const weights = !part?.parameters ? "" : t("m_cost", { parameters: count(part.parameters) });
  const cost = !part?.multiply_adds ? "" : multiplyAdds(part.multiply_adds);
  const kind = block.kind === undefined || block.kind === "" ? "" : word(block.kind);
  const isEnd = block.id.startsWith("view:") || block.id === "columns" || block.id === "output";
  const name = blockName(block.id);
  const room = Math.floor((width - 24) * LETTERS);
  const first = makeSvg("text", { x: String(x + 10), y: String(y + 16), class: "mf-diagram-name" });
  first.append(shortened(name, room - weights.length));
  const left = room - name.length - weights.length - 2;
  if (kind !== "" && left > 3) {
    const chosen = makeSvg("tspan", { class: "mf-diagram-kind", dx: "8" });
    chosen.append(shortened(kind, left));
    first.append(chosen);
  }
  const second = shapeText(block, facts);
  const group = makeSvg(
    "g",
    { class: `mf-diagram-block${wrong ? " mf-bad" : ""}${isEnd ? " mf-diagram-end" : ""}`, "data-block": block.id },
    makeSvg("rect", { x: String(x), y: String(y), width: String(width), height: String(HEIGHT), rx: "3" }),
    first,
    words(x + 10, y + 32, "mf-diagram-shape", shortened(second, room - cost.length)),
    words(x + width - 10, y + 16, "mf-diagram-cost", weights),
    words(x + width - 10, y + 32, "mf-diagram-cost", cost),
  );
  const title = makeSvg("title");
  setText(title, [name, kind, second, weights, cost].filter((one) => one !== "").join(" · "));
  group.append(title);
  return group;
}

function words(x: number, y: number, name: string, text: string): Element {
  return makeSvg("text", { x: String(x), y: String(y), class: name }, text);
}

function arrow(from: Box, to: Box): Element {
  let points: [number, number][];
  if (from.y === to.y) {
    const y = from.y + HEIGHT / 2;
    points = [[from.x + from.width, y], [to.x, y]];
  } else {
    // Straight down where the next one is below, as it always is.
    const middle = from.x + from.width / 2;
    const x = Math.min(Math.max(middle, to.x + 20), to.x + to.width - 20);
    points = [[middle, from.y + HEIGHT], [x, to.y]];
  }
  const [[ax, ay], [bx, by]] = points as [[number, number], [number, number]];
  const across = ay === by;
  const tip = across
    ? `M${bx - 6} ${by - 3.5}L${bx} ${by}L${bx - 6} ${by + 3.5}`
    : `M${bx - 3.5} ${by - 6}L${bx} ${by}L${bx + 3.5} ${by - 6}`;
  return makeSvg("path", { class: "mf-diagram-line", d: `M${ax} ${ay}L${bx} ${by}${tip}` });
}

function shortened(text: string, letters: number): string {
  const most = Math.max(4, letters);
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
