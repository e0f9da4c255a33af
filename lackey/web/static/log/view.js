/** A window on a log: blocks around the place that is looked at; those that are far are dropped. */

import { blockBefore, blockFrom, lineStart } from "./blocks.js";
import { styled } from "./style.js";

/** @typedef {import("./blocks.js").Block} Block */
/** @typedef {import("./source.js").Source} Source */
/** @typedef {Block & {element: HTMLElement}} Shown */
/** What is found: characters of the block that begins at `start`. @typedef {{start: number, index: number, length: number}} Found */

const WEIGHT_HELD = 3 * 1024 * 1024;
// In heights of the window: so much is read beyond it, and what is dropped is farther than that.
const READ_AHEAD = 1;
const DROP_BEYOND = 2;
// Who follows and is so far behind jumps to the end.
const BEHIND_BYTES = 512 * 1024;

export class View {
  /** Whether the end is to be seen, and what comes after it. */
  following = true;
  /** Called when something has changed. @type {() => void} */
  onChange = () => {};
  /** Called when the log could not be read. @type {(error: Error) => void} */
  onTrouble = () => {};
  /** @type {Shown[]} */
  #blocks = [];
  #start = 0;
  #end = 0;
  /** @type {{offset: number, found?: Found} | undefined} the place to go to */
  #wanted;
  /** @type {Promise<void> | undefined} */
  #filling;
  #stale = false;
  #lastTop = 0;
  #source;
  #pane;

