"""Titles that nobody made for O*NET: registers, another classification's labels, a payroll, and a later release.

Every system learns from one release and answers files that it has not seen. Ours is trained as a run trains it: judged,
then trained again on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.cells import commit
from benchmarks.document import machine
from benchmarks.figures import widest
from benchmarks.peers import PEERS
from benchmarks.tables import Table, markdown
from jobmajor.data import direct_match, folder, labelled, onet, prepare
from jobmajor.data.labelled import Labelled, TitleFile
from jobmajor.errors import NotAdapted
from jobmajor.evaluation.hits import Answered, count
from jobmajor.model import refit, thresholds
from jobmajor.pipeline import adapt, outside
from jobmajor.settings import Linear, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.systems import Coder
    from jobmajor.data.onet import Tables
    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

LEVELS: tuple[Level, ...] = ("major", "detailed")
OURS, ADAPTED, NEW = "ours", "ours, adapted", "titles new in a later O*NET"
FILES = {
    "H-2B register": TitleFile("h2b_2014_2017.csv", code="soc_code", weight="rows", revision=labelled.SOC_2010),
    "H-2A register": TitleFile("h2a_2014.csv", code="soc_code", weight="rows", revision=labelled.SOC_2010),
    "ESCO labels": TitleFile("esco_half.csv", code="soc_codes"),
}
PAYROLL = "chicago_payroll.csv"
PATH = Path(__file__).parents[1] / "docs" / "outside.md"
_LEFT_OUT = ("sockit",)  # it can't be trained


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the titles are: two releases of O*NET, the earlier one first, and the files from outside."""

    earlier: Path
    later: Path
    external: Path


