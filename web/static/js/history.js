// Accuracy and loss, training and validation, drawn again when the job changes.
import { plot } from "./charts.js";
import { axisOf, stepsTo } from "./metrics.js";

const HEIGHT = 240;

/** The values of a metric by epoch; null where it was no number. */
function pointsOf(items, name) {
  return items.filter((item) => item.name === name).map((item) => [item.step, item.value]);
}

function draw(chart, items) {
  const { metric } = chart.dataset;
  const [own, validation] = [metric, `val_${metric}`].map((name) => pointsOf(items, name));
  const isTraining = items.some((item) => item.name.startsWith("val_"));
  const lines = [{ name: isTraining ? "training" : metric, points: own, colour: "--chart-training" }];
  if (isTraining) lines.push({ name: "validation", points: validation, colour: "--chart-validation" });
  const last = Math.max(1, ...lines.flatMap((line) => line.points.map(([step]) => step)));
  const step = items.every((item) => item.name !== metric || item.step === item.epoch) ? "epoch" : "step";
  const isShare = metric === "accuracy";
  const lowest = Math.min(0, ...lines.flatMap((line) => line.points.map(([, value]) => value ?? 0)));
  const y = { ...axisOf(isShare), least: isShare ? undefined : lowest };
  const { title } = chart.dataset;
  return plot(chart, { title, lines, x: stepsTo(step, last), y, height: HEIGHT, showLegend: isTraining });
}

async function update() {
  // They come into the page when the job starts.
  const charts = [...document.querySelectorAll("[data-metric]")];
  if (!charts.length) return;
  const response = await fetch(charts[0].dataset.source);
  if (!response.ok) return; // the next change tries again
  const { items } = await response.json();
  await Promise.all(charts.map((chart) => draw(chart, items)));
}

document.addEventListener("live:changed", update);
update();
