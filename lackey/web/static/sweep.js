/**
 * A sweep as a plot, in `<section class="plots" data-url="…" hidden>`: a value over a parameter, a line for each value
 * of a second one, or a heat map of two. Each point leads to its run. What is drawn stands in the address.
 */

import { bdi, isolated } from "./sweep/axis.js";
import { HeatMap } from "./sweep/heat.js";
import { canDrawLines, Lines } from "./sweep/lines.js";

// A plot follows what the state of the sweep tells, at most so often; one that took long to fetch, more seldom.
const REST_MS = 2000;
const REST_TIMES = 20;

/** @typedef {{values: string[], parameters: string[], chosen: Record<string, string>, run: (number | null)[], state: string[], x: any[], y: (number | null)[], by: any[] | null}} Points */

class Plot {
  #section;
  #form = document.createElement("form");
  #figure = document.createElement("figure");
  #words = document.createElement("p");
  /** @type {Lines | HeatMap | null} */
  #drawn = null;
  /** @type {Points | null} */
  #points = null;
  #wanted = Object.fromEntries(["y", "x", "by", "as", "log"].map((name) => [name, asked(name)]));
  #stamp = stampOfPage();
  #busy = false;
  #again = false;
  #turn = 0;
  #isWanted = true;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    this.#form.className = "filters";
    this.#form.setAttribute("aria-label", "What is drawn");
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", (event) => this.#choose(/** @type {any} */ (event.target)));
    this.#figure.className = "chart plot";
    this.#words.className = "muted";
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    const state = document.querySelector('[data-part="state"]');
    if (state) new MutationObserver(() => this.#notice()).observe(state, { childList: true, subtree: true });
    if (section.dataset.ask) this.#ask(section.dataset.ask);
    else this.#fetch();
  }

