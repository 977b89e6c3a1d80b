"""The version of the code that made a result, for manifests, cache keys and model versions.

The version of a step changes only with the code that the step imports, so a new style sheet invalidates no trained
model. The imports are read from the sources; no module is executed.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Where each step begins: a module, and the function of it whose imports count.
PREPARE = "jobmajor.steps.commands:run_prepare"
TRAIN = "jobmajor.steps.commands:run_train"
EVALUATE = "jobmajor.steps.commands:run_evaluate"
REFIT = "jobmajor.steps.commands:run_refit"
SCORE = "jobmajor.steps.commands:run_score"
MONITOR = "jobmajor.steps.monitoring:run_monitor"
STEPS = {"prepare": PREPARE, "train": TRAIN, "evaluate": EVALUATE, "refit": REFIT, "score": SCORE}

# The libraries that decide what a model learns and answers, and those that only one recipe uses.
_LIBRARIES = ("numpy", "polars", "python-calamine", "safetensors", "scikit-learn", "scipy")
_RECIPE_LIBRARIES = {"transformer": ("tokenizers", "torch", "transformers")}
_PACKAGES = ("jobmajor", "sagelocal")
# To parse a source takes about 2 ms, too much for a hundred of them; a test compares these patterns with the parser.
_COMMENT = re.compile(r"#.*")
_TYPE_ONLY = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t].*\n|\n)+", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.+)|import[ \t]+(.+))$", re.MULTILINE)


@cache
def code_version(entry: str, recipe: str = "linear") -> str:
    """Return the sha256 over all sources that `entry` imports, Python's version and those of the recipe's libraries.

    Modules imported within a function count, as do the data files that a module names and that lie beside it. Times,
    paths and compiled files don't count; the starter titles are data and have a digest of their own. The versions are
    read from the libraries' metadata: none is imported.

    Args:
        entry: A module, or `module:function`. With a function, the whole source of the module counts, but only the
            imports that the function needs.
        recipe: linear or transformer.
    """
    total = hashlib.sha256(f"python {sys.version_info.major}.{sys.version_info.minor}\n".encode())
    for name in (*_LIBRARIES, *_RECIPE_LIBRARIES.get(recipe, ())):
        total.update(f"{name} {_library(name)}\n".encode())
    for path in sorted(sources(entry)):
        total.update(f"{path} {_digest(_file(path))}\n".encode())
    return total.hexdigest()


def _library(name: str) -> str:
    """Return a library's version; "absent" where an extra that brings it isn't installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def pipeline_version(recipe: str = "linear") -> str:
    """Return the identity of the code of all steps together."""
    return hashlib.sha256("".join(code_version(entry, recipe) for entry in STEPS.values()).encode()).hexdigest()


def command_version(command: Sequence[str], recipe: str = "linear") -> str:
    """Return the identity of the code that a job's command runs: its step's, or that of all steps.

    Args:
        command: The program and its arguments, such as python3, -m, jobmajor.steps, train.
        recipe: As in `code_version`.
    """
    module, step = command[1:3], command[3] if len(command) > 3 else ""
    is_step = list(module) == ["-m", "jobmajor.steps"] and step in STEPS
    return code_version(STEPS[step], recipe) if is_step else pipeline_version(recipe)


def origin() -> dict[str, str]:
    """Return the version of jobmajor and, where it runs from a checkout, git's commit; changes to its files aside."""
    found = {"jobmajor": _library("jobmajor"), "commit": _commit(_root("jobmajor").parent / ".git")}
    return {name: value for name, value in found.items() if value}


def _commit(folder: Path) -> str:
    """Return the commit that a checkout's folder `.git` stands at; empty where there is none."""
    try:
        if folder.is_file():  # of a second worktree: it names the folder
            folder = folder.parent / folder.read_text("utf-8").partition("gitdir:")[2].strip()
        head = (folder / "HEAD").read_text("utf-8").strip()
        common = folder / "commondir"
        base = folder / common.read_text("utf-8").strip() if common.is_file() else folder
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        if (base / name).is_file():
            return (base / name).read_text("utf-8").strip()
        packed = (line.split() for line in (base / "packed-refs").read_text("utf-8").splitlines())
        return next((words[0] for words in packed if words[1:] == [name]), "")
    except (OSError, UnicodeDecodeError):
        return ""


