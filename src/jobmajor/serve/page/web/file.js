// A whole file: choose it, choose the column with the titles, follow the progress, review and download the coded file.
// A worker does the coding; this file only shows its state.

import { chart } from "./chart.js";
import { byId, count, duration, el, give, percent, show } from "./dom.js";
import { FileReview } from "./filereview.js";
import { PAGE, pager, rowsTable } from "./rows.js";
import { said } from "./words.js";

const STEPS = ["choose-step", "column-step", "progress-step", "coded-step"];
const DELIMITERS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };
const READING = ["encoding", "has-quotes"];
const LISTED_FAULTS = 20;
const LONGEST_NAME = 60; // of a column, as it is shown

export class FileCoding {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #name = "rows";
  #blob = null;
  #opened = null;
  #summary = null;
  #retry = null; // what to do again, once a key was given
  #from = 0; // the first title that is shown
  #turn = 0; // of opening and coding: what the worker still says of an earlier one is stale

  constructor({ refused }) {
    this.refused = refused;
    this.review = new FileReview({ send: (...task) => this.#send(...task), closed: () => this.#closeReview() });
    this.#worker.addEventListener("message", ({ data }) => data.turn === this.#turn && this.#hear(data));
    this.#worker.addEventListener("error", () => this.#say("The page failed. Reload it.", "wrong"));
    this.#listen();
  }

  key(value) {
    this.#send("key", { key: value });
    this.#retry?.();
    this.#retry = null;
  }

  #send(task, content = {}) {
    this.#worker.postMessage({ task, turn: this.#turn, ...content });
  }

  #hear(data) {
    const name = `on_${data.kind}`;
    (name in this.review ? this.review : this)[name](data);
  }

  #listen() {
    const zone = byId("drop");
    byId("file").addEventListener("change", (event) => this.#choose(event.target.files[0]));
    byId("paste-form").addEventListener("submit", (event) => this.#pasted(event));
    byId("column-form").addEventListener("submit", (event) => this.#code(event));
    byId("has-header").addEventListener("change", () => this.#drawSample());
    byId("column").addEventListener("change", () => this.#drawSample());
    for (const id of ["sheet", ...READING]) byId(id).addEventListener("change", () => this.#open({ sheet: byId("sheet").value || undefined }));
    byId("cancel").addEventListener("click", () => this.#send("stop"));
    byId("resume").addEventListener("click", () => this.#ask({ isAgain: true }));
    byId("start-review").addEventListener("click", () => this.review.open());
    byId("save").addEventListener("click", () => this.#save(this.#opened.isWorkbook));
    byId("save-csv").addEventListener("click", () => this.#save(false));
    for (const button of document.querySelectorAll("[data-anew]")) button.addEventListener("click", () => this.#anew());
    for (const button of document.querySelectorAll("[data-back]")) button.addEventListener("click", () => this.#back());
    for (const kind of ["dragenter", "dragover"]) zone.addEventListener(kind, (event) => this.#over(event));
    for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#choose(event.dataTransfer.files[0]);
    });
    // A file that misses the zone must not replace the page.
    for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  }

  #save(isWorkbook) {
    this.#send("save", { isSafe: byId("safe").checked, isWorkbook });
  }

  #over(event) {
    event.preventDefault();
    byId("drop").classList.add("over");
  }

  #pasted(event) {
    event.preventDefault();
    const text = byId("paste").value;
    if (!text.trim()) return this.#say("There are no rows in the box: paste some first.", "wrong");
    return this.#choose(new File([text], "rows.csv"));
  }

  #choose(blob) {
    if (!blob) return;
    this.#blob = blob;
    [byId("encoding").value, byId("has-quotes").checked] = ["", true];
    this.#name = blob.name.replace(/\.[^.]*$/, "") || "rows";
    this.#open({});
  }

  #open({ sheet }) {
    this.#retry = () => this.#open({ sheet });
    this.#say(`Reading ${this.#blob.name} …`);
    this.#turn += 1;
    const how = { encoding: byId("encoding").value, hasQuotes: byId("has-quotes").checked };
    this.#send("open", { blob: this.#blob, sheet, how });
  }

  /** Whatever is under way is given up, and what is still said of it not heard. */
  #leave() {
    this.review.close();
    this.#turn += 1;
    this.#retry = null;
    this.#send("stop");
  }

  #back() {
    this.#leave();
    this.#step("column-step");
    this.#say("");
    byId("column").focus();
  }

  #anew() {
    this.#leave();
    this.#step("choose-step");
    this.#say("");
    byId("file").value = "";
    byId("file").focus();
  }

  #step(shown) {
    for (const id of STEPS) show(byId(id), id === shown);
    document.body.classList.toggle("has-file", shown !== "choose-step"); // the empty card of one title makes room
  }

  #say(text, kind = "") {
    byId("file-state").textContent = text;
    byId("file-state").className = `verdict ${kind}`.trim();
  }

