// The review of the service's queue, on which several people work: each gets a title that nobody else has.

import { byId, count, el, percent, show } from "./dom.js";
import { search } from "./queue.js";
import { Review } from "./review.js";
import { Refused, ask, patiently, post, wellFormed } from "./service.js";
import { reasonOf, said } from "./words.js";

const NAME = "jobmajor.reviewer"; // in the browser's storage
const SCREEN = "jobmajor.screen"; // in the storage of this tab
const SPELLINGS = 5;
const TASKS = { review: "take", choose: "decide", turnTo: "skip", undo: "undo", find: "find" };

export class QueueReview {
  #screen = screen();
  #reviewer = read(localStorage, NAME);
  #isKey = false; // whether the reviewer's name is that of a key
  #decided = []; // the titles that were decided here, in their order
  #item = null;
  #asked = 0; // of progress: an earlier answer that comes later is stale

  constructor({ refused }) {
    this.refused = refused;
    const send = (task, content = {}) => this.#hear(this[TASKS[task]](content));
    this.review = new Review({ name: "queue-review", words: WORDS, send, closed: () => this.#close() });
    byId("start-queue").addEventListener("click", () => this.#open());
    byId("other-name").addEventListener("click", () => this.#askName());
    byId("reviewer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#named(byId("reviewer").value.trim());
    });
  }

  /** Whether there is a queue is asked with the version. */
  offer(is) {
    for (const id of ["queue", "queue-link"]) show(byId(id), is);
    if (is) this.#hear(this.#progress());
  }

  #askName() {
    this.#reviewer = "";
    this.#line();
    byId("reviewer").focus();
  }

  #named(name) {
    if (!name) return;
    this.#reviewer = name;
    write(localStorage, NAME, name);
    this.#open();
  }

  /** Who reviews, and how to begin; nothing of it during a review. */
  #line() {
    show(byId("reviewer-form"), !this.review.isOpen && !this.#reviewer);
    show(byId("reviewer-line"), !this.review.isOpen && this.#reviewer !== "");
    show(byId("other-name"), !this.#isKey);
    byId("reviewer-name").textContent = this.#reviewer;
  }

  #open() {
    byId("queue-state").textContent = "";
    this.review.open();
    this.#line();
  }

  #close() {
    this.review.close();
    this.#line();
    byId("start-queue").focus();
  }

  async #hear(doing) {
    try {
      await doing;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (this.review.isOpen) this.review.failed(error.message);
      else byId("queue-state").textContent = error.message;
      this.refused(error);
    }
  }

  /** Each of these may be sent twice, since the second time changes nothing. */
  #post(what, content = {}) {
    const who = this.#isKey ? {} : { reviewer: wellFormed(this.#reviewer) };
    const tell = (seconds, why) => this.review.say(`${why} Asking again in ${seconds} s; nothing is lost.`);
    const body = { ...content, ...who, screen: this.#screen };
    return patiently(async () => (await post(`queue/${what}`, body)).json(), { tell });
  }

  async take() {
    this.#turn((await this.#post("take")).waiting);
  }

  async decide({ code }) {
    const { title } = this.#item;
    await this.#post("decide", { title, code });
    if (this.#decided.at(-1) !== title) this.#decided.push(title);
    await this.take();
  }

  async skip() {
    await this.#post("skip", { title: this.#item.title });
    await this.take();
  }

  async undo() {
    const { waiting } = await this.#post("undo", { title: this.#decided.at(-1) });
    this.#decided.pop();
    if (waiting) this.#turn(waiting);
    else await this.take(); // somebody with this name took it back elsewhere
  }

  async find({ text }) {
    this.review.on_found({ text, codes: await search(text) });
  }

  #turn(item) {
    this.#item = item;
    const decided = this.#decided.length;
    this.review.on_turned({ item: item && withSaid(item), decided, canUndo: decided > 0, place: 0, all: item ? 1 : 0 });
    this.#hear(this.#progress());
  }

  async #progress() {
    this.#asked += 1;
    const turn = this.#asked;
    const found = await (await ask("queue")).json();
    if (turn !== this.#asked) return;
    this.#isKey = found.reviewer !== "";
    if (this.#isKey) this.#reviewer = found.reviewer;
    byId("queue-progress").textContent = progress(found);
    this.#line();
  }
}

const WORDS = {
  place: ({ decided }) => (decided ? `You decided ${titles(decided)}` : ""),
  end: () => said("No title waits for you now."),
  about({ rows, reason, spellings, said }) {
    const number = Math.round(rows);
    const more = spellings.length > SPELLINGS ? ", …" : "";
    const also = spellings.length ? `, also written ${spellings.slice(0, SPELLINGS).join(", ")}${more}` : "";
    const seen = `${number === 1 ? "1 row" : `${count(number)} rows`}${also}: ${reasonOf(reason)}.`;
    return [seen, ...said.map(({ reviewer, code, name }) => el("span", { class: "said" }, `${reviewer} said ${code} ${name}`.trim(), "."))];
  },
};

/** A title in dispute, with the codes that people gave it before those of the model. */
function withSaid(item) {
  const said = item.said.filter(({ name }) => name).map(({ reviewer, code, name }) => ({ code, name, level: reviewer }));
  if (!said.length) return item;
  const rest = item.candidates.filter(({ code }) => said.every((each) => each.code !== code));
  return { ...item, candidates: [...said, ...rest], heading: "What people said, and the model’s best codes" };
}

const titles = (number) => said(number === 1 ? "1 title" : `${count(number)} titles`);

function progress({ states, agreement: { code } }) {
  const [open, second, disputed, done] = ["open", "second opinion", "disputed", "done"].map((state) => states[state]);
  if (!open.titles && !second.titles && !disputed.titles && !done.titles) {
    return said("The queue is empty: the command jobmajor queue add puts titles into it.");
  }
  const rows = Math.round(open.rows + disputed.rows);
  const parts = [`${titles(done.titles + second.titles)} decided, ${count(open.titles + disputed.titles)} left (${count(rows)} rows).`];
  if (second.titles) parts.push(`${titles(second.titles)} for a second opinion.`);
  if (disputed.titles) parts.push(`${titles(disputed.titles)} in dispute.`);
  if (code.titles) parts.push(`Two reviewers agree on ${percent(code.share)} of ${titles(code.titles)}.`);
  return parts.join(" ");
}

/** Text in the browser's storage; there is none where a person forbids it. */
function read(storage, name) {
  try {
    return storage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

function write(storage, name, text) {
  try {
    storage.setItem(name, text);
  } catch {
    // It is asked again with the next visit.
  }
}

/**
 * A text of this tab's own, which stays when the page is loaded anew: then the same title comes again. While the page is
 * open, the storage has none, since a duplicated tab takes a copy of it.
 */
function screen() {
  const found = read(sessionStorage, SCREEN) || Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  write(sessionStorage, SCREEN, "");
  addEventListener("pagehide", () => write(sessionStorage, SCREEN, found));
  return found;
}
