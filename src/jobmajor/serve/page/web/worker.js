// What a whole file needs, away from the page's own thread: reading, asking, writing. So the page answers to keys and
// touch however large the file is. One message in is one thing to do; each is answered by one or more messages out.

import { Coder } from "./coding.js";
import { Choices, Queue, search } from "./queue.js";
import { Unreadable, kindOf, read } from "./reading.js";
import { Refused, ask, patiently, pause, setKey } from "./service.js";

const TELL_MS = 150;
const WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

let table = null;
let coder = null;
let queue = null;
const choices = new Choices();
let giving = null; // gives up what is under way

/** Tells at most every so often, so that telling costs nothing. */
function seldom(tell) {
  let last = 0;
  let timer = 0;
  const now = (content) => {
    last = performance.now();
    tell(content);
  };
  const soon = (content) => {
    clearTimeout(timer);
    const left = content.wait === undefined ? last + TELL_MS - performance.now() : 0;
    if (left <= 0) now(content);
    else timer = setTimeout(now, left, content); // else nobody would hear of the last one before a long wait
  };
  return Object.assign(soon, { stop: () => clearTimeout(timer) });
}

async function open({ blob, sheet, how }, say) {
  coder = null;
  const { signal } = giving;
  const isWorkbook = (await kindOf(blob)) === "workbook";
  const found = await (isWorkbook ? unpacked(blob, sheet, signal) : { blob, sheets: [] });
  const tell = seldom((content) => say("reading", content));
  const made = await read(found.blob, (rows) => tell({ rows }), isWorkbook ? {} : how).finally(tell.stop);
  signal.throwIfAborted();
  table = made;
  say("opened", { ...table.about(), sheets: found.sheets, sheet: found.sheet, isWorkbook });
}

/** A workbook's sheet as CSV; the service reads it, since a browser can't. */
async function unfolded(blob, sheet, signal) {
  const query = sheet ? `?${new URLSearchParams({ sheet })}` : "";
  const headers = { "Content-Type": WORKBOOK };
  const call = () => ask(`tables${query}`, { method: "POST", body: blob, signal, headers });
  const answer = await patiently(call, { signal });
  const told = JSON.parse(answer.headers.get("X-Jobmajor-Sheets"));
  const found = await answer.blob();
  if (found.size) return { blob: found, ...told };
  throw Object.assign(new Unreadable(`The sheet “${told.sheet}” is empty: choose another, or another file.`), told);
}

/** The sheet of that name; without one, the first that holds rows. */
async function unpacked(blob, sheet, signal) {
  for (let wanted = sheet; ; ) {
    try {
      return await unfolded(blob, wanted, signal);
    } catch (error) {
      wanted = error.sheets?.[error.sheets.indexOf(error.sheet) + 1];
      if (sheet !== undefined || wanted === undefined) throw error;
    }
  }
}

async function code({ column, hasHeader, level, isAgain }, say) {
  if (!isAgain || !coder) coder = new Coder(table, { column, hasHeader, level }, choices);
  const own = coder;
  const began = performance.now();
  const before = own.done;
  const all = own.rows.length;
  const tell = seldom(({ done, wait, why }) => {
    const rate = (done - before) / ((performance.now() - began) / 1000);
    say("progress", { done, all, rate, left: rate > 0 ? (all - done) / rate : Infinity, wait, why });
  });
  tell({ done: before });
  await own.code({ signal: giving.signal, tell }).finally(tell.stop);
  say("coded", own.summary());
}

async function look({ from, most }, say) {
  say("looked", { from, rows: coder.look(from, most) });
}

async function review({ title }, say) {
  queue = new Queue(coder, choices);
  await queue.fill(giving.signal);
  await turnTo({ place: title === undefined ? 0 : queue.placeOf(title) }, say);
}

async function turnTo({ place }, say) {
  say("turned", await queue.show(place, giving.signal));
}

async function choose({ place, code, isKept }, say) {
  await queue.choose(place, code, { isKept, signal: giving.signal });
  say("recoded", coder.summary());
  await turnTo({ place: place + 1 }, say);
}

async function undo(_, say) {
  const place = await queue.undo(giving.signal);
  say("recoded", coder.summary());
  await turnTo({ place }, say);
}

async function find({ text }, say) {
  say("found", { text, codes: await search(text, giving.signal) });
}

async function keep(_, say) {
  say("kept", { blob: choices.file() });
}

async function save({ isSafe, isWorkbook }, say) {
  const { signal } = giving;
  const breathe = () => pause(0, signal);
  const blob = await (isWorkbook ? coder.workbook({ breathe }) : coder.file({ isSafe, breathe }));
  say("saved", { blob, isWorkbook });
}

const TASKS = { open, code, look, save, review, turnTo, choose, undo, find, keep };

self.addEventListener("message", async ({ data: { task, turn, ...content } }) => {
  const say = (kind, told = {}) => self.postMessage({ kind, turn, ...told });
  if (task === "key") return setKey(content.key);
  if (task === "stop") return giving?.abort();
  if (task === "open" || task === "code") {
    giving?.abort(); // of two files, or two codings of one, the later counts
    giving = new AbortController();
  }
  try {
    await TASKS[task](content, say);
  } catch (error) {
    if (error.name === "AbortError") return say("stopped", { done: coder?.done ?? 0 });
    const isOurs = error instanceof Refused || error instanceof Unreadable;
    const sentence = isOurs ? error.message : `The page failed (${error.message}): load it anew.`;
    say("failed", { task, sentence, status: error.status });
    if (!isOurs) throw error;
  }
  return undefined;
});
