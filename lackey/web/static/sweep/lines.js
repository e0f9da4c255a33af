/** A value over a parameter, by uPlot; a line for each value of another one. */

import { Axis, isolated, short } from "./axis.js";
import { Picker } from "./picker.js";

const HEIGHT = 380;
// More lines than these nobody can tell apart; tones and dashes make twelve pairs.
const LINES_AT_MOST = 12;
const TONES = ["running", "failed", "succeeded", "lost", "queued", "timed-out"];
const DASHES = [[], [8, 4], [2, 3]];
const DOTS_AT_MOST = 5000;
const DOT_PX = 7;
const REACH_PX = 30;

export function canDrawLines() {
  return "uPlot" in globalThis;
}

export class Lines {
  words = "";
  #box = document.createElement("div");
  #legend = document.createElement("ul");
  #picker;
  #plot;
  #sizes;
  #of;
  #x;
  /** Each line's points, by their places. @type {{label: string, at: number[]}[]} */
  #lines;

  /** @param {HTMLElement} figure @param {any} of the points, the names of axes, which axes are logarithmic */
  constructor(figure, of) {
    this.#of = of;
    this.#x = new Axis(of.x);
    const all = linesOf(of, this.#x);
    this.#lines = all.slice(0, LINES_AT_MOST);
    const log = this.#logarithms();
    this.words = this.#says(all.length, log);
    this.#picker = new Picker(`${of.names.y} over ${of.names.x}${of.by ? `, a line for each ${of.names.by}` : ""}`);
    this.#legend.className = "legend";
    figure.replaceChildren(this.#legend, this.#picker.element, this.#picker.readout);
    this.#picker.element.prepend(this.#box);
    const data = aligned(this.#lines, this.#x.places, of.y);
    const style = getComputedStyle(figure);
    this.#plot = new /** @type {any} */ (globalThis).uPlot(this.#options(style, log), data, this.#box);
    this.#list(style);
    this.#mark();
    this.#sizes = new ResizeObserver(() => this.#fit());
    this.#sizes.observe(this.#picker.element);
  }

  get place() {
    return this.#picker.place;
  }

  /** @param {[number, number] | null} place */
  focus(place) {
    this.#picker.focus(place);
  }

  remove() {
    this.#sizes.disconnect();
    this.#plot.destroy();
  }

  /** Which axes can be logarithmic of those that should be. */
  #logarithms() {
    const isPositive = this.#of.y.every((/** @type {number | null} */ value) => value === null || value > 0);
    return { x: this.#of.log.x && this.#x.isPositive, y: this.#of.log.y && isPositive };
  }

  /** @param {number} lines @param {{x: boolean, y: boolean}} log */
  #says(lines, log) {
    const { log: wanted, names, y } = this.#of;
    const said = [];
    const lacking = y.filter((/** @type {number | null} */ value) => value === null).length;
    if (lacking) said.push(`${lacking} of ${y.length} points have no value of ${names.y}.`);
    if (lines > LINES_AT_MOST) said.push(`The first ${LINES_AT_MOST} of ${lines} lines are drawn; a heat map shows all.`);
    if (wanted.x && !log.x) said.push(`${names.x} is not above zero everywhere, so its axis is not logarithmic.`);
    if (wanted.y && !log.y) said.push(`${names.y} is not above zero everywhere, so its axis is not logarithmic.`);
    return said.join(" ");
  }

  /** @param {CSSStyleDeclaration} style @param {{x: boolean, y: boolean}} log */
  #options(style, log) {
    const axis = {
      stroke: style.getPropertyValue("--muted"),
      grid: { stroke: style.getPropertyValue("--line"), width: 1 },
      ticks: { stroke: style.getPropertyValue("--line"), width: 1 },
      values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((one) => (one === null ? "" : short(one))),
    };
    const labels = this.#x.labels;
    const words = {
      ...axis,
      splits: () => labels.map((_, index) => index),
      values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((one) => String(labels[one] ?? "").slice(0, 16)),
    };
    const dots = this.#of.y.length <= DOTS_AT_MOST;
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, ...(log.x ? { distr: 3, range: around } : { range: inside }) },
        y: log.y ? { distr: 3, range: around } : { range: inside },
      },
      axes: [this.#x.isNumeric ? axis : words, { ...axis, size: 64 }],
      series: [
        {},
        ...this.#lines.map((_, index) => ({
          stroke: toneOf(style, index),
          dash: DASHES[Math.floor(index / TONES.length) % DASHES.length],
          width: 2,
          spanGaps: true,
          points: { show: dots, size: DOT_PX, fill: toneOf(style, index) },
        })),
      ],
    };
  }

  /** Which line is which. uPlot is given no text that somebody sent. @param {CSSStyleDeclaration} style */
  #list(style) {
    if (!this.#of.by) return;
    const items = this.#lines.map(({ label }, index) => {
      const item = document.createElement("li");
      const dash = DASHES[Math.floor(index / TONES.length) % DASHES.length].join(" ");
      const sample = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [name, value] of Object.entries({ x1: "0", x2: "28", y1: "5", y2: "5", "stroke-width": "3", "stroke-dasharray": dash })) {
        line.setAttribute(name, value);
      }
      line.style.stroke = toneOf(style, index);
      for (const [name, value] of Object.entries({ width: "28", height: "10", "aria-hidden": "true" })) sample.setAttribute(name, value);
      sample.append(line);
      const words = document.createElement("bdi");
      words.textContent = `${this.#of.names.by} = ${isolated(label)}`;
      item.append(sample, " ", words);
      return item;
    });
    this.#legend.replaceChildren(...items);
  }

  /** Tells where the points are by now. */
  #mark() {
    const { names, y, run, by } = this.#of;
    const [left, top] = [this.#plot.over.offsetLeft, this.#plot.over.offsetTop];
    const rows = this.#lines.map(({ label, at }) =>
      at.map((point) => ({
        x: left + this.#plot.valToPos(this.#x.places[point], "x"),
        y: top + this.#plot.valToPos(y[point], "y"),
        runs: run[point] === null ? [] : [run[point]],
        words: `${names.x} = ${isolated(this.#of.x[point])}${by ? `, ${names.by} = ${isolated(label)}` : ""}: ${names.y} ${short(y[point])}`,
      })),
    );
    this.#picker.take(rows, REACH_PX);
  }

  #fit() {
    const size = this.#size();
    if (this.#plot.width === size.width) return;
    this.#plot.setSize(size);
    this.#mark();
  }

  #size() {
    return { width: Math.max(200, Math.floor(this.#picker.element.clientWidth)), height: HEIGHT };
  }
}

/** The points that have a value, in lines, each from the left. @param {any} of @param {Axis} x */
function linesOf(of, x) {
  const by = of.by ? new Axis(of.by) : null;
  const lines = (by ? by.labels : [""]).map((label) => ({ label: String(label), at: /** @type {number[]} */ ([]) }));
  for (const [point, value] of of.y.entries()) {
    const line = by ? by.indexOf(of.by[point]) : 0;
    if (value !== null && x.places[point] !== null && lines[line]) lines[line].at.push(point);
  }
  for (const line of lines) line.at.sort((a, b) => /** @type {number} */ (x.places[a]) - /** @type {number} */ (x.places[b]));
  return lines.filter((line) => line.at.length > 0);
}

/**
 * What uPlot draws: places along x in order, and each line's values there. A place comes as often as a line has values
 * there, so none hides another.
 * @param {{at: number[]}[]} lines
 * @param {(number | null)[]} places
 * @param {(number | null)[]} y
 */
function aligned(lines, places, y) {
  const columns = lines.map(({ at }) => {
    /** @type {Map<number, (number | null)[]>} */
    const found = new Map();
    for (const point of at) {
      const place = /** @type {number} */ (places[point]);
      const there = found.get(place);
      if (there) there.push(y[point]);
      else found.set(place, [y[point]]);
    }
    return found;
  });
  const x = [...new Set(columns.flatMap((column) => [...column.keys()]))].sort((a, b) => a - b);
  const repeats = x.map((place) => Math.max(...columns.map((column) => column.get(place)?.length ?? 0)));
  const spread = x.flatMap((place, index) => Array(repeats[index]).fill(place));
  const values = columns.map((column) =>
    x.flatMap((place, index) => Array.from({ length: repeats[index] }, (_, at) => column.get(place)?.[at] ?? null)),
  );
  return [spread, ...values];
}

/** @param {CSSStyleDeclaration} style @param {number} index */
function toneOf(style, index) {
  return style.getPropertyValue(`--${TONES[index % TONES.length]}`);
}

/** Room around the values, so that no dot is cut off. Numbers near the largest that there are have none beyond them. */
function inside(/** @type {any} */ _, /** @type {number | null} */ least, /** @type {number | null} */ greatest) {
  if (least === null || greatest === null) return [0, 1];
  const room = (greatest / 2 - least / 2) / 10 || Math.abs(least) / 10 || 1;
  const most = Number.MAX_VALUE / 4;
  return [Math.max(least - room, -most), Math.min(greatest + room, most)];
}

/** The same of a logarithmic axis. */
function around(/** @type {any} */ _, /** @type {number | null} */ least, /** @type {number | null} */ greatest) {
  if (least === null || greatest === null) return [1, 10];
  const room = (greatest / least) ** 0.05 || 1;
  return least === greatest ? [least / 2, greatest * 2] : [least / room, greatest * room];
}
