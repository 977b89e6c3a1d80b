// The titles of a coded file, page by page, the uncertain ones first.

import { count, el, percent } from "./dom.js";
import { said } from "./words.js";

export const PAGE = 25;
const HEADS = ["Title", "Code", "Name", "Score", "Review", "Rows", "First line"];
const NUMBERS = new Set(["Score", "Rows", "First line"]);

/** `review` is called with the title whose mark a person clicks. */
export function rowsTable(rows, { from, all }, review) {
  const place = said(`Titles ${count(from + 1)} to ${count(from + rows.length)} of ${count(all)}`);
  const head = (text) => el("th", { scope: "col", class: NUMBERS.has(text) ? "number" : null }, said(text));
  return el("table", { class: "rows" },
    el("caption", {}, `${place}, the uncertain ones first`),
    el("thead", {}, el("tr", {}, ...HEADS.map(head))),
    el("tbody", {}, ...rows.map((each) => row(each, review))));
}

/** What a person should do, or has done. */
function mark({ title, abstain, reason, source }, review) {
  if (source === "override") return el("span", { class: "badge" }, "Reviewed");
  if (!abstain || !title.trim()) return "";
  const text = reason === "unsure" ? "Uncertain" : `Uncertain: ${said(reason)}`;
  return el("button", { type: "button", class: "badge warn", onclick: () => review(title) }, text);
}

function row(each, review) {
  const { line, rows, title, code, name, score, abstain } = each;
  return el("tr", { class: abstain ? "uncertain" : null },
    el("td", { class: title ? "said" : "said soft" }, title || said("no title")),
    el("td", { class: "code" }, code),
    el("td", {}, name === code ? "" : name),
    el("td", { class: "number" }, code ? percent(score) : ""),
    el("td", {}, mark(each, review)),
    el("td", { class: "number" }, count(rows)),
    el("td", { class: "number" }, count(line)));
}

/** Buttons to the page before and the one after; `go` takes the place of the page's first title. */
export function pager({ from, all }, go) {
  const button = (text, to, isThere) =>
    el("button", { type: "button", class: "quiet", disabled: !isThere, onclick: () => go(to) }, text);
  return el("nav", { class: "pager", "aria-label": said("Pages of titles") },
    button(said("Previous titles"), from - PAGE, from > 0),
    button(said("Next titles"), from + PAGE, from + PAGE < all));
}
