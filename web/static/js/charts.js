// Line charts, drawn by uPlot, which is loaded with the first of them. Each has beside its picture what a reader
// without eyes or mouse needs: a line that sums it up, and its values as a table.
/* global uPlot */
import { describe, fillTable, legend, tooltip } from "./chart_words.js";

const ROOT = new URL("../", import.meta.url);
// With more points than that they would hide the line.
const MOST_DOTS = 60;
const HALF_A_LETTER = 3.5;
const WHOLE = [...Array(10).keys()].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
const charts = new Map();
let library = null;

/** A colour of the style sheet, as it is in the present theme. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function load() {
  library ??= Promise.all(
    [
      Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("uplot.css", ROOT) }),
      Object.assign(document.createElement("script"), { src: new URL("uplot.js", ROOT) }),
    ].map(
      (element) =>
        new Promise((resolve, reject) => {
          element.addEventListener("load", resolve);
          element.addEventListener("error", () => {
            library = null; // the next change tries again
            reject(new Error(`${element.src ?? element.href} can't be loaded`));
          });
          document.head.append(element);
        }),
    ),
  );
  return library;
}

/**
 * Draw lines into an element, or again.
 *
 * `lines`: `name`, `points` (`[x, y]` by x; a y of null is a gap), `colour` (a variable of the style sheet), `dash`.
 * `x`: `title`, `text` (of a value), `whole` (no ticks between whole numbers), `last`.
 * `y`: `text`, `tick` (of a value and the distance of ticks), `least` and `most` (undefined where the values decide).
 */
export async function plot(element, { title, lines, x, y, height, showLegend = true }) {
  await load();
  const told = { title, lines, x, y, height, showLegend };
  const known = charts.get(element);
  const data = uPlot.join(lines.map(({ points }) => [points.map((point) => point[0]), points.map((point) => point[1])]));
  if (known && known.shape === shapeOf(told) && known.box.isConnected) {
    known.told = told;
    update(known, data);
  } else {
    known?.end();
    charts.set(element, made(element, told, data));
  }
  say(charts.get(element));
  for (const old of charts.keys()) {
    if (!old.isConnected) charts.get(old).end(), charts.delete(old);
  }
}

/** What can't be changed in a chart that is drawn already. */
function shapeOf({ lines, height, showLegend, x }) {
  const each = lines.map(({ name, colour, dash }) => [name, colour, dash]);
  return JSON.stringify([each, height, showLegend, x.title]);
}

function made(element, told, data) {
  const box = document.createElement("div");
  const picture = document.createElement("div");
  picture.className = "chart-picture";
  picture.setAttribute("role", "img");
  picture.style.height = `${told.height}px`;
  const values = document.createElement("details");
  values.className = "chart-values";
  values.innerHTML = '<summary>Values</summary><div class="chart-table" tabindex="0" role="region"><table></table></div>';
  values.lastChild.setAttribute("aria-label", `Values of ${told.title}`);
  const chart = { told, box, picture, values, shape: shapeOf(told), plot: null };
  if (told.showLegend) box.append(legend(chart));
  box.append(picture, values);
  element.replaceChildren(box);
  values.addEventListener("toggle", () => fillTable(chart));
  chart.data = data;
  // Nothing can be drawn before there is room: in a folded part there is none.
  const observer = new ResizeObserver(() => resize(chart));
  observer.observe(picture);
  resize(chart);
  chart.end = () => {
    observer.disconnect();
    chart.plot?.destroy();
  };
  return chart;
}

function resize(chart) {
  const size = { width: chart.picture.clientWidth, height: chart.told.height };
  if (!size.width || chart.plot?.width === size.width) return;
  if (chart.plot) chart.plot.setSize(size);
  else chart.plot = new uPlot({ ...size, ...options(chart) }, chart.data, chart.picture);
}

/** New values, in the window that the reader has zoomed into. */
function update(chart, data) {
  const { plot } = chart;
  chart.data = data;
  if (!plot) return;
  const { min, max } = plot.scales.x;
  const isZoomed = chart.zoomed;
  plot.batch(() => {
    plot.setData(data, !isZoomed);
    if (isZoomed) plot.setScale("x", { min, max });
  });
}

