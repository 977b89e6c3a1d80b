"""Render an evaluation for people: the report for reviewers, and the model card.

The report is one file without scripts, fonts or requests, so that you can mail and archive it. Its titles come from
data files, so they are escaped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from jobmajor import soc
from jobmajor.errors import DataError
from jobmajor.evaluation import charts
from jobmajor.evaluation.comparison import side_by_side
from jobmajor.soc import chosen
from jobmajor.titles import said

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEEDED = ("classification_metrics", "per_class", "confusion", "slices", "calibration", "confusions")
_OPTIONAL = ("dataset", "model", "gate", "decision", "champion", "behaviour", "reviewed")
_FIGURES = (
    ("test_f1", "Weighted F1", "the figure that the threshold is set on: each group counts by its titles"),
    ("test_f1_macro", "Macro F1", "every group counts alike, however few its titles"),
    ("test_accuracy", "Accuracy", "share of titles with the right group first"),
    ("test_any_code_accuracy", "Any listed code", "distinct titles; any group that lists the title is right"),
    ("test_top_3", "Right group in best 3", "what a reviewer sees at a glance"),
    ("test_top_5", "Right group in best 5", "the same for a list of five"),
)
_LEAST = 20  # test rows of a group whose figure means something, as in the gate
_ROWS = 60  # of a table of groups; SOC 2018 has 23
_RELEASE = re.compile(r"\d+\.\d+")
_ATTRIBUTION = (
    "This product includes information from the O*NET {release}Database by the U.S. Department of Labor, "
    "Employment and Training Administration (USDOL/ETA). Used under the CC BY 4.0 license. O*NET® is a "
    "trademark of USDOL/ETA. We have modified some of this information; USDOL/ETA has not approved, "
    "endorsed, or tested these modifications."
)


def attribution(release: str | None) -> str:
    """Return whose titles these are, in the words that their licence asks for.

    Args:
        release: An O*NET version such as "28.1", "starter", "own texts", or anything else for data of unknown origin.

    >>> attribution("28.1")[:62]
    'This product includes information from the O*NET 28.1 Database'
    """
    if release == chosen.OWN_TEXTS:
        return "The texts are the project's own and keep the terms of their source."
    if release == "starter":
        return "The titles are the project's own starter titles, written to try it out; they are no O*NET data."
    if release and _RELEASE.fullmatch(release):
        return _ATTRIBUTION.format(release=f"{release} ")
    return f"The release of the data is not known. If it is O*NET's: {_ATTRIBUTION.format(release='')}"


def _share(value: float | None) -> str:
    """Return a share to three digits, as people compare it; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _change(value: float | None) -> str:
    """Return a difference of shares with its sign; a dash where there is none."""
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _cell(text: object) -> str:
    """Return text that stays inside its Markdown table cell and is nothing but text there."""
    plain = " ".join(str(text).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", plain)


def _sentence(text: str) -> str:
    """Return the text with a capital at its beginning, the rest as it is."""
    return text[:1].upper() + text[1:]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "percent": _percent, "count": _count, "change": _change}
    environment.filters |= {"cell": _cell, "sentence": _sentence}
    environment.globals["named"] = charts.named
    environment.globals["short_name"] = charts.short_name
    environment.globals["short_code"] = soc.short
    return environment


def _view(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that the templates read: the evaluation's parts by name, and what is worked out from them."""
    absent = [part for part in _NEEDED if part not in evaluation]
    if absent:
        raise DataError("the evaluation", f"no {absent[0]!r}", "what `evaluate` returns", "evaluate again")
    parts = {part: evaluation[part] for part in _NEEDED}
    parts |= {part: evaluation.get(part) or {} for part in _OPTIONAL}
    dataset = parts["dataset"]
    intervals = parts["classification_metrics"]["intervals"]
    return parts | {
        "figures": [(key, name, said(meaning)) for key, name, meaning in _FIGURES],
        "scale": charts.scale([entry["low"] for entry in intervals.values()]),
        "unit": charts.Scale(0.0),
        "heatmap": charts.heatmap(parts["confusion"]),
        "depth": charts.depth,
        "diagram": charts.reliability_diagram(parts["calibration"]["bins"]),
        "source": _source(dataset.get("release")),
        "contest": side_by_side.view(parts["champion"]),
        "unseen": side_by_side.unseen(parts["champion"]),
        "most": _ROWS,
        "words": _words(),
        "own": side_by_side.reviewed(parts["reviewed"]),
        "attribution": attribution(dataset.get("release")),
        "sure": _sure(parts["calibration"]["thresholds"]),
        "least": _LEAST,
        "weakest": _weakest(parts["per_class"]),
    }


def _words() -> dict[str, Any]:
    """Return what the texts and the groups of the classification in use are called."""
    used = chosen.now()
    if used.is_soc:
        return {"is_soc": True, "text": "job title", "group": "major group", "of": "SOC major groups", "is_deep": True}
    group = used.labels[0] if used.labels[0] == "label" else "group"
    text = "text" if used.is_plain else "job title"
    is_deep = len(used.levels) > 1
    return {"is_soc": False, "text": text, "group": group, "of": f"{group}s of {used.name}", "is_deep": is_deep}


def _source(release: str | None) -> str:
    if release == "starter":
        return "the starter titles"
    if release == chosen.OWN_TEXTS:
        return "the project's own texts"
    return f"O*NET {release}" if release and _RELEASE.fullmatch(release) else "data of unknown release"


def _weakest(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the five groups with the lowest F1, of those with enough rows, worst first."""
    return sorted((each for each in groups if each["support"] >= _LEAST), key=lambda each: each["f1"])[:5]


def _sure(thresholds: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the lowest threshold from which on 95 of 100 accepted answers are right; None if there is none."""
    return next((entry for entry in thresholds if entry["rows"] and entry["accuracy"] >= 0.95), None)


def render(evaluation: Mapping[str, Any]) -> str:
    """Return the evaluation as one HTML page that loads nothing else.

    Args:
        evaluation: What `evaluate` returns, and as far as they are there: `dataset` (`release`,
            `how`, `seed`,
            `rows` by split, `digest`), `model` (any plain facts), `behaviour`, `champion`, `reviewed`,
            `gate`, `decision`.

    Raises:
        DataError: A part that `evaluate` makes is not there.
    """
    return _environment().get_template("report.html.j2").render(_view(evaluation))


def card(evaluation: Mapping[str, Any]) -> str:
    """Return the model card in Markdown: the model's purpose, its data, its figures and its limits.

    Takes and raises what `render` does. Source of the form: Mitchell, M. et al. (2019), Model Cards for Model
    Reporting, FAT*, 220-229.
    """
    return _environment().get_template("card.md.j2").render(_view(evaluation))
