// Why a title gets its code: what its words add to the score, and known titles that resemble it.

import { bar, el } from "./dom.js";
import { isSoc, said } from "./words.js";

const LEAST_SCALE = 0.25; // a full bar is at least this much, so that small contributions look small
const BESIDE = {
  exact: "Lists of titles",
  official: "The SOC’s own list",
  override: "A person’s choice",
  model: "The mix of occupations",
};

function besideOf(source) {
  if (isSoc() || source === "override") return BESIDE[source] ?? BESIDE.model;
  return source === "model" ? "The mix of codes" : said("Lists of titles");
}

/** Whole points that add up to the points of all together, each as near to its own part as that allows. */
export function points(parts, all) {
  const found = parts.map((part) => Math.floor(100 * part));
  const order = parts.map((part, place) => [100 * part - found[place], place]).sort(([one], [other]) => other - one);
  const left = Math.round(100 * all) - found.reduce((sum, each) => sum + each, 0);
  for (let each = 0; each < Math.abs(left); each += 1) {
    const [, place] = left > 0 ? order[each % order.length] : order.at(-1 - (each % order.length));
    found[place] += Math.sign(left);
  }
  return found;
}

const signed = (number) => (number === 0 ? "±0" : `${number > 0 ? "+" : "−"}${Math.abs(number)}`);

/** What the score of a level's code is made of, as a table whose rows add up to it. */
export function words({ label, name, score, answer, base, words: found, source }, read) {
  if (!label) return el("p", {}, "It gets no code, so there is nothing to explain.");
  const beside = answer - score;
  const rows = [[said("A title without words"), base], ...found.map(({ word, worth }) => [word, worth])];
  if (Math.abs(beside) >= 0.005) rows.push([besideOf(source), beside]);
  const whole = points(rows.map(([, part]) => part), answer);
  const most = Math.max(...found.map(({ worth }) => Math.abs(worth)), LEAST_SCALE);
  return el("div", {},
    el("p", {}, "What the score of ", el("strong", {}, name === label ? label : `${label} ${name}`), " is made of:"),
    el("table", { class: "words" },
      el("thead", {}, el("tr", {},
        el("th", { scope: "col" }, "Part"), el("td", {}), el("th", { scope: "col", class: "number" }, "Points"))),
      el("tbody", {}, ...rows.map(([text, part], place) =>
        row(text, part / most, whole[place], place > 0 && place <= found.length))),
      el("tfoot", {}, el("tr", {},
        el("th", { scope: "row" }, "Score"), el("td", {}),
        el("td", { class: "number" }, String(Math.round(100 * answer)))))),
    el("p", { class: "soft" }, `The model read “${read}”. A word has the points that it adds, on average over all orders `,
      "of the words."));
}

function row(text, share, whole, isWord) {
  const kind = whole === 0 ? "none" : whole > 0 ? "for" : "against";
  return el("tr", { class: isWord ? kind : `${kind} beside` },
    el("th", { scope: "row" }, text),
    el("td", { class: "draw" }, bar(Math.abs(share), kind)),
    el("td", { class: "number" }, signed(whole)));
}

/** Titles at hand that resemble what was typed. */
export function similar(found) {
  if (!found.length) return el("p", { class: "soft" }, "No starter title resembles it.");
  return el("ul", { class: "similar" }, ...found.map(({ title, codes }) =>
    el("li", {}, el("span", {}, title), el("span", { class: "code" }, codes.join(", ")))));
}
