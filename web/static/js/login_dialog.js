// A login that was lost, by time or in another tab, is begun anew in a dialog: the page stays as it is filled in.

let asking = null;

/** Ask for a token until one is right. Resolves to whether there is a login now. `why` says what happened. */
export function logIn(why) {
  asking ??= ask(document.documentElement.dataset.login, why).finally(() => { asking = null; });
  return asking;
}

/** Whether this page may still be used; null if the server can't be reached. */
export async function mayUse(address) {
  try {
    const { status } = await fetch(address, { method: "HEAD", cache: "no-store", redirect: "manual" });
    return status !== 401 && status !== 403;
  } catch {
    return null;
  }
}

/** Whether a form may be sent there: where the login was lost, once there is one again. */
export async function maySend(address) {
  return (await mayUse(address)) !== false || logInToSend();
}

export function logInToSend() {
  return logIn("You were logged out, or your token may not submit jobs. Log in, and the form is sent as it is.");
}

function ask(address, why) {
  const dialog = document.createElement("dialog");
  dialog.className = "login-dialog p-4";
  dialog.setAttribute("aria-labelledby", "login-dialog-title");
  dialog.innerHTML = `
    <form>
      <h2 class="h5" id="login-dialog-title">Log in again</h2>
      <p></p>
      <label class="form-label" for="login-dialog-token">Token</label>
      <input class="form-control" type="password" id="login-dialog-token" required autocomplete="current-password"
             spellcheck="false" aria-describedby="login-dialog-error">
      <div class="invalid-feedback d-block" id="login-dialog-error" role="alert"></div>
      <div class="d-flex gap-2 mt-3">
        <button class="btn btn-primary" type="submit">Log in</button>
        <button class="btn btn-outline-secondary" type="button">Cancel</button>
      </div>
    </form>`;
  dialog.querySelector("p").textContent = why;
  const [token, error, button] = ["input", "[role=alert]", "[type=submit]"].map((one) => dialog.querySelector(one));
  document.body.append(dialog);
  const before = document.activeElement;
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(dialog.returnValue === "yes");
    });
    dialog.querySelector("[type=button]").addEventListener("click", () => dialog.close("no"));
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      const wrong = await refusal(address, token.value);
      button.disabled = false;
      if (!wrong) return dialog.close("yes");
      error.textContent = wrong;
      token.setAttribute("aria-invalid", "true");
      token.classList.add("is-invalid");
      token.select();
    });
    dialog.showModal();
    token.focus();
  });
}

/** Why a login failed; nothing if it did not. */
async function refusal(address, token) {
  try {
    const response = await fetch(address, { method: "POST", body: new URLSearchParams({ token }), redirect: "manual" });
    if (response.type === "opaqueredirect" || response.ok) return "";
    if (response.status === 429) return `Too many wrong tokens: try again in ${response.headers.get("Retry-After")} s.`;
    return response.status === 401 ? "This token is wrong, expired or revoked." : `The server answered ${response.status}.`;
  } catch {
    return "The server can't be reached.";
  }
}
