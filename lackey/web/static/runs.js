/** The list of runs: times typed in the viewer's zone, addresses without empty fields, many runs chosen at once. */

const MINUTE_MS = 60_000;
const LIKE_A_FIELD = "yyyy-mm-ddThh:mm:ss".length;

const filters = document.getElementById("filters");
const times = [...filters.querySelectorAll("input[type=datetime-local]")];

/** As the field of a time has it, in the viewer's zone. */
function local(at) {
  return new Date(at.getTime() - at.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, LIKE_A_FIELD);
}

/** RFC 3339, of a time in the viewer's zone. */
function withOffset(typed) {
  const at = new Date(typed);
  const minutes = -at.getTimezoneOffset();
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((each) => String(each).padStart(2, "0"));
  return `${local(at)}${minutes < 0 ? "-" : "+"}${hours}:${rest}`;
}

for (const field of times) {
  if (field.value) field.value = local(new Date(`${field.value}Z`));
  field.closest("label").querySelector("[data-zone]").textContent = `(${new Intl.DateTimeFormat().resolvedOptions().timeZone})`;
}
filters.addEventListener("formdata", ({ formData }) => {
  for (const { name, value } of times) if (value) formData.set(name, withOffset(value));
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

const chosen = document.getElementById("chosen");

/** Say how many runs are chosen, and offer what can be done with so many. */
function count() {
  const boxes = [...chosen.querySelectorAll("input[name=run]")];
  const number = boxes.filter((box) => box.checked).length;
  const all = chosen.querySelector("[data-all]");
  if (all) {
    all.checked = number > 0 && number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
  }
  for (const button of chosen.querySelectorAll("[data-least]")) {
    button.disabled = number < Number(button.dataset.least) || number > Number(button.dataset.most);
  }
  const words = number === 0 ? "" : `${number} chosen; until none is, the list stands still`;
  chosen.querySelector("[data-count]").textContent = words;
}

if (chosen) {
  chosen.addEventListener("change", ({ target }) => {
    if ("all" in target.dataset) for (const box of chosen.querySelectorAll("input[name=run]")) box.checked = target.checked;
    count();
  });
  addEventListener("pageshow", count);
  count();
}
