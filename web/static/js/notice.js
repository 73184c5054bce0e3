// One line at the bottom of the window while something is wrong with the server or the login; read aloud once.

const place = document.getElementById("notice");
let shown = null;

/** Show the words, with a link to open beside this page if there is one (`{ href, text }`); the same again changes nothing. */
export function notice(words, link = null) {
  if (shown === words) return;
  shown = words;
  place.replaceChildren(words);
  if (!link) return;
  const { href, text: textContent } = link;
  place.append(" ", Object.assign(document.createElement("a"), { href, textContent, target: "_blank" }));
}

/** All is well again. */
export function clearNotice() {
  shown = null;
  place.replaceChildren();
}
