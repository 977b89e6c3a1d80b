// Starts the page: the two ways to ask, the key where one is needed, and what answers.

import { byId, el, show } from "./dom.js";
import { FileCoding } from "./file.js";
import { QueueReview } from "./queuereview.js";
import { Lineage } from "./lineage.js";
import { Refused, ask, setKey } from "./service.js";
import { Title } from "./title.js";
import { isSoc, use } from "./words.js";

const UNAUTHORIZED = 401;

function refused({ status, message }) {
  if (status === UNAUTHORIZED) needKey(message);
}

function needKey(sentence) {
  byId("key-state").textContent = sentence;
  if (!byId("key-panel").hidden) return;
  show(byId("key-panel"), true);
  byId("key").focus();
}

/** The model and the package, for the foot of the page. */
async function about() {
  try {
    const { version, model, lineage: made, context, reviews, queue: hasQueue, classification } = await (await ask("version")).json();
    use(classification);
    const release = made.source?.release ?? "unknown";
    byId("about").replaceChildren(
      fact("Model", el("code", { title: model }, model.slice(0, 12))),
      isSoc() ? fact("Titles", release === "starter" ? "starter titles" : `O*NET ${release}`)
        : fact("Classification", classification.name),
      fact("jobmajor", version));
    lineage.offer(model);
    byId("release").textContent = /^\d/.test(release) ? release : "";
    show(byId("attribution"), isSoc() && release !== "starter");
    show(byId("context-line"), context);
    file.review.mayKeep(reviews);
    queue.offer(hasQueue);
    show(byId("key-panel"), false);
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    byId("about").replaceChildren();
    refused(error);
    return false;
  }
}

const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));

const title = new Title({ refused });
const file = new FileCoding({ refused });
const queue = new QueueReview({ refused });
const lineage = new Lineage({ refused });

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = byId("key").value;
  setKey(key);
  if (!(await about())) return byId("key").select();
  byId("key").value = "";
  file.key(key);
  title.again();
  return byId("title").focus();
});

about();
title.again(); // a browser may bring back what was typed before
