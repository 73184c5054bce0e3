// Keeps the part of the page that is marked `data-live` up to date: asks for it again every `data-every`
// milliseconds while the page is visible, until the server leaves that attribute out. While something is chosen
// that has `data-hold`, nothing changes: rows that move would be chosen by mistake, and those that leave the page
// would be chosen no more.
import { morph } from "./morph.js";
import { clearNotice, notice } from "./notice.js";
import { clock, localize } from "./times.js";

const live = document.querySelector("[data-live]");
const LONGEST_PAUSE = 5000;
// A server that does not answer for so long is said not to; it may still, until the request is given up.
const PATIENCE = 5000;
const LONGEST_WAIT = 20000;
let etag = null;
let failures = 0;
let timer = null;
// When the first request was sent that has no answer yet, and when the login was first found to have ended.
let since = null;
let loggedOut = null;

const isHeld = () => live.querySelector("[data-hold]:checked") !== null;

async function refresh() {
  const headers = { "X-Fragment": "live" };
  if (etag) headers["If-None-Match"] = etag;
  // The answer is a part of this page under the same address: the browser must not keep it as the page.
  const signal = AbortSignal.timeout(LONGEST_WAIT);
  const response = await fetch(location.href, { headers, signal, cache: "no-store" });
  if (response.status === 401) return askToLogIn();
  if (response.status >= 400) return sayRefused(response.status);
  if (response.status !== 304) show(await response.text(), response.headers.get("ETag"));
  failures = 0;
  since = loggedOut = null;
  clearNotice();
}

function show(html, tag) {
  if (isHeld()) return; // something was chosen while the answer was on its way
  const template = document.createElement("template");
  template.innerHTML = html;
  localize(template.content);
  etag = tag;
  morph(live, template.content.firstElementChild);
  document.title = live.dataset.title ?? document.title;
  say(live.dataset.says);
  document.dispatchEvent(new Event("live:changed"));
}

/** Read aloud what is new: states and quarters of the work, not each step. */
function say(words) {
  const place = document.getElementById("announcement");
  if (words && place.textContent !== words) place.textContent = words;
}

/** The page stays as it is, with what was typed in it, and continues after a login in another window. */
function askToLogIn() {
  failures += 1;
  since = null;
  loggedOut ??= clock();
  const next = encodeURIComponent(location.pathname + location.search);
  const base = document.documentElement.dataset.login;
  notice(`You were logged out at ${loggedOut}.`, { href: `${base}?next=${next}`, text: "Log in again in a new tab" });
}

function sayRefused(status) {
  failures += 1;
  since = null;
  if (status === 404) notice("What this page shows was deleted.");
  else if (failures > 1) notice(`The server answers with an error (${status}). Trying again…`);
}

function sayAway() {
  notice(`The server has not answered since ${since}. Trying again…`);
}

async function turn() {
  if (isHeld()) return schedule();
  since ??= clock();
  const late = setTimeout(sayAway, PATIENCE);
  try {
    await refresh();
  } catch {
    failures += 1; // for example, the server restarts
    if (failures > 1) sayAway();
  }
  clearTimeout(late);
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
