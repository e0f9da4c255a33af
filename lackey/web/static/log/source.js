/** The bytes of a log on the server, of which few are held here. */

/** The server answers with at most this much at a time. */
const PAGE_BYTES = 1024 * 1024;
const PAGES_HELD = 6;

/** The visitor's session has ended. */
export class SignedOut extends Error {}

export class Source {
  /** How many bytes the log has, as far as is known. */
  size = 0;
  /** Whether anything is missing from the log; the server says so. */
  complete = true;
  /** @type {Map<number, Uint8Array<ArrayBuffer>>} what is held, by number; the one used longest ago comes first. */
  #pages = new Map();
  #url;

  /** @param {string} url answers `?offset=` with the bytes from there, and with X-Log-Size. */
  constructor(url) {
    this.#url = url;
  }

  /** Asks for the size alone. */
  async measure() {
    await this.#ask(Number.MAX_SAFE_INTEGER);
  }

  /** Asks for what has come since. */
  async poll() {
    await this.#ask(this.size);
  }

  /**
   * The bytes from start to before end; fewer, if the log does not reach so far.
   * @param {number} start
   * @param {number} end
   * @param {AbortSignal} [signal]
   */
  async read(start, end, signal) {
    const parts = [];
    for (let at = start; at < end; ) {
      const number = Math.floor(at / PAGE_BYTES);
      const first = number * PAGE_BYTES;
      const needed = Math.min(end - first, PAGE_BYTES);
      const part = (await this.#page(number, needed, signal)).subarray(at - first, needed);
      parts.push(part);
      at += part.length;
      if (at < first + needed) break;
    }
    return joined(parts);
  }

  /**
   * @param {number} number
   * @param {number} needed how many of its bytes
   * @param {AbortSignal} [signal]
   */
  async #page(number, needed, signal) {
    let page = this.#pages.get(number) ?? new Uint8Array();
    while (page.length < needed && number * PAGE_BYTES + page.length < this.size) {
      const held = page.length;
      page = await this.#ask(number * PAGE_BYTES + held, signal).then(() => this.#pages.get(number) ?? page);
      if (page.length <= held) break;
    }
    this.#hold(number, page);
    return page;
  }

  /**
   * @param {number} offset
   * @param {AbortSignal} [signal]
   */
  async #ask(offset, signal) {
    const url = new URL(this.#url, document.baseURI);
    url.searchParams.set("offset", String(offset));
    const answer = await fetch(url, { cache: "no-store", headers: { Accept: "text/plain" }, signal });
    // Whoever has no session any more is led to where one signs in.
    if (answer.status === 401 || answer.redirected) throw new SignedOut("you are not signed in any more");
    const size = answer.headers.get("X-Log-Size");
    if (!answer.ok || size === null) throw new Error(`the server answered ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    // A log that has become shorter is another one: its share is away, say, and what was kept of it is shown.
    if (Number(size) < this.size) this.#pages.clear();
    this.size = Number(size);
    this.complete = answer.headers.get("X-Log-Complete") !== "false";
    this.#absorb(offset, bytes);
  }

  /**
   * Keeps bytes where they continue what is held.
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  #absorb(offset, bytes) {
    for (let used = 0; used < bytes.length; ) {
      const number = Math.floor((offset + used) / PAGE_BYTES);
      const inside = offset + used - number * PAGE_BYTES;
      const part = bytes.subarray(used, used + PAGE_BYTES - inside);
      const held = this.#pages.get(number) ?? new Uint8Array();
      if (held.length === inside) this.#hold(number, joined([held, part]));
      used += part.length;
    }
  }

  /**
   * @param {number} number
   * @param {Uint8Array<ArrayBuffer>} page
   */
  #hold(number, page) {
    this.#pages.delete(number);
    this.#pages.set(number, page);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= PAGES_HELD) break;
      this.#pages.delete(oldest);
    }
  }
}

/** The parts as one, which nobody may write to. @param {Uint8Array<ArrayBuffer>[]} parts */
function joined(parts) {
  const filled = parts.filter((part) => part.length > 0);
  // Most often there is one, and a copy of each would be much to clear away in a search.
  if (filled.length === 1) return filled[0];
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
