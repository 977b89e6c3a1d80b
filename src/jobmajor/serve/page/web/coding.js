// Code a table's titles: each distinct title is sent once, in batches, until all have an answer from a single model.

import { line, safe } from "./csv.js";
import { Workbook } from "./workbook.js";
import { ask, patiently, post, wellFormed } from "./service.js";

const TITLES = 1000; // in one body
const CHARACTERS = 400_000; // in one body: at most 2.4 MB as JSON, of the 6 MiB that are let in
const READ = 2000; // of a title; the model reads its first 1,000 characters, of which one may take two here
const CONCURRENCY = 2; // so that the service has the next body while a response is on its way
const ADDED = ["code", "name", "score", "confidence", "level", "abstain", "reason", "source"];
const BLOB_ROWS = 5000;

export class Coder {
  constructor(table, { column, hasHeader, level }, choices) {
    this.table = table;
    this.choices = choices;
    this.level = level;
    this.hasHeader = hasHeader;
    this.rows = hasHeader ? table.records.slice(1) : table.records;
    this.titles = this.rows.map(({ fields }) => wellFormed((fields[column] ?? "").slice(0, READ)));
    this.rowsOf = new Map();
    for (const title of this.titles) this.rowsOf.set(title, (this.rowsOf.get(title) ?? 0) + 1);
    this.answers = new Map();
    this.model = "";
    this.done = 0; // rows
  }

  /** Until every title has its answer; what was answered before stays. */
  async code({ signal, tell }) {
    this.order = null;
    this.lineOf = null;
    this.codes ??= await classification(signal, (seconds, why) => tell({ done: this.done, wait: seconds, why }));
    for (let left = this.#left(); left.length; left = this.#left()) {
      const bodies = batches(left);
      const failing = new AbortController();
      const both = AbortSignal.any([signal, failing.signal]);
      const senders = Array.from({ length: CONCURRENCY }, () => this.#sendAll(bodies, both, tell));
      try {
        await Promise.all(senders);
      } catch (error) {
        failing.abort();
        await Promise.allSettled(senders);
        throw error;
      }
    }
  }

  #left() {
    return [...this.rowsOf.keys()].filter((title) => !this.answers.has(title));
  }

