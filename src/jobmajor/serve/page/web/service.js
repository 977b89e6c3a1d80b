// How the page and its worker ask the service: the key, refusals as their one sentence, and patience where the service
// is busy or the connection lost.

const TRIES = 8;
const LONGEST_WAIT_S = 60;
const PASSING = new Set([408, 429, 502, 503, 504]);
const root = new URL("../", import.meta.url); // wherever the service is mounted

let key = ""; // in memory alone: neither a cookie nor a storage ever holds it

export function setKey(value) {
  key = value.trim();
}

/** An answer that is none. `status` 0: there was no connection. */
export class Refused extends Error {
  constructor(sentence, status, retryAfter = null) {
    super(sentence);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get isPassing() {
    return this.status === 0 || PASSING.has(this.status);
  }
}

/** The answer to one request; Refused where it is refused, an AbortError where it was given up. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let answer;
  try {
    answer = await fetch(new URL(path, root), { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error instanceof TypeError) throw new Refused("There is no connection to the service.", 0);
    throw error;
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  let sentence = "";
  try {
    sentence = (await answer.json()).detail;
  } catch {
    // Not from the service itself, but from something between.
  }
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return new Refused(sentenced(sentence) || `The service answered ${answer.status}.`, answer.status,
    Number.isFinite(seconds) ? seconds : null);
}

function sentenced(text) {
  const found = typeof text === "string" ? text.trim() : "";
  return found && found[0].toUpperCase() + found.slice(1) + (/[.!?]$/.test(found) ? "" : ".");
}

export function post(path, body, { signal } = {}) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", body: JSON.stringify(body), signal, headers });
}

/** What `call` gives, called again while the reason why it failed passes; `tell` hears of each wait, in seconds. */
export async function patiently(call, { signal, tell = () => {} } = {}) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Refused) || !error.isPassing || tries >= TRIES) throw error;
      const seconds = Math.min(error.retryAfter ?? 2 ** (tries - 1), LONGEST_WAIT_S);
      tell(seconds, error.message);
      await pause(seconds * 1000, signal);
    }
  }
}

/** Resolves later; rejects at once when given up. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    let timer = 0;
    const giveUp = () => {
      clearTimeout(timer);
      reject(new DOMException("given up", "AbortError"));
    };
    if (signal?.aborted) return giveUp();
    timer = setTimeout(() => {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    }, ms);
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}

/** Text that JSON can carry: half of a surrogate pair, which a cut or a paste may leave, becomes U+FFFD. */
export function wellFormed(text) {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}
