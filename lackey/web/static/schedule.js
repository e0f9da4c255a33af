// The form of a schedule: its next firings are shown while its rule is typed, and with them it can be saved at once.

import { showTimes, zone } from "./times.js";

const PAUSE_MS = 250;
const SAVE = "Save";
const SHOW = "Show when it runs";

function keepShown(form) {
  const field = (name) => form.elements.namedItem(name);
  const [cron, timezone, preset, seen] = ["cron", "timezone", "preset", "seen"].map(field);
  const shown = form.querySelector("[data-firings-shown]");
  const save = form.querySelector("[data-save]");
  let timer = 0;
  let asked = 0;

  /** What is chosen says the same as what is typed. */
  const choose = () => {
    const text = cron.value.trim();
    preset.value = [...preset.options].some(({ value }) => value === text) ? text : "";
  };

  function put(told, nodes) {
    seen.value = told;
    save.textContent = told ? SAVE : SHOW;
    shown.replaceChildren(...nodes);
    showTimes(shown);
  }

  async function ask() {
    const number = ++asked;
    if (cron.value.trim() === "") return put("", []);
    try {
      const answer = await fetch(`/schedule/preview?${new URLSearchParams({ cron: cron.value, timezone: timezone.value })}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.querySelector("[data-firings]");
      // Meanwhile something else may have been typed.
      if (number === asked) put(found?.dataset.seen ?? "", found ? [...found.childNodes] : []);
    } catch {
      if (number === asked) put("", []);
    }
  }

  function soon() {
    seen.value = "";
    asked += 1;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  }

  cron.addEventListener("input", () => {
    choose();
    soon();
  });
  timezone.addEventListener("input", soon);
  preset.addEventListener("change", () => {
    if (preset.value) cron.value = preset.value;
    soon();
  });
  choose();
  if (cron.value && !seen.value) ask();
}

/** All zones that the browser knows, and the viewer's own first. */
function offerZones(form) {
  const list = document.createElement("datalist");
  list.id = "s-zones";
  const known = Intl.supportedValuesOf?.("timeZone") ?? [];
  list.append(...[...new Set([zone, "UTC", ...known])].map((value) => Object.assign(document.createElement("option"), { value })));
  form.append(list);
  form.elements.namedItem("timezone").setAttribute("list", list.id);
}

for (const form of document.querySelectorAll("[data-schedule]")) {
  offerZones(form);
  keepShown(form);
}
