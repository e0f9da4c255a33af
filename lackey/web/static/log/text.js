/** The text of a log as a terminal would leave it: colours kept, overwritten lines folded, the rest of control dropped. */

import { PLAIN, restyled } from "./style.js";

/** @typedef {import("./style.js").Style} Style */
/** @typedef {{text: string, style: Style}} Run */

// ECMA-48: control sequences, control strings with their ends, other escape sequences; then every control character.
// A control string without an end must not hide the rest of the log: it goes no further than its line.
const CONTROL =
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?|\r+(?=\n)|\r|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]+/g;
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c\n]*\x1b?|[ -/]*)$/;

// Byte order marks stand in the text as any other character; what is no UTF-8 shows as U+FFFD.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** @param {Uint8Array<ArrayBuffer>} bytes that begin and end between characters */
export function decoded(bytes) {
  return decoder.decode(bytes);
}

/** Whether text ends within an escape sequence. @param {string} text */
export function endsUnfinished(text) {
  return UNFINISHED.test(text);
}

/** Text in runs of one style each. */
class Runs {
  /** @type {Run[]} */
  all = [];

  /**
   * @param {string} text
   * @param {Style} style
   */
  add(text, style) {
    const last = this.all.at(-1);
    if (last?.style === style) last.text += text;
    else if (text) this.all.push({ text, style });
  }
}

/** One line in the making. Only one that is overwritten is kept cell by cell, for that is slow. */
class Line {
  /** @type {Run[]} */
  #runs = [];
  /** @type {Run[] | undefined} */
  #cells;
  #column = 0;

  /**
   * @param {string} text
   * @param {Style} style
   */
  write(text, style) {
    if (!this.#cells) {
      this.#runs.push({ text, style });
      return;
    }
    for (const letter of text) {
      this.#cells[this.#column] = { text: letter, style };
      this.#column += 1;
    }
  }

  /** What comes next overwrites what is there. */
  goBack() {
    this.#cells ??= this.#runs.flatMap(({ text, style }) => Array.from(text, (letter) => ({ text: letter, style })));
    this.#column = 0;
  }

  /** EL (ECMA-48, 8.3.41), as far as bars of progress use it. @param {string} part "" or "0": the rest; "2": all */
  erase(part) {
    if (part === "2") this.#clear();
    else if (this.#cells && part !== "1") this.#cells.length = this.#column;
  }

  /** Hands the line over and begins the next. @param {Runs} to */
  finish(to) {
    for (const { text, style } of this.#cells ?? this.#runs) to.add(text, style);
    this.#clear();
  }

  #clear() {
    this.#runs = [];
    this.#cells = undefined;
    this.#column = 0;
  }
}

/**
 * What a terminal would show in the end; it has exactly the newlines of the text.
 * @param {string} text
 * @param {Style} style the style that it begins with
 * @returns {{runs: Run[], style: Style}} the style that it ends with
 */
export function layOut(text, style) {
  const out = new Runs();
  const line = new Line();
  let at = 0;
  for (const found of text.matchAll(CONTROL)) {
    write(text.slice(at, found.index), style, line, out);
    at = found.index + found[0].length;
    const [whole, parameters, final] = found;
    if (final === "m" && /^[0-9;:]*$/.test(parameters)) style = restyled(style, parameters);
    else if (final === "K") line.erase(parameters);
    else if (whole === "\r" && text[at] !== "\n") line.goBack();
  }
  write(text.slice(at), style, line, out);
  line.finish(out);
  return { runs: out.all, style };
}

/**
 * @param {string} text without control, but for newlines
 * @param {Style} style
 * @param {Line} line
 * @param {Runs} out
 */
function write(text, style, line, out) {
  let at = 0;
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", at)) {
    line.write(text.slice(at, end), style);
    line.finish(out);
    out.add("\n", style);
    at = end + 1;
  }
  line.write(text.slice(at), style);
}

/** The runs as text alone. @param {Run[]} runs */
export function textOf(runs) {
  return runs.map((run) => run.text).join("");
}
