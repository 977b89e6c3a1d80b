// Rows as an .xlsx workbook of one sheet: five XML files in a zip archive (ECMA-376; PKWARE's APPNOTE 6.3).
//
// A cell is a number if a number writes itself just so, and has no more digits than a spreadsheet keeps; else a text,
// which no spreadsheet runs as a formula. So "007" and "1E5" stay as they are.

const DIGITS = 15;
const LONGEST = 32_767; // characters of a cell
const MOST_ROWS = 1_048_576;
const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const OFFICE = "http://schemas.openxmlformats.org";
const MAIN = `${OFFICE}/spreadsheetml/2006/main`;
const LINKS = `${OFFICE}/officeDocument/2006/relationships`;
const PACKAGE = `${OFFICE}/package/2006`;
const TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const PARTS = {
  "[Content_Types].xml": `<Types xmlns="${PACKAGE}/content-types">`
    + '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    + `<Override PartName="/xl/workbook.xml" ContentType="${TYPE}.sheet.main+xml"/>`
    + `<Override PartName="/xl/worksheets/sheet1.xml" ContentType="${TYPE}.worksheet+xml"/></Types>`,
  "_rels/.rels": `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" `
    + `Type="${LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
  "xl/workbook.xml": `<workbook xmlns="${MAIN}" xmlns:r="${LINKS}"><sheets>`
    + '<sheet name="Coded" sheetId="1" r:id="rId1"/></sheets></workbook>',
  "xl/_rels/workbook.xml.rels": `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" `
    + `Type="${LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
};

export class Workbook {
  #rows = [];
  #count = 0;

  add(cells) {
    this.#count += 1;
    this.#rows.push(`<row r="${this.#count}">${cells.map(cell).join("")}</row>`);
  }

  get isFull() {
    return this.#count >= MOST_ROWS;
  }

  async blob() {
    const sheet = `<worksheet xmlns="${MAIN}"><sheetData>${this.#rows.join("")}</sheetData></worksheet>`;
    const parts = Object.entries({ ...PARTS, "xl/worksheets/sheet1.xml": sheet });
    return zipped(parts.map(([name, text]) => [name, new TextEncoder().encode(HEAD + text)]));
  }
}

function cell(text) {
  if (text === "") return "<c/>";
  if (String(Number(text)) === text && Number.isFinite(Number(text)) && text.replace(/\D/g, "").length <= DIGITS) {
    return `<c><v>${text}</v></c>`;
  }
  return `<c t="inlineStr"><is><t xml:space="preserve">${escaped(text.slice(0, LONGEST))}</t></is></c>`;
}

/** A text as XML 1.0 can hold it: most control characters are none of its characters, in whatever form. */
function escaped(text) {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;" };
  return text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd").replace(/[&<>\r]/g, (sign) => marks[sign]);
}

const CRC = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ CRC[(value ^ byte) & 0xff];
  return (value ^ 0xffffffff) >>> 0;
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers of two or four bytes, the lowest byte first. */
function packed(...fields) {
  const found = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) found.setUint16(at, value, true);
    else found.setUint32(at, value, true);
    at += size;
  }
  return found;
}

async function zipped(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const title = new TextEncoder().encode(name);
    const small = await deflated(bytes);
    // Version 2.0, names in UTF-8, deflate, 1980-01-01: the same rows give the same bytes.
    const common = [[2, 20], [2, 0x800], [2, 8], [2, 0], [2, 33], [4, crc32(bytes)], [4, small.length], [4, bytes.length],
      [2, title.length], [2, 0]];
    parts.push(packed([4, 0x04034b50], ...common), title, small);
    directory.push(packed([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), title);
    offset += 30 + title.length + small.length;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = packed([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: `${TYPE}.sheet` });
}
