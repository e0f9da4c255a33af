// The time at which to run: typed as the viewer's clock has it, sent with its offset, and shown in UTC too.

import { wall, withOffset, zone } from "./times.js";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const typed = document.querySelector("#at");
const sent = document.querySelector("#moment");
const means = document.querySelector("#at-means");

/** What is odd about a time on the days on which clocks are set, if anything; the browser has chosen already. */
function oddity(at, text) {
  const shown = wall(at);
  if (!shown.startsWith(text.slice(0, 16))) return `No clock in ${zone} shows ${text.replace("T", " ")}: they are set forward then. `;
  const change = Math.abs(new Date(at - DAY).getTimezoneOffset() - new Date(+at + DAY).getTimezoneOffset()) * MINUTE;
  if (change && wall(new Date(+at + change)) === shown) return "Clocks show this time twice, for they are set back; the first one is meant. ";
  return "";
}

function tell() {
  const at = new Date(typed.value);
  if (!typed.value || Number.isNaN(+at)) {
    sent.value = "";
    means.textContent = "";
    return;
  }
  sent.value = withOffset(at);
  const here = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" });
  const past = at < Date.now() - MINUTE ? " This has passed." : "";
  means.textContent = `${oddity(at, typed.value)}${here} in ${zone}: ${at.toISOString().slice(0, 16).replace("T", " ")} UTC.${past}`;
}

if (typed) {
  const says = document.querySelector("#at-says");
  if (!says.classList.contains("error")) says.textContent = `In your time (${zone}). Left empty: now.`;
  typed.addEventListener("input", tell);
  typed.form.addEventListener("submit", tell);
  tell();
}
