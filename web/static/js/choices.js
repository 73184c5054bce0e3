// Makes a list of a text field where it is known what there is to choose from, and back.

const OTHER = "\0";

/**
 * A native list in place of a text field, with its name, label and help: `options` are [value, text] pairs, `empty`
 * is the text of choosing nothing, `other` that of writing something else. What was written stays chosen.
 */
export function asList(form, name, options, { empty, other = "", missing = "" }) {
  const old = form.elements.namedItem(name);
  const input = old.tagName === "SELECT" ? old.replaced : old;
  const chosen = old.value;
  const list = document.createElement("select");
  list.replaced = input;
  for (const { name: attribute, value } of [...input.attributes]) {
    if (["id", "name", "aria-describedby", "aria-invalid"].includes(attribute)) list.setAttribute(attribute, value);
  }
  list.className = "form-select";
  list.append(new Option(empty, ""));
  for (const [value, text] of options) list.append(new Option(text, value));
  if (chosen && !options.some(([value]) => value === chosen)) {
    list.append(new Option(missing ? `${chosen} (${missing})` : chosen, chosen));
  }
  if (other) list.append(new Option(other, OTHER));
  list.value = chosen;
  list.addEventListener("change", (event) => {
    if (list.value !== OTHER) return;
    event.stopPropagation();
    list.value = "";
    asText(form, name).focus();
  });
  swap(old, list);
  return list;
}

/** The text field again. */
export function asText(form, name) {
  const old = form.elements.namedItem(name);
  if (old.tagName !== "SELECT" || !old.replaced) return old;
  old.replaced.value = old.value;
  swap(old, old.replaced);
  return old.replaced;
}

function swap(old, fresh) {
  const isFocused = document.activeElement === old;
  old.replaceWith(fresh);
  if (isFocused) fresh.focus();
}
