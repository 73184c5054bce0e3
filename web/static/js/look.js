// Looks at a file of texts before it is sent: the server's worker reads its head as the job would read it, and the
// form shows that, and what there is to choose from. Without an answer the form is as it was.
import { asList, asText } from "./choices.js";
import { logIn } from "./login_dialog.js";
import { duration } from "./sizes.js";

const HEAD_BYTES = 2 << 20;
// Of formats whose directory is at their end.
const WHOLE_BYTES = 16 << 20;
const TAIL_BYTES = 1 << 20;
const DIRECTORY_LAST = ["PAR1", "PK\x03\x04", "\xd0\xcf\x11\xe0"];
const READING = ["column", "group_by", "sheet", "delimiter", "quote", "header", "skip_lines", "null_values", "encoding"];
// What is between fields, what it is called, and how a request says it.
const DELIMITERS = [
  [",", "Commas", "comma"], [";", "Semicolons", "semicolon"], ["\t", "Tabs", "tab"], ["|", "Pipes", "pipe"],
  [" ", "Spaces", "space"], ["\x01", "^A", "^A"], ["none", "None: every line is a text", "none"],
];
const FORMATS = { csv: "CSV", tsv: "TSV", jsonl: "JSON lines", json: "JSON", parquet: "Parquet", lines: "One text per line" };
// While workers are busy the head is sent again, less and less often.
const RETRY_SECONDS = 5;
const LONGEST_PAUSE = 60;
const MOST_RETRIES = 20;
const LOST = "You were logged out. Log in, and the form stays as it is filled in.";

export class Look {
  constructor(form) {
    this.form = form;
    this.panel = form.querySelector("[data-look-panel]");
    this.status = this.panel.querySelector("[role=status]");
    this.body = this.panel.querySelector("[data-look-body]");
    this.sheet = form.querySelector("[data-look-sheet]");
    this.input = form.querySelector("input[type=file][name=file]");
    this.retries = 0;
    this.revealed = new Set();
    // What the last look found; nothing while another is under way.
    this.found = null;
    // A name of digits is not the number of a column.
    this.named = ["column", "group_by"].map((name) => {
      const hidden = Object.assign(document.createElement("input"), { type: "hidden", name: "named", value: name, disabled: true });
      form.append(hidden);
      return hidden;
    });
    form.addEventListener("change", ({ target }) => {
      if (target !== this.input && !target.name?.startsWith("kept.") && !READING.includes(target.name)) return;
      this.retries = 0;
      if (this.isKnown(target)) this.mark(target);
      else this.begin();
    });
    this.begin();
  }

  /** Whether another look would tell nothing new: a column was chosen from the list that the last one made. */
  isKnown({ name, tagName }) {
    if (!this.found || tagName !== "SELECT" || !["column", "group_by"].includes(name)) return false;
    const [column, group] = ["column", "group_by"].map((one) => this.form.elements.namedItem(one).value);
    const isThere = (one) => this.found.columns.includes(one);
    const isSaid = [undefined, name].includes(this.found.problem?.field);
    return isSaid && (name === "column" ? isThere(column) && (!group || isThere(group)) : isThere(group));
  }

  /** Show the column that was chosen. Its list stays: the reader may be typing in it. */
  mark(list) {
    this.found = { ...this.found, [list.name]: list.value, problem: null };
    list.classList.remove("is-invalid");
    this.right(list);
    this.draw();
  }

  /** Look at what is chosen now; a look that is under way is given up. */
  async begin() {
    this.found = null;
    this.running?.abort();
    clearTimeout(this.timer);
    const { signal } = (this.running = new AbortController());
    const [file] = this.input.files;
    const kept = this.form.querySelector('input[name="kept.file"]:checked, input[name="kept.files"]:checked');
    const id = kept?.value.split(" ")[0];
    if (!file && !/^[0-9a-f-]{36}$/.test(id ?? "")) return this.clear();
    if (file?.size === 0) return this.clear(`${file.name} is empty.`);
    this.panel.hidden = false;
    if (!this.body.childElementCount) this.status.textContent = "Looking at the file…";
    try {
      const response = file ? await this.sendHead(file, signal) : await this.sendId(id, signal);
      if (response.status === 401) {
        if (await logIn(LOST)) return this.begin();
        return this.clear("The columns can't be shown: nobody is logged in.");
      }
      if (response.status === 503) return this.later(await reason(response));
      if (!response.ok) return this.clear(`The columns can't be shown: ${await reason(response)}.`);
      const found = await response.json();
      if (!signal.aborted) this.show(found);
    } catch (error) {
      if (error.name !== "AbortError") this.later("the server can't be reached");
    }
  }

