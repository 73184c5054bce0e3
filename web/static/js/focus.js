// After a refused form the reader is led to what is wrong.

/** Put the focus on the first wrong field below `root`, or on the message where no field is. */
export function focusOnError(root) {
  const wrong = root.querySelector('[aria-invalid="true"]');
  const target = wrong ?? root.querySelector(".alert[role=alert]");
  if (!target) return;
  for (let folded = target.closest("details:not([open])"); folded; folded = folded.parentElement.closest("details:not([open])")) {
    folded.open = true;
  }
  if (target !== wrong) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "center" });
}
