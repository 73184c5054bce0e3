// Sends a form with files: shows how far it is, can be cancelled, outlasts a lost login, and asks before the page
// is left meanwhile.
import { logInToSend, maySend, mayUse } from "./login_dialog.js";
import { duration, size } from "./sizes.js";

// Readers of screens are told at each tenth; the speed is that of the last few seconds.
const TENTHS = 10;
const SPEED_SECONDS = 5;

const asksBefore = (event) => event.preventDefault();

/** Send it, and go where the answer leads; `refused` is given the page that says what is wrong. */
export async function send(form, refused) {
  const shown = new Shown(form);
  if (!(await maySend(form.action))) return shown.end("Not sent: nobody is logged in.");
  shown.begin();
  window.addEventListener("beforeunload", asksBefore);
  const answer = await posted(form, shown);
  window.removeEventListener("beforeunload", asksBefore);
  if (answer.isCancelled) return shown.end("Cancelled: nothing was submitted.");
  // A server that refuses may cut the connection in the middle of the body, which tells a browser nothing.
  const isOut = [401, 403].includes(answer.status) || (!answer.status && (await mayUse(form.action)) === false);
  if (isOut) {
    if (await logInToSend()) return send(form, refused);
    return shown.end("Not sent: nobody is logged in.");
  }
  if (!answer.status) {
    return shown.end("The upload failed. Check that the server is running and that the file is not too large; then send it again.");
  }
  if (answer.status < 400) return location.assign(answer.address);
  const page = new DOMParser().parseFromString(answer.text, "text/html").querySelector("main");
  if (page?.querySelector("form[data-submit]")) return refused(page);
  return shown.end(page?.innerText.trim().split("\n").slice(0, 3).join(" ") || `The server answered ${answer.status}.`);
}

function posted(form, shown) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => shown.update(loaded, total);
    request.onload = () => resolve({ status: request.status, text: request.responseText, address: request.responseURL });
    request.onerror = () => resolve({ status: 0 });
    request.onabort = () => resolve({ isCancelled: true });
    shown.onCancel = () => request.abort();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.send(new FormData(form));
  });
}

/** The panel below a form. */
class Shown {
  constructor(form) {
    this.panel = form.querySelector("[data-upload-progress]");
    this.bar = this.panel.querySelector("progress");
    this.status = form.querySelector("[data-upload-status]");
    this.said = form.querySelector("[data-upload-said]");
    this.button = form.querySelector("[type=submit]");
    this.cancel = form.querySelector("[data-upload-cancel]");
    this.cancel.onclick = () => this.onCancel?.();
    this.button.disabled = true;
  }

  begin() {
    this.panel.hidden = this.bar.hidden = this.cancel.hidden = false;
    this.bar.value = 0;
    this.marks = [{ at: performance.now(), loaded: 0 }];
    this.tenth = -1;
  }

  update(loaded, total) {
    const now = performance.now();
    while (this.marks.length > 1 && now - this.marks[0].at > SPEED_SECONDS * 1000) this.marks.shift();
    const [first] = this.marks;
    const speed = (loaded - first.loaded) / Math.max((now - first.at) / 1000, 0.001);
    this.marks.push({ at: now, loaded });
    this.bar.value = loaded / total;
    const text = loaded < total
      ? `${size(loaded)} of ${size(total)} sent, ${size(speed)}/s, ${duration((total - loaded) / speed)} left`
      : "Sent; the server is processing it…";
    this.status.textContent = text;
    const tenth = Math.floor((TENTHS * loaded) / total);
    if (tenth !== this.tenth) this.said.textContent = text;
    this.tenth = tenth;
  }

  /** Say how it ended; the form can be sent again. */
  end(why) {
    this.panel.hidden = false;
    this.bar.hidden = this.cancel.hidden = true;
    this.status.textContent = this.said.textContent = why;
    this.button.disabled = false;
    this.button.focus();
  }
}
