// Where the model that answers comes from, asked when a person opens it.

import { byId, el, show } from "./dom.js";
import { Refused, ask } from "./service.js";

export class Lineage {
  #model = null; // whose lineage is shown, or wanted

  constructor({ refused }) {
    this.refused = refused;
    byId("lineage").addEventListener("toggle", () => this.#draw());
  }

  /** Another model may answer than before, whose lineage is another. */
  offer(model) {
    show(byId("lineage"), true);
    if (model === this.#model) return;
    this.#model = model;
    byId("lineage-facts").replaceChildren();
    this.#draw();
  }

  async #draw() {
    if (!byId("lineage").open || byId("lineage-facts").childElementCount) return;
    byId("lineage-state").textContent = "Asking …";
    try {
      const { facts } = await (await ask("lineage")).json();
      byId("lineage-facts").replaceChildren(...grouped(facts).map(fact));
      byId("lineage-state").textContent = facts.length ? "" : "Nothing is recorded of this model.";
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      byId("lineage-state").textContent = error.message;
      this.refused(error);
    }
  }
}

/** Lines that follow each other and are about one thing, as one. */
function grouped(facts) {
  const found = [];
  for (const { name, value } of facts) {
    if (found.at(-1)?.name === name) found.at(-1).values.push(value);
    else found.push({ name, values: [value] });
  }
  return found;
}

const fact = ({ name, values }) =>
  el("div", {}, el("dt", {}, name[0].toUpperCase() + name.slice(1)), ...values.map((value) => el("dd", {}, value)));
