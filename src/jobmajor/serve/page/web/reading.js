// A file → its rows, piece by piece. What it is, is told from its first bytes: names lie.

import { Parser, guess, sniff } from "./csv.js";

const HEAD_BYTES = 2 ** 16;
const MOST_BYTES = 2 ** 28;
const SHOWN_FAULTS = 200;

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
  if (head.includes(0) && !marked(head)) throw new Unreadable("This file is no text: expected CSV, TSV or .xlsx.");
  return "text";
}

/** The encoding that a byte order mark names, else null. */
function marked(head) {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  return head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : null;
}

/** UTF-8 where all of it is; what isn't comes from a spreadsheet that still writes Windows' own. */
async function encodingOf(blob) {
  const found = marked(new Uint8Array(await blob.slice(0, 2).arrayBuffer()));
  if (found) return found;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const bytes of pieces(blob)) decoder.decode(bytes, { stream: true });
    decoder.decode();
    return "utf-8";
  } catch {
    return "windows-1252";
  }
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

/** A file of text as a table; `tell` hears how many rows there are so far. */
export async function read(blob, tell) {
  const encoding = await encodingOf(blob);
  const sample = new TextDecoder(encoding).decode(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  const table = new Table(sniff(sample), encoding);
  const parser = new Parser(table.delimiter);
  for await (const text of texts(blob, encoding)) {
    table.add(parser.push(text));
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
