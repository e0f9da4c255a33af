/**
 * A log of any size, as it grows, in `<section class="log" data-url="…" data-live><pre>…its end…</pre></section>`.
 *
 * Little of it is ever held: what is looked at and its surroundings. `data-live` says that more may come; when it is
 * removed, or an event `lackey:ended` reaches the section, the log is read to its end and then left alone.
 */

import { lineStart } from "./log/blocks.js";
import { pattern, search } from "./log/search.js";
import { SignedOut, Source } from "./log/source.js";
import { inUnits, Tools } from "./log/tools.js";
import { View } from "./log/view.js";

const POLL_MS = 1000;
const TROUBLE_POLL_MS = 5000;
const LINE_READ_OUT = 200;

class Log {
  #tools = new Tools();
  #section;
  #source;
  #pane;
  #view;
  /** Ends the pause before the next poll. @type {() => void} */
  #wake = () => {};
  /** @type {AbortController | undefined} */
  #search;
  #backwards = true;
  /** What was found last. @type {import("./log/view.js").Found | undefined} */
  #found;
  /** Why the log could not be read just now. @type {Error | undefined} */
  #failure;

  /**
   * @param {HTMLElement} section
   * @param {HTMLElement} pane
   */
  constructor(section, pane) {
    this.#section = section;
    this.#pane = pane;
    this.#source = new Source(section.dataset.url ?? "");
    this.#view = new View(this.#source, pane);
    this.#view.onChange = () => this.#showPlace();
    this.#view.onTrouble = (error) => this.#fail(error);
    pane.tabIndex = 0;
    // A log by its role, but silent: a reader that is told each line of a simulation hears nothing else.
    pane.setAttribute("role", "log");
    pane.setAttribute("aria-live", "off");
    pane.setAttribute("aria-label", "Log");
    section.insertBefore(this.#tools.element, pane);
    this.#listen();
    this.#listenToSearch();
  }

  /** Reads the end of the log, and what comes after it, until no more will. */
  async run() {
    for (let last = false, begun = false; !last && this.#section.isConnected; ) {
      // Asked before the log is: what an ended run wrote is there by now.
      const live = "live" in this.#section.dataset;
      this.#failure = undefined;
      try {
        if (begun) await this.#source.poll();
        else await this.#source.measure();
        await (begun ? this.#view.fill() : this.#view.follow());
        begun = true;
      } catch (error) {
        this.#failure = /** @type {Error} */ (error);
      }
      last = !live && !this.#failure;
      this.#tools.follow.hidden = !live;
      this.#showTrouble();
      if (!last) await this.#pause(this.#failure ? TROUBLE_POLL_MS : POLL_MS);
    }
  }

  /** Waits, and goes on waiting while nobody looks. @param {number} milliseconds */
  async #pause(milliseconds) {
    do {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds, undefined);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
    } while (document.hidden && this.#section.isConnected);
  }

  #listen() {
    const { top, end, follow, rail } = this.#tools;
    top.addEventListener("click", () => this.#go(0));
    end.addEventListener("click", () => this.#go(Infinity));
    follow.addEventListener("click", () => (this.#view.following ? this.#stay() : this.#go(Infinity)));
    rail.addEventListener("input", () => this.#go((Number(rail.value) / Number(rail.max)) * this.#source.size));
    this.#pane.addEventListener("keydown", (event) => this.#pressed(event));
    this.#pane.addEventListener("copy", (event) => copy(event));
    document.addEventListener("visibilitychange", () => this.#wake());
    this.#section.addEventListener("lackey:ended", () => delete this.#section.dataset.live);
    new MutationObserver(() => this.#wake()).observe(this.#section, { attributeFilter: ["data-live"] });
  }

  /** Goes to a place; the next search begins there. @param {number} offset */
  #go(offset) {
    this.#found = undefined;
    this.#view.jump(Math.floor(offset));
  }

  #stay() {
    this.#view.following = false;
    this.#showPlace();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Home") this.#go(0);
    else if (event.key === "End") this.#go(Infinity);
    else return;
    event.preventDefault();
  }

  #showPlace() {
    const told = this.#section.querySelector("[data-size]");
    if (told) told.textContent = inUnits(this.#source.size);
    this.#tools.showPlace(this.#view.position, this.#source.size, this.#view.following);
  }

  #listenToSearch() {
    const { search: form, words, previous, next, cancel } = this.#tools;
    previous.addEventListener("click", () => form.reportValidity() && this.#find(true));
    next.addEventListener("click", () => form.reportValidity() && this.#find(false));
    cancel.addEventListener("click", () => this.#search?.abort());
    words.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#search?.abort();
      if (event.key !== "Enter") return;
      event.preventDefault();
      // As one went last; at first back from the end, where one is.
      if (form.reportValidity()) this.#find(event.shiftKey ? !this.#backwards : this.#backwards);
    });
    // Who scrolls away searches from where they are.
    for (const kind of ["wheel", "pointerdown", "keydown"]) {
      this.#pane.addEventListener(kind, () => (this.#found = undefined), { passive: true });
    }
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {boolean} backwards */
  async #find(backwards) {
    this.#search?.abort();
    const search = new AbortController();
    this.#search = search;
    this.#backwards = backwards;
    this.#tools.cancel.hidden = false;
    try {
      await this.#findNow(backwards, search.signal);
    } catch (error) {
      if (!search.signal.aborted) this.#fail(/** @type {Error} */ (error));
      else if (this.#search === search) this.#say("Search cancelled.");
    }
    if (this.#search === search) this.#tools.cancel.hidden = true;
  }

  /**
   * @param {boolean} backwards
   * @param {AbortSignal} signal
   */
  async #findNow(backwards, signal) {
    const { words, matchCase } = this.#tools;
    const wanted = pattern(words.value, matchCase.checked);
    const found = await search(
      this.#source,
      wanted,
      await this.#placeToSearchFrom(backwards),
      backwards,
      (offset) => this.#say(`Searching; at ${((100 * offset) / this.#source.size).toFixed(0)} % …`),
      signal,
    );
    signal.throwIfAborted();
    if (!found) return this.#say(backwards ? "Nothing found before this place." : "Nothing found after this place.");
    this.#found = found;
    await this.#view.show(found);
    const excerpt = found.line.slice(Math.max(0, found.index - LINE_READ_OUT / 2)).slice(0, LINE_READ_OUT);
    return this.#say(`Found at byte ${found.start} of ${inUnits(this.#source.size)}: ${excerpt}`);
  }

  /** @param {boolean} backwards */
  async #placeToSearchFrom(backwards) {
    if (this.#found) return { start: this.#found.start, index: this.#found.index + (backwards ? 0 : 1) };
    if (this.#view.following) return { start: this.#source.size, index: 0 };
    return { start: await lineStart(this.#source, Math.floor(this.#view.position)), index: 0 };
  }

  /** @param {Error} error */
  #fail(error) {
    this.#failure = error;
    this.#showTrouble();
  }

  #showTrouble() {
    const reason = this.#failure?.message ?? (this.#source.complete ? "" : "a part of it is missing");
    this.#tools.showTrouble(reason && `The log can't all be read now: ${reason}.`, this.#failure instanceof SignedOut);
  }

  /** @param {string} text */
  #say(text) {
    this.#tools.status.textContent = text;
  }
}

/** Copies the text as it is in the log: no line break where a long line was cut. @param {ClipboardEvent} event */
function copy(event) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !event.clipboardData) return;
  event.clipboardData.setData("text/plain", selection.getRangeAt(0).cloneContents().textContent ?? "");
  event.preventDefault();
}

/** Makes a section live. @param {HTMLElement} section */
export function enhance(section) {
  const pane = section.querySelector("pre");
  if (pane) new Log(section, pane).run();
}

for (const section of document.querySelectorAll("section.log")) enhance(/** @type {HTMLElement} */ (section));
