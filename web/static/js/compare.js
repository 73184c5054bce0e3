// One metric of several runs, drawn again when one of them changes.
import { plot } from "./charts.js";
import { axisOf, stepsTo } from "./metrics.js";

// As many colours as the style sheet has; runs beyond have them again, dashed.
const COLOURS = 10;
const MOST_IN_LEGEND = 8;
const HEIGHT = 360;

function line(run, index) {
  return {
    name: run.label,
    points: run.points.map((point) => [point.step, point.value]),
    colour: `--run-${index % COLOURS}`,
    dash: index < COLOURS ? undefined : [6, 4],
  };
}

async function update() {
  const chart = document.getElementById("chart-compare");
  const response = await fetch(chart.dataset.source);
  if (!response.ok) return; // the next change tries again
  const { jobs: runs } = await response.json();
  const points = runs.flatMap((run) => run.points);
  const last = Math.max(1, ...runs.map((run) => run.last?.step ?? 1));
  const step = points.every((point) => point.step === point.epoch) ? "epoch" : "step";
  await plot(chart, {
    title: chart.dataset.title,
    lines: runs.map(line),
    x: stepsTo(step, last),
    y: axisOf(Boolean(chart.dataset.share)),
    height: HEIGHT,
    showLegend: runs.length <= MOST_IN_LEGEND, // the table below has the colours, too
  });
}

document.addEventListener("live:changed", update);
update();
