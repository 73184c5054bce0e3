// What every page does: times in the reader's zone, the focus on what is wrong, and nothing shown after a logout.
import { focusOnError } from "./focus.js";
import { localize } from "./times.js";

const LOGGED_OUT = "logged-out";

localize(document);
// What stands in `data-refused` was sent and refused: it is no message that the page always has.
if (document.querySelector("[data-refused]")) focusOnError(document.querySelector("main"));

// A login leads to the address that was asked for; what is behind its # only the browser knows.
const login = document.querySelector(`form[method=post][action="${document.documentElement.dataset.login}"]`);
if (login) login.action += location.hash;

// The history of this window may hold pages of a login that has ended: until the next login, the server is asked for
// them again.
const logout = document.getElementById("logout");
logout?.addEventListener("submit", () => sessionStorage.setItem(LOGGED_OUT, "yes"));
addEventListener("pageshow", ({ persisted }) => {
  const isFromHistory = persisted || performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  if (!isFromHistory && logout) sessionStorage.removeItem(LOGGED_OUT);
  if (!isFromHistory || !sessionStorage.getItem(LOGGED_OUT)) return;
  document.documentElement.hidden = true;
  location.reload();
});
