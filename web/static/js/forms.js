// Comfort for forms, which work without it: it shows what was chosen and what the defaults are then, refuses what
// is too large before it is sent, and keeps what is filled in where a login was lost.

import { focusOnError } from "./focus.js";
import { maySend } from "./login_dialog.js";
import { Look } from "./look.js";
import { send } from "./sending.js";
import { size } from "./sizes.js";

const MOST_PREVIEWS = 24;

const total = (files) => [...files].reduce((sum, file) => sum + file.size, 0);

/** Show what was chosen in a zone for files. */
function show(zone, input) {
  const files = [...input.files];
  const most = Number(input.dataset.maxBytes);
  const tooLarge = total(files) > most;
  input.setCustomValidity(tooLarge ? `At most ${size(most)} can be sent at a time.` : "");
  zone.classList.toggle("is-invalid", tooLarge);
  zone.classList.toggle("has-files", files.length > 0);
  const name = files.length === 1 ? files[0].name : `${files.length} files`;
  zone.querySelector("[data-drop-chosen]").textContent = files.length
    ? `${name}, ${size(total(files))}${tooLarge ? `: at most ${size(most)} can be sent at a time` : ""}`
    : "";
  preview(zone.parentElement.querySelector("[data-drop-previews]"), files);
}

function preview(place, files) {
  const pictures = files.filter((file) => /^image\/(jpeg|png|gif|bmp|webp)$/.test(file.type));
  const shown = pictures.slice(0, MOST_PREVIEWS).map((file) => {
    const image = new Image();
    image.className = "thumbnail";
    image.alt = image.title = file.name;
    image.src = URL.createObjectURL(file);
    image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
    return image;
  });
  place.replaceChildren(...shown);
  if (pictures.length > shown.length) place.append(`and ${pictures.length - shown.length} more`);
}

/** The form again, with what is wrong; the files that were chosen stay chosen. */
function replaceForm(fresh, inputs) {
  document.querySelector("main").replaceWith(fresh);
  for (const { name, files } of inputs) {
    const input = fresh.querySelector(`input[type=file][name="${name}"]`);
    if (input) input.files = files;
  }
  enhance(fresh);
  focusOnError(fresh);
}

/** Say in fields without a value what they default to: of some it depends on what is chosen in another field. */
function showDefaults(form) {
  const chooser = form.querySelector("[data-preset]");
  if (!chooser) return;
  const preset = chosenPreset(form, chooser);
  for (const field of form.querySelectorAll("[data-defaults]")) {
    const value = JSON.parse(field.dataset.defaults)[preset] ?? "";
    if (field.tagName === "SELECT") {
      field.querySelector('option[value=""]').textContent = value ? `default (${value})` : "default";
    } else field.placeholder = value;
  }
}

function chosenPreset(form, chooser) {
  if (chooser.value) return chooser.value;
  const implying = [...form.querySelectorAll("[data-implies-preset]")].find((field) => field.value);
  return implying ? implying.dataset.impliesPreset : chooser.dataset.preset;
}

function enhance(root) {
  for (const zone of root.querySelectorAll("[data-drop]")) {
    const input = zone.querySelector("input[type=file]");
    // What is dropped, and not chosen with care in a dialog, is sent at once if the zone has data-at-once.
    let isDropped = false;
    if ("atOnce" in zone.dataset) zone.addEventListener("drop", () => { isDropped = true; });
    input.addEventListener("change", () => {
      show(zone, input);
      if (isDropped) input.form.requestSubmit();
      isDropped = false;
    });
    for (const type of ["dragenter", "dragleave", "drop"]) {
      input.addEventListener(type, () => zone.classList.toggle("is-over", type === "dragenter"));
    }
    if (input.files.length) show(zone, input);
  }
  for (const form of root.querySelectorAll("[data-submit]")) {
    form.addEventListener("submit", (event) => submit(event, form));
    form.addEventListener("change", () => showDefaults(form));
    showDefaults(form);
    if (form.dataset.look) new Look(form);
  }
}

function submit(event, form) {
  const chosen = [...form.querySelectorAll("input[type=file]")].filter((input) => input.files.length);
  // The source that is not chosen is hidden, and its files stay here.
  for (const input of chosen) input.disabled = input.offsetParent === null;
  const inputs = chosen.filter((input) => !input.disabled);
  const wrong = inputs.find((input) => !input.validity.valid);
  event.preventDefault();
  if (wrong) wrong.closest("[data-drop]").scrollIntoView({ block: "center" });
  else if (inputs.length) send(form, (page) => replaceForm(page, inputs));
  else sendTexts(form);
}

/** Send a form without files as browsers do, once it is known that the answer is no login page. */
async function sendTexts(form) {
  // A double click is one job, not two.
  if (form.dataset.sent) return;
  form.dataset.sent = "yes";
  if (await maySend(form.action)) form.submit();
  else delete form.dataset.sent;
}

// Back from the job's page, the form can be sent again; and the browser has filled it in as it was.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-submit]")) {
    delete form.dataset.sent;
    showDefaults(form);
  }
});
enhance(document);
