// Why a title gets its code: what its words are worth, and known titles that resemble it.

import { bar, el } from "./dom.js";

const NOTED = 0.005; // shown as zero below this
const LEAST_SCALE = 0.25; // a full bar is at least this much, so that small contributions look small

const points = (worth) => {
  if (Math.abs(worth) < NOTED) return "±0";
  return `${worth > 0 ? "+" : "−"}${Math.round(Math.abs(worth) * 100)}`;
};

/** What the words of a level's code are worth, as a table. */
export function words({ label, name, score, words: found, source }, read) {
  if (!label) return el("p", {}, "It gets no code, so there is nothing to explain.");
  if (!found.length) return el("p", {}, "There is no word in it that the model could read.");
  const most = Math.max(...found.map(({ worth }) => Math.abs(worth)), LEAST_SCALE);
  return el("div", {},
    el("p", {}, "What each word adds to the score of ", el("strong", {}, `${label} ${name}`),
      `, ${Math.round(score * 100)} of 100 points by the words alone:`),
    el("table", { class: "words" },
      el("thead", {}, el("tr", {},
        el("th", { scope: "col" }, "Word"), el("td", {}), el("th", { scope: "col", class: "number" }, "Points"))),
      el("tbody", {}, ...found.map((each) => word(each, most)))),
    el("p", { class: "soft" }, `The model read “${read}”. The points are what the code loses if the word is left out. `,
      "Two words that mean the same each get few points.",
      LISTED[source] ?? ""));
}

const LISTED = {
  exact: " The answer weighs this with what the training data lists for the title.",
  official: " The answer itself is the SOC's, which names this title.",
};

function word({ word: text, worth }, most) {
  const kind = Math.abs(worth) < NOTED ? "none" : worth > 0 ? "for" : "against";
  return el("tr", { class: kind },
    el("th", { scope: "row" }, text),
    el("td", { class: "draw" }, bar(Math.abs(worth) / most, kind)),
    el("td", { class: "number" }, points(worth)));
}

/** Titles at hand that resemble what was typed. */
export function similar(found) {
  if (!found.length) return el("p", { class: "soft" }, "No starter title resembles it.");
  return el("ul", { class: "similar" }, ...found.map(({ title, codes }) =>
    el("li", {}, el("span", {}, title), el("span", { class: "code" }, codes.join(", ")))));
}
