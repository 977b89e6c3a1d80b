// The words of the page: what the service's short reasons mean, and those of the classification in use.

import { byId, el, show } from "./dom.js";

const SOC = "SOC 2018";

// Until the service has told which classification its model has.
let used = { name: SOC, texts: "job titles", levels: [
  { level: "major", name: "major group" },
  { level: "minor", name: "minor group" },
  { level: "broad", name: "broad occupation" },
  { level: "detailed", name: "detailed occupation" },
] };

const REASONS = {
  unsure: "of answers with scores as low as this, fewer than 95 in 100 are right",
  "not a title": "this does not read like a job title",
  "not English": "the model was trained on English titles only",
  "unknown language": "the model was not trained on this script",
  "listed once; the model disagrees": "one source lists this title, and the model finds another group more likely",
  moved: "more rows have it than in the reference of a check",
};
const NO_TITLE = "this does not read like the titles that the model was trained on";

export const isSoc = () => used.name === SOC;

/** The levels that differ, coarse to fine, each with its name: "Major group". */
export const levels = () => used.levels.map(({ level, name }) => ({ level, name: name[0].toUpperCase() + name.slice(1) }));

/** What stands for a level beside a code that a search found. */
export const levelWord = (level) => (isSoc() ? level : used.levels.find((each) => each.level === level)?.name ?? level);

/** A sentence about titles, where the classification is one of other texts: about texts. */
export const said = (sentence) =>
  (used.texts === "plain" ? sentence.replace(/\btitle(s?)\b/g, "text$1").replace(/\bTitle(s?)\b/g, "Text$1") : sentence);

export function reasonOf(reason) {
  return said(reason === "not a title" && !isSoc() ? NO_TITLE : REASONS[reason] ?? reason);
}

/** Texts of the page as it came, before anything that a person types or a file holds is shown. */
function* fixed(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) yield walker.currentNode;
}

const fixedTexts = [...fixed(document.body)];

/** Use the words of a classification, which `/version` tells; SOC 2018 has those that the page came with. */
export function use(classification) {
  if (!classification || classification.name === used.name) return;
  used = classification;
  document.title = `jobmajor: ${used.name}`;
  for (const each of document.querySelectorAll("[data-soc]")) show(each, false);
  for (const each of document.querySelectorAll("[data-other]")) {
    each.textContent = said(each.dataset.other).replace("{name}", () => used.name);
  }
  for (const each of fixedTexts) each.data = said(each.data);
  for (const id of ["title", "paste"]) byId(id).placeholder = "";
  for (const field of document.querySelectorAll("[data-id=search], [id$=-search]")) field.placeholder = "words of a name, or the beginning of a code";
  for (const each of document.querySelectorAll("[data-levels]")) show(each, used.levels.length > 1);
  for (const id of ["level", "why-level"]) {
    byId(id).replaceChildren(...levels().map(({ level, name }) => el("option", { value: level }, name)));
  }
}
