// What the work of a job prints, as long as the reader has it unfolded: new lines are asked for each second
// while the job runs, and once more when it has ended.
const PAUSE = 1000;
let cursor = null;
let attempt = null;
let timer = null;
let isAsking = false;

/** Where it is shown, if it can be seen. */
function target() {
  return document.querySelector("details[open] > [data-output]");
}

function append(pre, piece) {
  let note = "";
  if (attempt !== null && piece.attempt !== attempt) note += `— attempt ${piece.attempt} —\n`;
  if (piece.left_out) note += `… ${piece.left_out.toLocaleString("en")} characters were not kept …\n`;
  attempt = piece.attempt;
  pre.append(note + piece.text);
}

async function ask(pre) {
  const address = new URL(pre.dataset.output, location.href);
  for (;;) {
    if (cursor) address.searchParams.set("after", cursor);
    const response = await fetch(address);
    if (!response.ok) return; // the next time tries again
    const { items, next } = await response.json();
    const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
    items.forEach((piece) => append(pre, piece));
    cursor = items.length ? items.at(-1).cursor : cursor;
    if (isAtEnd) pre.scrollTop = pre.scrollHeight;
    if (!next) return;
  }
}

async function update() {
  const pre = target();
  if (!pre || isAsking) return;
  isAsking = true;
  try {
    await ask(pre);
  } catch {
    // The server may be starting again.
  }
  isAsking = false;
  clearTimeout(timer);
  const isRunning = document.querySelector("[data-live]").hasAttribute("data-every");
  if (isRunning && !document.hidden) timer = setTimeout(update, PAUSE);
}

// `toggle` does not bubble.
document.addEventListener("toggle", update, true);
document.addEventListener("live:changed", update);
document.addEventListener("visibilitychange", update);
update();
