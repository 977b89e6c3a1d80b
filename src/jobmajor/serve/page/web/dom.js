// The page's few words for making elements. Text enters as text alone, never as markup: what people type or a file
// holds can't become part of the page.

export const byId = (id) => document.getElementById(id);

/** An element with attributes, properties in `on…` as listeners, and children; null and false are left out. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

/** A bar of a share's length; the number stands beside it as text, so the bar itself is for the eye alone. */
export function bar(share, kind = "") {
  const filled = el("span", { class: "bar-filled" });
  // By script, since the page's policy allows no style in the markup.
  filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el("span", { class: `bar ${kind}`.trim(), "aria-hidden": "true" }, filled);
}

export const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(share * 100)} %`);

export const count = (number) => number.toLocaleString("en-US");

/** Seconds in the words that people use for a wait. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1.5) return "1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Put a text on the clipboard; a page that came over plain HTTP from another machine must do so in the old way. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = el("textarea", { readonly: true, class: "unseen" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

/** Let the browser download a file. */
export function give(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser reads it after the click
}

export function show(element, is) {
  element.hidden = !is;
}
