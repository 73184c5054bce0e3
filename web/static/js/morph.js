// Makes one piece of a page equal to another with as few changes as it takes: what has the focus, is
// selected, scrolled or unfolded stays so.

/** Change `old` in place into `fresh`. Elements with an id are the same if their ids are. */
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  morphAttributes(old, fresh);
  // For example a chart that a script draws.
  if (!old.hasAttribute("data-keep")) morphChildren(old, fresh);
}

function morphAttributes(old, fresh) {
  // The reader decides what is unfolded, and the script that draws a chart on its classes: without them it falls
  // into its layers until it is drawn again.
  const drawn = old.hasAttribute("data-keep");
  const theirs = (name) =>
    (name === "open" && old.nodeName === "DETAILS") || (drawn && (name === "class" || name === "style"));
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !theirs(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !theirs(name)) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const wanted = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    // Removed elements go first, so that the others are not moved: moving loses the focus.
    while (place && place.id && place.id !== child.id && !wanted.has(place.id)) place = removed(place);
    if (place && isSame(place, child)) {
      morph(place, child);
      place = place.nextSibling;
      continue;
    }
    const elsewhere = child.id && [...old.children].find((other) => other.id === child.id);
    if (elsewhere) morph(elsewhere, child);
    old.insertBefore(elsewhere || child, place);
  }
  while (place) place = removed(place);
}

function isSame(old, fresh) {
  return old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
