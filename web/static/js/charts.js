// What all charts have in common: colours of the page's theme, axes, and plotly.js that draws them.
/* global Plotly */

export const dark = matchMedia("(prefers-color-scheme: dark)");

/** A colour of the style sheet, as it is in the present theme. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Draw lines into an element, or again. `x` and `y` are what is special about the axes. */
export function plot(element, lines, { x, y, height, showlegend = true }) {
  const axis = { gridcolor: colour("--chart-grid"), zeroline: false, automargin: true, fixedrange: true };
  const layout = {
    height,
    margin: { l: 48, r: 12, t: 8, b: 40 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--chart-text") },
    showlegend,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("--chart-hover"), bordercolor: colour("--chart-grid") },
    xaxis: { ...axis, ...x },
    yaxis: { ...axis, ...y },
  };
  Plotly.react(element, lines, layout, { displayModeBar: false, responsive: true });
}

/** How the axis of whole epochs (or steps) up to `last` looks. */
export function whole(title, last) {
  return { title: { text: title }, tickformat: "d", range: [0.8, last + 0.2], nticks: Math.min(last + 1, 11) };
}