  /**
   * @param {Source} source
   * @param {HTMLElement} pane scrolls; what it holds stays until the first jump
   */
  constructor(source, pane) {
    this.#source = source;
    this.#pane = pane;
    pane.addEventListener("scroll", () => this.#scrolled());
    new ResizeObserver(() => this.fill()).observe(pane);
  }

  /** The byte at the top of the window; the log's size, when its end is seen. */
  get position() {
    if (this.#end >= this.#source.size && this.#below() <= 1) return this.#source.size;
    const top = this.#pane.getBoundingClientRect().top;
    for (const { element, start, end } of this.#blocks) {
      const box = element.getBoundingClientRect();
      if (box.bottom > top) return start + (end - start) * Math.max(0, (top - box.top) / box.height);
    }
    return this.#end;
  }

  /** Goes to the end, and stays there. */
  follow() {
    this.following = true;
    return this.#go({ offset: this.#source.size });
  }

  /** Goes to a byte, or to the end, when there is no such byte. @param {number} offset */
  jump(offset) {
    if (offset >= this.#source.size) return this.follow();
    this.following = false;
    return this.#go({ offset });
  }

  /** Goes to what was found, and marks it. @param {Found} found */
  show(found) {
    this.following = false;
    return this.#go({ offset: found.start, found });
  }

  /** @param {{offset: number, found?: Found}} wanted */
  #go(wanted) {
    this.#wanted = wanted;
    return this.fill();
  }

  /**
   * Reads what the window lacks, until it lacks nothing. One reads at a time, so that blocks stay in order; who asks
   * meanwhile is served by that one.
   * @returns {Promise<void>}
   */
  fill() {
    this.#stale = true;
    this.#filling ??= this.#fill()
      .catch((error) => this.onTrouble(error))
      .finally(() => (this.#filling = undefined));
    return this.#filling;
  }

  async #fill() {
    while (this.#stale) {
      this.#stale = false;
      while (await this.#step());
      this.onChange();
    }
  }

  /** Does the one thing that is most needed; whether it did anything. */
  async #step() {
    const lost = this.#end > this.#source.size || (this.following && this.#source.size - this.#end > BEHIND_BYTES);
    if (lost) this.#wanted ??= { offset: this.following ? this.#source.size : Math.min(this.#end, this.#source.size) };
    if (this.#wanted) return this.#arrive(this.#wanted);
    const margin = READ_AHEAD * this.#pane.clientHeight;
    if (this.#end < this.#source.size && (this.following || this.#below() < margin)) return this.#append();
    if (this.#start > 0 && this.#pane.scrollTop < margin) return this.#prepend();
    if (this.following) this.#scroll(this.#pane.scrollHeight);
    return false;
  }

  /** @param {{offset: number, found?: Found}} wanted */
  async #arrive(wanted) {
    const { found } = wanted;
    const place = found ? found.start : await lineStart(this.#source, wanted.offset);
    const block = await blockFrom(this.#source, place);
    if (this.#wanted !== wanted) return true;
    this.#wanted = undefined;
    this.#pane.replaceChildren();
    this.#blocks = [];
    this.#start = place;
    this.#end = place;
    mark(null);
    if (block.end > place) this.#add(block, false);
    this.#scroll(0);
    if (this.#start > 0) await this.#prepend();
    if (found && this.#blocks.length > 0) this.#centre(found);
    return true;
  }

  /** @param {Found} found */
  #centre(found) {
    const block = this.#blocks.find(({ start }) => start === found.start);
    const range = block && rangeIn(block.element, found.index, found.length);
    if (!range) return;
    mark(range);
    const [match, pane] = [range.getBoundingClientRect(), this.#pane.getBoundingClientRect()];
    this.#scroll(this.#pane.scrollTop + match.top - pane.top - (pane.height - match.height) / 2);
  }

  async #append() {
    const last = this.#blocks.at(-1);
    const [start, style] = last?.open ? [last.start, undefined] : [this.#end, last?.style];
    const block = await blockFrom(this.#source, start, style);
    if (this.#wanted) return true;
    if (block.end <= this.#end) return false;
    if (last?.open) this.#remove(last);
    this.#add(block, false);
    if (this.following) this.#scroll(this.#pane.scrollHeight);
    this.#drop();
    return true;
  }

  async #prepend() {
    const block = await blockBefore(this.#source, this.#start);
    if (this.#wanted) return true;
    if (block.end !== this.#start || block.start === block.end) return false;
    this.#keepingPlace(() => this.#add(block, true));
    this.#drop();
    return true;
  }

  /**
   * @param {Block} block
   * @param {boolean} first
   */
  #add(block, first) {
    const shown = { ...block, element: elementOf(block) };
    if (first) {
      this.#pane.prepend(shown.element);
      this.#blocks.unshift(shown);
      this.#start = block.start;
    } else {
      this.#pane.append(shown.element);
      this.#blocks.push(shown);
      this.#end = block.end;
    }
    const at = first ? 1 : this.#blocks.length - 1;
    if (this.#blocks[at]?.joined) this.#blocks[at - 1]?.element.classList.add("log-joined");
  }

  /** @param {Shown} block */
  #remove(block) {
    block.element.remove();
    this.#blocks.splice(this.#blocks.indexOf(block), 1);
  }

  /** Drops what is far, while there is too much. */
  #drop() {
    const pane = this.#pane.getBoundingClientRect();
    const far = DROP_BEYOND * pane.height;
    let weight = this.#blocks.reduce((sum, block) => sum + block.weight, 0);
    while (weight > WEIGHT_HELD && this.#blocks.length > 2) {
      const [first, last] = [this.#blocks[0], /** @type {Shown} */ (this.#blocks.at(-1))];
      if (first.element.getBoundingClientRect().bottom < pane.top - far) {
        this.#keepingPlace(() => this.#remove(first));
        this.#start = first.end;
        weight -= first.weight;
      } else if (last.element.getBoundingClientRect().top > pane.bottom + far) {
        this.#remove(last);
        this.#end = last.start;
        weight -= last.weight;
      } else return;
    }
  }

  /** What is looked at stays where it is, whatever is done above it. @param {() => void} change */
  #keepingPlace(change) {
    const { scrollHeight, scrollTop } = this.#pane;
    change();
    this.#scroll(scrollTop + this.#pane.scrollHeight - scrollHeight);
  }

  /** @param {number} top */
  #scroll(top) {
    this.#pane.scrollTop = top;
    this.#lastTop = this.#pane.scrollTop;
  }

  #below() {
    return this.#pane.scrollHeight - this.#pane.clientHeight - this.#pane.scrollTop;
  }

  #scrolled() {
    const atEnd = this.#end >= this.#source.size && this.#below() <= 1;
    if (atEnd) this.following = true;
    // A window that has become higher also moves the text, but leaves the end in sight.
    else if (this.#pane.scrollTop < this.#lastTop - 1) this.following = false;
    this.#lastTop = this.#pane.scrollTop;
    this.fill();
  }
}

/** @param {Block} block */
function elementOf(block) {
  const element = document.createElement("span");
  element.className = block.joined ? "log-block log-joined" : "log-block";
  element.append(...block.runs.map(({ text, style }) => styled(text, style)));
  if (block.runs.length === 0) element.dataset.empty = `${block.end - block.start} bytes without text`;
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {number} index of the first character
 * @param {number} length
 */
function rangeIn(element, index, length) {
  const range = document.createRange();
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let begun = false;
  for (let at = 0; texts.nextNode(); ) {
    const node = /** @type {Text} */ (texts.currentNode);
    if (!begun && index < at + node.length) {
      range.setStart(node, index - at);
      begun = true;
    }
    if (begun && index + length <= at + node.length) {
      range.setEnd(node, index + length - at);
      return range;
    }
    at += node.length;
  }
  return undefined;
}

/** Marks what was found, where the browser can; elsewhere it is only scrolled to. @param {Range | null} range */
function mark(range) {
  if (!("highlights" in CSS)) return;
  if (range) CSS.highlights.set("log-found", new Highlight(range));
  else CSS.highlights.delete("log-found");
}
