/** The values of a column as places along an axis: numbers as such, anything else one beside the other. */

export class Axis {
  /** Of each point, where it lies; null: it has no value. */
  places;
  /** Each value once, in order along the axis, as it was typed. */
  labels;
  isNumeric;

  /** @param {any[]} values */
  constructor(values) {
    const there = [...new Set(values.filter((value) => value !== null))];
    this.isNumeric = there.length > 0 && there.every((value) => String(value).trim() !== "" && Number.isFinite(Number(value)));
    this.labels = this.isNumeric ? there.sort((a, b) => Number(a) - Number(b)) : there;
    const indices = new Map(this.labels.map((label, index) => [label, index]));
    this.places = values.map((value) => (value === null ? null : this.isNumeric ? Number(value) : /** @type {number} */ (indices.get(value))));
    this.#indices = indices;
  }

  #indices;

  /** Which of the labels a value is. @param {any} value */
  indexOf(value) {
    return this.#indices.get(value) ?? -1;
  }

  /** Whether it can be drawn logarithmically. */
  get isPositive() {
    return this.isNumeric && this.places.every((place) => place === null || place > 0);
  }
}

/** Text from outside, so that letters that run from right to left reorder nothing around it (UAX #9). @param {any} text */
export function isolated(text) {
  return /^[\x20-\x7e]*$/.test(String(text)) ? String(text) : `\u2068${text}\u2069`;
}

/** Words, by themselves. @param {string} words */
export function bdi(words) {
  const element = document.createElement("bdi");
  element.textContent = words;
  return element;
}

/** A number as short as it can be told. @param {number | null | undefined} value */
export function short(value) {
  if (value === null || value === undefined) return "–";
  return String(Number(value.toPrecision(5)));
}
