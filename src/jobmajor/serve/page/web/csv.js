// CSV in and out, by RFC 4180: every cell as it stands, every fault named with its line, and no row lost. A file comes
// in pieces of any length.
//
// A quote that opens a cell and is not closed right before a delimiter or a line's end is a sign like others: it is
// read again as one. So a stray quote spoils its own row, not the rows up to the next quote. In tab-separated text, so
// are two quotes with whole rows between them. `tables/text` has the same rules for the command line.

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
  #width = 0; // of the first record
  #wasQuoted = false; // an empty cell in quotes is a row, an empty line is none

  constructor(delimiter, { hasQuotes = true } = {}) {
    this.delimiter = delimiter;
    this.hasQuotes = hasQuotes;
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
    if (this.#state === AFTER && this.#isStray("\n")) this.#reread("has a quote that is closed only rows later", records);
    if (this.#state !== START || this.#record.fields.length) this.#endRecord(records);
    return records;
  }

  #fresh() {
    return { fields: [], line: this.#line, fault: "" };
  }

  #step(text, at, records) {
    if (this.#state === QUOTED) return this.#inQuotes(text, at);
    if (this.#state === AFTER) return this.#afterQuotes(text, at, records);
    if (this.hasQuotes && this.#state === START && text[at] === QUOTE) {
      this.#state = QUOTED;
      this.#wasQuoted = true;
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
    const isEnd = next === this.delimiter || next === "\n" || next === "\r";
    if (isEnd && this.#isStray(next)) this.#reread("has a quote that is closed only rows later", records);
    else if (isEnd) this.#state = PLAIN;
    else this.#reread("has text after a closing quote", records);
    return at;
  }

  /** Whether the cell in quotes that was just closed has whole rows in it, so that its quotes belong to no cell. */
  #isStray(next) {
    if (this.delimiter !== "\t" || this.#width < 2) return false;
    const lines = this.#quoted.join("").split(/\r\n|\r|\n/);
    if (lines.length < 2) return false;
    const counts = lines.map((line) => line.split("\t").length);
    const last = counts.pop();
    counts[0] += this.#record.fields.length;
    const isAny = this.#record.fields.every((field) => !/[\r\n]/.test(field));
    return isAny && counts.every((each) => each === this.#width) && (next === "\t" ? last < this.#width : last === this.#width);
  }

  #endField() {
    this.#record.fields.push(this.#field);
    this.#field = "";
    this.#state = START;
  }

  #endRecord(records) {
    this.#endField();
    const { fields } = this.#record;
    const isBlank = fields.length === 1 && fields[0] === "" && this.#width !== 1 && !this.#wasQuoted;
    if (!isBlank) {
      records.push(this.#record);
      this.#width ||= fields.length;
    }
    this.#wasQuoted = false;
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

/** The delimiter that parts a file's first lines most evenly, the first one among them; a comma where none does. */
export function sniff(text) {
  let best = { delimiter: ",", score: 0 };
  for (const delimiter of DELIMITERS) {
    const counts = new Parser(delimiter).push(text).slice(0, SAMPLE_RECORDS).map(({ fields }) => fields.length);
    if (!(counts[0] > 1)) continue;
    const usual = counts.toSorted((one, other) => one - other)[counts.length >> 1];
    const score = usual < 2 ? 0 : counts.filter((each) => each === usual).length / counts.length + usual / 1e4;
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

/** The delimiter that a first line like `sep=;` names, and how long that line is. */
export function named(text) {
  const found = /^\ufeff?"?sep=([,;\t|])"?[,;\t|]*(\r\n|\r|\n)/i.exec(text);
  return found ? { delimiter: found[1], length: found[0].length } : null;
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

const SURE = ["job title", "title", "occupation", "position", "job", "role"]; // the first of them counts
const LIKELY = /title|occupation|position|job|role/;
const OTHER =
  /\b(id|code|no|nr|num|number|date|key|level|grade|count|type|status|group|family|class|category|salary|pay)s?\b/;
const DATUM = /^[-+$€£]?\d[\d.,:/% -]*$/;
const LONGEST_NAME = 30;

/** Which column holds titles, and whether the first row holds names, by its names and a few rows. */
export function guess(rows) {
  const [head = [], ...body] = rows;
  const names = head.map(plain);
  const worth = (some) => head.map((_, column) => wordiness(some.map((row) => row[column] ?? "")));
  const sure = SURE.flatMap((name) => names.flatMap((each, column) => (each === name || each === `${name}s` ? column : [])));
  if (!sure.length && isData(head, body)) return { column: most(worth(rows)), hasHeader: false };
  const values = worth(body);
  const candidates = [...sure, ...likely(names)];
  if (candidates.length) {
    return { column: candidates.find((column) => values[column]) ?? candidates[0], hasHeader: true };
  }
  return { column: most(values), hasHeader: head.length > 1 };
}

/** A name as words: JOB_TITLE and JobTitle are "job title". */
function plain(name) {
  const words = name.trim().replace(/([a-z])([A-Z])/g, "$1 $2");
  return words.replace(/[\s_.-]+/g, " ").toLowerCase().replace(/^jobtitle/, "job title");
}

/** The columns that may be meant, those called a title first. */
function likely(names) {
  const isOne = (name) => names.length > 1 && name.length < LONGEST_NAME && LIKELY.test(name) && !OTHER.test(name);
  const found = names.flatMap((name, column) => (isOne(name) ? column : []));
  return found.sort((one, other) => Number(names[other].includes("title")) - Number(names[one].includes("title")));
}

const most = (worth) => Math.max(0, worth.indexOf(Math.max(...worth)));
const isDatum = (cell) => cell.includes("@") || DATUM.test(cell.trim());

/** Whether the first row holds what the rows below hold: a number among numbers, or a text once more. */
function isData(head, body) {
  return head.some((cell, column) => {
    const cells = body.map((row) => row[column] ?? "").filter(Boolean);
    if (!cell || !cells.length) return false;
    return cells.includes(cell) || (isDatum(cell) && 2 * cells.filter(isDatum).length > cells.length);
  });
}

/** How much a column looks like titles: distinct cells of some words, hardly a digit, not whole sentences. */
function wordiness(cells) {
  const words = cells.filter((cell) => /\p{L}{2}/u.test(cell) && !/\d{3}|@/.test(cell) && cell.length < 80);
  return words.length * (0.2 + new Set(words).size / Math.max(cells.length, 1));
}
