// A coded file by group, as a table with a bar in each row: read by eye, by ear and by copy alike.

import { bar, count, el, percent } from "./dom.js";
import { levels } from "./words.js";

const MOST = 40; // groups; SOC 2018 has 23

/** `groups`, most rows first; the darker part of a bar is sure, the lighter one uncertain. */
export function chart({ groups, rows }) {
  const most = groups[0]?.rows ?? 1;
  const [{ name }] = levels();
  const rest = groups.slice(MOST);
  return el("table", { class: "chart" },
    el("caption", {}, `Rows by ${name.toLowerCase()}; the pale end of a bar is uncertain`),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, name), el("td", {}), ...HEADS.map(heading))),
    el("tbody", {}, ...groups.slice(0, MOST).map((group) => row(group, rows, most)),
      ...(rest.length ? [row(together(rest), rows, most)] : [])));
}

const HEADS = ["Rows", "Share", "Uncertain"];
const heading = (text) => el("th", { scope: "col", class: `number ${text.toLowerCase()}` }, text);

/** The groups with the fewest rows, as one. */
function together(groups) {
  const sum = (part) => groups.reduce((all, group) => all + group[part], 0);
  return { code: "", name: `${count(groups.length)} others`, rows: sum("rows"), uncertain: sum("uncertain") };
}

function row({ code, name, rows: own, uncertain }, all, most) {
  const bars = el("span", { class: "stack" }, bar((own - uncertain) / most), bar(uncertain / most, "pale"));
  // Side by side: each bar is as wide as its part, and the second begins where the first ends.
  [own - uncertain, uncertain].forEach((part, place) => {
    bars.children[place].style.width = `${(100 * part) / most}%`;
    bars.children[place].firstChild.style.width = "100%";
  });
  return el("tr", {},
    el("th", { scope: "row" }, el("span", { class: "code" }, code), " ", name === code ? "" : name?.replace(/ Occupations$/, "") ?? "No code"),
    el("td", { class: "draw" }, bars),
    el("td", { class: "number" }, count(own)),
    el("td", { class: "number share" }, percent(own / all)),
    el("td", { class: "number" }, count(uncertain)));
}
