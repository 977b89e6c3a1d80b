// The review of a coded file: the worker has its uncertain titles, and codes the rows again after each choice.

import { byId, count, give, show } from "./dom.js";
import { Review } from "./review.js";
import { reasonOf, said } from "./words.js";

export class FileReview extends Review {
  constructor({ send, closed }) {
    super({ name: "review", closed, words: WORDS,
      send: (task, content = {}) => send(task, { ...content, isKept: this.#isKept }) });
    byId("save-choices").addEventListener("click", () => this.send("keep"));
  }

  /** Whether the service keeps choices is asked with the version. */
  mayKeep(is) {
    show(byId("keep-line"), is);
  }

  get #isKept() {
    return !byId("keep-line").hidden && byId("keep").checked;
  }

  on_turned(turned) {
    super.on_turned(turned);
    const { choices } = turned;
    byId("save-choices").textContent = `Download ${choices === 1 ? "1 choice" : `${count(choices)} choices`} as overrides.csv`;
    byId("save-choices").disabled = !choices;
  }

  on_kept({ blob }) {
    give(blob, "overrides.csv");
  }
}

const WORDS = {
  place({ place, all, rows, decidedRows, item }) {
    const seen = item ? said(`Title ${count(place + 1)} of ${count(all)}, `) : "";
    return `${seen}${count(decidedRows)} of ${count(rows)} uncertain rows decided`;
  },
  about({ rows, spellings, line, reason, code }) {
    const parts = [rows === 1 ? "1 row" : `${count(rows)} rows`, `first in line ${count(line)}`];
    if (spellings > 1) parts.push(`${count(spellings)} spellings`);
    return [`${parts.join(", ")}: ${code ? `you chose ${code}` : reasonOf(reason)}.`];
  },
  end: ({ all }) => said(all ? "These were all uncertain titles." : "No title is uncertain."),
};
