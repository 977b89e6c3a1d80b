// Requests to the service, for the page and its worker: the API key, refusals as sentences, and retries while the service
// is busy or the connection is lost.

const TRIES = 8;
const LONGEST_WAIT_S = 60;
const PASSING = new Set([408, 429, 502, 503, 504]);
const root = new URL("../", import.meta.url); // wherever the service is mounted

let key = ""; // in memory only: never in a cookie or in storage

export function setKey(value) {
  key = value.trim();
}

/** A request that failed. `status` 0: there was no connection. */
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

/** Send one request. Throws Refused if it is refused, an AbortError if it was aborted. */
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
    // The response comes from a proxy, not from the service.
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

/** Call until it succeeds or fails for good; `tell` is called before each wait, with its seconds. */
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

/** Resolve after a while; reject at once on abort. */
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