  /** So many points are only drawn for whoever wants that. @param {string} words */
  #ask(words) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "outline";
    button.textContent = words;
    button.addEventListener("click", () => {
      button.disabled = true;
      this.#isWanted = true;
      this.#fetch();
    });
    this.#figure.append(button);
    this.#section.append(this.#form, this.#words, this.#figure);
    this.#section.hidden = false;
    this.#isWanted = false;
  }

  /** The page has news of the sweep. */
  #notice() {
    const stamp = stampOfPage();
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    if (this.#isWanted) this.#fetch();
  }

  /** Fetches the points once more; while that is under way, once more afterwards. */
  async #fetch() {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    const turn = ++this.#turn;
    const begun = performance.now();
    try {
      const url = new URL(this.#section.dataset.url ?? "", document.baseURI);
      for (const name of ["y", "x", "by"]) if (this.#wanted[name]) url.searchParams.set(name, this.#wanted[name]);
      const answer = await fetch(url, { cache: "no-store" });
      const points = answer.ok && !answer.redirected ? await answer.json() : null;
      // What was asked for before something else was chosen is of no use.
      if (points && turn === this.#turn) this.#take(points);
    } catch {
      // The service is away for a moment; the page says so, and the next news brings the plot up to date.
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(REST_MS, REST_TIMES * (performance.now() - begun))));
    if (turn !== this.#turn) return;
    this.#busy = false;
    if (!this.#again) return;
    this.#again = false;
    this.#fetch();
  }

  /** @param {Points} points */
  #take(points) {
    this.#points = points;
    if (!this.#form.isConnected) this.#section.append(this.#form, this.#words, this.#figure);
    this.#section.hidden = false;
    this.#offer();
    this.#draw();
  }

  /** What can be chosen. A field that is in use is left alone. */
  #offer() {
    const { values, parameters, chosen } = /** @type {Points} */ (this.#points);
    const others = parameters.filter((name) => name !== chosen.x);
    const isHeat = this.#isHeat();
    const fields = [
      select("y", "Value", values.map(named), chosen.y),
      select("x", "Over", parameters.map(named), chosen.x),
      select("by", isHeat ? "And" : "A line for each", [["none", "–"], ...others.map(named)], chosen.by || "none"),
      select("as", "As", [...(canDrawLines() ? [["lines", "lines"]] : []), ...(others.length ? [["heat", "heat map"]] : [])], isHeat ? "heat" : "lines"),
      ...(isHeat ? [] : [box("x", "Logarithmic across", this.#wanted.log.includes("x"))]),
      box("y", isHeat ? "Logarithmic colours" : "Logarithmic upwards", this.#wanted.log.includes("y")),
    ];
    const focused = this.#form.contains(document.activeElement) ? /** @type {any} */ (document.activeElement).name : "";
    this.#form.replaceChildren(...fields);
    if (focused) /** @type {any} */ (this.#form.elements.namedItem(focused))?.focus();
  }

  #isHeat() {
    const { chosen } = /** @type {Points} */ (this.#points);
    return chosen.by !== "" && (this.#wanted.as === "heat" || !canDrawLines());
  }

  /** @param {HTMLSelectElement | HTMLInputElement} field */
  #choose(field) {
    if (field instanceof HTMLInputElement) {
      const axis = field.name.replace("log-", "");
      this.#wanted.log = [..."xy"].filter((one) => (one === axis ? field.checked : this.#wanted.log.includes(one))).join("");
    } else this.#wanted[field.name] = field.value;
    if (field.name === "as" && field.value === "heat" && this.#wanted.by === "none") this.#wanted.by = "";
    const address = new URL(location.href);
    for (const [name, value] of Object.entries(this.#wanted)) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(history.state, "", address);
    if (["y", "x", "by", "as"].includes(field.name)) this.#fetchNow();
    else this.#draw();
  }

  /** What somebody has chosen does not wait. */
  #fetchNow() {
    this.#busy = false;
    this.#again = false;
    this.#fetch();
  }

  #draw() {
    if (!this.#points) return;
    const log = { x: this.#wanted.log.includes("x"), y: this.#wanted.log.includes("y") };
    const Kind = this.#isHeat() ? HeatMap : Lines;
    const place = this.#drawn instanceof Kind ? this.#drawn.place : null;
    const hadFocus = this.#figure.contains(document.activeElement);
    this.#drawn?.remove();
    this.#drawn = null;
    const names = namesOf(this.#points.chosen);
    const isEmpty = this.#points.y.every((value) => value === null);
    this.#figure.replaceChildren();
    this.#words.replaceChildren(bdi(isEmpty ? `No point has a value of ${names.y} yet.` : ""));
    if (isEmpty || (Kind === Lines && !canDrawLines())) return;
    this.#drawn = new Kind(this.#figure, { ...this.#points, names, log });
    this.#words.replaceChildren(bdi(this.#drawn.words));
    if (hadFocus) this.#drawn.focus(place);
  }
}

/** @param {string} name */
function asked(name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}

function stampOfPage() {
  return /** @type {HTMLElement | null} */ (document.querySelector("[data-stamp]"))?.dataset.stamp ?? "";
}

/** The name of a column, and how people call it. @param {string} column @returns {string[]} */
function named(column) {
  const plain = { duration: "duration (s)", exit_code: "exit code" };
  return [column, plain[/** @type {keyof plain} */ (column)] ?? column.replace(/^(metrics|parameters)\./, "")];
}

/** @param {Record<string, string>} chosen */
function namesOf(chosen) {
  return Object.fromEntries(Object.entries(chosen).map(([axis, column]) => [axis, isolated(named(column)[1])]));
}

/** @param {string} name @param {string} words @param {string[][]} options @param {string} chosen */
function select(name, words, options, chosen) {
  const label = document.createElement("label");
  const field = document.createElement("select");
  field.name = name;
  field.append(...options.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)));
  label.append(words, field);
  return label;
}

/** @param {string} axis @param {string} words @param {boolean} checked */
function box(axis, words, checked) {
  const label = document.createElement("label");
  const field = document.createElement("input");
  field.type = "checkbox";
  field.name = `log-${axis}`;
  field.checked = checked;
  label.append(field, ` ${words}`);
  return label;
}

for (const section of document.querySelectorAll("section.plots")) new Plot(/** @type {HTMLElement} */ (section));
