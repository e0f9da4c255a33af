/** The controls of a log: places to go to, a rail, a search. */

export class Tools {
  top = button("Top");
  end = button("End");
  follow = button("Follow");
  rail = input("range", { min: "0", max: "1000", value: "1000" });
  place = document.createElement("span");
  search = document.createElement("form");
  words = input("search", { required: "", autocomplete: "off", spellcheck: "false" });
  matchCase = input("checkbox", {});
  previous = button("Previous");
  next = button("Next");
  cancel = button("Cancel");
  /** What a search found. */
  status = document.createElement("p");
  /** Why the log can't be read. */
  trouble = document.createElement("p");
  element = document.createElement("div");
  #said = "";

  constructor() {
    this.element.className = "log-tools";
    this.place.className = "log-place";
    this.rail.setAttribute("aria-label", "Position in the log");
    this.words.setAttribute("aria-label", "Search in the log");
    this.words.placeholder = "Search";
    this.search.setAttribute("role", "search");
    this.search.setAttribute("aria-label", "Log");
    // Only what one has asked for is read out: what a search found, and trouble; not each line that comes.
    for (const said of [this.status, this.trouble]) said.setAttribute("role", "status");
    const label = document.createElement("label");
    label.append(this.matchCase, " Match case");
    this.cancel.hidden = true;
    this.search.append(this.words, label, this.previous, this.next, this.cancel);
    this.element.append(this.top, this.end, this.follow, this.rail, this.place, this.search, this.status, this.trouble);
  }

  /**
   * @param {string} text empty: there is none
   * @param {boolean} signedOut
   */
  showTrouble(text, signedOut) {
    // Only what differs is put there, for it is read out, and may have the focus.
    if (this.#said === text) return;
    this.#said = text;
    this.trouble.textContent = text;
    if (!signedOut) return;
    const way = document.createElement("a");
    way.href = `/sign-in?next=${encodeURIComponent(location.pathname)}`;
    way.textContent = "Sign in again";
    this.trouble.append(" ", way);
  }

  /**
   * @param {number} position in bytes
   * @param {number} size in bytes
   * @param {boolean} following
   */
  showPlace(position, size, following) {
    const share = size === 0 ? 1 : position / size;
    const text = `${(share * 100).toFixed(share < 1 ? 1 : 0)} % of ${inUnits(size)}`;
    // While the rail is held it belongs to who holds it.
    if (!this.rail.matches(":active")) this.rail.value = String(Math.round(share * 1000));
    this.rail.setAttribute("aria-valuetext", text);
    this.place.textContent = text;
    this.follow.setAttribute("aria-pressed", String(following));
  }
}

/** @param {string} text */
function button(text) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "outline secondary small";
  element.textContent = text;
  return element;
}

/**
 * @param {string} type
 * @param {Record<string, string>} attributes
 */
function input(type, attributes) {
  const element = document.createElement("input");
  element.type = type;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** As the service writes sizes (domain/sizes.py). @param {number} bytes */
export function inUnits(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  for (; bytes >= 1024 && power < 4; power += 1) bytes /= 1024;
  return `${bytes.toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
