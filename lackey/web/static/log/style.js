/** SGR (ECMA-48, 8.3.117; colours as ITU-T T.416 and xterm have them): how text looks. */

/**
 * A colour is a number below 16, of the terminal's palette, or a CSS colour.
 * @typedef {{foreground?: number | string, background?: number | string, bold?: boolean, dim?: boolean,
 *   italic?: boolean, underline?: boolean, inverse?: boolean, struck?: boolean}} Style
 */

/** @type {Style} */
export const PLAIN = Object.freeze({});

/** @type {Record<number, Style>} */
const CHANGES = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { struck: true },
  21: { underline: true },
  22: { bold: undefined, dim: undefined },
  23: { italic: undefined },
  24: { underline: undefined },
  27: { inverse: undefined },
  29: { struck: undefined },
  39: { foreground: undefined },
  49: { background: undefined },
};

/**
 * The style after a sequence.
 * @param {Style} style
 * @param {string} parameters what stands between `ESC [` and `m`
 * @returns {Style}
 */
export function restyled(style, parameters) {
  const numbers = parameters.split(";");
  let now = style;
  for (let at = 0; at < numbers.length; at += 1) {
    const [code, ...rest] = numbers[at].split(":").map(Number);
    if (code === 0) now = PLAIN;
    else if (code === 38 || code === 48) {
      const given = rest.length > 0 ? withoutColourSpace(rest) : numbers.slice(at + 1, at + 5).map(Number);
      if (rest.length === 0) at += given[0] === 5 ? 2 : given[0] === 2 ? 4 : 0;
      now = { ...now, [code === 38 ? "foreground" : "background"]: colour(given) };
    } else now = { ...now, ...(code === 4 && rest[0] === 0 ? CHANGES[24] : (CHANGES[code] ?? fromPalette(code))) };
  }
  return now;
}

/**
 * `2:<space>:r:g:b` names a colour space, which many leave out, with its colon.
 * @param {number[]} given
 */
function withoutColourSpace(given) {
  return given[0] === 2 && given.length > 4 ? [2, ...given.slice(2)] : given;
}

/**
 * @param {number} code
 * @returns {Style}
 */
function fromPalette(code) {
  if (code >= 30 && code <= 37) return { foreground: code - 30 };
  if (code >= 40 && code <= 47) return { background: code - 40 };
  if (code >= 90 && code <= 97) return { foreground: code - 82 };
  if (code >= 100 && code <= 107) return { background: code - 92 };
  return {};
}

/**
 * @param {number[]} given `[5, number]` or `[2, red, green, blue]`
 * @returns {number | string | undefined}
 */
function colour([kind, ...values]) {
  const valid = (/** @type {number} */ value) => Number.isInteger(value) && value >= 0 && value <= 255;
  if (kind === 2 && values.length >= 3 && values.slice(0, 3).every(valid)) return rgb(values.slice(0, 3));
  const [number] = values;
  if (kind !== 5 || !valid(number)) return undefined;
  if (number < 16) return number;
  if (number >= 232) return rgb(Array(3).fill(8 + 10 * (number - 232)));
  // A cube of 6 × 6 × 6 colours; xterm's steps are not even.
  const step = (/** @type {number} */ index) => (index === 0 ? 0 : 55 + 40 * index);
  const place = number - 16;
  return rgb([step(Math.floor(place / 36)), step(Math.floor(place / 6) % 6), step(place % 6)]);
}

/** @param {number[]} parts */
function rgb(parts) {
  return `rgb(${parts.join(", ")})`;
}

/**
 * An element that shows text so; the text is text only, whatever it holds.
 * @param {string} text
 * @param {Style} style
 * @returns {Node}
 */
export function styled(text, style) {
  const node = document.createTextNode(text);
  const classes = ["bold", "dim", "italic", "underline", "struck"].filter((name) => style[/** @type {keyof Style} */ (name)]);
  let { foreground, background } = style;
  if (style.inverse) [foreground, background] = [background ?? "ground", foreground ?? "text"];
  if (classes.length === 0 && foreground === undefined && background === undefined) return node;
  const span = document.createElement("span");
  span.append(node);
  span.classList.add(...classes.map((name) => `log-${name}`));
  paint(span, "color", foreground);
  paint(span, "background-color", background);
  return span;
}

/**
 * @param {HTMLElement} span
 * @param {"color" | "background-color"} property
 * @param {number | string | undefined} value
 */
function paint(span, property, value) {
  if (value === undefined) return;
  // Set through the CSSOM, which the content security policy allows, as it does not a style attribute in markup.
  if (String(value).startsWith("rgb")) span.style.setProperty(property, String(value));
  else span.classList.add(`log-${property === "color" ? "on" : "under"}-${value}`);
}
