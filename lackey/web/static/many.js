// A sweep's form: how many runs it would make and how long they may take is told as it is typed, and a table may be
// dropped into it. What was told is sent along, so that no more is made than was seen.

const WAIT_MS = 250;
// A long table is not sent again at each key.
const LONG = 200_000;
const LONG_WAIT_MS = 1500;
const MOST_BYTES = 16 << 20;

const form = document.querySelector("#many");

class Teller {
  #says = form.querySelector("#many-says");
  #seen = form.querySelector("[name=seen]");
  #button = form.querySelector("button");
  #table = form.querySelector("#points");
  #timer = 0;
  /** Ends a request whose answer would be of what was typed before. */
  #asking = new AbortController();

  /** What was told is of no worth from now on. */
  changed() {
    this.#asking.abort();
    this.#seen.value = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), this.#table.value.length > LONG ? LONG_WAIT_MS : WAIT_MS);
  }

  async #ask() {
    const typed = new FormData(form);
    const isEmpty = [...typed].every(([name, value]) => !/^(values\..*|points)$/s.test(name) || !String(value).trim());
    if (isEmpty) return this.#say("", "");
    this.#asking = new AbortController();
    typed.delete("");
    try {
      const body = new URLSearchParams([...typed].filter(([, value]) => typeof value === "string"));
      const answer = await fetch(`${form.action}/look`, { method: "POST", body, signal: this.#asking.signal });
      if (!answer.ok || answer.redirected) return this.#say("", "");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      this.#say(page.body, page.querySelector("[data-runs]")?.dataset.runs ?? "");
    } catch {
      // Asked anew meanwhile, or the service is away: the form itself says more when it is sent.
    }
  }

  /** @param {HTMLElement | string} words @param {string} runs how many that makes, if anything */
  #say(words, runs) {
    this.#says.replaceChildren(...(typeof words === "string" ? [] : words.childNodes));
    this.#says.classList.toggle("note", this.#says.childElementCount > 0);
    this.#seen.value = runs;
    const count = Number(runs).toLocaleString("en");
    this.#button.textContent = runs ? `Make ${count} ${runs === "1" ? "run" : "runs"}` : "See how many runs that is";
  }

  /** Takes a file for the table. @param {File | undefined} file */
  async read(file) {
    if (!file) return;
    try {
      if (file.size > MOST_BYTES) throw new Error(`has more than ${MOST_BYTES >> 20} MiB`);
      this.#table.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      this.#table.closest("details").open = true;
      this.changed();
    } catch (error) {
      const said = document.createElement("p");
      said.className = "error";
      said.textContent = `${file.name} ${error instanceof TypeError ? "is not UTF-8: save it as CSV UTF-8" : error.message}`;
      const words = document.createElement("div");
      words.append(said);
      this.#say(words, "");
    }
  }
}

if (form) {
  const teller = new Teller();
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  form.addEventListener("input", (event) => {
    if (event.target.type === "file") teller.read(event.target.files[0]);
    else teller.changed();
  });
  form.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  form.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    teller.read(event.dataTransfer.files[0]);
  });
  // What a browser has kept of a form is told, too; what was refused is said beside its fields already.
  if (!form.querySelector(".error")) teller.changed();
}
