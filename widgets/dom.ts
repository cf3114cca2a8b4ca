// Elements without HTML text: what comes from data can only ever become text.

type Attributes = Record<string, string>;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function makeSvg(tag: string, attributes: Attributes = {}, ...children: (Node | string)[]) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An icon of one path on a 16 by 16 field. */
export function icon(path: string): Element {
  return makeSvg(
    "svg",
    { viewBox: "0 0 16 16", width: "12", height: "12", "aria-hidden": "true" },
    makeSvg("path", { d: path, fill: "currentColor" }),
  );
}

/** Set text only where it changed, so that nothing is selected away or announced again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