@cache
def sources(entry: str) -> frozenset[str]:
    """Return the files that count for `entry`, such as "jobmajor/titles.py"; arguments as in `code_version`."""
    module, _, function = entry.partition(":")
    if _path(module) is None:
        raise ValueError(f"{module!r} is no module of {' or '.join(_PACKAGES)}")
    waiting, seen, found = [module], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        found.update((path, *_data_files(path)))
        imported = _needed(path, function) if function and name == module else _imports(path)
        waiting += [*imported, *_packages_above(name)]
    return frozenset(found)


@cache
def _root(package: str) -> Path:
    """Return the folder that contains a package; the two are installed one by one, so theirs may differ."""
    return Path(str(resources.files(package))).parent


def _file(path: str) -> Path:
    return _root(path.partition("/")[0]) / path


@cache
def _text(path: str) -> str:
    return _file(path).read_text("utf-8")


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _path(module: str) -> str | None:
    """Return the source of a module of our packages; None for other modules, and for names that are no module."""
    name = module.replace(".", "/")
    if not name.startswith(tuple(f"{package}/" for package in _PACKAGES)):  # their own `__init__` only forwards names
        return None
    return next((path for path in (f"{name}.py", f"{name}/__init__.py") if _file(path).is_file()), None)


def _packages_above(module: str) -> Iterator[str]:
    while (module := module.rpartition(".")[0]).count("."):
        yield module


@cache
def _imports(path: str) -> frozenset[str]:
    """Return the names in our packages that a source imports, apart from imports for types; some are no modules."""
    text = _TYPE_ONLY.sub("", _COMMENT.sub("", _text(path)))
    found = set[str]()
    for module, names, plain in _IMPORT.findall(text):
        listed = [name.split()[0] for name in (names or plain).strip(" ()\n").split(",") if name.strip()]
        found.update([module, *(f"{module}.{name}" for name in listed)] if module else listed)
    return frozenset(name for name in found if name.startswith(_PACKAGES))


def _needed(path: str, function: str) -> set[str]:
    """Return the names in our packages that one function of a source needs; some are no modules."""
    defined: dict[str, list[ast.stmt]] = {}
    imported: dict[str, set[str]] = {}
    for node in ast.parse(_text(path)).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for item in node.names:
                imported[item.asname or item.name] = {node.module, f"{node.module}.{item.name}"}
        else:
            for name in _defined(node):
                defined.setdefault(name, []).append(node)
    waiting, seen, found = [function], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            found |= imported.get(name, set())
            for part in (inner for outer in defined.get(name, ()) for inner in ast.walk(outer)):
                waiting += [part.id] if isinstance(part, ast.Name) else []
                found |= _named(part)
    return {name for name in found if name.startswith(_PACKAGES)}


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets: Iterable[ast.expr] = node.targets if isinstance(node, ast.Assign) else ()
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _named(node: ast.AST) -> set[str]:
    """Return the names of an import within a function: the module, and each name that it imports from there."""
    if isinstance(node, ast.Import):
        return {item.name for item in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
    return set()


@cache
def _data_files(path: str) -> frozenset[str]:
    """Return the files beside a source that it names between quotes, and those that a template among them names."""
    folder = path.rpartition("/")[0]
    waiting, found = [path], set[str]()
    while waiting:
        text = _text(waiting.pop())
        named = {f"{folder}/{name}" for name in _beside(folder) if f'"{name}"' in text} - found
        found |= named
        waiting += [name for name in named if name.endswith(".j2")]
    return frozenset(found)


@cache
def _beside(folder: str) -> tuple[str, ...]:
    return tuple(path.name for path in _file(folder).iterdir() if path.suffix not in ("", ".py", ".pyc"))
