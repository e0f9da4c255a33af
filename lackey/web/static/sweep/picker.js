/**
 * Points that are drawn somewhere are gone through with the arrow keys, or pointed at; Enter or a click leads to the run.
 * What is said of a point stands below, with a link.
 */

import { bdi } from "./axis.js";

/** @typedef {{x: number, y: number, runs: number[], words: string}} Mark where it is drawn, in CSS pixels; its runs, its words */

export class Picker {
  element = document.createElement("div");
  #readout = document.createElement("p");
  #ring = document.createElement("span");
  /** In rows from above, each from the left. @type {Mark[][]} */
  #rows = [];
  /** @type {[number, number] | null} */
  #at = null;
  /** From further away nothing is pointed at. */
  #reach = 0;

  /** @param {string} label what it shows */
  constructor(label) {
    this.element.className = "picked";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "application");
    this.element.setAttribute("aria-roledescription", "plot");
    this.element.setAttribute("aria-label", `${label}. The arrow keys go from point to point, Enter to its run.`);
    this.#ring.className = "ring";
    this.#ring.hidden = true;
    this.element.append(this.#ring);
    this.#readout.className = "readout";
    this.#readout.setAttribute("role", "status");
    this.#readout.textContent = "Point at something, or go there with the arrow keys: each point leads to its run.";
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("pointermove", (event) => this.#point(event));
    this.element.addEventListener("click", (event) => this.#point(event) && this.#go());
  }

  /** What belongs below the plot. */
  get readout() {
    return this.#readout;
  }

  /** Where somebody is, to be gone back to. */
  get place() {
    return this.#at;
  }

  /** @param {Mark[][]} rows @param {number} reach within so many pixels a point is pointed at */
  take(rows, reach) {
    this.#reach = reach;
    this.#rows = rows.filter((row) => row.length > 0);
    if (this.#at) this.#show(this.#at);
  }

  /** @param {[number, number] | null} place */
  focus(place) {
    this.element.focus({ preventScroll: true });
    if (place) this.#show(place);
  }

  #mark() {
    return this.#at && this.#rows[this.#at[0]]?.[this.#at[1]];
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = this.#at ?? [0, -1];
    const last = (this.#rows[row]?.length ?? 0) - 1;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => this.#show([row, Math.min(column + 1, last)]),
      ArrowLeft: () => this.#show([row, Math.max(column - 1, 0)]),
      ArrowUp: () => this.#show(this.#beside(row - 1)),
      ArrowDown: () => this.#show(this.#beside(row + 1)),
      Home: () => this.#show([row, 0]),
      End: () => this.#show([row, last]),
      Enter: () => this.#go(),
    };
    if (!(event.key in keys) || this.#rows.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  /** The point of another row that lies above or below. @param {number} row @returns {[number, number]} */
  #beside(row) {
    const here = this.#mark();
    const to = Math.max(0, Math.min(row, this.#rows.length - 1));
    if (!here) return [to, 0];
    return [to, nearest(this.#rows[to], (mark) => Math.abs(mark.x - here.x))];
  }

  /** Whether there is a point. @param {PointerEvent | MouseEvent} event */
  #point(event) {
    const box = this.element.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [least, found] = [this.#reach, /** @type {[number, number] | null} */ (null)];
    for (const [row, marks] of this.#rows.entries()) {
      if (marks.length === 0) continue;
      const column = nearest(marks, (mark) => Math.hypot(mark.x - x, mark.y - y));
      const away = Math.hypot(marks[column].x - x, marks[column].y - y);
      if (away <= least) [least, found] = [away, [row, column]];
    }
    if (found) this.#show(found);
    return found !== null;
  }

  /** @param {[number, number]} at */
  #show(at) {
    const before = this.#mark();
    this.#at = at;
    const mark = this.#mark();
    this.#ring.hidden = !mark;
    if (!mark) return;
    this.#ring.style.left = `${mark.x}px`;
    this.#ring.style.top = `${mark.y}px`;
    if (mark === before && this.#readout.querySelector("a")) return;
    const links = mark.runs.map((run) => {
      const link = document.createElement("a");
      link.href = `/run/${run}`;
      link.textContent = `run ${run}`;
      return link;
    });
    this.#readout.replaceChildren(bdi(mark.words), ...links.flatMap((link) => [" ", link]));
  }

  #go() {
    const run = this.#mark()?.runs[0];
    if (run !== undefined) location.href = `/run/${run}`;
  }
}

/** @template T @param {T[]} all @param {(one: T) => number} away */
function nearest(all, away) {
  let [best, least] = [0, Infinity];
  for (const [index, one] of all.entries()) {
    const distance = away(one);
    if (distance < least) [best, least] = [index, distance];
  }
  return best;
}
