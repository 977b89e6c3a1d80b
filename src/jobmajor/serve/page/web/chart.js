// A coded file by major group, as a table with a bar in each row: read by eye, by ear and by copy alike.

import { bar, count, el, percent } from "./dom.js";

// SOC 2018's major groups. Source: U.S. Bureau of Labor Statistics (public domain).
export const GROUPS = {
  "11-0000": "Management Occupations",
  "13-0000": "Business and Financial Operations Occupations",
  "15-0000": "Computer and Mathematical Occupations",
  "17-0000": "Architecture and Engineering Occupations",
  "19-0000": "Life, Physical, and Social Science Occupations",
  "21-0000": "Community and Social Service Occupations",
  "23-0000": "Legal Occupations",
  "25-0000": "Educational Instruction and Library Occupations",
  "27-0000": "Arts, Design, Entertainment, Sports, and Media Occupations",
  "29-0000": "Healthcare Practitioners and Technical Occupations",
  "31-0000": "Healthcare Support Occupations",
  "33-0000": "Protective Service Occupations",
  "35-0000": "Food Preparation and Serving Related Occupations",
  "37-0000": "Building and Grounds Cleaning and Maintenance Occupations",
  "39-0000": "Personal Care and Service Occupations",
  "41-0000": "Sales and Related Occupations",
  "43-0000": "Office and Administrative Support Occupations",
  "45-0000": "Farming, Fishing, and Forestry Occupations",
  "47-0000": "Construction and Extraction Occupations",
  "49-0000": "Installation, Maintenance, and Repair Occupations",
  "51-0000": "Production Occupations",
  "53-0000": "Transportation and Material Moving Occupations",
  "55-0000": "Military Specific Occupations",
};

/** `groups`, most rows first; the darker part of a bar is sure, the lighter one uncertain. */
export function chart({ groups, rows }) {
  const most = groups[0]?.rows ?? 1;
  return el("table", { class: "chart" },
    el("caption", {}, "Rows by major group; the pale end of a bar is uncertain"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Major group"), el("td", {}), ...HEADS.map(heading))),
    el("tbody", {}, ...groups.map((group) => row(group, rows, most))));
}

const HEADS = ["Rows", "Share", "Uncertain"];
const heading = (text) => el("th", { scope: "col", class: `number ${text.toLowerCase()}` }, text);

function row({ code, rows: own, uncertain }, all, most) {
  const bars = el("span", { class: "stack" }, bar((own - uncertain) / most), bar(uncertain / most, "pale"));
  // Side by side: each bar is as wide as its part, and the second begins where the first ends.
  [own - uncertain, uncertain].forEach((part, place) => {
    bars.children[place].style.width = `${(100 * part) / most}%`;
    bars.children[place].firstChild.style.width = "100%";
  });
  return el("tr", {},
    el("th", { scope: "row" }, el("span", { class: "code" }, code), " ", GROUPS[code]?.replace(/ Occupations$/, "") ?? "No code"),
    el("td", { class: "draw" }, bars),
    el("td", { class: "number" }, count(own)),
    el("td", { class: "number share" }, percent(own / all)),
    el("td", { class: "number" }, count(uncertain)));
}