function say(chart) {
  chart.picture.setAttribute("aria-label", describe(chart.told));
  fillTable(chart);
}

function options(chart) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const grid = { stroke: () => colour("--chart-grid"), width: 1 };
  const axis = { stroke: () => colour("--chart-text"), font, labelFont: font, grid, ticks: { show: false } };
  return {
    legend: { show: false },
    // Half of the last number stands beyond the end of the axis.
    padding: [10, () => 8 + HALF_A_LETTER * lengthAt(chart), 0, 0],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: true },
      dataIdx: (plot, index, hovered) => (index ? nearest(plot.data[index], hovered) : hovered),
      points: { size: 8, width: 2 },
    },
    hooks: { setCursor: [tooltip(chart)] },
    scales: { x: { time: false, range: (...given) => across(chart, ...given) }, y: { range: (...given) => up(chart, ...given) } },
    axes: [
      {
        ...axis,
        gap: 6,
        size: 26,
        space: () => 20 + 2 * HALF_A_LETTER * lengthAt(chart),
        label: chart.told.x.title || undefined,
        labelSize: chart.told.x.title ? 20 : 0,
        ...(chart.told.x.whole ? { incrs: WHOLE } : {}),
        values: (_, ticks) => ticks.map((tick) => chart.told.x.text(tick)),
      },
      {
        ...axis,
        gap: 6,
        space: 36,
        size: (_, texts) => 14 + 2 * HALF_A_LETTER * Math.max(3, ...(texts ?? []).map((text) => text.length)),
        values: (_, ticks, __, ___, distance) => ticks.map((tick) => (chart.told.y.tick ?? chart.told.y.text)(tick, distance)),
      },
    ],
    series: [
      {},
      ...chart.told.lines.map((line) => ({
        stroke: () => colour(line.colour),
        width: 2,
        dash: line.dash,
        points: { show: (_, index) => chart.told.lines[index - 1].points.length <= MOST_DOTS, size: 6, fill: () => colour(line.colour) },
      })),
    ],
  };
}

/** In letters, of the longest number of the axis. */
function lengthAt({ told }) {
  return told.x.text(told.x.last ?? 0).length;
}

/** Where nothing was measured at this x, its neighbour within the line. */
function nearest(values, index) {
  if (values[index] !== undefined) return index;
  let [before, after] = [index, index];
  while (before >= 0 && values[before] === undefined) before -= 1;
  while (after < values.length && values[after] === undefined) after += 1;
  if (before < 0 || after === values.length) return index;
  return index - before <= after - index ? before : after;
}

function across(chart, plot, from, to) {
  const [xs] = plot.data;
  const { whole } = chart.told.x;
  if (from === null || !xs.length) return [0, 1];
  const [first, last] = [xs[0], chart.told.x.last ?? xs.at(-1)];
  chart.zoomed = xs.length > 1 && (from > first || to < xs.at(-1));
  if (!chart.zoomed) return whole ? [Math.min(1, first) - 0.2, Math.max(last, 1) + 0.2] : [0, last || 1];
  const widen = Math.max(0, ((whole ? 1.2 : 0) - (to - from)) / 2);
  return [from - widen, to + widen];
}

function up(chart, plot, low, high) {
  const { least, most } = chart.told.y;
  if (low === null || !Number.isFinite(low)) return [least ?? 0, most ?? 1];
  const room = (high - low || Math.abs(high) || 1) / 12;
  const from = least === undefined ? low - room : chart.zoomed ? Math.max(least, low - room) : least;
  return [from, Math.max(from + Number.EPSILON, Math.min(most ?? Infinity, high + room))];
}

// The theme is an attribute, which theme.js sets.
new MutationObserver(() => charts.forEach((chart) => chart.plot?.redraw(false))).observe(document.documentElement, {
  attributeFilter: ["data-bs-theme"],
});