  async sendHead(file, signal) {
    const data = new FormData();
    const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 4).arrayBuffer()));
    const endsWithDirectory = DIRECTORY_LAST.includes(start);
    let head = file;
    if (file.size > (endsWithDirectory ? WHOLE_BYTES : HEAD_BYTES)) {
      head = file.slice(0, HEAD_BYTES);
      if (endsWithDirectory) head = new Blob([head, file.slice(-TAIL_BYTES)]);
      data.set("head_bytes", HEAD_BYTES);
    }
    data.set("head", head, file.name);
    data.set("bytes", file.size);
    data.set("reading", JSON.stringify(this.reading()));
    return fetch(this.form.dataset.look, { method: "POST", body: data, signal });
  }

  sendId(id, signal) {
    const address = this.form.dataset.lookUpload.replace("00000000-0000-0000-0000-000000000000", id);
    const headers = { "Content-Type": "application/json" };
    return fetch(address, { method: "POST", headers, body: JSON.stringify(this.reading()), signal });
  }

  /** The fields of the form that say how the file is read; what is empty is left out. */
  reading() {
    const found = {};
    for (const name of READING) {
      const field = this.form.elements.namedItem(name);
      const value = field?.value.trim();
      if (!value) continue;
      if (name === "null_values") found[name] = value.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
      else if (name === "skip_lines" || (/^[1-9]\d{0,3}$/.test(value) && this.isNumber(name))) found[name] = Number(value);
      else found[name] = value;
    }
    // Files that are scored as one have a column of their own, which none of them has.
    if (this.input.files.length > 1 && found.group_by === "source") delete found.group_by;
    return found;
  }

  isNumber(name) {
    return ["column", "group_by"].includes(name) && this.form.elements.namedItem(name).tagName !== "SELECT";
  }

  /** The form without a look: fields of text, what was chosen in them. */
  clear(why = "") {
    this.body.replaceChildren();
    this.status.textContent = why;
    this.panel.hidden = !why;
    for (const name of ["column", "group_by", "delimiter", "sheet"]) asText(this.form, name);
    for (const hidden of this.named) hidden.disabled = true;
    this.sheet.hidden = !this.form.elements.namedItem("sheet").value;
  }

  later(why) {
    this.retries += 1;
    if (this.retries > MOST_RETRIES) return this.clear(`The columns can't be shown: ${why}.`);
    if (!this.body.childElementCount) this.clear(`The columns can't be shown yet: ${why}. The form works without them.`);
    const pause = Math.min(RETRY_SECONDS * 2 ** (this.retries - 1), LONGEST_PAUSE);
    this.timer = setTimeout(() => this.begin(), pause * 1000);
  }

  show(found) {
    this.retries = 0;
    this.found = found;
    this.draw();
    this.choose(found);
  }

  /** What was found, above the first rows. */
  draw() {
    const { found } = this;
    this.status.textContent = this.summary(found);
    const parts = [];
    const field = found.problem?.field;
    const isOpen = ["column", "sheet"].includes(field) && !this.form.elements.namedItem(field).value;
    if (isOpen && (field === "sheet" || found.columns.length)) parts.push(alert("info", `choose the ${field} that has the texts`));
    else if (found.problem) parts.push(alert("warning", found.problem.message));
    for (const warning of found.warnings.slice(0, 5)) parts.push(alert("info", warning));
    if (found.broken.count) {
      const [first] = found.broken.first;
      parts.push(alert("warning", `${counted(found.broken.count, "broken row")}, the first on line ${first.line}: ${first.error}. Unless Broken rows is set to skip, the job fails there`));
    }
    if (found.rows.length) parts.push(table(found));
    this.body.replaceChildren(...parts);
    const named = [...this.body.querySelectorAll(".alert code")].map((code) => code.textContent);
    this.reveal(found.broken.count ? [...named, "errors"] : named);
  }

  /** Open what is folded of the form where it has one of these fields, which a message names. */
  reveal(names) {
    for (const name of names) {
      // Not again what the messages before this one named: the reader may have closed it since.
      if (!this.revealed.has(name)) this.form.elements.namedItem(name)?.closest?.("details")?.setAttribute("open", "");
    }
    this.revealed = new Set(names);
  }

  summary(found) {
    const files = this.input.files.length;
    const parts = [];
    if (files > 1) parts.push(`The first of ${files} files, ${this.input.files[0].name}`);
    const { format, delimiter, header, compression, encoding, archive, sheet } = found.read_as;
    if (format) {
      const separated = DELIMITERS.find(([character]) => character === delimiter)?.[1].toLowerCase();
      parts.push([
        sheet ? `Sheet ${sheet}` : FORMATS[format] ?? format,
        !sheet && delimiter && format !== "tsv" ? `separated by ${separated ?? delimiter}` : "",
        header === "no" ? "without a header" : "",
        encoding ? `in ${encoding}` : "", compression ? `packed with ${compression}` : "", archive ? `in a ${archive} archive` : "",
      ].filter(Boolean).join(", "));
    }
    if (!format && found.sheets) parts.push(`A workbook of ${counted(found.sheets.length, "sheet")}`);
    if (found.columns.length) parts.push(counted(found.columns.length, "column"));
    if (found.row_estimate !== null) parts.push(`${found.is_whole ? "" : "about "}${counted(rounded(found), "row")}`);
    if (found.seconds_estimate !== null && files < 2) parts.push(`about ${duration(found.seconds_estimate)} to score`);
    return parts.join(" · ") || (found.problem ? "The file can't be read" : "The columns can't be shown");
  }

  /** Lists in place of text fields. */
  choose(found) {
    const names = [...found.columns, ...found.within];
    const options = names.map((name) => [name, name]);
    const problem = found.problem?.field;
    const usual = found.column && problem !== "column" && !this.form.elements.namedItem("column").value ? `${found.column} (found)` : "Choose…";
    if (names.length) {
      const grouping = this.input.files.length > 1 ? [...options, ["source", "source: the file of each row"]] : options;
      const more = { other: "Write another name or number…", missing: "not in the file" };
      const column = this.listOfColumns("column", options, names, { empty: usual, ...more });
      const group = this.listOfColumns("group_by", grouping, names, { empty: "No groups", ...more });
      for (const [list, name] of [[column, "column"], [group, "group_by"]]) {
        const isWrong = problem === name && list.value !== "";
        list.classList.toggle("is-invalid", isWrong);
        if (!isWrong && list.value) this.right(list);
      }
    }
    const told = DELIMITERS.find(([character]) => character === found.read_as.delimiter)?.[1];
    const written = this.form.elements.namedItem("delimiter").value;
    asList(this.form, "delimiter", DELIMITERS.map(([, text, value]) => [value, text]), {
      empty: told && !written ? `Detected (${told.toLowerCase()})` : "Detected", other: "Another character…",
    });
    const header = [...this.form.elements.namedItem("header").options].find((option) => option.value === "auto");
    header.value = "auto";
    header.textContent = found.read_as.header ? `auto (${found.read_as.header})` : "auto";
    this.sheet.hidden = !found.sheets && !this.form.elements.namedItem("sheet").value;
    if (found.sheets) {
      const only = found.read_as.sheet && !this.form.elements.namedItem("sheet").value ? `${found.read_as.sheet} (found)` : "Choose…";
      asList(this.form, "sheet", found.sheets.map((name) => [name, name]), { empty: only, missing: "not in the file" });
    }
  }

  /** What an earlier job, or an answer, said of a field holds no more. */
  right(list) {
    list.removeAttribute("aria-invalid");
    document.getElementById(`${list.name}-error`)?.remove();
  }

  /** A list of columns, in which a number that was written becomes the name of its column. */
  listOfColumns(name, options, names, texts) {
    const old = this.form.elements.namedItem(name);
    if (old.tagName !== "SELECT" && /^[1-9]\d{0,3}$/.test(old.value) && !names.includes(old.value)) {
      old.value = names[Number(old.value) - 1] ?? old.value;
    }
    const list = asList(this.form, name, options, texts);
    const hidden = this.named.find(({ value }) => value === name);
    const update = () => { hidden.disabled = !names.includes(this.form.elements.namedItem(name).value); };
    list.addEventListener("change", () => queueMicrotask(update));
    update();
    return list;
  }
}

