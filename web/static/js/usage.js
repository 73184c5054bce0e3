// Memory, CPU and GPUs of a job, drawn by plotly.js when the reader opens them, and again when the job changes.
import { colour, dark, plot } from "./charts.js";

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];
// A sample is taken every 5 s; other things of a job change more often.
const PAUSE = 4000;
let points = [];
let fetched = -PAUSE;
let library = null;

/** What plotly.js needs is loaded with the first chart: most jobs are over before there is one. */
function load(address) {
  library ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve();
    const script = document.createElement("script");
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    script.src = address;
    document.head.append(script);
  });
  return library;
}

/** The charts that can be seen. */
function shown() {
  return [...document.querySelectorAll("details[open] [data-usage]")];
}

function draw(chart) {
  const name = chart.dataset.usage;
  const own = points.filter((point) => point.name === name && point.value !== null);
  const last = own.length ? own.at(-1).step : 0;
  const [seconds, unit] = UNITS.find(([seconds]) => last >= 2 * seconds) ?? UNITS.at(-1);
  const isBytes = name.endsWith("_bytes");
  const line = {
    name: chart.previousElementSibling.textContent,
    x: own.map((point) => point.step / seconds),
    y: own.map((point) => point.value),
    mode: own.length > 1 ? "lines" : "markers",
    line: { color: colour("--chart-training"), width: 2 },
    hovertemplate: isBytes ? "%{y:.3s}B" : "%{y:.2f}",
  };
  const y = { rangemode: "tozero", ...(isBytes ? { tickformat: ".3~s", ticksuffix: "B" } : {}) };
  const x = { ticksuffix: ` ${unit}`, rangemode: "tozero", hoverformat: ".1f" };
  plot(chart, [line], { x, y, height: 180, showlegend: false });
}

async function update({ type }) {
  const [first] = shown();
  const now = performance.now();
  if (!first || (type !== "toggle" && now < fetched + PAUSE)) return;
  fetched = now;
  const response = await fetch(first.dataset.source);
  if (!response.ok) return; // the next change tries again
  points = (await response.json()).items;
  await load(first.dataset.library);
  shown().forEach(draw);
}

// `toggle` does not bubble.
document.addEventListener("toggle", update, true);
document.addEventListener("live:changed", update);
dark.addEventListener("change", () => shown().forEach(draw));
update({ type: "begin" });
