// JupyterLab's colours, and a palette that colour-blind readers can tell apart (Okabe and Ito).

export interface Theme {
  text: string;
  faint: string;
  line: string;
  back: string;
  font: string;
  palette: string[];
}

const ON_LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07800", "#3a90c8", "#555555"];
const ON_DARK = ["#56b4e9", "#e69f00", "#2fc39a", "#e29bc4", "#f0e442", "#8ecbf0", "#bbbbbb"];

export function isDark(): boolean {
  return document.body.dataset["jpThemeLight"] === "false";
}

export function theme(element: Element): Theme {
  const style = getComputedStyle(element);
  const dark = isDark();
  const read = (name: string, light: string, night: string) =>
    style.getPropertyValue(name).trim() || (dark ? night : light);
  return {
    text: read("--jp-ui-font-color1", "#212121", "#e0e0e0"),
    faint: read("--jp-ui-font-color2", "#616161", "#b0b0b0"),
    line: read("--jp-border-color2", "#e0e0e0", "#424242"),
    back: read("--jp-layout-color0", "#ffffff", "#111111"),
    font: read("--jp-ui-font-family", "sans-serif", "sans-serif"),
    palette: dark ? ON_DARK : ON_LIGHT,
  };
}

/** Call back when JupyterLab changes its theme; return how to stop. */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"],
  });
  return () => observer.disconnect();
}