/** To two digits where it is not exact. */
function rounded({ row_estimate: rows, is_whole: isExact }) {
  return isExact || rows < 100 ? rows : Number(rows.toPrecision(2));
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

async function reason(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `the server answered ${response.status}`;
  }
}

function alert(kind, text) {
  const made = document.createElement("p");
  made.className = `alert alert-${kind} py-2 mb-2 text-break`;
  // Names of fields are between backticks.
  (text.charAt(0).toUpperCase() + text.slice(1)).split("`").forEach((part, place) => {
    const inner = document.createElement(place % 2 ? "code" : "span");
    inner.textContent = part;
    made.append(inner);
  });
  return made;
}

function table({ columns, column, rows }) {
  const scroller = document.createElement("div");
  scroller.className = "table-responsive look-table";
  // It is scrolled with the keyboard, too.
  Object.assign(scroller, { tabIndex: 0, role: "region", ariaLabel: "The first rows" });
  const made = document.createElement("table");
  made.className = "table table-sm mb-0";
  const names = columns.slice(0, rows[0].length);
  const head = made.createTHead().insertRow();
  for (const name of names) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    cell.dir = "auto";
    if (name === column) cell.className = "is-chosen";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((value, place) => {
      const cell = line.insertCell();
      cell.dir = "auto";
      cell.textContent = value ?? "null";
      if (value === null) cell.className = "text-body-secondary fst-italic";
      if (names[place] === column) cell.classList.add("is-chosen");
    });
  }
  scroller.append(made);
  return scroller;
}
