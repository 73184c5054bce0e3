// The box in the head of the list selects all rows of the page; it is half checked while only some are.
const all = () => document.getElementById("select-page");
const rows = () => [...document.querySelectorAll(".run-choice")];

function show() {
  const box = all();
  if (!box) return; // no job is listed
  const chosen = rows().filter((row) => row.checked).length;
  box.checked = chosen > 0 && chosen === rows().length;
  box.indeterminate = chosen > 0 && !box.checked;
}

document.addEventListener("change", ({ target }) => {
  if (target.id === "select-page") for (const row of rows()) row.checked = target.checked;
  show();
});
// What updates the page may add rows, and takes some away; Back brings a page as it was left.
document.addEventListener("live:changed", show);
addEventListener("pageshow", show);
show();