def measure(folders: Folders, report: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of every system: by file, system and level; and of the payroll, which has no codes."""
    tables = onet.read(folders.later)
    known = replace(tables, direct_match=direct_match.read(folders.external / folder.DIRECT_MATCH))
    coders = _trained(known, report)
    found = {
        name: _of_file(coders, labelled.read(replace(file, path=folders.external / file.path)), report)
        for name, file in FILES.items()
    }
    report("payroll")
    payroll = _payroll(coders[OURS], folders.external / PAYROLL)
    earlier = onet.read(folders.earlier)
    found[NEW] = _of_file(_trained(earlier, report), _new(earlier, tables), report)
    return {"files": found, "payroll": payroll}


def _trained(tables: Tables, report: Callable[[str], None]) -> dict[str, Any]:
    """Return ours and the peers that learn, each trained on a whole release."""
    report("ours")
    parts = prepare.prepare(tables, Split())
    judged = thresholds.fit(parts["train"], parts["validation"], Linear())
    rows = pl.concat(list(parts.values()))
    found: dict[str, Any] = {OURS: refit.refit(judged, list(parts.values()), "0" * 64)}
    for system in PEERS:
        if not system.missing() and system.name not in _LEFT_OUT:
            report(system.name)
            found[system.name] = _Peer(system.fit(rows, parts["validation"]), system.levels)
    return found


@dataclass(frozen=True, slots=True)
class _Peer:
    coder: Coder
    levels: tuple[Level, ...]


def _new(earlier: Tables, later: Tables) -> Labelled:
    """Return the titles of a later release, with their codes, that the earlier one has under no occupation."""
    before, after = ({labelled.key(title): None for title in tables.titles["title"]} for tables in (earlier, later))
    found = Labelled()
    index: dict[str, int] = {}
    for title, code in later.titles.select("title", "onet_code").iter_rows():
        key = labelled.key(title)
        if key in before or key not in after:
            continue
        number = index.setdefault(key, len(found.titles))
        if number == len(found.titles):
            found.titles.append(title)
            found.truths.append({})
        codes = (code[:7],)
        found.truths[number][codes] = found.truths[number].get(codes, 0.0) + 1
        found.rows += 1
    return found


def _of_file(coders: Mapping[str, Any], given: Labelled, report: Callable[[str], None]) -> dict[str, Any]:
    ours: Classifier = coders[OURS]
    answers = {OURS: outside.answered(ours, given.titles, exact=True)[0]}
    try:
        prior = adapt.of_titles(given.titles, ours)
        answers[ADAPTED] = outside.answered(ours.adapted(prior), given.titles, exact=True)[0]
    except NotAdapted as error:
        report(str(error))
    for name, peer in coders.items():
        if name != OURS:
            answers[name] = {level: _best(peer.coder, given.titles, level) for level in LEVELS if level in peer.levels}
    return {
        "titles": len(given.titles),
        "rows": given.weight,
        "systems": {
            name: {level: _figures(given, each[level], level) for level in LEVELS if level in each}
            for name, each in answers.items()
        },
    }


def _best(coder: Coder, titles: Sequence[str], level: Level) -> Answered:
    """Return a peer's best answers; it has no threshold, so it accepts none."""
    scores, classes = np.asarray(coder.scores(titles, level), np.float64), coder.classes(level)
    best = scores.argmax(axis=1)
    margins = scores[np.arange(len(best)), best].astype(np.float32)
    return Answered([classes[column] for column in best], margins, np.zeros(len(best), np.bool_), classes)


def _figures(given: Labelled, answered: Answered, level: Level) -> dict[str, float]:
    counted = count(given, answered, level)
    kept, taken = counted.counted, answered.accepted & counted.counted
    rows, taken_rows = counted.weight.sum(), counted.weight[taken].sum()
    return {
        "rows_right": float(counted.right.sum() / rows),
        "titles_right": float(counted.hit[kept].mean()),
        "acceptable": widest(answered.scores[kept].astype(np.float64), counted.hit[kept])[1],
        "rows_accepted": float(taken_rows / rows),
        "rows_precision": float(counted.right[taken].sum() / max(taken_rows, 1e-9)),
        "titles_accepted": float(taken.sum() / kept.sum()),
        "titles_precision": float(counted.hit[taken].mean()) if taken.any() else 0.0,
    }


def _payroll(model: Classifier, path: Path) -> dict[str, dict[str, float]]:
    """Return what share of a payroll's rows and distinct titles is accepted, as it is and adapted."""
    table = pl.read_csv(path)
    titles, rows = table["title"].to_list(), table["rows"].to_numpy()
    models = {OURS: model, ADAPTED: model.adapted(adapt.of_titles(titles, model))}
    taken = {name: np.array([not each.abstain for each in each.answer(titles)]) for name, each in models.items()}
    return {
        name: {"rows_accepted": float(rows[each].sum() / rows.sum()), "titles_accepted": float(each.mean())}
        for name, each in taken.items()
    }


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Return the figures as tables."""
    columns = (
        "titles",
        "system",
        "right, rows",
        "right, titles",
        "could be accepted at 95 %",
        "accepted, rows: right",
        "accepted, titles: right",
    )
    shown = [
        Table(f"Titles from outside, {level} level", columns, tuple(_rows(found["files"], level))) for level in LEVELS
    ]
    rows = tuple(
        (name, f"{each['rows_accepted']:.3f}", f"{each['titles_accepted']:.3f}")
        for name, each in found["payroll"].items()
    )
    return [*shown, Table("A city's payroll, major level", ("system", "rows accepted", "titles accepted"), rows)]


def _rows(files: Mapping[str, Any], level: Level) -> list[tuple[str, ...]]:
    found = []
    for name, file in files.items():
        for system, levels in file["systems"].items():
            if (each := levels.get(level)) is None:
                continue
            is_ours = system in (OURS, ADAPTED)
            accepted = (
                (
                    f"{each['rows_accepted']:.3f}: {each['rows_precision']:.3f}",
                    f"{each['titles_accepted']:.3f}: {each['titles_precision']:.3f}",
                )
                if is_ours
                else ("–", "–")
            )
            shares = (f"{each[key]:.3f}" for key in ("rows_right", "titles_right", "acceptable"))
            found.append((f"{name}, {file['rows']:,.0f} rows, {file['titles']:,} titles", system, *shares, *accepted))
    return found


_NOTES = """
Every system learned from all titles of one release (O*NET 28.1; of 27.0 for the titles new in 28.1) and saw none of
these files. Ours also had the SOC's Direct Match titles with 28.1. "Adapted" moves its answers toward the file's mix of
occupations, which `jobmajor adapt` estimated from its titles alone.

- *Rows* count every row of a file with its own code. *Titles* count each distinct title once, and any code that a row
  gives it is right. Registers' codes of SOC 2010 are translated by the official crosswalk, ESCO's by theirs, so no
  system can reach 1.
- *Could be accepted at 95 %*: the largest share of titles whose answers are right to 95 %, by a threshold chosen on
  these very titles. It compares how well systems know what they know.
- *Accepted* is what ours does not abstain from, and how much of that is right. The peers have no threshold of their
  own.
- How ours weighs listings and its `confidence` were fitted on files of these kinds, each left out in turn. Those who
  chose its words and everyday titles had seen mistakes on H-2A and H-2B; titles seen there were left out of the table,
  but "labor" at the end of a title became "laborer".
"""


def text(tables: Sequence[Table]) -> str:
    """Return the page."""
    today = datetime.now(UTC).date().isoformat()
    lines = [
        "# Titles from outside",
        "",
        f"Written by `python -m benchmarks outside` on {today}, at commit {commit()}. Don't edit it by hand.",
        "",
        f"- Machine: {machine()}.",
        _NOTES,
        markdown(tables),
    ]
    return "\n".join(lines).rstrip() + "\n"
