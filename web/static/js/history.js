// Accuracy and loss, training and validation, drawn by plotly.js and drawn again when the job changes.
/* global Plotly */

const charts = [...document.querySelectorAll("[data-metric]")];
const dark = matchMedia("(prefers-color-scheme: dark)");
let points = [];

/** One line of a chart: the values of a metric by epoch. */
function line(metric, name, colour) {
  const own = points.filter((point) => point.name === metric && point.value !== null);
  return {
    name,
    x: own.map((point) => point.step),
    y: own.map((point) => point.value),
    mode: own.length > 60 ? "lines" : "lines+markers",
    line: { color: colour, width: 2.5 },
    marker: { size: 6 },
  };
}

function draw(chart) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const metric = chart.dataset.metric;
  const axis = { gridcolor: colour("--chart-grid"), zeroline: false, automargin: true, fixedrange: true };
  const lines = [
    line(metric, "training", colour("--chart-training")),
    line(`val_${metric}`, "validation", colour("--chart-validation")),
  ];
  const last = Math.max(1, ...lines.flatMap((each) => each.x));
  const layout = {
    height: 260,
    margin: { l: 48, r: 12, t: 8, b: 40 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--chart-text") },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("--chart-hover"), bordercolor: colour("--chart-grid") },
    xaxis: { ...axis, title: { text: "epoch" }, tickformat: "d", range: [0.8, last + 0.2], nticks: Math.min(last + 1, 11) },
    yaxis: metric === "accuracy" ? { ...axis, tickformat: ".0%" } : { ...axis, rangemode: "tozero" },
  };
  Plotly.react(chart, lines, layout, { displayModeBar: false, responsive: true });
}

async function update() {
  const shown = charts.filter((chart) => chart.isConnected);
  if (!shown.length) return adopt();
  const response = await fetch(shown[0].dataset.source);
  if (!response.ok) return; // the next change tries again
  points = (await response.json()).items;
  shown.forEach(draw);
}

/** The charts come into the page when the job starts. */
async function adopt() {
  charts.splice(0, charts.length, ...document.querySelectorAll("[data-metric]"));
  if (charts.length) await update();
}

document.addEventListener("live:changed", update);
dark.addEventListener("change", () => charts.forEach(draw));
update();