  on_reading({ rows }) {
    this.#say(`Reading ${this.#blob.name}: ${count(rows)} rows …`);
  }

  on_opened(opened) {
    this.#opened = opened;
    byId("has-header").checked = opened.hasHeader;
    const sheets = opened.sheets.map((name) => el("option", { selected: name === opened.sheet }, name));
    byId("sheet").replaceChildren(...sheets);
    show(byId("sheet-field"), opened.sheets.length > 1);
    show(byId("reading"), !opened.isWorkbook);
    this.#drawColumns(opened.column);
    this.#drawSample();
    byId("faults").replaceChildren(...faults(opened));
    this.#say(`${this.#blob.name}: ${count(opened.rows)} rows, ${read(opened)}.`);
    this.#step("column-step");
    byId("column").focus();
  }

  #names() {
    const { shown, width } = this.#opened;
    const names = byId("has-header").checked ? shown[0] : [];
    const name = (place) => names[place]?.trim().slice(0, LONGEST_NAME) || `Column ${place + 1}`;
    return Array.from({ length: width }, (_, place) => name(place));
  }

  #drawColumns(chosen) {
    const option = (name, place) => el("option", { value: place, selected: place === chosen }, name);
    byId("column").replaceChildren(...this.#names().map(option));
  }

  #drawSample() {
    const chosen = Number(byId("column").value);
    this.#drawColumns(chosen);
    const mark = (place) => (place === chosen ? "chosen" : null);
    const body = this.#opened.shown.slice(byId("has-header").checked ? 1 : 0);
    const head = (name, place) => el("th", { scope: "col", class: mark(place) }, name);
    const cell = (text, place) => el("td", { class: mark(place) }, text);
    byId("sample").replaceChildren(el("table", { class: "sample" },
      el("caption", {}, "The first rows"),
      el("thead", {}, el("tr", {}, ...this.#names().map(head))),
      el("tbody", {}, ...body.map((fields) => el("tr", {}, ...fields.map(cell))))));
    const rows = this.#opened.rows - (byId("has-header").checked ? 1 : 0);
    byId("code").textContent = `Code ${count(rows)} row${rows === 1 ? "" : "s"}`;
    byId("code").disabled = rows === 0;
  }

  #code(event) {
    event.preventDefault();
    this.#ask({ isAgain: false });
  }

  #ask({ isAgain }) {
    this.#retry = () => this.#ask({ isAgain: true });
    this.#step("progress-step");
    show(byId("resume"), false);
    show(byId("cancel"), true);
    this.#turn += 1;
    this.#send("code", { isAgain, column: Number(byId("column").value), hasHeader: byId("has-header").checked,
      level: byId("level").value });
    byId("cancel").focus();
  }

  on_progress({ done, all, rate, left, wait, why }) {
    byId("progress").max = all;
    byId("progress").value = done;
    byId("progress-text").textContent = `${count(done)} of ${count(all)} rows (${percent(done / all)})`
      + (rate > 0 ? `, ${count(Math.round(rate))} a second, ${duration(left)} left` : "");
    this.#say(wait === undefined ? "Coding …" : `${why} Asking again in ${duration(wait)}; nothing is lost.`);
  }

  on_stopped({ done }) {
    this.#say(`Stopped after ${count(done)} rows. They are kept: go on whenever you like.`);
    this.#halt();
  }

  on_failed({ task, sentence, status }) {
    if (this.review.isOpen) this.review.failed(sentence);
    else this.#say(sentence, "wrong");
    if (task === "code") this.#halt();
    this.refused({ status, message: sentence });
  }

  #halt() {
    show(byId("cancel"), false);
    show(byId("resume"), true);
    byId("resume").focus();
  }

  on_coded(summary) {
    this.#retry = null;
    this.review.close();
    this.#draw(summary);
    byId("coded-faults").replaceChildren(...faults(this.#opened));
    this.#step("coded-step");
    this.#look(0);
    byId("save").focus();
  }

  /** Some titles were coded again, since a person has decided on them. */
  on_recoded(summary) {
    this.#draw(summary);
    this.#look(this.#from);
  }

  #draw(summary) {
    this.#summary = summary;
    this.#say(said(told(summary)));
    byId("chart").replaceChildren(chart(summary));
    show(byId("save-csv"), this.#opened.isWorkbook);
    show(byId("start-review"), summary.reasons.length > 0);
  }

  #closeReview() {
    this.review.close();
    byId("start-review").focus();
  }

  #look(from) {
    this.#from = from;
    this.#send("look", { from, most: PAGE });
  }

  on_looked({ from, rows }) {
    const place = { from, all: this.#summary.distinct };
    byId("rows").replaceChildren(rowsTable(rows, place, (title) => this.review.open(title)));
    byId("pager").replaceChildren(pager(place, (to) => this.#look(to)));
  }

  on_saved({ blob, isWorkbook }) {
    const ending = this.#opened.delimiter === "\t" ? "tsv" : "csv";
    give(blob, `${this.#name}-coded.${isWorkbook ? "xlsx" : ending}`);
  }
}

function read({ isWorkbook, delimiter, encoding, width }) {
  if (isWorkbook) return `${count(width)} columns`;
  const how = width > 1 ? `separated by ${DELIMITERS[delimiter]}` : "one column";
  return encoding === "utf-8" ? how : `${how}, read as ${encoding}`;
}

function told({ rows, distinct, exact, reviewed, reasons }) {
  const uncertain = reasons.reduce((sum, [, some]) => sum + some, 0);
  const why = reasons.map(([reason, some]) => `${count(some)} ${reason}`).join(", ");
  return `${count(rows)} rows coded, ${count(distinct)} distinct titles. `
    + (uncertain ? `${count(uncertain)} are uncertain and should be reviewed (${why}). ` : "None is uncertain. ")
    + (reviewed ? `${count(reviewed)} have a reviewed title. ` : "")
    + `${count(exact)} have a title that is in the training data.`;
}

/** Rows that don't fit the others, by line: they are coded and stand in the file like all others. */
function faults({ faults: found, faultCount }) {
  if (!faultCount) return [];
  const head = faultCount === 1 ? "1 row does not fit the others. It is kept in its place and coded."
    : `${count(faultCount)} rows do not fit the others. They are kept in their places and coded.`;
  const more = faultCount > LISTED_FAULTS ? `, and ${count(faultCount - LISTED_FAULTS)} more` : "";
  return [el("details", { class: "faults", open: true },
    el("summary", {}, head),
    el("ul", {}, ...found.slice(0, LISTED_FAULTS).map(({ line, fault }) => el("li", {}, `Line ${count(line)} ${fault}`))),
    more && el("p", { class: "soft" }, more))];
}
