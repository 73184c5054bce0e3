// One metric of several runs, drawn by plotly.js and drawn again when one of them changes.
import { colour, dark, plot, whole } from "./charts.js";

// As many colours as the style sheet has; runs beyond have them again, dashed.
const COLOURS = 10;
const MOST_IN_LEGEND = 8;
let runs = [];

function line(run, index) {
  const own = run.points.filter((point) => point.value !== null);
  return {
    name: run.label,
    x: own.map((point) => point.step),
    y: own.map((point) => point.value),
    mode: own.length > 60 ? "lines" : "lines+markers",
    line: { color: colour(`--run-${index % COLOURS}`), width: 2, dash: index < COLOURS ? "solid" : "dash" },
    marker: { size: 5 },
  };
}

function draw(chart) {
  const points = runs.flatMap((run) => run.points);
  const last = Math.max(1, ...runs.map((run) => run.last?.step ?? 1));
  const epochs = points.every((point) => point.step === point.epoch);
  const y = chart.dataset.share ? { tickformat: ".0%" } : {};
  // The table below has the colours, too.
  const showlegend = runs.length <= MOST_IN_LEGEND;
  plot(chart, runs.map(line), { x: whole(epochs ? "epoch" : "step", last), y, height: 380, showlegend });
}

async function update() {
  const chart = document.getElementById("chart-compare");
  const response = await fetch(chart.dataset.source);
  if (!response.ok) return; // the next change tries again
  runs = (await response.json()).jobs;
  draw(chart);
}

document.addEventListener("live:changed", update);
dark.addEventListener("change", () => draw(document.getElementById("chart-compare")));
update();
