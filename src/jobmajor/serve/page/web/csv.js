// CSV in and out, by RFC 4180: every cell as it stands, every fault named with its line, and no row lost. A file comes
// in pieces of any length.
//
// A quote that opens a cell and is not closed right before a delimiter or a line's end is a sign like others: it is
// read again as one. So a stray quote spoils its own row, not the rows up to the next quote.

const QUOTE = '"';
const [START, PLAIN, QUOTED, AFTER] = [0, 1, 2, 3]; // of a field: before it, in it, in its quotes, behind them
const RECOVERIES = 50; // quotes that are never closed; with more of them a file is no CSV
const SAMPLE_RECORDS = 50;
const DELIMITERS = [",", ";", "\t", "|"];

export class Parser {
  #ends;
  #state = START;
  #field = "";
  #record;
  #line = 1;
  #afterReturn = false; // a line feed that follows belongs to it
  #quoted = []; // all since an opening quote, in case that it is none
  #quoteLine = 1;
  #recoveries = 0;

  constructor(delimiter) {
    this.delimiter = delimiter;
    this.#ends = new RegExp(`[\\r\\n${delimiter === "|" ? "\\|" : delimiter}]`, "g");
    this.#record = this.#fresh();
  }

  /** The records that end in this piece: their fields, the line that each begins in, and its fault or "". */
  push(text) {
    const records = [];
    let at = this.#afterReturn && text[0] === "\n" ? 1 : 0;
    if (text) this.#afterReturn = false;
    while (at < text.length) at = this.#step(text, at, records);
    return records;
  }

  /** The record that ends with the file, if there is one; several where a quote is never closed. */
  end() {
    const records = [];
    for (; this.#state === QUOTED && this.#recoveries < RECOVERIES; this.#recoveries += 1) {
      this.#reread("has a quote that is never closed", records);
    }
    if (this.#state !== START || this.#record.fields.length) this.#endRecord(records);
    return records;
  }

  #fresh() {
    return { fields: [], line: this.#line, fault: "" };
  }

  #step(text, at, records) {
    if (this.#state === QUOTED) return this.#inQuotes(text, at);
    if (this.#state === AFTER) return this.#afterQuotes(text, at, records);
    if (this.#state === START && text[at] === QUOTE) {
      this.#state = QUOTED;
      this.#quoted = [];
      this.#quoteLine = this.#line;
      return at + 1;
    }
    this.#state = PLAIN;
    return this.#plain(text, at, records);
  }

  #plain(text, at, records) {
    this.#ends.lastIndex = at;
    const found = this.#ends.exec(text);
    const end = found ? found.index : text.length;
    this.#field += text.slice(at, end);
    if (!found) return end;
    if (found[0] === this.delimiter) {
      this.#endField();
      return end + 1;
    }
    this.#line += 1;
    this.#endRecord(records);
    if (found[0] === "\n") return end + 1;
    this.#afterReturn = end + 1 === text.length;
    return text[end + 1] === "\n" ? end + 2 : end + 1;
  }

  #inQuotes(text, at) {
    const found = text.indexOf(QUOTE, at);
    const end = found < 0 ? text.length : found;
    const piece = text.slice(at, end);
    this.#field += piece;
    this.#line += piece.split("\n").length - 1;
    this.#quoted.push(found < 0 ? piece : piece + QUOTE);
    if (found >= 0) this.#state = AFTER;
    return found < 0 ? end : end + 1;
  }

  #afterQuotes(text, at, records) {
    const next = text[at];
    if (next === QUOTE) {
      this.#field += QUOTE;
      this.#quoted.push(QUOTE);
      this.#state = QUOTED;
      return at + 1;
    }
    if (next === this.delimiter || next === "\n" || next === "\r") this.#state = PLAIN;
    else this.#reread("has text after a closing quote", records);
    return at;
  }

  #endField() {
    this.#record.fields.push(this.#field);
    this.#field = "";
    this.#state = START;
  }

  #endRecord(records) {
    this.#endField();
    records.push(this.#record);
    this.#record = this.#fresh();
  }

  /** Read all since the opening quote once more, with that quote as a sign like others. */
  #reread(fault, records) {
    const rest = this.#quoted.join("");
    this.#field = QUOTE;
    this.#state = PLAIN;
    this.#line = this.#quoteLine;
    this.#record.fault ||= fault;
    for (let at = 0; at < rest.length; ) at = this.#step(rest, at, records);
  }
}

/** The delimiter that parts a file's first lines most evenly; a comma where none does. */
export function sniff(text) {
  let best = { delimiter: ",", score: 0 };
  for (const delimiter of DELIMITERS) {
    const counts = new Parser(delimiter).push(text).slice(0, SAMPLE_RECORDS).map(({ fields }) => fields.length);
    const usual = counts.sort((one, other) => one - other)[counts.length >> 1] ?? 1;
    const score = usual < 2 ? 0 : counts.filter((each) => each === usual).length / counts.length + usual / 1e4;
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

/** A row as a line of a file. */
export function line(cells, delimiter) {
  if (cells.length === 1 && cells[0] === "") return '""\r\n'; // else it would be an empty line
  return `${cells.map((cell) => quoted(cell, delimiter)).join(delimiter)}\r\n`;
}

function quoted(cell, delimiter) {
  const isPlain = !cell.includes(QUOTE) && !cell.includes(delimiter) && !cell.includes("\n") && !cell.includes("\r");
  return isPlain ? cell : `"${cell.replaceAll(QUOTE, '""')}"`;
}

/** A cell that no spreadsheet takes for a formula: an apostrophe goes before what it would (OWASP ASVS, 1.2.10). */
export function safe(cell) {
  return /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
}

const SURE = /^(job[ _-]?title|title|occupation|position|job|role)s?$/i;
const LIKELY = /title|occupation|position|job|role/i;

/** Which column holds titles, and whether the first row holds names, by its names and a few rows. */
export function guess(rows) {
  const [head = [], ...body] = rows;
  const names = head.map((name) => name.trim());
  const named = names.findIndex((name) => SURE.test(name));
  const isLikely = (name) => LIKELY.test(name) && name.length < 30 && head.length > 1;
  const likely = named >= 0 ? named : names.findIndex(isLikely);
  if (likely >= 0) return { column: likely, hasHeader: true };
  const worth = head.map((_, column) => wordiness(body.map((row) => row[column] ?? "")));
  return { column: Math.max(0, worth.indexOf(Math.max(...worth))), hasHeader: head.length > 1 };
}

/** How much a column looks like titles: distinct cells of some words, hardly a digit, not whole sentences. */
function wordiness(cells) {
  const words = cells.filter((cell) => /\p{L}{2}/u.test(cell) && !/\d{3}|@/.test(cell) && cell.length < 80);
  return words.length * (0.2 + new Set(words).size / Math.max(cells.length, 1));
}
