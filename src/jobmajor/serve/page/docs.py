"""/docs and /redoc: the OpenAPI document as one HTML page.

Swagger UI and ReDoc load a large script from a CDN, so that a service without internet access would show an empty page.
This page loads nothing. Its only script, which is inline, sends the requests of the "Try it" form.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

_SCRIPT = """
const form = document.querySelector("form"), out = document.querySelector("output");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  out.textContent = "…";
  const key = form.key.value.trim();
  const headers = {"Content-Type": form.format.value, ...(key ? {Authorization: "Bearer " + key} : {})};
  const query = new URLSearchParams({level: form.level.value, top_k: form.top_k.value});
  try {
    const answer = await fetch("invocations?" + query, {method: "POST", headers, body: form.body.value});
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 1); } catch { /* lines or CSV: shown as they are */ }
    out.textContent = answer.status + "\\n" + shown;
  } catch (error) { out.textContent = "no answer: " + error.message; }
});
form?.format.addEventListener("change", () => { form.body.value = form.format.selectedOptions[0].dataset.example; });
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        f"script-src {_hash(_SCRIPT)}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer"}


@cache
def _template() -> jinja2.Template:
    text = resources.files(__package__).joinpath("docs.html.j2").read_text("utf-8")
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["pretty"], made.filters["marked"] = _pretty, _marked
    return made.from_string(text)


def _marked(text: str) -> Markup:
    """Return a text as HTML, with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)


def render(schema: dict[str, Any], *, is_live: bool) -> str:
    """Return the page; `is_live` adds a form that sends a request."""
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return _template().render(info=schema["info"], operations=operations, is_live=is_live, script=_SCRIPT)
