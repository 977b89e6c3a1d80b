"""The structure of the sources: small folders, names that occur once, no import cycles, a map that is true.

The layers themselves are contracts in pyproject.toml, which `lint-imports` checks.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
MAP = ROOT / "docs" / "architecture.md"
MAX_FILES = 15
RECIPES = ("model/linear", "model/transformer")
RECIPE_FILES = {"model", "fit", "calibrate"}
EXEMPT = {"cli"}
SEED = "jobmajor/aws/project/seed/"  # copied into a user's repository: data, never imported


def python_files(sources: Path) -> list[Path]:
    """Every Python file below `sources`, as a path relative to it."""
    paths = (path.relative_to(sources) for path in sources.rglob("*.py"))
    return sorted(path for path in paths if not path.as_posix().startswith(SEED))


def crowded(files: Iterable[Path], limit: int = MAX_FILES) -> dict[str, int]:
    """Folders with more than `limit` files, and how many they have; `__init__` is not counted."""
    counts = Counter(path.parent.as_posix() for path in files if path.stem != "__init__")
    return {folder: count for folder, count in counts.items() if count > limit}


def scope(path: Path) -> str:
    """The part of the sources in which a file name may occur once: all of sagelocal, or one package of jobmajor."""
    return path.parts[0] if path.parts[0] == "sagelocal" else path.parent.as_posix().split("/", 2)[1]


def repeated(files: Iterable[Path]) -> dict[str, list[str]]:
    """File names that occur twice or more in one scope, with the files that have them."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in files:
        nested = len(path.parts) > 2 or path.parts[0] == "sagelocal"
        if not nested or path.stem in {"__init__", "__main__"} or scope(path) in EXEMPT:
            continue
        recipe = path.stem in RECIPE_FILES and path.parent.as_posix().endswith(RECIPES)
        name = path.relative_to("jobmajor").as_posix() if recipe else path.stem
        found.setdefault((scope(path), name), []).append(path.as_posix())
    return {f"{where}: {name}": paths for (where, name), paths in found.items() if len(paths) > 1}


def module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, name: str, *, package: bool) -> Iterator[tuple[str, str]]:
    """Every import anywhere in a module, as (module, name or ""): in functions and for type checking, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: len(name.split(".")) - node.level + package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def import_graph(sources: Path) -> dict[str, set[str]]:
    """For each module, the modules of the same sources that it imports."""
    paths = {module(path): path for path in python_files(sources)}
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        tree = ast.parse((sources / path).read_text("utf-8"))
        found = imported(tree, name, package=path.stem == "__init__")
        targets = {f"{base}.{item}" if f"{base}.{item}" in paths else base for base, item in found}
        graph[name] = (targets & set(paths)) - {name}
    return graph


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """One import cycle, the first module named again at its end; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def purposes(sources: Path) -> dict[str, str]:
    """The first line of each package's docstring, and of each module that lies beside jobmajor's packages."""
    found = {}
    for path in python_files(sources):
        beside = path.parts[0] == "jobmajor" and len(path.parts) == 2 and path.stem != "__main__"
        if path.stem == "__init__" or beside:
            docstring = ast.get_docstring(ast.parse((sources / path).read_text("utf-8"))) or ""
            found[module(path)] = docstring.partition("\n")[0]
    return found


def mapped(page: str) -> dict[str, str]:
    """The rows of the map: a package or module between backticks, and what it is for."""
    return dict(re.findall(r"^\| `((?:jobmajor|sagelocal)[\w.]*)` \| (.*) \|$", page, re.MULTILINE))


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def test_no_folder_holds_more_than_15_files() -> None:
    assert crowded(python_files(SOURCES)) == {}


def test_a_file_name_occurs_once_within_its_package() -> None:
    assert repeated(python_files(SOURCES)) == {}


def test_no_modules_import_each_other_in_a_cycle() -> None:
    graph = import_graph(SOURCES)

    assert len(graph) > 200
    assert "jobmajor.errors" in graph["jobmajor.settings.reading"]
    assert cycle(graph) == []


def test_map_of_the_architecture_is_what_the_packages_say_of_themselves() -> None:
    assert mapped(MAP.read_text("utf-8")) == purposes(SOURCES)


