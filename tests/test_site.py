"""The documentation as a site: it builds without a warning, loads nothing from outside, and faults stop it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
STRICT = ("--builder", "html", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
OUTSIDE = re.compile(r"""(?:url\(|@import|src=)\s*["']?(?:https?:)?//""")


def build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason=f"the site is built with {name}, of the dependency group docs")
    words = [sys.executable, "-m", "sphinx", *STRICT, "--doctree-dir", str(site / "trees"), str(docs), str(site)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


class Loads(HTMLParser):
    """What a page fetches when it is opened: scripts, styles, pictures and frames, not the links of its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("href") if tag == "link" else given.get("src")
        if address and given.get("rel") not in {"canonical", "index", "search", "next", "prev"}:
            self.found.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    done = build(DOCS, site)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
def test_site_has_a_page_for_each_document(site: Path) -> None:
    documents = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}

    assert {name for name in documents if not (site / f"{name}.html").is_file()} == set()
    assert "searchindex.js" in {path.name for path in site.iterdir()}


@pytest.mark.long
def test_site_loads_nothing_from_outside(site: Path) -> None:
    pages = list(site.rglob("*.html"))

    for page in pages:
        loads = Loads()
        loads.feed(page.read_text("utf-8"))
        assert [address for address in loads.found if re.match(r"(?:https?:)?//", address)] == [], page.name
    for style in site.rglob("*.css"):
        assert OUTSIDE.findall(style.read_text("utf-8")) == [], style.name
    assert len(pages) > 30


@pytest.mark.long
def test_each_planted_fault_stops_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "folder").mkdir(parents=True)
    (docs / "conf.py").write_text((DOCS / "conf.py").read_text("utf-8"), "utf-8")
    (docs / "index.md").write_text("# Index\n\n- [Page](page.md): a page.\n", "utf-8")
    (docs / "page.md").write_text("# Page\n\n## Part\n\n[self](#part) [folder](folder) [index](index.md)\n", "utf-8")
    sound = build(docs, tmp_path / "sound")

    (docs / "page.md").write_text("# Page\n\n[a](none.md) [b](#none) [c](index.md#none) [d](../none.txt)\n", "utf-8")
    (docs / "lonely.md").write_text("# Lonely\n\nText.\n", "utf-8")
    broken = build(docs, tmp_path / "broken")

    assert (sound.returncode, sound.stderr) == (0, "")
    assert broken.returncode == 1
    for fault in ("'none.md'", "'#none'|'none'", "index.*none", "none.txt", "lonely.md.*toctree"):
        assert re.search(fault, broken.stderr), f"{fault} in\n{broken.stderr}"


def test_link_to_a_file_that_is_no_page_leads_to_the_repository(conf: ModuleType) -> None:
    text = "[a](../src/jobmajor/soc/) [b](tutorial.md#a) [c](../LICENSE) [d](../none)\n```text\n[e](../LICENSE)\n```\n"

    found = re.findall(r"\(([^)]+)\)", conf.outside("operate.md", text))

    blob, tree = f"{conf.REPOSITORY}/blob/main", f"{conf.REPOSITORY}/tree/main"
    expected = [f"{tree}/src/jobmajor/soc", "tutorial.md#a", f"{blob}/LICENSE", "../none", "../LICENSE"]
    assert found == expected


def test_navigation_is_the_lists_of_links_by_section(conf: ModuleType) -> None:
    text = "# All\n\n[no list](x.md)\n\n- [A](a.md): one.\n\n## Second\n\n1. [B](two/b.md)\n2. [C](c.md#part)\n\n## Z\n"

    first, second = conf.navigation(text).split("```\n\n\n")

    assert first.split() == ["```{toctree}", ":hidden:", "a"]
    assert second.split() == ["```{toctree}", ":hidden:", ":caption:", "Second", "two/b", "```"]
