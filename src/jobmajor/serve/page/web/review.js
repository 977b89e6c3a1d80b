// The review of a coded file: one uncertain title after another, decided by a click or by a key.

import { byId, count, el, give, percent, show } from "./dom.js";
import { REASONS } from "./words.js";

const NOT_A_JOB = "not a job";
const QUIET_MS = 150; // without a key, before the classification is searched
const KEYS = { n: "none", s: "skip", u: "undo", "/": "search", Escape: "close" };

export class Review {
  #turned = null; // what the worker told last
  #picks = []; // the codes that the keys 1 to 9 choose
  #isBusy = false;
  #timer = 0;

  /** `send` gives the worker a task, `closed` is called when a person has had enough. */
  constructor({ send, closed }) {
    this.send = send;
    this.closed = closed;
    this.section = byId("review");
    this.field = byId("review-search");
    this.section.addEventListener("keydown", (event) => this.#pressed(event));
    this.field.addEventListener("input", () => this.#soon());
    for (const button of this.section.querySelectorAll("[data-review]")) {
      button.addEventListener("click", () => this.#act(button.dataset.review));
    }
    byId("save-choices").addEventListener("click", () => this.send("keep"));
  }

  /** Begin, at a title if one is named. */
  open(title) {
    this.#busy(true);
    byId("review-state").textContent = "Looking for uncertain titles …";
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

  /** Whether the service keeps choices is asked with the version. */
  mayKeep(is) {
    show(byId("keep-line"), is);
  }

  failed(sentence) {
    this.#busy(false);
    byId("review-state").textContent = sentence;
  }

  #busy(is) {
    this.#isBusy = is;
    this.section.setAttribute("aria-busy", String(is));
  }

  get #isKept() {
    return !byId("keep-line").hidden && byId("keep").checked;
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
    this.#ask("choose", { place: this.#turned.place, code, isKept: this.#isKept });
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
    byId("review-codes").querySelector("button")?.focus();
  }

  #leaveSearch() {
    this.field.value = "";
    this.#draw(this.#turned?.item?.candidates ?? [], "The model’s best codes");
    this.section.focus();
  }

  on_found({ text, codes }) {
    if (text !== this.field.value) return; // an answer to what was typed before
    if (!text.trim()) return this.#draw(this.#turned?.item?.candidates ?? [], "The model’s best codes");
    this.#draw(codes, codes.length ? "Found in the classification" : "Nothing in the classification has these words");
  }

  on_turned(turned) {
    this.#turned = turned;
    this.#busy(false);
    const { place, all, rows, decidedRows, choices, item } = turned;
    const seen = item ? `Title ${count(place + 1)} of ${count(all)}` : "";
    byId("review-place").textContent = `${seen}${seen && ", "}${count(decidedRows)} of ${count(rows)} uncertain rows decided`;
    byId("review-title").textContent = item?.title ?? (all ? "These were all uncertain titles." : "No title is uncertain.");
    byId("review-about").textContent = item ? about(item) : "";
    byId("review-state").textContent = "";
    this.field.value = "";
    this.#draw(item?.candidates ?? [], item ? "The model’s best codes" : "");
    for (const button of this.section.querySelectorAll("[data-review]")) button.disabled = !this.#can(button.dataset.review);
    byId("save-choices").textContent = `Download ${choices === 1 ? "1 choice" : `${count(choices)} choices`} as overrides.csv`;
    byId("save-choices").disabled = !choices;
    this.section.focus({ preventScroll: true });
  }

  #can(what) {
    const { item, canUndo } = this.#turned;
    if (what === "undo") return canUndo;
    return what === "close" || Boolean(item);
  }

  on_kept({ blob }) {
    give(blob, "overrides.csv");
  }

  #draw(picks, heading) {
    this.#picks = picks.slice(0, 9);
    byId("review-heading-codes").textContent = heading;
    byId("review-codes").replaceChildren(...this.#picks.map((pick, place) => this.#pick(pick, place)));
  }

  #pick({ code, name, score, level }, place) {
    return el("li", {},
      el("button", { type: "button", class: "pick", onclick: () => this.#choose(code) },
        el("kbd", {}, String(place + 1)),
        el("span", { class: "code" }, code),
        el("span", { class: "name" }, name),
        el("span", { class: "number soft" }, score === undefined ? level : percent(score))));
  }
}

function about({ rows, spellings, line, reason, code }) {
  const parts = [rows === 1 ? "1 row" : `${count(rows)} rows`, `first in line ${count(line)}`];
  if (spellings > 1) parts.push(`${count(spellings)} spellings`);
  return `${parts.join(", ")}: ${code ? `you chose ${code}` : REASONS[reason] ?? reason}.`;
}
