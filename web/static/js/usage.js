// Memory, CPU and GPUs of a job, drawn when the reader opens them, and again when the job changes.
import { plot } from "./charts.js";
import { size } from "./sizes.js";

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];
const HEIGHT = 180;
// A sample is taken every 5 s; other things of a job change more often.
const PAUSE = 4000;
let fetched = -PAUSE;

/** The charts that can be seen. */
function shown() {
  return [...document.querySelectorAll("details[open] [data-usage]")];
}

function draw(chart, items) {
  const name = chart.dataset.usage;
  const own = items.filter((item) => item.name === name);
  const last = own.at(-1)?.step ?? 0;
  const [seconds, unit] = UNITS.find(([seconds]) => last >= 2 * seconds) ?? UNITS.at(-1);
  const points = own.map((item) => [item.step / seconds, item.value]);
  const text = name.endsWith("_bytes") ? size : (value) => String(Number(value.toFixed(2)));
  return plot(chart, {
    title: chart.dataset.title,
    lines: [{ name: chart.dataset.title, points, colour: "--chart-training" }],
    x: { title: "", last: last / seconds, text: (value) => `${Number(value.toFixed(1))} ${unit}` },
    y: { text, least: 0 },
    height: HEIGHT,
    showLegend: false,
  });
}

async function update({ type, target }) {
  const [first] = shown();
  if (type === "toggle" && !target.querySelector("[data-usage]")) return;
  const now = performance.now();
  if (!first || (type !== "toggle" && now < fetched + PAUSE)) return;
  fetched = now;
  const response = await fetch(first.dataset.source);
  if (!response.ok) return; // the next change tries again
  const { items } = await response.json();
  await Promise.all(shown().map((chart) => draw(chart, items)));
}

// `toggle` does not bubble.
document.addEventListener("toggle", update, true);
document.addEventListener("live:changed", update);
update({ type: "begin" });
