"use strict";
(() => {
  const config = {
    displaylogo: false,
    responsive: true,
    scrollZoom: false,
    modeBarButtons: [["toImage"]],
    toImageButtonOptions: { format: "svg" },
  };
  const plots = Array.from(document.querySelectorAll(".plot"));
  for (const plot of plots) {
    const figure = JSON.parse(plot.nextElementSibling.textContent);
    const options = { ...config, toImageButtonOptions: { format: "svg", filename: plot.id } };
    Plotly.newPlot(plot, figure.data, figure.layout, options);
  }
  // A browser lays the page out for paper only after this event: sizes are set for A4 by hand.
  const paper = 672;
  const gap = 14;
  const forPaper = (plot) => {
    const count = plot.closest(".panels").children.length;
    const width = Math.floor((paper - gap * (count - 1)) / count) - 16;
    const ratio = Number(getComputedStyle(plot).getPropertyValue("--ratio"));
    Plotly.relayout(plot, { autosize: false, width, height: Math.round(width / ratio) });
  };
  const forScreen = (plot) => {
    Plotly.relayout(plot, { autosize: true, width: null, height: null });
  };
  const folded = Array.from(document.querySelectorAll("details"));
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folded.filter((one) => !one.open);
    closed.forEach((one) => (one.open = true));
    plots.forEach(forPaper);
  });
  window.addEventListener("afterprint", () => {
    closed.forEach((one) => (one.open = false));
    plots.forEach(forScreen);
  });

  const links = new Map(
    Array.from(document.querySelectorAll("nav a"), (link) => [link.hash.slice(1), link]),
  );
  const sections = Array.from(document.querySelectorAll("main > section"));
  const mark = () => {
    const line = window.innerHeight / 4;
    let current = sections[0];
    for (const section of sections) {
      if (section.getBoundingClientRect().top <= line) current = section;
    }
    for (const [name, link] of links) {
      if (current && name === current.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  window.addEventListener("scroll", mark, { passive: true });
  mark();
})();
