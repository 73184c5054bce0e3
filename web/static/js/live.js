// Keeps the part of the page that is marked `data-live` up to date: asks for it again every `data-every`
// milliseconds while the page is visible, until the server leaves that attribute out. While something is chosen
// that has `data-hold`, nothing changes: rows that move would be chosen by mistake, and those that leave the page
// would be chosen no more.
import { morph } from "./morph.js";

const live = document.querySelector("[data-live]");
const LONGEST_PAUSE = 15000;
let etag = null;
let failures = 0;
let timer = null;

const isHeld = () => live.querySelector("[data-hold]:checked") !== null;

async function refresh() {
  if (isHeld()) return;
  const headers = { "X-Fragment": "live" };
  if (etag) headers["If-None-Match"] = etag;
  // The answer is a part of this page under the same address: the browser must not keep it as the page.
  const response = await fetch(location.href, { headers, cache: "no-store" });
  if (response.status === 304) return;
  if (response.status === 401) return location.reload();
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  if (isHeld()) return; // something was chosen while the answer was on its way
  etag = response.headers.get("ETag");
  morph(live, template.content.firstElementChild);
  document.dispatchEvent(new Event("live:changed"));
}

async function turn() {
  try {
    await refresh();
    failures = 0;
  } catch {
    failures += 1; // for example, the server restarts
  }
  document.documentElement.toggleAttribute("data-away", failures > 1);
  schedule();
}

function schedule() {
  clearTimeout(timer);
  const every = Number(live.dataset.every);
  if (every && !document.hidden) timer = setTimeout(turn, Math.min(every * 2 ** failures, LONGEST_PAUSE));
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden && live.dataset.every) turn();
});
schedule();
