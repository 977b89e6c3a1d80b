// A review: one title after another, decided by a click or by a key. Where the titles come from and where the decisions
// go is a matter of `send`: to the worker that coded a file, or to the queue of the service.

import { byId, el, percent, show } from "./dom.js";
import { levelWord, said } from "./words.js";

const NOT_A_JOB = "not a job";
const QUIET_MS = 150; // without a key, before the classification is searched
const KEYS = { n: "none", s: "skip", u: "undo", "/": "search", Escape: "close" };

export class Review {
  #turned = null; // what the worker told last
  #picks = []; // the codes that the keys 1 to 9 choose
  #isBusy = false;
  #timer = 0;

  /**
   * `name` is the id of the section, `send` does a task, `closed` is called when a person has had enough. `words` say
   * which title it is (`place`), what is known about it (`about`), and that there is none (`end`).
   */
  constructor({ name, send, closed, words }) {
    this.name = name;
    this.send = send;
    this.closed = closed;
    this.words = words;
    this.section = byId(name);
    this.section.prepend(card(name));
    this.field = this.part("search");
    this.section.addEventListener("keydown", (event) => this.#pressed(event));
    this.field.addEventListener("input", () => this.#soon());
    for (const button of this.section.querySelectorAll("[data-review]")) {
      button.addEventListener("click", () => this.#act(button.dataset.review));
    }
  }

  part(name) {
    return byId(`${this.name}-${name}`);
  }

  /** Begin, at a title if one is named. */
  open(title) {
    this.#busy(true);
    this.say(said("Looking for the next title …"));
    show(this.section, true);
    this.send("review", { title });
    this.section.focus();
  }

  close() {
    show(this.section, false);
    this.#turned = null;
  }

  get isOpen() {
    return !this.section.hidden;
  }

  failed(sentence) {
    this.#busy(false);
    this.say(sentence);
  }

  say(sentence) {
    this.part("state").textContent = sentence;
  }

  #busy(is) {
    this.#isBusy = is;
    this.section.setAttribute("aria-busy", String(is));
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target === this.field;
    if (isTyping && event.key !== "Escape") {
      if (event.key === "Enter" || event.key === "ArrowDown") this.#toPicks(event);
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const pick = this.#picks[Number(key) - 1];
    if (!pick && !(key in KEYS)) return;
    event.preventDefault();
    if (pick) this.#choose(pick.code);
    else if (key === "Escape" && (isTyping || this.field.value)) this.#leaveSearch();
    else this.#act(KEYS[key]);
  }

  #act(what) {
    if (what === "search") return this.field.focus();
    if (what === "close") return this.closed();
    if (this.#isBusy || !this.#turned) return undefined;
    const { place, all, canUndo } = this.#turned;
    if (what === "none") return this.#choose(NOT_A_JOB);
    if (what === "undo") return canUndo && this.#ask("undo");
    return place < all && this.#ask("turnTo", { place: place + 1 });
  }

  #choose(code) {
    if (this.#isBusy || !this.#turned?.item) return;
    this.#ask("choose", { place: this.#turned.place, code });
  }

  #ask(task, content = {}) {
    this.#busy(true);
    this.send(task, content);
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.send("find", { text: this.field.value }), QUIET_MS);
  }

  #toPicks(event) {
    event.preventDefault();
    this.part("codes").querySelector("button")?.focus();
  }

  #leaveSearch() {
    this.field.value = "";
    this.#suggest();
    this.section.focus();
  }

  on_found({ text, codes }) {
    if (text !== this.field.value) return; // an answer to what was typed before
    if (!text.trim()) return this.#suggest();
    return this.#draw(codes, codes.length ? "Found in the classification" : "Nothing in the classification has these words");
  }

  on_turned(turned) {
    this.#turned = turned;
    this.#busy(false);
    const { item } = turned;
    this.part("place").textContent = this.words.place(turned);
    this.part("title").textContent = item?.title ?? this.words.end(turned);
    this.part("about").replaceChildren(...(item ? this.words.about(item) : []));
    this.say("");
    this.field.value = "";
    this.#suggest();
    for (const button of this.section.querySelectorAll("[data-review]")) button.disabled = !this.#can(button.dataset.review);
    this.section.focus({ preventScroll: true });
  }

  #can(what) {
    const { item, canUndo } = this.#turned;
    if (what === "undo") return canUndo;
    return what === "close" || Boolean(item);
  }

  #suggest() {
    const item = this.#turned?.item;
    this.#draw(item?.candidates ?? [], item ? item.heading ?? "The model’s best codes" : "");
  }

  #draw(picks, heading) {
    this.#picks = picks.slice(0, 9);
    this.part("heading-codes").textContent = heading;
    this.part("codes").replaceChildren(...this.#picks.map((pick, place) => this.#pick(pick, place)));
  }

  #pick({ code, name, score, level }, place) {
    return el("li", {},
      el("button", { type: "button", class: "pick", onclick: () => this.#choose(code) },
        el("kbd", {}, String(place + 1)),
        el("span", { class: "code" }, code),
        el("span", { class: "name" }, name === code ? "" : name),
        el("span", { class: "number soft" }, score === undefined ? levelWord(level) : percent(score))));
  }
}

/** The parts of a review, with ids that begin with its name. */
function card(name) {
  const made = byId("review-card").content.cloneNode(true);
  for (const part of made.querySelectorAll("[data-id]")) part.id = `${name}-${part.dataset.id}`;
  for (const label of made.querySelectorAll("[for]")) label.htmlFor = `${name}-${label.htmlFor}`;
  for (const list of made.querySelectorAll("[aria-labelledby]")) {
    list.setAttribute("aria-labelledby", `${name}-${list.getAttribute("aria-labelledby")}`);
  }
  return made;
}
