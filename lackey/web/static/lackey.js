// What a page does beyond being read: times in the viewer's own zone, live parts, copy buttons, keys.
// Everything works without it.

const POLL_MS = 1000;

/** Show each time as the viewer's clock has it, and how long ago or ahead that is; the exact one is in the title. */
function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    element.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    element.textContent = `${at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" })} (${away(at)})`;
  }
}

function away(at) {
  const seconds = (at - Date.now()) / 1000;
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, length] = units.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return words.format(Math.trunc(seconds / length), unit);
}

/** Put a button behind each text that people carry elsewhere. */
function addCopyButtons(root) {
  for (const element of root.querySelectorAll("[data-copy]")) {
    if (element.nextElementSibling?.tagName === "BUTTON") continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "outline secondary";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${element.textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(element.textContent);
      button.textContent = "Copied";
    });
    element.after(button);
  }
}

/** Whether somebody is busy in there: what is typed or marked must not be taken away. */
function inUse(element) {
  const selection = document.getSelection();
  const marked = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  return marked || (element.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));
}

/** Ask for this page again and again, and put the live parts that have changed in place of those that are here. */
function keepLive() {
  let tag = null;
  const sources = new Map();
  const ask = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        if (answer.status === 200) {
          tag = answer.headers.get("ETag");
          renew(new DOMParser().parseFromString(await answer.text(), "text/html"), sources);
        }
      } catch {
        // The service is away for a moment; the next try tells.
      }
    }
    setTimeout(ask, POLL_MS);
  };
  setTimeout(ask, POLL_MS);
}

function renew(fresh, sources) {
  document.title = fresh.title;
  // The log keeps itself up to date (log.js), until there is no more to come.
  if (!fresh.querySelector("[data-live]")) document.querySelector("[data-live]")?.removeAttribute("data-live");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const here = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    const source = part.innerHTML;
    if (!here || inUse(here) || sources.get(name) === source) continue;
    const first = !sources.has(name);
    sources.set(name, source);
    const focused = here.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    here.replaceChildren(...part.childNodes);
    enhance(here);
    if (focused && !first) here.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

function enhance(root) {
  showTimes(root);
  addCopyButtons(root);
}

function search() {
  const field = document.querySelector("input[type=search]");
  if (field) field.focus();
  else location.href = "/run";
}

/** `/` searches, `j` and `k` go through the rows, `?` lists the keys. */
function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const links = [...document.querySelectorAll("main tbody tr td:first-child a")];
    const at = links.indexOf(document.activeElement);
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

enhance(document);
listenToKeys();
if (document.querySelector("[data-part]")) keepLive();
