"""Render a check for people: one page without scripts, fonts or requests, so that you can mail and archive it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from jobmajor import soc
from jobmajor.monitor import check, compare, violations
from jobmajor.monitor.profile import TRAINING
from jobmajor.monitor.shape import is_group
from jobmajor.soc import chosen
from jobmajor.titles import said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.monitor.check import Finding
    from jobmajor.monitor.compare import Change

_STYLE = files("jobmajor.evaluation") / "report.css"
_TEMPLATE = files("jobmajor.monitor") / "drift.html.j2"
_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def render(finding: Finding) -> str:
    """Return a check as one HTML page that loads nothing else. It shows titles of the period."""
    environment = Environment(
        loader=FunctionLoader(lambda _: _TEMPLATE.read_text()),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["short_code"] = soc.short
    environment.filters |= {"percent": _percent, "points": _points, "chance": _chance}
    text = "text" if chosen.now().is_plain else "title"
    groups = [change for change in finding.changes if is_group(change.flag.name)]
    others = [change for change in finding.changes if not is_group(change.flag.name)]
    rows = sorted(groups, key=lambda change: change.flag.name)
    return environment.get_template("drift").render(
        style=_STYLE.read_text(),
        finding=finding,
        alarms=[_view(change, finding) for change in finding.alarms],
        scale=_widest(finding.changes),
        tables=[
            ("Codes", _widest(rows), [_view(change, finding) for change in rows]),
            (f"{text.capitalize()}s and answers", 1.0, [_view(change, finding) for change in others]),
        ],
        kind="training" if finding.reference.about["kind"] == TRAINING else "the reference",
        about=[violations.about(each) for each in (finding.reference, finding.found)],
        ticks=_ticks,
        text=text,
    )


def _view(change: Change, finding: Finding) -> dict[str, Any]:
    name = change.flag.name
    return {
        "code": name if is_group(name) else "",
        "name": soc.name(name) if is_group(name) else name,
        "meaning": said(change.flag.meaning),
        "kind": change.flag.kind,
        "reference": change.reference,
        "found": change.found,
        "difference": change.difference,
        "p": change.p,
        "alarm": change.is_alarm(finding.limits.alarms, finding.limits.least),
        "titles": check.titles_of(finding, name) if is_group(name) else [],
    }


def _widest(changes: Sequence[Change]) -> float:
    """Return the right end of an axis that holds all shares."""
    most = max((max(change.reference, change.found) for change in changes), default=0.0)
    return next((step for step in _STEPS if step >= most), 1.0)


def _ticks(most: float) -> list[float]:
    """Return four equal steps along an axis."""
    return [most * step / 4 for step in range(5)]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _chance(value: float) -> str:
    """Return a chance as people read it: 1 in so many."""
    if value >= 0.05:
        return f"{value:.2f}"
    return f"1 in {1 / value:,.0f}" if value > compare.LEAST_CHANCE else "under 1 in 5,000"
