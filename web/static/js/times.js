// Times in the reader's own zone, which is named beside them: the server writes UTC.

const pad = (number) => String(number).padStart(2, "0");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
// British English has names of the zones of Europe, American those of America; elsewhere both count from GMT.
const names = ["en-GB", "en-US"].map((language) => new Intl.DateTimeFormat(language, { timeZoneName: "short" }));

function nameOf(date) {
  const found = names.map((each) => each.formatToParts(date).find(({ type }) => type === "timeZoneName").value);
  return found.find((name) => /^[A-Z]+$/.test(name)) ?? found[0];
}

const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
const time = (date) => [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");

/** "14:03:12", of now. */
export const clock = () => time(new Date());

/** Put the times below `root` into the reader's zone. */
export function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const exact = `${day(date)} ${time(date)} ${nameOf(date)}`;
    const utc = `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    element.title = zone === "UTC" ? utc : `${exact} (${zone}), ${utc}`;
    if (element.dataset.shows === "exact") element.textContent = exact;
    if (element.dataset.shows === "day") element.textContent = day(date);
  }
}