def test_every_package_says_in_one_sentence_what_it_is_for() -> None:
    assert [name for name, line in purposes(SOURCES).items() if not re.fullmatch(r"[^|]{10,}[.…]", line)] == []


def test_a_sixteenth_file_makes_a_folder_crowded(tmp_path: Path) -> None:
    full = [f"jobmajor/data/file{number}.py" for number in range(MAX_FILES)]
    write(tmp_path, dict.fromkeys([*full, "jobmajor/data/__init__.py"], ""))
    assert crowded(python_files(tmp_path)) == {}

    write(tmp_path, {"jobmajor/data/one_more.py": ""})

    assert crowded(python_files(tmp_path)) == {"jobmajor/data": 16}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("jobmajor/model/rules/text.py", "jobmajor/model/kernels/text.py", ["model: text"]),
        ("jobmajor/model/fit.py", "jobmajor/model/linear/fit.py", []),
        ("jobmajor/model/linear/fit.py", "jobmajor/model/transformer/fit.py", []),
        ("jobmajor/model/linear/scoring.py", "jobmajor/model/transformer/scoring.py", ["model: scoring"]),
        ("jobmajor/serve/fit.py", "jobmajor/serve/http/fit.py", ["serve: fit"]),
        ("jobmajor/serve/registry.py", "jobmajor/aws/registry.py", []),
        ("jobmajor/errors.py", "jobmajor/aws/errors.py", []),
        ("jobmajor/cli/data.py", "jobmajor/cli/aws/data.py", []),
        ("sagelocal/run/models.py", "sagelocal/jobs/models.py", ["sagelocal: models"]),
        ("sagelocal/errors.py", "sagelocal/jobs/errors.py", ["sagelocal: errors"]),
        ("jobmajor/aws/api/__init__.py", "jobmajor/aws/batch/__init__.py", []),
    ],
)
def test_a_name_that_occurs_twice_is_found(first: str, second: str, expected: list[str], tmp_path: Path) -> None:
    write(tmp_path, {first: "", second: ""})

    assert list(repeated(python_files(tmp_path))) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "import p.b",
        "import p.b as other",
        "from p import b",
        "from p.b import name",
        "from . import b",
        "from .b import name",
        "def lazy():\n    from p import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import Name",
        "class Late:\n    def get(self):\n        import p.b",
        "try:\n    import p.b\nexcept ImportError:\n    pass",
    ],
)
def test_a_cycle_is_found_however_it_is_imported(statement: str, tmp_path: Path) -> None:
    write(tmp_path, {"p/__init__.py": "", "p/a.py": statement, "p/b.py": "from p import c", "p/c.py": ""})
    assert cycle(import_graph(tmp_path)) == []

    write(tmp_path, {"p/c.py": "import p.a"})

    assert set(cycle(import_graph(tmp_path))) == {"p.a", "p.b", "p.c"}


def test_a_package_that_imports_what_imports_it_is_a_cycle(tmp_path: Path) -> None:
    write(tmp_path, {"p/__init__.py": "from .a import name", "p/a.py": "from p import other"})

    assert set(cycle(import_graph(tmp_path))) == {"p", "p.a"}


def test_a_map_that_lags_behind_a_docstring_differs(tmp_path: Path) -> None:
    page = "| package | what |\n| --- | --- |\n| `jobmajor.data` | Read titles. |\n"
    write(
        tmp_path, {"jobmajor/data/__init__.py": '"""Read titles.\n\nMore."""\n', "jobmajor/data/folder.py": '"""F."""'}
    )
    assert mapped(page) == purposes(tmp_path)

    write(tmp_path, {"jobmajor/data/__init__.py": '"""Read rows."""\n'})

    assert mapped(page) != purposes(tmp_path)


def test_a_package_that_the_map_leaves_out_differs(tmp_path: Path) -> None:
    write(tmp_path, {"jobmajor/data/__init__.py": '"""Read titles."""\n', "jobmajor/soc.py": '"""Codes."""\n'})

    assert mapped("| `jobmajor.data` | Read titles. |\n") != purposes(tmp_path)
