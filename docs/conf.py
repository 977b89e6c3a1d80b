"""The documentation as a site: Sphinx with MyST and furo. `make docs` builds it, and any broken link stops the build.

The pages stay plain Markdown that reads well on GitHub. This file makes the rest: the navigation, from the lists of
links in index.md and in the README of a folder, and the addresses of files that are not pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sphinx.application import Sphinx

DOCS = Path(__file__).parent.resolve()
REPOSITORY = "https://github.com/jobmajor/jobmajor"
# Pages whose lists of links are the navigation.
LISTS = re.compile(r"index|.*/README")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(#[^)\s]*)?(?=\))")
LISTED = re.compile(r"^(?:-|\d+\.) \[[^\]]+\]\(([^)#:]+)\.md\)", re.MULTILINE)

project = "jobmajor"
author = "the authors of jobmajor"
html_title = "jobmajor"
extensions = ["myst_parser"]
exclude_patterns = ["examples"]
myst_heading_anchors = 4
# Lines such as `$ command` and sketches of HTTP are no program text: they need no colours. Measured tables have
# headings of the third level below the first.
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
html_theme = "furo"
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "source_repository": f"{REPOSITORY}/",
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": [],
}


def outside(name: str, text: str, docs: Path = DOCS) -> str:
    """Return a page whose links to files of the repository that are no pages lead to the repository's address.

    A link to a file that does not exist stays as it is, so that the build refuses it.
    """
    folder = (docs / name).parent

    def address(match: re.Match[str]) -> str:
        path = (folder / match[1].replace("%20", " ")).resolve()
        is_page = path.suffix == ".md" and path.is_relative_to(docs)
        if is_page or not path.exists() or not path.is_relative_to(docs.parent):
            return match[0]
        kind = "tree" if path.is_dir() else "blob"
        place = path.relative_to(docs.parent).as_posix().replace(" ", "%20")
        return f"{REPOSITORY}/{kind}/main/{place}{match[2] or ''}"

    return _between_fences(text, lambda part: LINK.sub(address, part))


def _between_fences(text: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def navigation(text: str) -> str:
    """Return Sphinx's lists of pages, one for each section of a page: what its list items link to."""
    return "".join(_toctrees(text))


def _toctrees(text: str) -> Iterator[str]:
    for section in re.split(r"^## ", f"\n{text}", flags=re.MULTILINE):
        heading, _, body = section.partition("\n")
        if pages := LISTED.findall(body):
            caption = f":caption: {heading}\n" if heading else ""
            yield "\n\n```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(pages) + "\n```\n"


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    text = outside(name, source[0], Path(app.srcdir).resolve())
    source[0] = text + (navigation(source[0]) if LISTS.fullmatch(name) else "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Prepare each page before it is parsed."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
