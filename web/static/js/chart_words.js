// What a chart says beside its lines: the legend, what is under the pointer, a summary, and the table of values.

/** The names of the lines; a click leaves one out. */
export function legend(chart) {
  const list = document.createElement("div");
  list.className = "chart-legend";
  chart.told.lines.forEach((line, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(swatch(line), name(line));
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isShown));
      chart.plot?.setSeries(index + 1, { show: isShown });
    });
    list.append(button);
  });
  return list;
}

function swatch({ colour, dash }) {
  const mark = document.createElement("span");
  mark.className = dash ? "chart-swatch chart-swatch-dashed" : "chart-swatch";
  mark.style.color = `var(${colour})`;
  return mark;
}

/** Of any direction and length. */
function name(line) {
  const text = document.createElement("bdi");
  text.textContent = line.name;
  text.title = line.name;
  return text;
}

/** A hook of uPlot: shows the values under the pointer in a box beside it. */
export function tooltip(chart) {
  const box = document.createElement("div");
  box.className = "chart-tooltip";
  box.hidden = true;
  return (plot) => {
    const { idx, left, idxs } = plot.cursor;
    box.hidden = idx === null || idx === undefined || left < 0;
    if (box.hidden) return;
    const { x, y, lines } = chart.told;
    const head = document.createElement("strong");
    head.textContent = [x.title, x.text(plot.data[0][idx])].filter(Boolean).join(" ");
    const rows = lines.flatMap((line, index) => {
      const value = plot.data[index + 1][idxs[index + 1]];
      if (value === undefined || !plot.series[index + 1].show) return [];
      const row = document.createElement("div");
      const number = document.createElement("span");
      number.textContent = value === null ? "no number" : y.text(value);
      row.append(swatch(line), name(line), number);
      return row;
    });
    box.replaceChildren(head, ...rows);
    if (!box.isConnected) plot.over.append(box);
    // On the side where there is room.
    const width = plot.over.clientWidth;
    const isRight = left > width / 2 || left + 12 + box.offsetWidth > width;
    box.style.left = isRight ? "" : `${left + 12}px`;
    box.style.right = isRight ? `${Math.min(width - left + 12, width - box.offsetWidth)}px` : "";
  };
}

/** One line for those who don't see it. */
export function describe({ title, lines, x, y }) {
  const each = lines.flatMap(({ name, points }) => {
    const own = points.filter(([, value]) => value !== null);
    if (!own.length) return [];
    const values = own.map(([, value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)].map(y.text);
    const [from, to] = [own[0], own.at(-1)].map(([at]) => x.text(at));
    const where = from === to ? `at ${from}` : `from ${from} to ${to}`;
    return `${name} ${where}: last ${y.text(values.at(-1))}, lowest ${low}, highest ${high}`;
  });
  const by = x.title ? ` by ${x.title}` : "";
  return `${title}${by}. ${each.join("; ") || "No values yet"}.`;
}

/** The table of values, while it is unfolded. */
export function fillTable({ told, values, data, ...chart }) {
  if (!values.open) return;
  const { lines, x, y } = told;
  const [xs, ...columns] = chart.plot?.data ?? data;
  const head = document.createElement("tr");
  head.append(cell("th", x.title || "time", "col"), ...lines.map((line) => cell("th", line.name, "col")));
  const rows = xs.map((at, index) => {
    const row = document.createElement("tr");
    row.append(cell("th", x.text(at), "row"), ...columns.map((column) => cell("td", shown(column[index], y))));
    return row;
  });
  const [thead, tbody] = ["thead", "tbody"].map((tag) => document.createElement(tag));
  thead.append(head);
  tbody.append(...rows);
  const table = values.querySelector("table");
  table.className = "table table-sm mb-0 numbers";
  table.replaceChildren(thead, tbody);
}

function shown(value, y) {
  return value === undefined || value === null ? "–" : y.text(value);
}

function cell(tag, text, scope) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.dir = "auto";
  if (scope) made.scope = scope;
  return made;
}
