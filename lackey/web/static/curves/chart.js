/** One figure as a chart, by uPlot, which a plain script has put beside this module, or not. */

const HEIGHT = 220;
// After the reader has stopped turning the wheel or dragging for so long, finer points are asked for.
const LOOK_MS = 150;

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
  /** Is told which part of a thinned curve is looked at. @type {(from: number, to: number) => void} */
  onLook = () => {};
  /** The part that is looked at in finer points, which stand in place of those of the curve there. */
  #finer = /** @type {{from: number, to: number, x: number[], y: (number | null)[]} | null} */ (null);
  #asked = "";
  #timer = 0;
  #by = "step";
  #logarithmic = false;
  #title = document.createElement("figcaption");
  #canvas = document.createElement("div");
  /** @type {any} */
  #plot;
  #sizes;

  /**
   * @param {string} name
   * @param {boolean} logarithmic where all values are above zero
   */
  constructor(name, logarithmic) {
    this.name = name;
    this.#logarithmic = logarithmic;
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
    // A late value may lie in the part that is looked at.
    if (curve.whole) this.#asked = "";
    this.#canvas.setAttribute("aria-label", this.#inWords());
    if (this.#plot && same) this.#plot.setData(this.#shown());
    else this.#drawAnew();
    if (zoom && this.#by === zoom.by) this.#plot.setScale("x", zoom);
  }

  /**
   * Takes the finer points of a part.
   * @param {number} from
   * @param {number} to
   * @param {Curve} curve
   */
  takeFiner(from, to, curve) {
    const zoom = this.#zoom();
    if (!zoom || this.#asked !== `${from},${to}`) return;
    this.#finer = { from, to, x: curve.x, y: curve.y };
    this.#plot.setData(this.#shown());
    this.#plot.setScale("x", zoom);
  }

  /** What is drawn. @returns {[number[], (number | null)[]]} */
  #shown() {
    const finer = this.#finer;
    if (!finer) return [this.x, this.y];
    const before = this.x.filter((x) => x < finer.from).length;
    const behind = this.x.filter((x) => x <= finer.to).length;
    const joined = (/** @type {any[]} */ all, /** @type {any[]} */ part) => [
      ...all.slice(0, before),
      ...part,
      ...all.slice(behind),
    ];
    return [joined(this.x, finer.x), joined(this.y, finer.y)];
  }

  /** Asks for finer points of the part that is looked at, once it stays, where the curve is thinned out. */
  #look() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const zoom = this.#zoom();
      const part = zoom && this.x.length < this.count ? `${zoom.min},${zoom.max}` : "";
      if (part === this.#asked) return;
      this.#asked = part;
      if (part) this.onLook(zoom.min, zoom.max);
      else if (this.#finer) {
        this.#finer = null;
        this.#plot.setData(this.#shown());
      }
    }, LOOK_MS);
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
    this.#plot = new /** @type {any} */ (globalThis).uPlot(this.#options(), this.#shown(), this.#canvas);
  }

  remove() {
    this.#sizes.disconnect();
    clearTimeout(this.#timer);
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
      hooks: { setScale: [(/** @type {any} */ _, /** @type {string} */ scale) => scale === "x" && this.#look()] },
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
