"""Write "Start Here.ipynb" and the tutorial's pages from notebooks/start_here.py, so that all of them say the same.

The script is in the percent format that Jupytext and editors read: `# %%` begins a cell, and the lines of text and of
shell cells are comments. Run `python tools/notebook.py` after you change it. A test fails until you do.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "notebooks" / "start_here.py"
NOTEBOOK = ROOT / "notebooks" / "Start Here.ipynb"
PAGES = ("start-1-model", "start-2-pipeline", "start-3-sagemaker")
_CELL = re.compile(r'^# %%(?P<kind> \[markdown\])? id="(?P<id>[\w-]+)"(?P<bash> language="bash")?$', re.MULTILINE)
_NOTE = (
    "This page is a part of the notebook [Start Here](../notebooks/), as text. Run the notebook to "
    "see what it prints and draws; in a checkout, `pip install -e packages/sagelocal -e '.[tutorial]'` installs what "
    "it needs."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the notebook: its language is markdown, bash or python."""

    id: str
    language: str
    source: str


def cells(script: str) -> list[Cell]:
    """The cells of a script."""
    found = list(_CELL.finditer(script))
    ends = [each.start() for each in found[1:]] + [len(script)]
    return [_cell(match, script[match.end() : end].strip("\n")) for match, end in zip(found, ends, strict=True)]


def _cell(match: re.Match[str], body: str) -> Cell:
    language = "markdown" if match["kind"] else "bash" if match["bash"] else "python"
    if language != "python":
        body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
    return Cell(match["id"], language, body)


def notebook(found: list[Cell]) -> str:
    """The notebook, without outputs."""
    made = [_notebook_cell(cell) for cell in found]
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    book = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _notebook_cell(cell: Cell) -> dict[str, object]:
    source = f"%%bash -e -o pipefail\n{cell.source}" if cell.language == "bash" else cell.source
    made = {"id": cell.id, "metadata": {}, "source": source.splitlines(keepends=True)}
    if cell.language == "markdown":
        return {"cell_type": "markdown", **made}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **made}


def pages(found: list[Cell]) -> dict[str, str]:
    """The three parts as pages; a part begins at a heading of the first level, and what is before them is no page."""
    starts = [number for number, cell in enumerate(found) if cell.source.startswith("# Part ")]
    parts = [found[start:end] for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]
    return {name: _page(part) for name, part in zip(PAGES, parts, strict=True)}


def _page(part: list[Cell]) -> str:
    heading, _, rest = part[0].source.partition("\n")
    blocks = [heading, _NOTE, rest.strip(), *(_block(cell) for cell in part[1:])]
    return "\n\n".join(block for block in blocks if block).replace("](../docs/", "](") + "\n"


def _block(cell: Cell) -> str:
    if cell.language == "markdown":
        return cell.source
    return f"```{'sh' if cell.language == 'bash' else 'py'}\n{cell.source}\n```"


def written() -> dict[Path, str]:
    """Each file, with what it should contain."""
    found = cells(SCRIPT.read_text("utf-8"))
    return {NOTEBOOK: notebook(found)} | {ROOT / "docs" / f"{name}.md": text for name, text in pages(found).items()}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, "utf-8")
