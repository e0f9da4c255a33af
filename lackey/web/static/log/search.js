/** Searches a log as it shows, block by block, without holding it. */

import { blockBefore, blockFrom, cutNear } from "./blocks.js";
import { PLAIN } from "./style.js";
import { decoded, layOut, textOf } from "./text.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./view.js").Found} Found */
/** Text that may hold matches: those that begin at `from` or later, before `to`, and end after `past`.
 * @typedef {{start: number, end: number, text: string, from: number, to: number, past: number}} Piece */

const NEWLINE = 0x0a;
// What lies on a cut within a long line is found in a piece that begins so many bytes before it.
const OVERLAP_BYTES = 4096;
// So long the page does nothing else; then it may draw and answer.
const AT_ONCE_MS = 12;

/**
 * @param {string} words to be found as they are
 * @param {boolean} matchCase
 */
export function pattern(words, matchCase) {
  return new RegExp(words.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), matchCase ? "gu" : "giu");
}

/**
 * The next place before or after one where the pattern is found, and the line that it stands in.
 * @param {Source} source
 * @param {RegExp} wanted
 * @param {{start: number, index: number}} place a byte where a line begins, and a character after it
 * @param {boolean} backwards
 * @param {(offset: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<Found & {line: string} | undefined>}
 */
export async function search(source, wanted, place, backwards, onProgress, signal) {
  let since = performance.now();
  for await (const piece of backwards ? before(source, place, signal) : after(source, place, signal)) {
    const matches = [...piece.text.matchAll(wanted)].filter(
      ({ 0: text, index }) => index >= piece.from && index < piece.to && index + text.length > piece.past,
    );
    const match = matches.at(backwards ? -1 : 0);
    if (match) return located(source, piece, match, signal);
    if (performance.now() - since > AT_ONCE_MS) {
      onProgress(backwards ? piece.start : piece.end);
      await new Promise((resolve) => setTimeout(resolve));
      since = performance.now();
    }
    signal.throwIfAborted();
  }
  return undefined;
}

/**
 * @param {Source} source
 * @param {{start: number, index: number}} place
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Piece>}
 */
async function* after(source, { start, index }, signal) {
  let past = 0;
  let from = index;
  while (start < source.size) {
    const { runs, end } = await blockFrom(source, start, PLAIN, signal);
    if (end === start) return;
    yield { start, end, text: textOf(runs), from, to: Infinity, past };
    from = 0;
    past = 0;
    let next = end;
    if (end < source.size && (await isCut(source, end)) && end - OVERLAP_BYTES > start) {
      next = await cutNear(source, end - OVERLAP_BYTES);
      past = await shownLength(source, next, end);
    }
    start = next > start ? next : end;
  }
}

/**
 * @param {Source} source
 * @param {{start: number, index: number}} place
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Piece>}
 */
async function* before(source, { start, index }, signal) {
  if (index > 0) {
    const { runs, end } = await blockFrom(source, start, PLAIN, signal);
    yield { start, end, text: textOf(runs), from: 0, to: index, past: 0 };
  }
  for (let end = start; end > 0; ) {
    const cut = end < source.size && (await isCut(source, end));
    const beyond = cut ? await cutNear(source, Math.min(end + OVERLAP_BYTES, source.size)) : end;
    const block = await blockBefore(source, beyond, signal);
    if (block.start >= end) return;
    const to = cut ? await shownLength(source, block.start, end) : Infinity;
    yield { start: block.start, end: beyond, text: textOf(block.runs), from: 0, to, past: 0 };
    end = block.start;
  }
}

/** Whether a place lies within a line. @param {Source} source @param {number} at */
async function isCut(source, at) {
  return (await source.read(at - 1, at))[0] !== NEWLINE;
}

/**
 * @param {Source} source
 * @param {number} start
 * @param {number} end
 */
async function shownLength(source, start, end) {
  return textOf(layOut(decoded(await source.read(start, end)), PLAIN).runs).length;
}

/**
 * A match by the byte where its line begins. The text has exactly the newlines of the bytes.
 * @param {Source} source
 * @param {Piece} piece
 * @param {RegExpMatchArray} match
 * @param {AbortSignal} signal
 */
async function located(source, { start, end, text }, match, signal) {
  const index = match.index ?? 0;
  const lineAt = text.lastIndexOf("\n", index - 1) + 1;
  const bytes = await source.read(start, end, signal);
  let at = 0;
  for (let rest = text.slice(0, lineAt).split("\n").length - 1; rest > 0; rest -= 1) at = bytes.indexOf(NEWLINE, at) + 1;
  const lineEnd = text.indexOf("\n", index);
  return {
    start: start + at,
    index: index - lineAt,
    length: match[0].length,
    line: text.slice(lineAt, lineEnd < 0 ? undefined : lineEnd),
  };
}
