/** One figure as a chart, by uPlot, which a plain script has put beside this module, or not. */

const HEIGHT = 220;

/** @typedef {{name: string, by: "step" | "time", count: number, whole: boolean, x: number[], y: (number | null)[]}} Curve */

/** Whether charts can be drawn here. */
export function canDraw() {
  return "uPlot" in globalThis;
}

export class Chart {
  element = document.createElement("figure");
  name;
  x = /** @type {number[]} */ ([]);
  y = /** @type {(number | null)[]} */ ([]);
  /** How many values there are in all; what is drawn may be thinned out. */
  count = 0;
  #by = "step";
  #logarithmic = false;
  #title = document.createElement("figcaption");
  #canvas = document.createElement("div");
  /** @type {any} */
  #plot;
  #sizes;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.element.className = "chart";
    // A name is text that somebody sent; uPlot is given none of it.
    this.#title.textContent = name;
    this.#canvas.setAttribute("role", "img");
    this.element.append(this.#title, this.#canvas);
    this.#sizes = new ResizeObserver(() => this.#fit());
    this.#sizes.observe(this.#canvas);
  }

  /** Takes what is new, or all of it. @param {Curve} curve */
  take(curve) {
    this.count = curve.count;
    if (!curve.whole && curve.x.length === 0) return;
    const zoom = this.#zoom();
    this.x = curve.whole ? curve.x : this.x.concat(curve.x);
    this.y = curve.whole ? curve.y : this.y.concat(curve.y);
    const same = this.#by === curve.by && !this.#logarithmic;
    this.#by = curve.by;
    this.#canvas.setAttribute("aria-label", this.#inWords());
    if (this.#plot && same) this.#plot.setData([this.x, this.y]);
    else this.#drawAnew();
    if (zoom && this.#by === zoom.by) this.#plot.setScale("x", zoom);
  }

  /** Draws it anew, in the colours of now. @param {boolean} logarithmic where all values are above zero */
  draw(logarithmic) {
    this.#logarithmic = logarithmic;
    const zoom = this.#zoom();
    this.#drawAnew();
    if (zoom) this.#plot.setScale("x", zoom);
  }

  /** What of it is looked at, where that is not all of it. */
  #zoom() {
    const { min, max } = this.#plot?.scales.x ?? {};
    const [first, last] = [this.x[0], this.x.at(-1)];
    return min > first || max < /** @type {number} */ (last) ? { min, max, by: this.#by } : null;
  }

  #drawAnew() {
    this.#plot?.destroy();
    this.#plot = new /** @type {any} */ (globalThis).uPlot(this.#options(), [this.x, this.y], this.#canvas);
  }

  remove() {
    this.#sizes.disconnect();
    this.#plot?.destroy();
    this.element.remove();
  }

  #inWords() {
    return `${this.name} over ${this.#by === "time" ? "time" : "steps"}: ${this.count} values, the last ${short(this.y.at(-1))}`;
  }

  #fit() {
    const size = this.#size();
    if (this.#plot && this.#plot.width !== size.width) this.#plot.setSize(size);
  }

  #size() {
    return { width: Math.max(200, Math.floor(this.#canvas.clientWidth)), height: HEIGHT };
  }

  #options() {
    const style = getComputedStyle(this.element);
    const axis = {
      stroke: style.getPropertyValue("--muted"),
      grid: { stroke: style.getPropertyValue("--line"), width: 1 },
      ticks: { stroke: style.getPropertyValue("--line"), width: 1 },
    };
    const time = this.#by === "time";
    const positive = this.#logarithmic && this.y.every((value) => value === null || value > 0);
    return {
      ...this.#size(),
      scales: { x: { time }, y: positive ? { distr: 3 } : { range: inside } },
      axes: [axis, { ...axis, size: 64, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(short) }],
      series: [
        time ? { label: "Time" } : { label: "Step" },
        {
          label: "Value",
          stroke: style.getPropertyValue("--running"),
          width: 2,
          value: (/** @type {any} */ _, /** @type {number} */ value) => short(value),
        },
      ],
      cursor: { drag: { x: true, y: false } },
    };
  }
}

/** Room around the values. Numbers near the largest that there are have none beyond them. */
function inside(/** @type {any} */ _, /** @type {number} */ least, /** @type {number} */ greatest) {
  const room = (greatest / 2 - least / 2) / 10 || Math.abs(least) / 10 || 1;
  const most = Number.MAX_VALUE / 4;
  return [Math.max(least - room, -most), Math.min(greatest + room, most)];
}

/** @param {number | null | undefined} value */
function short(value) {
  if (value === null || value === undefined) return "–";
  return String(Number(value.toPrecision(5)));
}
