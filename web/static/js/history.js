// Accuracy and loss, training and validation, drawn by plotly.js and drawn again when the job changes.
import { colour, dark, plot, whole } from "./charts.js";

const charts = [...document.querySelectorAll("[data-metric]")];
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
  const metric = chart.dataset.metric;
  const validation = line(`val_${metric}`, "validation", colour("--chart-validation"));
  const isTraining = validation.x.length > 0 || points.some((point) => point.name.startsWith("val_"));
  const own = line(metric, isTraining ? "training" : metric, colour("--chart-training"));
  const lines = isTraining ? [own, validation] : [own];
  const last = Math.max(1, ...lines.flatMap((each) => each.x));
  const steps = points.some((point) => point.name === metric && point.epoch !== null) ? "epoch" : "step";
  const y = metric === "accuracy" ? { tickformat: ".0%" } : { rangemode: "tozero" };
  plot(chart, lines, { x: whole(steps, last), y, height: 260, showlegend: isTraining });
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
