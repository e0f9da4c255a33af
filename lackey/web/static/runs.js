/** The list of runs: times typed in the viewer's zone, addresses without empty fields, many runs chosen at once. */

import { wall, withOffset, zone } from "./times.js";

const filters = document.getElementById("filters");
const times = [...filters.querySelectorAll("input[type=datetime-local]")];

for (const field of times) {
  if (field.value) field.value = wall(new Date(`${field.value}Z`));
  field.closest("label").querySelector("[data-zone]").textContent = `(${zone})`;
}
filters.addEventListener("formdata", ({ formData }) => {
  for (const { name, value } of times) if (value) formData.set(name, withOffset(new Date(value)));
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
