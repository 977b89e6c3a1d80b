// A file → its rows, piece by piece. What it is, is told from its first bytes: names lie.

import { Parser, guess, named, sniff } from "./csv.js";

const HEAD_BYTES = 2 ** 16;
const MOST_BYTES = 2 ** 28;
const SHOWN_FAULTS = 200;
const ENOUGH = 1000; // characters after which the rest of a file is not asked
const WELL_FORMED_SHARE = 4; // so many stray bytes may UTF-8 have for each character that is well-formed

export class Unreadable extends Error {}

export async function kindOf(blob) {
  const head = new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  if (!head.length) throw new Unreadable("This file is empty: expected rows, one of them with a title.");
  if (head[0] === 0x50 && head[1] === 0x4b) return "workbook";
  if (head[0] === 0xd0 && head[1] === 0xcf) {
    throw new Unreadable("This workbook is of an old kind or locked: save it as .xlsx without a password, or as CSV.");
  }
  if (blob.size > MOST_BYTES) {
    throw new Unreadable("This file has over 268 MB, which a page can't hold: use `jobmajor classify`, which streams.");
  }
  if (head.includes(0) && !marked(head) && !withoutMark(head)) throw new Unreadable("This file is no text: expected CSV, TSV or .xlsx.");
  return "text";
}

/** The encoding that a byte order mark names, else null. */
function marked(head) {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  return head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : null;
}

/** The UTF-16 that has a zero in every second byte where this text has it, else null. */
function byZeros(head) {
  const pairs = head.length >> 1;
  if (head.some((byte) => byte > 0 && byte < 9)) return null; // binary data
  const zeros = [0, 0];
  for (let at = 0; at < 2 * pairs; at += 1) if (!head[at]) zeros[at & 1] += 1;
  const [first, second] = zeros.map((count) => count / pairs);
  if (second > 0.3 && first < 0.05) return "utf-16le";
  return first > 0.3 && second < 0.05 ? "utf-16be" : null;
}

/** The UTF-16 in which bytes with zeros are lines of text, in any script, else null. */
function byLines(head) {
  if (!head.includes(0)) return null;
  const isText = (encoding) => {
    try {
      const text = new TextDecoder(encoding, { fatal: true }).decode(head, { stream: true }); // the last character may be cut
      return /[\r\n]/.test(text) && !/[\0-\x08\x0e-\x1f]/.test(text);
    } catch {
      return false;
    }
  };
  return ["utf-16le", "utf-16be"].find(isText) ?? null;
}

function withoutMark(head) {
  return byZeros(head) ?? byLines(head);
}

/** What isn't UTF-8 comes from a spreadsheet that still writes Windows' own, unless few bytes of it are astray. */
async function encodingOf(blob) {
  const head = new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  const found = marked(head) ?? withoutMark(head);
  if (found) return found;
  const decoder = new TextDecoder("utf-8");
  let good = 0;
  let stray = 0;
  const count = (text) => {
    for (const [letter] of text.matchAll(/[^\0-\x7f]/gu)) letter === "\ufffd" ? (stray += 1) : (good += 1);
  };
  for await (const bytes of pieces(blob)) {
    count(decoder.decode(bytes, { stream: true }));
    if (Math.max(good, stray) > ENOUGH) break;
  }
  count(decoder.decode());
  return !stray || good * WELL_FORMED_SHARE >= stray ? "utf-8" : "windows-1252";
}

async function* pieces(blob) {
  const reader = blob.stream().getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

async function* texts(blob, encoding) {
  const decoder = new TextDecoder(encoding);
  for await (const bytes of pieces(blob)) yield decoder.decode(bytes, { stream: true });
  yield decoder.decode();
}

/** A file of text as a table; `tell` hears how many rows there are so far. An encoding that isn't named is recognised. */
export async function read(blob, tell, { encoding: wanted, hasQuotes = true } = {}) {
  const encoding = wanted || (await encodingOf(blob));
  const sample = new TextDecoder(encoding).decode(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  const first = named(sample);
  const table = new Table(first?.delimiter ?? sniff(sample), encoding);
  const parser = new Parser(table.delimiter, { hasQuotes });
  let skipped = first?.length ?? 0;
  for await (const text of texts(blob, encoding)) {
    table.add(parser.push(text.slice(skipped)));
    skipped = Math.max(0, skipped - text.length);
    tell(table.records.length);
  }
  table.add(parser.end());
  if (!table.records.length) throw new Unreadable("This file has no rows: expected some, one of them with a title.");
  return table;
}

/** The records of a file as they stand; those that don't fit the first one are kept, too, and known by their line. */
export class Table {
  constructor(delimiter, encoding) {
    this.delimiter = delimiter;
    this.encoding = encoding;
    this.records = [];
    this.width = 0;
    this.faults = [];
    this.faultCount = 0;
  }

  add(records) {
    for (const record of records) {
      const { fields, line } = record;
      const expected = this.records.length ? this.records[0].fields.length : fields.length;
      const has = fields.length === 1 ? "1 field" : `${fields.length} fields`;
      if (this.encoding === "utf-8" && fields.some((field) => field.includes("\ufffd"))) {
        record.fault ||= "has bytes that are no UTF-8";
      }
      if (fields.length !== expected) record.fault ||= `has ${has}, expected ${expected}`;
      this.width = Math.max(this.width, fields.length);
      if (record.fault) this.#note(line, record.fault);
      this.records.push(record);
    }
  }

  #note(line, fault) {
    this.faultCount += 1;
    if (this.faults.length < SHOWN_FAULTS) this.faults.push({ line, fault });
  }

  /** What a person needs to choose the column by. */
  about() {
    const first = this.records.slice(0, SHOWN_FAULTS).map(({ fields }) => fields);
    const short = (cell) => (cell.length > 200 ? `${cell.slice(0, 199)}…` : cell);
    const shown = first.slice(0, 6).map((fields) => fields.map(short));
    const { delimiter, encoding, width, faults, faultCount } = this;
    return { rows: this.records.length, shown, width, delimiter, encoding, faults, faultCount, ...guess(first) };
  }
}
