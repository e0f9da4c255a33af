/**
 * Cuts a log into blocks: whole lines, as many as are quickly shown; a line that is too long for one is cut.
 *
 * Where blocks begin depends on where one started to read, and need not agree with what was cut before: each byte of the
 * log can be the beginning of a block.
 */

import { PLAIN } from "./style.js";
import { decoded, endsUnfinished, layOut, textOf } from "./text.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./text.js").Run} Run */
/** @typedef {import("./style.js").Style} Style */

/**
 * `open`: ends within a line that may go on. `joined`: goes on with the line that the block before it ends in.
 * `weight`: about what it takes to show it, in bytes.
 * @typedef {{start: number, end: number, open: boolean, joined: boolean, runs: Run[], weight: number, style: Style}} Block
 */

const BLOCK_BYTES = 64 * 1024;
// Beside its text, a line and a piece in a colour of its own cost the browser about so many bytes.
const LINE_WEIGHT = 64;
const RUN_WEIGHT = 1024;
const BLOCK_WEIGHT = 512 * 1024;
// So far back the colour is looked for in which a block begins, when what stands before it was not read.
const STYLE_BYTES = 16 * 1024;
// A sequence that begins further back is none.
const SEQUENCE_BYTES = 64;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ESCAPE = 0x1b;

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** @param {number} byte */
function weightOf(byte) {
  return 1 + (byte === NEWLINE ? LINE_WEIGHT : 0) + (byte === ESCAPE ? RUN_WEIGHT : 0);
}

/**
 * The block that begins at start, at or before the log's end; empty if there is nothing.
 * @param {Source} source
 * @param {number} start
 * @param {Style} [style] that the text before it ended with, if that is known
 * @param {AbortSignal} [signal]
 * @returns {Promise<Block>}
 */
export async function blockFrom(source, start, style, signal) {
  const bytes = await source.read(start, Math.min(start + BLOCK_BYTES, source.size), signal);
  const length = cutAfter(bytes);
  const open = length === bytes.length && length < BLOCK_BYTES && bytes.at(-1) !== NEWLINE;
  return { ...(await made(source, start, bytes.subarray(0, length), style, signal)), open };
}

/**
 * The block that ends at end, where a block began before; empty at the log's beginning.
 * @param {Source} source
 * @param {number} end
 * @param {AbortSignal} [signal]
 */
export async function blockBefore(source, end, signal) {
  const first = Math.max(0, end - BLOCK_BYTES);
  const bytes = await source.read(first, end, signal);
  const from = first === 0 ? cutBefore(bytes, 0) : cutBefore(bytes, SEQUENCE_BYTES);
  return made(source, first + from, bytes.subarray(from), undefined, signal);
}

/**
 * Where the line begins that the offset lies in; in a very long one, some place near.
 * @param {Source} source
 * @param {number} offset
 */
export async function lineStart(source, offset) {
  const first = Math.max(0, offset - BLOCK_BYTES);
  const bytes = await source.read(first, offset);
  const newline = bytes.lastIndexOf(NEWLINE);
  if (newline >= 0 || first === 0) return first + newline + 1;
  const back = bytes.lastIndexOf(RETURN);
  return first + (back > 0 ? back : safeCut(bytes, bytes.length));
}

/**
 * The offset, or one a little before it that lies neither in a character nor in an escape sequence.
 * @param {Source} source
 * @param {number} offset
 */
export async function cutNear(source, offset) {
  const first = Math.max(0, offset - SEQUENCE_BYTES);
  return first + safeCut(await source.read(first, offset + 1), offset - first);
}

/** How many of these bytes the first block takes. @param {Bytes} bytes @returns {number} */
function cutAfter(bytes) {
  let weight = 0;
  let newline = 0;
  let back = 0;
  let at = 0;
  for (; at < bytes.length && weight < BLOCK_WEIGHT; at += 1) {
    weight += weightOf(bytes[at]);
    if (bytes[at] === NEWLINE) newline = at + 1;
    if (bytes[at] === RETURN) back = at;
  }
  if (newline > 0) return newline;
  // The log may just end here, and its line go on later.
  if (at === bytes.length && at < BLOCK_BYTES) return at;
  // A line of progress that never ends: it leaves one state for each block.
  return back > 0 ? back : safeCut(bytes, at);
}

/**
 * Where in these bytes the last block begins.
 * @param {Bytes} bytes
 * @param {number} least no earlier, unless the text must not be cut there
 */
function cutBefore(bytes, least) {
  let weight = 0;
  let newline = -1;
  let back = -1;
  let at = bytes.length;
  while (at > least && weight < BLOCK_WEIGHT) {
    at -= 1;
    weight += weightOf(bytes[at]);
    if (bytes[at] === NEWLINE && at + 1 < bytes.length) newline = at + 1;
    if (bytes[at] === RETURN && bytes[at + 1] !== NEWLINE) back = at;
  }
  if (at === 0) return 0;
  if (newline >= 0) return newline;
  return back > 0 ? back : safeCut(bytes, at);
}

/**
 * A place, at or a little before one, that lies neither in a character nor in an escape sequence.
 * @param {Bytes} bytes
 * @param {number} at
 */
function safeCut(bytes, at) {
  const least = Math.max(0, at - SEQUENCE_BYTES);
  const escape = bytes.lastIndexOf(ESCAPE, at - 1);
  if (escape > least && endsUnfinished(String.fromCharCode(...bytes.subarray(escape, at)))) return escape;
  let cut = at;
  while (cut > at - 4 && cut > 0 && cut < bytes.length && (bytes[cut] & 0xc0) === 0x80) cut -= 1;
  if (cut === bytes.length) cut -= unfinishedCharacter(bytes);
  return cut > 0 ? cut : at;
}

/** How many bytes at the end begin a character that is not all there. @param {Bytes} bytes */
function unfinishedCharacter(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/**
 * @param {Source} source
 * @param {number} start
 * @param {Bytes} bytes
 * @param {Style} [style]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Block>}
 */
async function made(source, start, bytes, style, signal) {
  const before = await source.read(Math.max(0, start - (style ? 1 : STYLE_BYTES)), start, signal);
  const begins = start === 0 || before.at(-1) === NEWLINE;
  const laidOut = layOut(decoded(bytes), style ?? layOut(decoded(before), PLAIN).style);
  const overwrites = bytes[0] === RETURN && bytes[1] !== NEWLINE;
  return {
    start,
    end: start + bytes.length,
    open: false,
    joined: !begins && !overwrites,
    weight: weighed(laidOut.runs),
    ...laidOut,
  };
}

/** @param {Run[]} runs */
function weighed(runs) {
  const lines = runs.reduce((sum, { text }) => sum + text.split("\n").length - 1, 0);
  return textOf(runs).length * 2 + lines * LINE_WEIGHT + runs.length * RUN_WEIGHT + 2 * RUN_WEIGHT;
}
