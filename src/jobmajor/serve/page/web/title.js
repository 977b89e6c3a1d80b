// One title: its codes at four levels while it is typed, with their scores and an explanation.

import { bar, byId, copy, el, percent, show } from "./dom.js";
import { similar, words } from "./why.js";
import { isSoc, levels as levelsOf, reasonOf } from "./words.js";
import { Refused, patiently, post, wellFormed } from "./service.js";

const QUIET_MS = 150; // without a key, before the service is asked
const CODES = 3; // at each level
const COPIED_MS = 2000;
const LISTED = { exact: "Listed: in the training data", official: "Named so by the SOC itself", override: "Reviewed" };

export class Title {
  #timer = 0;
  #asking = new AbortController();
  #explained = null;
  #level = null; // that a person chose to have explained

  constructor({ refused }) {
    this.refused = refused;
    this.input = byId("title");
    this.context = byId("context");
    for (const field of [this.input, this.context]) field.addEventListener("input", () => this.#soon(QUIET_MS));
    byId("title-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#soon(0);
    });
    for (const button of document.querySelectorAll("[data-example]")) {
      button.addEventListener("click", () => this.ask(button.dataset.example));
    }
    byId("copy").addEventListener("click", (event) => this.#copy(event.target));
    byId("others").addEventListener("click", (event) => {
      const isAll = byId("levels").classList.toggle("all");
      event.target.setAttribute("aria-expanded", String(isAll));
    });
    byId("why-level").addEventListener("change", (event) => {
      this.#level = event.target.value;
      this.#explain();
    });
  }

  ask(text) {
    this.input.value = text;
    this.#soon(0);
  }

  /** Asks again, as after a key was given. */
  again() {
    if (this.input.value.trim()) this.#soon(0);
  }

  #soon(ms) {
    clearTimeout(this.#timer);
    this.#asking.abort(); // an answer that is still on its way belongs to an earlier title
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    busy("answer", true); // the answer that is shown belongs to an earlier title
    this.#timer = setTimeout(() => this.#ask(signal), ms);
  }

  async #ask(signal) {
    const title = wellFormed(this.input.value);
    if (!title.trim()) return this.#clear();
    const context = byId("context-line").hidden ? "" : wellFormed(this.context.value).trim();
    try {
      const parameters = { level: "all", top_k: CODES };
      const coded = await this.#posted("invocations", { instances: [context ? { title, context } : title], parameters }, signal);
      if (signal.aborted) return undefined;
      this.#draw(coded.predictions[0]);
      const explained = await this.#posted("explain", { title, parameters: { level: "all" } }, signal);
      if (signal.aborted) return undefined;
      this.#explained = explained;
      this.#explain();
      byId("similar").replaceChildren(similar(explained.similar));
      show(byId("why-context"), context !== "");
      busy("reasons", false);
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) this.#fail(error);
    }
    return undefined;
  }

  #posted(path, body, signal) {
    const tell = (seconds, why) => this.#say(`${why} Asking again in ${seconds} s.`, "waiting");
    return patiently(async () => (await post(path, body, { signal })).json(), { signal, tell });
  }

  async #copy(button) {
    await copy(button.dataset.code);
    button.textContent = "Copied";
    setTimeout(() => this.#offer(button.dataset.code), COPIED_MS);
  }

  /** Offer a code to be copied. */
  #offer(code) {
    const button = byId("copy");
    button.dataset.code = code;
    button.textContent = `Copy ${code}`;
    show(button, code !== "");
  }

  #clear() {
    this.#offer("");
    show(byId("answer"), false);
    show(byId("first"), true);
    this.#say("");
  }

  #say(text, kind = "") {
    byId("verdict").replaceChildren(text);
    byId("verdict").className = `verdict ${kind}`.trim();
  }

  #fail(error) {
    this.#offer("");
    show(byId("answer"), false);
    if (!(error instanceof Refused)) throw error;
    this.#say(error.message, "wrong");
    this.refused(error);
  }

  #draw(items) {
    const own = (level) => items.filter((each) => each.level === level);
    const levels = levelsOf().map(({ level, name }) => ({ level, name, items: own(level) }));
    byId("levels").replaceChildren(...levels.map(levelOf));
    const sure = levels.filter(({ items: [best] }) => !best.abstain);
    this.#sureLevel = sure.at(-1)?.level ?? "major";
    byId("verdict").replaceChildren(...verdict(levels, sure));
    byId("verdict").className = "verdict";
    this.#offer((sure.at(-1) ?? levels[0]).items[0].label);
    busy("answer", false);
    busy("reasons", true);
    show(byId("answer"), true);
    show(byId("first"), false);
  }

  #sureLevel = "major";

  #explain() {
    const chosen = this.#level ?? this.#sureLevel;
    byId("why-level").value = chosen;
    const found = this.#explained?.levels.find(({ level }) => level === chosen);
    if (found) byId("why-words").replaceChildren(words(found, this.#explained.read));
  }
}

const busy = (id, is) => byId(id).setAttribute("aria-busy", String(is));

/** The finest sure code, and one mark with one sentence for what is not; a screen reader speaks it. */
function verdict(levels, sure) {
  const found = [];
  if (sure.length) {
    const { name, items: [best] } = sure.at(-1);
    found.push(`${named(best)}, ${percent(best.score)} (${name.toLowerCase()}). `);
  }
  const open = levels.find(({ items: [best] }) => best.abstain);
  if (open) {
    const [{ reason }] = open.items;
    const where = sure.length ? " below that" : "";
    found.push(el("span", { class: "badge warn" }, "Uncertain"), `${where}: ${reasonOf(reason)}.`);
  }
  return found;
}

const named = ({ label, name }) => (name === label ? label : `${label} ${name}`);

function levelOf({ level, name, items }) {
  const [best] = items;
  return el("li", { class: best.abstain ? "level uncertain" : "level", "data-level": level },
    el("div", { class: "level-head" }, el("h3", {}, name, best.abstain && el("span", { class: "unseen" }, " (uncertain)")),
      source(best)),
    el("ol", { class: "codes" }, ...items.filter(({ label }) => label).map((item, place) => codeOf(item, place === 0, level))));
}

const source = ({ source: from }) => from in LISTED && el("p", {}, el("span", { class: "badge" }, LISTED[from]));

function codeOf({ label, name, score }, isBest, level) {
  return el("li", { class: isBest ? "best" : "other" },
    el("span", { class: "code" }, label),
    el("span", { class: "name" }, name === label ? "" : name, isBest && isSoc() && level === "detailed" && links(label)),
    bar(score),
    el("span", { class: "number" }, percent(score)));
}

function links(code) {
  const link = (address, text) => el("a", { href: address, rel: "noreferrer", target: "_blank" }, text);
  return el("span", { class: "links" },
    link(`https://www.onetonline.org/link/summary/${code}.00`, "O*NET OnLine"),
    link(`https://www.bls.gov/soc/2018/major_groups.htm#${code.slice(0, 2)}-0000`, "BLS definition"));
}
