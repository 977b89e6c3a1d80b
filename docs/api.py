"""Write python.md, the reference of `import jobmajor`, from signatures and docstrings. reference.py calls it."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jobmajor
from jobmajor.registry import loading

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("python.md")
_HEAD = """# Python

[api.py](api.py) writes this page from the code. Change the code, not this page.

These are the names of `import jobmajor`. Each is imported when it is first used, so `import jobmajor` itself takes no
time. Errors have one tree: `jobmajor.errors.Error` is its root, and an `InputError` is for the caller to
mend ([all errors](reference.md#errors)). Examples are in the [how-to](index.md#how-to).
"""
_GROUPS = {
    "Load a model and ask it": ("load", "Classifier", "Answer", "deepest", "normalise"),
    "Files": ("code_file", "FileOptions", "Reading", "Summary"),
    "Labelled titles, counts and mixes": (
        *("evaluate", "TitleFile", "Judging", "summarise", "Wish", "adapt", "Prior"),
    ),
    "Training": ("run", "Options", "Outcome", "TitleClassifier"),
}
_SAME = {"load": loading.load_with_digest}  # whose arguments and errors a docstring refers to
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_WIDTH = 100


def text() -> str:
    """The whole page."""
    listed = {name for names in _GROUPS.values() for name in names}
    if listed != set(jobmajor.__all__):
        sys.exit(f"api.py and jobmajor differ in {sorted(listed ^ set(jobmajor.__all__))}: update _GROUPS")
    parts = [_HEAD.strip()]
    for group, names in _GROUPS.items():
        parts.append(f"## {group}")
        parts += [part for name in names for part in _entry(name, getattr(jobmajor, name))]
    return "\n\n".join(parts) + "\n"


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name}\n\n{_signature(f'jobmajor.{name}', thing)}\n\n{_told(name, thing)}"
    if inspect.isclass(thing):
        for method, made in vars(thing).items():
            is_ours = inspect.isfunction(made) and made.__module__.startswith("jobmajor.")
            if is_ours and not method.startswith("_"):
                yield f"#### {name}.{method}\n\n{_signature(method, made)}\n\n{_docstring(made)}"


def _told(name: str, thing: Any) -> str:
    if name not in _SAME:
        return _docstring(thing)
    first, rest = (_docstring(each).partition("\n\n") for each in (thing, _SAME[name]))
    return f"{first[0].partition(';')[0]}.\n\n{rest[2]}"


def _signature(name: str, thing: Any) -> str:
    """How it is called, over several lines where one is too long."""
    made = inspect.signature(thing)
    items = [item for item in made.parameters.values() if item.name != "self"]
    written, has_star = [], False
    for item in items:
        if item.kind is inspect.Parameter.KEYWORD_ONLY and not has_star:
            has_star = True
            written.append("*")
        written.append(_parameter(item))
    result = "" if inspect.isclass(thing) else f" -> {made.return_annotation}"
    line = f"{name}({', '.join(written)}){result}"
    if len(line) > _WIDTH:
        line = f"{name}(\n" + "".join(f"    {item},\n" for item in written) + f"){result}"
    return f"```py\n{line}\n```"


def _parameter(item: inspect.Parameter) -> str:
    text = f"{item.name}: {item.annotation}"
    if item.default is inspect.Parameter.empty:
        return text
    return f"{text} = {'...' if 'factory' in repr(item.default) else repr(item.default)}"


def _docstring(thing: Any) -> str:
    """A docstring in Google's form as Markdown: its sections as lists, its examples fenced."""
    blocks: list[str] = []
    for block in (inspect.getdoc(thing) or "").split("\n\n"):
        lines = block.splitlines()
        if found := _SECTION.match(lines[0]):
            blocks.append(_section(found[1], lines[1:]))
        elif lines[0].startswith(">>>"):
            blocks.append("```pycon\n" + block + "\n```")
        else:
            blocks.append(" ".join(lines))
    return "\n\n".join(blocks)


def _section(name: str, lines: list[str]) -> str:
    joined = re.sub(r"\n {5,}", " ", "\n".join(lines))
    if name not in {"Args", "Attributes"}:
        return f"{name}: {' '.join(joined.split())}"
    rows = (line.strip().partition(": ") for line in joined.splitlines())
    items = "\n".join(f"- `{item}`: {told}" if told else f"- {item}" for item, _, told in rows)
    return f"{'Arguments' if name == 'Args' else name}:\n\n{items}"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
