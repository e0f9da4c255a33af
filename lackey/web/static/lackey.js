// What every page does beyond being read: times, live parts, copy buttons, keys. Everything works without it.

import { keepLive, partsOf } from "./live.js";
import { showTimes } from "./times.js";

const TICK_MS = 1000;
// Longer texts are not read out before they are copied.
const NAMED_AT_MOST = 80;

/** Put a button behind each text that people carry elsewhere. */
function addCopyButtons(root) {
  for (const element of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "outline secondary small";
    button.textContent = "Copy";
    const named = element.dataset.copy || element.textContent;
    if (named.length <= NAMED_AT_MOST) button.setAttribute("aria-label", `Copy ${named}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(element.textContent);
        button.textContent = "Copied";
      } catch {
        // No clipboard without TLS: the text is marked, and Ctrl-C takes it.
        document.getSelection().selectAllChildren(element);
        button.textContent = "Press Ctrl-C";
      }
    });
    element.after(button);
  }
}

function search() {
  const field = document.querySelector("main input[type=search]") ?? document.querySelector("input[type=search]");
  if (field) field.select();
  else location.href = "/run";
}

/** `/` searches, `j` and `k` go through the rows, `?` lists the keys. */
function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("textarea, select, input:not([type=checkbox], [type=radio])");
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    const links = [...document.querySelectorAll("main tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);
    const row = document.activeElement.closest("tr");
    const at = links.findIndex((link) => row?.contains(link));
    const keys = {
      "/": search,
      j: () => links[Math.min(at + 1, links.length - 1)]?.focus(),
      k: () => links[Math.max(at - 1, 0)]?.focus(),
      "?": () => document.querySelector("dialog.keys")?.showModal(),
    };
    if (event.key in keys) {
      event.preventDefault();
      keys[event.key]();
    }
  });
}

function enhance(root) {
  showTimes(root);
  addCopyButtons(root);
}

/** What is called a button answers to the space bar, as buttons do (WAI-ARIA Authoring Practices, button). */
function listenToSpace() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.target.matches("a[role=button]")) return;
    event.preventDefault();
    event.target.click();
  });
}

document.documentElement.classList.add("scripted");
const parts = partsOf(document);
enhance(document);
setInterval(() => showTimes(document), TICK_MS);
listenToKeys();
listenToSpace();
if (parts.size > 0) keepLive(parts, enhance);
