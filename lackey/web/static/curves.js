/**
 * The figures of a run as charts, live, in `<section class="curves" data-url="…" hidden>…<details open>…the same as a
 * table…</details></section>`. Where charts can't be drawn the table stays as it is.
 */

import { canDraw, Chart } from "./curves/chart.js";

const POLL_MS = 1000;
const TROUBLE_POLL_MS = 5000;
// A curve that has grown longer than this is asked for anew, and comes thinned out.
const POINTS_HELD = 4000;

class Curves {
  /** @type {Map<string, Chart>} */
  #charts = new Map();
  /** Those to be drawn; at first as many as may be. @type {string[] | undefined} */
  #chosen;
  #names = /** @type {string[]} */ ([]);
  #most = 0;
  #tag = "";
  #logarithmic = false;
  /** Ends the pause before the next poll. @type {() => void} */
  #wake = () => {};
  #section;
  #place = document.createElement("div");
  #tools = document.createElement("div");
  #choice = document.createElement("details");

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    this.#place.className = "charts";
    this.#tools.className = "charts-tools";
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.addEventListener("change", () => this.#redraw(box.checked));
    label.append(box, " Logarithmic where all values are above zero");
    this.#choice.hidden = true;
    this.#tools.append(label, this.#choice);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw(this.#logarithmic));
    document.addEventListener("visibilitychange", () => this.#wake());
  }

  /** Shows what there is, and what comes, until no more will. */
  async run() {
    while (this.#section.isConnected) {
      let [last, pause] = [false, POLL_MS];
      try {
        last = await this.#ask();
      } catch {
        // The service is away for a moment, or the visitor has signed out; the log and the next try tell.
        pause = TROUBLE_POLL_MS;
      }
      if (last && this.#names.length <= this.#most) return;
      // When nothing more comes, another choice may still be made.
      await this.#pause(last ? undefined : pause);
    }
  }

  /** Asks for what is new; whether nothing more will come. */
  async #ask() {
    const url = new URL(this.#section.dataset.url ?? "", document.baseURI);
    for (const name of this.#chosen ?? []) {
      url.searchParams.append("name", name);
      url.searchParams.append("known", this.#knownOf(name));
    }
    const headers = this.#tag ? { "If-None-Match": this.#tag } : undefined;
    const answer = await fetch(url, { headers, cache: "no-store" });
    if (answer.status === 304) return false;
    if (!answer.ok || answer.redirected) throw new Error(`the server answered ${answer.status}`);
    const { names, most, final, curves } = await answer.json();
    // The tag is of what was asked for: of no use to whoever asks for something else next, and harmless.
    this.#tag = answer.headers.get("ETag") ?? "";
    this.#section.hidden = names.length === 0;
    this.#offer(names, most);
    for (const curve of curves) this.#take(curve);
    return final && (this.#chosen ?? []).every((name) => this.#charts.has(name));
  }

  /** @param {string} name */
  #knownOf(name) {
    const chart = this.#charts.get(name);
    if (!chart || chart.x.length === 0 || chart.x.length > POINTS_HELD) return "";
    return `${chart.x.at(-1)},${chart.count}`;
  }

  /** @param {import("./curves/chart.js").Curve} curve */
  #take(curve) {
    let chart = this.#charts.get(curve.name);
    if (!chart) {
      if (!(this.#chosen ?? []).includes(curve.name)) return;
      chart = new Chart(curve.name, this.#logarithmic);
      chart.onLook = (from, to) => this.#look(curve.name, from, to);
      this.#charts.set(curve.name, chart);
      this.#place.append(chart.element);
    }
    chart.take(curve);
  }

  /**
   * Fetches the finer points of a part of a curve.
   * @param {string} name
   * @param {number} from
   * @param {number} to
   */
  async #look(name, from, to) {
    const url = new URL(this.#section.dataset.url ?? "", document.baseURI);
    url.search = new URLSearchParams({ name, from: String(from), to: String(to) }).toString();
    try {
      const answer = await fetch(url, { cache: "no-store" });
      if (!answer.ok || answer.redirected) return;
      const [curve] = (await answer.json()).curves;
      if (curve) this.#charts.get(name)?.takeFiner(from, to, curve);
    } catch {
      // The coarse curve stays; whoever looks at another part asks again.
    }
  }

  /**
   * Takes the names that there are; more than can be drawn are to choose from.
   * @param {string[]} names
   * @param {number} most
   */
  #offer(names, most) {
    if (!this.#chosen || (names.length <= most && names.length > this.#names.length)) this.#chosen = names.slice(0, most);
    if (names.length > 0 && !this.#place.isConnected) this.#begin();
    if (names.length > most && names.length !== this.#names.length) this.#listChoice(names, most);
    this.#names = names;
    this.#most = most;
  }

  /** Draws instead of the table, which is there to be opened. */
  #begin() {
    const table = /** @type {HTMLDetailsElement} */ (this.#section.querySelector("details"));
    table.before(this.#tools, this.#place);
    table.open = false;
  }

  /**
   * @param {string[]} names
   * @param {number} most
   */
  #listChoice(names, most) {
    const summary = document.createElement("summary");
    summary.textContent = `Choose up to ${most} of ${names.length}`;
    const boxes = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.className = "hidden-text";
    legend.textContent = "Which are drawn";
    boxes.append(legend, ...names.map((name) => this.#box(name, most)));
    this.#choice.replaceChildren(summary, boxes);
    this.#choice.hidden = false;
    this.#limit(most);
  }

  /**
   * @param {string} name
   * @param {number} most
   */
  #box(name, most) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = (this.#chosen ?? []).includes(name);
    box.addEventListener("change", () => {
      this.#chosen = (this.#chosen ?? []).filter((one) => one !== name).concat(box.checked ? [name] : []);
      if (!box.checked) this.#charts.get(name)?.remove();
      if (!box.checked) this.#charts.delete(name);
      this.#limit(most);
      this.#tag = "";
      this.#wake();
    });
    label.append(box, ` ${name}`);
    return label;
  }

  /** @param {number} most */
  #limit(most) {
    const full = (this.#chosen ?? []).length >= most;
    for (const box of this.#choice.querySelectorAll("input")) box.disabled = full && !box.checked;
  }

  /** @param {boolean} logarithmic */
  #redraw(logarithmic) {
    this.#logarithmic = logarithmic;
    for (const chart of this.#charts.values()) chart.draw(logarithmic);
  }

  /** Waits, and goes on waiting while nobody looks. @param {number | undefined} milliseconds undefined: for a choice */
  async #pause(milliseconds) {
    do {
      await new Promise((resolve) => {
        const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
    } while (document.hidden && this.#section.isConnected);
  }
}

/** Draws the figures of a section, and keeps them up to date. @param {HTMLElement} section */
export function drawCurves(section) {
  if (canDraw()) new Curves(section).run();
}

for (const section of document.querySelectorAll("section.curves")) drawCurves(/** @type {HTMLElement} */ (section));
