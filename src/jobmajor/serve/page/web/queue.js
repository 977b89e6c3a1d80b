// A review, in the worker: the uncertain titles of a coded file, those with the most rows first, and the codes that a
// person gave them. Titles that the model reads alike are one title here.

import { line, safe } from "./csv.js";
import { ask, patiently, post } from "./service.js";

const TITLES = 1000; // in one body
const AHEAD = 20; // titles whose candidates are asked for at once
const CANDIDATES = 5;

/** The codes that a person gave, for all files that the page codes; each by the text that the model reads. */
export class Choices {
  #given = new Map();

  get size() {
    return this.#given.size;
  }

  of(text) {
    return this.#given.get(text)?.code ?? null;
  }

  put(text, title, code) {
    if (code === null) this.#given.delete(text);
    else this.#given.set(text, { title, code });
  }

  /** As a request takes them. */
  overrides() {
    return Object.fromEntries([...this.#given.values()].map(({ title, code }) => [title, code]));
  }

  /** As `--overrides` reads them. */
  file() {
    const rows = [...this.#given.values()].map(({ title, code }) => line([safe(title), code], ","));
    return new Blob([line(["title", "code"], ","), ...rows], { type: "text/csv" });
  }
}

export class Queue {
  #done = []; // places of titles with a choice, in order, each with the code that the title had before

  constructor(coder, choices) {
    this.coder = coder;
    this.choices = choices;
    this.items = [];
  }

  /** Take the titles that are uncertain now. */
  async fill(signal) {
    const titles = this.coder.uncertain();
    const found = new Map();
    for (let start = 0; start < titles.length; start += TITLES) {
      const some = titles.slice(start, start + TITLES);
      const { texts } = await posted("normalise", { titles: some }, signal);
      some.forEach((title, place) => this.#add(found, texts[place], title));
    }
    this.items = [...found.values()].sort((one, other) => other.rows - one.rows);
  }

  #add(found, text, title) {
    if (!text) return; // there is nothing that a code could be given to
    const rows = this.coder.rowsOf.get(title);
    const item = found.get(text) ?? { text, title, titles: [], rows: 0, candidates: null };
    item.titles.push(title);
    item.rows += rows;
    found.set(text, item);
  }

  placeOf(title) {
    return Math.max(0, this.items.findIndex(({ titles }) => titles.includes(title)));
  }

  /** What a person needs to decide on a title; nothing more than the counts behind the last one. */
  async show(place, signal) {
    const decided = this.items.filter(({ text }) => this.choices.of(text) !== null);
    const counts = { place, all: this.items.length, choices: this.choices.size, canUndo: this.#done.length > 0,
      rows: sum(this.items), decidedRows: sum(decided) };
    if (place >= this.items.length) return counts;
    const item = this.items[place];
    if (!item.candidates) await this.#suggest(place, signal);
    const { reason, line: first } = this.coder.about(item.titles[0]);
    const { title, titles, candidates } = item;
    return { ...counts, item: { title, spellings: titles.length, rows: item.rows, line: first, reason, candidates,
      code: this.choices.of(item.text) } };
  }

  async #suggest(place, signal) {
    const some = this.items.slice(place, place + AHEAD);
    const body = { instances: some.map(({ title }) => title), parameters: { level: "detailed", top_k: CANDIDATES } };
    const { predictions } = await posted("invocations", body, signal);
    const short = ({ label, name, score }) => ({ code: label, name, score });
    some.forEach((item, at) => {
      item.candidates = predictions[at].filter(({ label }) => label).slice(0, CANDIDATES).map(short);
    });
  }

  /** Give a title a code, and code its rows again. With `isKept` the service keeps the choice first. */
  async choose(place, code, { isKept, signal }) {
    const item = this.items[place];
    const before = await this.#put(item, code, { isKept, signal });
    this.#done.push({ place, before, isKept });
  }

  /** Take the last choice back, and return its place. */
  async undo(signal) {
    const last = this.#done.at(-1);
    if (!last) return 0;
    await this.#put(this.items[last.place], last.before, { isKept: last.isKept, signal });
    this.#done.pop();
    return last.place;
  }

  async #put({ text, title, titles }, code, { isKept, signal }) {
    let before = this.choices.of(text);
    if (isKept) before = (await posted("reviews", { title, code }, signal)).before;
    const had = this.choices.of(text);
    this.choices.put(text, title, code);
    try {
      await this.coder.again(titles, signal);
    } catch (error) {
      this.choices.put(text, title, had); // what was not coded again was not decided
      throw error;
    }
    return before;
  }
}

const sum = (items) => items.reduce((rows, item) => rows + item.rows, 0);

function posted(path, body, signal) {
  return patiently(async () => (await post(path, body, { signal })).json(), { signal });
}

/** Codes of the classification whose name has these words. */
export async function search(text, signal) {
  if (!text.trim()) return [];
  return (await (await ask(`codes?${new URLSearchParams({ search: text.slice(0, 200) })}`, { signal })).json()).codes;
}