  async #sendAll(bodies, signal, tell) {
    for (let next = bodies.next(); !next.done; next = bodies.next()) {
      const titles = next.value;
      const body = this.#body(titles);
      const wait = (seconds, why) => tell({ done: this.done, wait: seconds, why });
      const call = async () => (await post("invocations", body, { signal })).json();
      this.#take(titles, await patiently(call, { signal, tell: wait }));
      tell({ done: this.done });
    }
  }

  #body(titles) {
    const body = { instances: titles, parameters: { level: this.level, top_k: 1 } };
    return this.choices.size ? { ...body, overrides: this.choices.overrides() } : body;
  }

  /** Code some titles once more, since a person has decided on them. */
  async again(titles, signal) {
    for (const some of batches(titles)) {
      this.#take(some, await (await post("invocations", this.#body(some), { signal })).json());
    }
    this.order = null;
    if (this.#left().length) await this.code({ signal, tell: () => {} }); // another model answers now
  }

  #take(titles, { predictions, model }) {
    if (model !== this.model) {
      this.answers.clear(); // another model answers now: start again, so that the file has the answers of one model
      this.done = 0;
      this.model = model;
    }
    titles.forEach((title, place) => {
      const { label, name, score, confidence, abstain, reason, source } = predictions[place][0];
      if (!this.answers.has(title)) this.done += this.rowsOf.get(title);
      this.answers.set(title, { code: label, name, score, confidence, abstain, reason, source });
    });
  }

  /** What came out, by group of the coarsest level, and what a person should look at. */
  summary() {
    const groups = new Map();
    const reasons = new Map();
    let exact = 0;
    let reviewed = 0;
    for (const [title, rows] of this.rowsOf) {
      const answer = this.answers.get(title);
      const { code, source } = answer;
      const reason = isOpen(answer) ? answer.reason : "";
      const group = this.codes.get(code)?.group ?? code;
      const found = groups.get(group) ?? { rows: 0, uncertain: 0 };
      found.rows += rows;
      if (reason) found.uncertain += rows;
      groups.set(group, found);
      if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + rows);
      if (source === "override") reviewed += rows;
      if (source === "exact" || source === "official") exact += rows;
    }
    const byGroup = [...groups].map(([code, found]) => ({ code, name: this.codes.get(code)?.name, ...found }));
    byGroup.sort((one, other) => other.rows - one.rows);
    return { rows: this.rows.length, distinct: this.rowsOf.size, exact, reviewed, groups: byGroup, reasons: [...reasons],
      model: this.model, level: this.level };
  }

  /** The titles that a person should look at and has not decided on. */
  uncertain() {
    return [...this.rowsOf.keys()].filter((title) => isOpen(this.answers.get(title)));
  }

  about(title) {
    this.lineOf ??= this.#firstLines();
    return { ...this.answers.get(title), line: this.lineOf.get(title) };
  }

  #firstLines() {
    const found = new Map();
    this.titles.forEach((title, row) => found.has(title) || found.set(title, this.rows[row].line));
    return found;
  }

  /** Some titles to look at, with their rows: the uncertain ones first, of them those that most rows have. */
  look(from, most) {
    this.order ??= this.#order();
    return this.order.slice(from, from + most).map((title) => ({
      title, rows: this.rowsOf.get(title), ...this.about(title),
    }));
  }

  #order() {
    const open = new Set(this.uncertain());
    const uncertain = (title) => Number(open.has(title));
    const score = (title) => this.answers.get(title).score;
    const order = (one, other) => uncertain(other) - uncertain(one) || this.rowsOf.get(other) - this.rowsOf.get(one)
      || score(one) - score(other);
    return [...this.rowsOf.keys()].sort(order);
  }

  /** The file: every row and every cell of it as they were, and our columns behind them. */
  async file({ isSafe, breathe }) {
    const { delimiter } = this.table;
    const kept = isSafe ? safe : (cell) => cell;
    const parts = ["\ufeff", line([...this.#head().map(kept), ...this.#added()], delimiter)];
    for (let start = 0; start < this.rows.length; start += BLOB_ROWS) {
      const end = Math.min(start + BLOB_ROWS, this.rows.length);
      const some = [];
      for (let row = start; row < end; row += 1) some.push([...this.#cells(row).map(kept), ...this.#coded(row)]);
      parts.push(some.map((cells) => line(cells, delimiter)).join(""));
      await breathe();
    }
    return new Blob(parts, { type: delimiter === "\t" ? "text/tab-separated-values" : "text/csv" });
  }

  /** The same rows as a workbook, whose cells are no formulas. */
  async workbook({ breathe }) {
    const book = new Workbook();
    book.add([...this.#head(), ...this.#added()]);
    for (let row = 0; row < this.rows.length && !book.isFull; row += 1) {
      book.add([...this.#cells(row), ...this.#plain(row)]);
      if (row % BLOB_ROWS === 0) await breathe();
    }
    return book.blob();
  }

  #head() {
    const names = this.hasHeader ? [...this.table.records[0].fields] : [];
    for (let place = names.length; place < this.table.width; place += 1) names.push(`column ${place + 1}`);
    return names;
  }

  #added() {
    const taken = new Set(this.#head());
    let prefix = "";
    while (ADDED.some((name) => taken.has(prefix + name))) prefix += "jobmajor_";
    return ADDED.map((name) => prefix + name);
  }

  #cells(row) {
    const { fields } = this.rows[row];
    return [...fields, ...Array(this.table.width - fields.length).fill("")];
  }

  #coded(row) {
    return this.#plain(row).map(safe);
  }

  #plain(row) {
    const { code, name, score, confidence, abstain, reason, source } = this.answers.get(this.titles[row]);
    const shares = [score, confidence].map((share) => code && String(share));
    return [code, name, ...shares, this.level, String(abstain), reason, source];
  }
}

/** Each code's name, and the group of the coarsest level that holds it. */
async function classification(signal, tell) {
  const { codes } = await patiently(async () => (await ask("classification", { signal })).json(), { signal, tell });
  return new Map(codes.map(({ code, name, group }) => [code, { name, group }]));
}

/** Whether a person should still look at a title: "not a job" has no code, but it was decided. */
const isOpen = ({ abstain, source }) => abstain && source !== "override";

function* batches(titles) {
  let some = [];
  let characters = 0;
  for (const title of titles) {
    if (some.length === TITLES || characters + title.length > CHARACTERS) {
      yield some;
      some = [];
      characters = 0;
    }
    some.push(title);
    characters += title.length;
  }
  if (some.length) yield some;
}
