/**
 * Times as the viewer's clock has them: how long ago or ahead, and the exact one at hand; durations that go on; and what
 * a viewer types, with the offset that their zone has then.
 */

const DAY_SECONDS = 86400;
const UNITS = [["year", 365 * DAY_SECONDS], ["month", 30 * DAY_SECONDS], ["day", DAY_SECONDS], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const TIME = { hour: "numeric", minute: "2-digit" };
const thisYear = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...TIME });
const otherYear = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", ...TIME });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** Write every `<time datetime>`, and every `[data-since]` with how long that is by now. */
export function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) showTime(element);
  for (const element of root.querySelectorAll("[data-since]")) {
    write(element, span((Date.now() - Date.parse(element.dataset.since)) / 1000));
  }
}

/** What lies far back or some time ahead has its date; one of class `exact` has all. */
function showTime(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const seconds = (at.getTime() - Date.now()) / 1000;
  if (element.title === "") element.title = exact.format(at);
  if (element.classList.contains("exact")) write(element, `${exact.format(at)} (${away(seconds)})`);
  else if (element.closest(".expected") && seconds < 0 && seconds > -60) write(element, "any moment");
  else if (seconds > DAY_SECONDS || seconds < -7 * DAY_SECONDS) write(element, date(at));
  else write(element, away(seconds));
}

function date(at) {
  return (at.getFullYear() === new Date().getFullYear() ? thisYear : otherYear).format(at);
}

/** A text that is the same is left alone: somebody may have marked it. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function away(seconds) {
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

/** A duration in words, as the service writes them. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const units = [[DAY_SECONDS, "d"], [3600, "h"], [60, "min"]];
  const at = units.findIndex(([length]) => whole >= length);
  if (at === -1) return `${whole} s`;
  const [length, name] = units[at];
  const [smaller, smallerName] = units[at + 1] ?? [1, "s"];
  const rest = Math.floor((whole % length) / smaller);
  return `${Math.floor(whole / length)} ${name} ${String(rest).padStart(2, "0")} ${smallerName}`;
}

/** The viewer's zone, by its IANA name. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const two = (number) => String(number).padStart(2, "0");

/** What a clock on the viewer's wall shows, to the second, as a field for times has it. */
export function wall(at) {
  const day = `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** RFC 3339, with the offset that the viewer's zone has at that moment. */
export function withOffset(at) {
  const minutes = -at.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${wall(at)}${minutes < 0 ? "-" : "+"}${two(Math.trunc(size / 60))}:${two(size % 60)}`;
}
