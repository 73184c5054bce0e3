// Light or dark as the system is, and on paper light. Runs before the page is drawn, so it is no module.
"use strict";
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = ({ type } = {}) => {
    document.documentElement.dataset.bsTheme = dark.matches && type !== "beforeprint" ? "dark" : "light";
  };
  dark.addEventListener("change", apply);
  addEventListener("beforeprint", apply);
  addEventListener("afterprint", apply);
  apply();
}
