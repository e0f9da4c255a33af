/**
 * Keeps the live parts of a page, its elements with `data-part`, as the service has them: asks for the page again each
 * second while somebody looks, and puts the parts that have changed in place of those that are here.
 */

const POLL_MS = 1000;
// Of a page that says, with `data-calm`, that hardly anything will change on it.
const CALM_POLL_MS = 10_000;
const TRIES_BEFORE_WORD = 3;

/** What the live parts of a page are made of, by their names. */
export function partsOf(page) {
  return new Map([...page.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.innerHTML]));
}

/** `sources`: the parts as the service gave them; `enhance` is called with each part that was put in place. */
export function keepLive(sources, enhance) {
  // A page that answers a form lives at an address that only forms are sent to, and names its own.
  const address = document.querySelector("link[rel=canonical]")?.href ?? location.href;
  let tag = null;
  let failed = 0;

  async function ask() {
    if (!document.hidden) {
      try {
        const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        failed = answer.ok || answer.status === 304 ? 0 : failed + 1;
        if (answer.redirected) return say("You are signed out. Load the page again to sign in.");
        if (answer.ok) {
          const isAllRenewed = renew(new DOMParser().parseFromString(await answer.text(), "text/html"), sources, enhance);
          // What was held back is wanted again, though it may not change any more.
          tag = isAllRenewed ? answer.headers.get("ETag") : null;
        }
      } catch {
        failed += 1;
      }
      say(failed >= TRIES_BEFORE_WORD ? "lackey does not answer; what you see may be old. It is asked again and again." : "");
    }
    setTimeout(ask, document.querySelector("[data-calm]") ? CALM_POLL_MS : POLL_MS);
  }

  setTimeout(ask, POLL_MS);
}

/** Tell the reader above all else on the page; no words: nothing is the matter. */
function say(words) {
  const here = document.querySelector("[data-says]");
  if (words === (here?.textContent ?? "")) return;
  here?.remove();
  if (words === "") return;
  const said = document.createElement("p");
  said.className = "note bad";
  said.setAttribute("role", "alert");
  said.dataset.says = "";
  said.textContent = words;
  document.querySelector("main").prepend(said);
}

/** Whether nothing had to be held back, because somebody is busy with it. */
function renew(fresh, sources, enhance) {
  let isAllRenewed = true;
  document.title = fresh.title;
  const [icon, freshIcon] = [document, fresh].map((page) => page.querySelector("link[rel=icon]"));
  if (icon.getAttribute("href") !== freshIcon.getAttribute("href")) icon.replaceWith(freshIcon);
  // The log keeps itself up to date (log.js), until there is no more to come.
  if (!fresh.querySelector("[data-live]")) document.querySelector("[data-live]")?.removeAttribute("data-live");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const here = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    const source = part.innerHTML;
    if (!here || sources.get(name) === source) continue;
    if (isInUse(here)) {
      isAllRenewed = false;
      continue;
    }
    sources.set(name, source);
    replace(here, part);
    enhance(here);
  }
  return isAllRenewed;
}

/** Whether somebody is busy in there: what is typed, ticked, marked or about to be pressed must not be taken away. */
function isInUse(part) {
  const selection = document.getSelection();
  const isMarked = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  const isTyped = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  const isChanged = [...part.querySelectorAll("input")].some(({ type, checked, defaultChecked, value, defaultValue }) =>
    type === "checkbox" || type === "radio" ? checked !== defaultChecked : value !== defaultValue,
  );
  return isMarked || isTyped || isChanged || part.querySelector("details[open] form") !== null;
}

/** What was open stays open, and what had the focus has it. */
function replace(here, part) {
  const opened = new Set([...here.querySelectorAll("details[open] > summary")].map((each) => each.textContent));
  const focused = here.contains(document.activeElement) ? document.activeElement : null;
  const place = focused?.getAttribute("href") ?? focused?.textContent;
  here.replaceChildren(...part.childNodes);
  for (const summary of here.querySelectorAll("details > summary")) {
    if (opened.has(summary.textContent)) summary.parentElement.open = true;
  }
  if (focused) {
    const same = [...here.querySelectorAll("a, button, summary, [tabindex]")];
    same.find((each) => (each.getAttribute("href") ?? each.textContent) === place)?.focus();
  }
}
