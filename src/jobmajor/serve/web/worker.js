// What a whole file needs, away from the page's own thread: reading, asking, writing. So the page answers to keys and
// touch however large the file is. One message in is one thing to do; each is answered by one or more messages out.

import { Coder } from "./coding.js";
import { Unreadable, kindOf, read } from "./reading.js";
import { Refused, ask, pause, setKey } from "./service.js";

const TELL_MS = 150;
const WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

let table = null;
let coder = null;
let giving = null; // gives up what is under way

const say = (kind, content = {}) => self.postMessage({ kind, ...content });

/** Tells at most every so often, so that telling costs nothing. */
function seldom(tell) {
  let last = 0;
  return (content) => {
    if (content.wait === undefined && performance.now() - last < TELL_MS) return;
    last = performance.now();
    tell(content);
  };
}

async function open({ blob, sheet }) {
  coder = null;
  const isWorkbook = (await kindOf(blob)) === "workbook";
  const found = isWorkbook ? await unfolded(blob, sheet) : { blob, sheets: [] };
  const tell = seldom((content) => say("reading", content));
  table = await read(found.blob, (rows) => tell({ rows }));
  say("opened", { ...table.about(), sheets: found.sheets, sheet: found.sheet, isWorkbook });
}

/** A workbook's sheet as CSV: the service reads it, since a browser can't. */
async function unfolded(blob, sheet) {
  const query = sheet ? `?${new URLSearchParams({ sheet })}` : "";
  const answer = await ask(`tables${query}`, { method: "POST", body: blob, signal: giving.signal, headers: { "Content-Type": WORKBOOK } });
  const told = JSON.parse(answer.headers.get("X-Jobmajor-Sheets"));
  const found = await answer.blob();
  if (!found.size) throw new Unreadable(`The sheet “${told.sheet}” is empty: choose another, or another file.`);
  return { blob: found, ...told };
}

async function code({ column, hasHeader, level, isAgain }) {
  if (!isAgain || !coder) coder = new Coder(table, { column, hasHeader, level });
  const began = performance.now();
  const before = coder.done;
  const all = coder.rows.length;
  if (!all) throw new Unreadable("There is no row below the names: untick that the first row holds names.");
  const tell = seldom(({ done, wait, why }) => {
    const rate = (done - before) / ((performance.now() - began) / 1000);
    say("progress", { done, all, rate, left: rate > 0 ? (all - done) / rate : Infinity, wait, why });
  });
  tell({ done: before });
  await coder.code({ signal: giving.signal, tell });
  say("coded", coder.summary());
}

async function look({ from, most }) {
  say("looked", { from, rows: coder.look(from, most) });
}

async function save({ isSafe }) {
  say("saved", { blob: await coder.file({ isSafe, breathe: () => pause(0, giving.signal) }) });
}

const TASKS = { open, code, look, save };

self.addEventListener("message", async ({ data: { task, ...content } }) => {
  if (task === "key") return setKey(content.key);
  if (task === "stop") return giving?.abort();
  giving = new AbortController();
  try {
    await TASKS[task](content);
  } catch (error) {
    if (error.name === "AbortError") return say("stopped", { done: coder?.done ?? 0 });
    const isOurs = error instanceof Refused || error instanceof Unreadable;
    say("failed", { task, sentence: isOurs ? error.message : `The page failed (${error.message}): load it anew.`, status: error.status });
    if (!isOurs) throw error;
  }
  return undefined;
});
