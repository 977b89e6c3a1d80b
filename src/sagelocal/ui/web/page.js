// Renews the parts of the page that change while a run is on its way. Without scripts, the page reloads itself.

const MOST_MS = 15000;
const note = document.getElementById("renewal");
let every = Number(document.body.dataset.every);
let wait = every;

for (const log of document.querySelectorAll("#tail")) log.scrollTop = log.scrollHeight;

function isAtEnd(log) {
  return log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
}

function isTicked(box) {
  return `input[type="checkbox"][value="${CSS.escape(box.value)}"]`;
}

// Replace one part, and keep what a person did in it: the focus, ticks and places of scroll bars.
function put(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const at = focused && [...old.querySelectorAll("a, input, pre, [tabindex]")].indexOf(focused);
  const ticked = [...old.querySelectorAll("input:checked")].map(isTicked);
  const log = old.querySelector("#tail");
  const place = log && !isAtEnd(log) ? log.scrollTop : null;
  const { scrollLeft, scrollTop } = old;
  old.replaceWith(fresh);
  Object.assign(fresh, { scrollLeft, scrollTop });
  for (const each of ticked) for (const box of fresh.querySelectorAll(each)) box.checked = true;
  const grown = fresh.querySelector("#tail");
  if (grown) grown.scrollTop = place ?? grown.scrollHeight;
  if (focused === old) fresh.focus({ preventScroll: true });
  else if (focused) fresh.querySelectorAll("a, input, pre, [tabindex]")[at]?.focus({ preventScroll: true });
}

function isSelecting(part) {
  const chosen = document.getSelection();
  return chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
}

async function renew() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = document.getElementById(fresh.id);
    if (old && old.outerHTML !== fresh.outerHTML && !isSelecting(old)) put(old, document.importNode(fresh, true));
  }
  every = Number(page.body.dataset.every);
}

async function turn() {
  if (!document.hidden) {
    try {
      await renew();
      note.textContent = "";
      wait = every;
    } catch {
      note.textContent = "No answer: start `sagelocal ui` again.";
      wait = Math.min(wait * 2, MOST_MS);
    }
  }
  if (every) setTimeout(turn, wait);
}

if (every) setTimeout(turn, wait);
