/** A value over two parameters, as colours. */

import { Axis, bdi, isolated, short } from "./axis.js";
import { Picker } from "./picker.js";

const HEIGHT = 420;
const [LEFT, RIGHT, TOP, BOTTOM] = [76, 12, 8, 46];
const LABEL_PX = 44;
const LINE_PX = 16;
const LABEL_LETTERS = 10;
const RUNS_AT_MOST = 5;
// From dark to light, of even steps to the eye also for those who see fewer colours, and in grey: matplotlib's viridis (CC0).
const COLOURS = [[68, 1, 84], [70, 50, 126], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 193, 109], [160, 218, 57], [253, 231, 37]];

export class HeatMap {
  words = "";
  #canvas = document.createElement("canvas");
  #bar = document.createElement("p");
  #picker;
  #sizes;
  #of;
  #x;
  #by;
  /** By row and column, those that are there. @type {Map<number, {points: number[], value: number | null}>} */
  #cells;
  #scale;
  #style;

  /** @param {HTMLElement} figure @param {any} of the points, the names of axes, whether colours are logarithmic */
  constructor(figure, of) {
    this.#of = of;
    this.#x = new Axis(of.x);
    this.#by = new Axis(of.by);
    this.#cells = this.#gather();
    this.#scale = scaleOf([...this.#cells.values()].map((cell) => cell.value), of.log.y);
    this.#style = getComputedStyle(figure);
    this.words = this.#says();
    this.#picker = new Picker(`${of.names.y} over ${of.names.x} and ${of.names.by}, as colours`);
    this.#picker.element.prepend(this.#canvas);
    this.#bar.className = "scale";
    this.#legend();
    figure.replaceChildren(this.#bar, this.#picker.element, this.#picker.readout);
    this.#draw();
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
  }

  #gather() {
    const { x, by, y } = this.#of;
    const cells = new Map();
    for (const point of y.keys()) {
      const [column, row] = [this.#x.indexOf(x[point]), this.#by.indexOf(by[point])];
      if (column < 0 || row < 0) continue;
      const key = row * this.#x.labels.length + column;
      if (!cells.has(key)) cells.set(key, { points: [], value: null });
      cells.get(key).points.push(point);
    }
    for (const cell of cells.values()) {
      const values = cell.points.map((/** @type {number} */ point) => y[point]).filter((/** @type {any} */ value) => value !== null);
      if (values.length) cell.value = values.reduce((/** @type {number} */ sum, /** @type {number} */ value) => sum + value / values.length, 0);
    }
    return cells;
  }

  #says() {
    const { names, y, log } = this.#of;
    const said = [];
    const lacking = y.filter((/** @type {number | null} */ value) => value === null).length;
    if (lacking) said.push(`${lacking} of ${y.length} points have no value of ${names.y}; where there is none, the cell is crossed out.`);
    if ([...this.#cells.values()].some((cell) => cell.points.length > 1)) said.push("Where a cell has several points, its colour is their mean.");
    if (log.y && !this.#scale.isLogarithmic) said.push(`${names.y} is not above zero everywhere, so its colours are not logarithmic.`);
    return said.join(" ");
  }

  /** What the colours mean. */
  #legend() {
    const { least, greatest } = this.#scale;
    if (least === null) return;
    const ramp = document.createElement("canvas");
    [ramp.width, ramp.height] = [160, 14];
    ramp.setAttribute("aria-hidden", "true");
    const pen = /** @type {CanvasRenderingContext2D} */ (ramp.getContext("2d"));
    for (let x = 0; x < ramp.width; x++) {
      pen.fillStyle = colourAt(x / (ramp.width - 1));
      pen.fillRect(x, 0, 1, ramp.height);
    }
    this.#bar.replaceChildren(bdi(`${this.#of.names.y}: ${short(least)} `), ramp, ` ${short(greatest)}${this.#scale.isLogarithmic ? ", logarithmic" : ""}`);
  }

  #size() {
    const width = Math.max(200, Math.floor(this.#picker.element.clientWidth));
    return { width, height: HEIGHT, cellWidth: (width - LEFT - RIGHT) / this.#x.labels.length, cellHeight: (HEIGHT - TOP - BOTTOM) / this.#by.labels.length };
  }

  #fit() {
    if (this.#canvas.style.width !== `${this.#size().width}px`) this.#draw();
  }

  #draw() {
    const { width, height, cellWidth, cellHeight } = this.#size();
    const dots = globalThis.devicePixelRatio || 1;
    [this.#canvas.width, this.#canvas.height] = [width * dots, height * dots];
    [this.#canvas.style.width, this.#canvas.style.height] = [`${width}px`, `${height}px`];
    const pen = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    pen.scale(dots, dots);
    const columns = this.#x.labels.length;
    for (const [key, cell] of this.#cells) {
      const [row, column] = [Math.floor(key / columns), key % columns];
      this.#cell(pen, cell.value, LEFT + column * cellWidth, height - BOTTOM - (row + 1) * cellHeight, cellWidth, cellHeight);
    }
    this.#axes(pen, width, height, cellWidth, cellHeight);
    this.#mark(height, cellWidth, cellHeight);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number | null} value @param {number} x @param {number} y @param {number} width @param {number} height */
  #cell(pen, value, x, y, width, height) {
    if (value !== null) {
      pen.fillStyle = colourAt(this.#scale.part(value));
      // A little over its edge, for else the ground shines through between cells.
      pen.fillRect(x, y, width + 0.5, height + 0.5);
      return;
    }
    pen.strokeStyle = this.#style.getPropertyValue("--line");
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + width, y + height);
    pen.moveTo(x + width, y);
    pen.lineTo(x, y + height);
    pen.stroke();
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height @param {number} cellWidth @param {number} cellHeight */
  #axes(pen, width, height, cellWidth, cellHeight) {
    pen.fillStyle = this.#style.getPropertyValue("--text");
    pen.font = `12px ${this.#style.fontFamily}`;
    pen.textAlign = "center";
    for (let column = 0; column < this.#x.labels.length; column += Math.ceil(LABEL_PX / cellWidth)) {
      pen.fillText(labelOf(this.#x.labels[column], this.#x.isNumeric), LEFT + (column + 0.5) * cellWidth, height - BOTTOM + 16);
    }
    pen.fillText(this.#of.names.x.slice(0, 40), LEFT + (width - LEFT - RIGHT) / 2, height - 8);
    pen.textAlign = "right";
    for (let row = 0; row < this.#by.labels.length; row += Math.ceil(LINE_PX / cellHeight)) {
      pen.fillText(labelOf(this.#by.labels[row], this.#by.isNumeric), LEFT - 6, height - BOTTOM - (row + 0.5) * cellHeight + 4);
    }
    pen.save();
    pen.translate(12, TOP + (height - TOP - BOTTOM) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(this.#of.names.by.slice(0, 40), 0, 0);
    pen.restore();
  }

  /** Tells where the cells are by now, the uppermost row first. @param {number} height @param {number} cellWidth @param {number} cellHeight */
  #mark(height, cellWidth, cellHeight) {
    const columns = this.#x.labels.length;
    const rows = [];
    for (let row = this.#by.labels.length - 1; row >= 0; row--) {
      const marks = [];
      for (let column = 0; column < columns; column++) {
        const cell = this.#cells.get(row * columns + column);
        if (!cell) continue;
        const [x, y] = [LEFT + (column + 0.5) * cellWidth, height - BOTTOM - (row + 0.5) * cellHeight];
        marks.push({ x, y, runs: this.#runs(cell.points), words: this.#inWords(row, column, cell) });
      }
      rows.push(marks);
    }
    this.#picker.take(rows, Math.hypot(cellWidth, cellHeight) / 2);
  }

  /** @param {number[]} points @returns {number[]} */
  #runs(points) {
    return points.map((point) => this.#of.run[point]).filter((run) => run !== null).slice(0, RUNS_AT_MOST);
  }

  /** @param {number} row @param {number} column @param {{points: number[], value: number | null}} cell */
  #inWords(row, column, cell) {
    const { names, state } = this.#of;
    const where = `${names.x} = ${isolated(this.#x.labels[column])}, ${names.by} = ${isolated(this.#by.labels[row])}`;
    const several = cell.points.length > 1 ? `, the mean of ${cell.points.length}` : "";
    const what = cell.value === null ? `no ${names.y}, ${state[cell.points[0]].replace("_", " ")}` : `${names.y} ${short(cell.value)}${several}`;
    return `${where}: ${what}`;
  }
}

/** @param {(number | null)[]} values @param {boolean} isWanted whether it should be logarithmic */
function scaleOf(values, isWanted) {
  let [least, greatest] = [/** @type {number | null} */ (null), /** @type {number | null} */ (null)];
  for (const value of values) {
    if (value === null) continue;
    if (least === null || value < least) least = value;
    if (greatest === null || value > greatest) greatest = value;
  }
  const isLogarithmic = isWanted && least !== null && least > 0;
  const along = isLogarithmic ? Math.log : (/** @type {number} */ value) => value;
  const [from, to] = [along(least ?? 0), along(greatest ?? 0)];
  // Halves, for the difference of the largest numbers is none.
  const part = (/** @type {number} */ value) => (to > from ? (along(value) / 2 - from / 2) / (to / 2 - from / 2) : 0.5);
  return { least, greatest, isLogarithmic, part };
}

/** @param {number} part 0…1 */
function colourAt(part) {
  const at = Math.min(Math.max(part, 0), 1) * (COLOURS.length - 1);
  const before = Math.min(Math.floor(at), COLOURS.length - 2);
  const mixed = COLOURS[before].map((value, index) => Math.round(value + (COLOURS[before + 1][index] - value) * (at - before)));
  return `rgb(${mixed.join(" ")})`;
}

/** @param {any} label @param {boolean} isNumeric */
function labelOf(label, isNumeric) {
  const text = isNumeric ? short(Number(label)) : String(label);
  return text.length <= LABEL_LETTERS ? text : `${text.slice(0, LABEL_LETTERS - 1)}…`;
}
