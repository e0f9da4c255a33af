// Forms with rows: another one, as many as are needed.

for (const rows of document.querySelectorAll("[data-rows]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "outline secondary small";
  button.textContent = rows.dataset.rows;
  button.addEventListener("click", () => {
    const all = rows.querySelectorAll(".fields-row");
    const row = all[all.length - 1].cloneNode(true);
    for (const error of row.querySelectorAll(".error")) error.remove();
    for (const field of row.querySelectorAll("input, select")) {
      if (field.matches("input")) field.value = "";
      else field.selectedIndex = 0;
      field.removeAttribute("aria-invalid");
      field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/[0-9]+$/, String(all.length + 1)));
    }
    button.before(row);
    row.querySelector("input").focus();
  });
  rows.append(button);
}
