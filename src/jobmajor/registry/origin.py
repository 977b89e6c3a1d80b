"""Where a model comes from: from its version back to files, rows, labels, settings, code, run, figures and decision.

`of_model` collects what is recorded, and `told` says it in lines for people, on the command line and on the page alike.
What was not recorded is left out: earlier versions of jobmajor wrote less.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobmajor.registry.versions import outcome
from jobmajor.soc.chosen import OWN_TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobmajor.registry.versions import Event, Version
    from sagelocal.storage.manifest import Manifest

_SHORT: Final = 12  # digits of a digest that people compare
_SPLITS: Final = ("train", "validation", "test")
_FIGURES: Final = {"test_f1": "F1", "test_accuracy": "accuracy", "test_f1_macro": "macro F1", "test_top_3": "top 3"}
_LABELS: Final = {
    "trained": "in training",
    "tested": "in a test of their own",
    "withheld": "withheld, as a test has their words",
    "coarse": "too coarse for training",
    "strange": "of codes without a title",
}
_VERBS: Final = {"promote": "promoted", "rollback": "rolled back to", "found": "found as champion"}


def of_model(made: Manifest, version: Version | None = None, events: Iterable[Event] = ()) -> dict[str, Any]:
    """Return what is recorded of a model's origin, as JSON has it.

    Args:
        made: The manifest of its files; an empty one where they were pruned.
        version: Its version; None for a model that is in no registry.
        events: The changes of the champion.
    """
    lineage = _mapping(version.lineage) if version else {}
    data = _mapping(lineage.get("data")) or {**made.source, "rows": dict(made.rows)}
    found: dict[str, Any] = {
        "digest": version.digest if version else made.digest,
        "data": {name: data.get(name) for name in ("release", "edition", "how", "digest") if data.get(name)},
        "files": _mapping(_mapping(lineage.get("files")).get("data")),
        "rows": _mapping(data.get("rows")),
        "labels": {**_mapping(data.get("reviewed")), "files": _mapping(_mapping(lineage.get("files")).get("reviewed"))},
        "settings": _mapping(lineage.get("settings")) or dict(made.settings),
        "code": {**_mapping(lineage.get("code")), "version": lineage.get("code_version") or made.code_version},
    }
    if version is None:
        return found
    run = {"id": lineage.get("execution_id"), "definition": lineage.get("definition_digest")}
    return {
        "version": version.number,
        "status": version.status,
        "aliases": list(version.aliases),
        "created": version.created,
        **found,
        "run": {**run, "retrain": _mapping(lineage.get("retrain"))},
        "evaluation": {"metrics": dict(version.metrics), "judged": version.judged},
        "decision": {"outcome": version.outcome, **_mapping(version.decision)} if version.decision else {},
        "approvals": [_event(event) for event in events if event.number == version.number],
    }


def told(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return an origin in lines: what each is about, and what there is to say; several lines may be about one thing."""
    lines = [*_model(found), *_data(found), *_labels(found["labels"])]
    lines += [("settings", ", ".join(f"{name} {value}" for name, value in sorted(found["settings"].items())))]
    lines += [("code", _code(found["code"])), *_run(_mapping(found.get("run")))]
    lines += [
        *_figures(_mapping(found.get("evaluation")), found["digest"]),
        *_decision(_mapping(found.get("decision"))),
    ]
    if "approvals" in found:
        lines += [("champion", _approval(each)) for each in found["approvals"]] or [("champion", "never")]
    return [(name, text) for name, text in lines if text]


def _event(event: Event) -> dict[str, Any]:
    return {"at": event.at, "verb": event.verb, "by": event.by, "reason": event.reason}


def _model(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "version" not in found:
        return [("model", f"{found['digest'][:_SHORT]}, in no registry")]
    aliases = "".join(f", {alias}" for alias in found["aliases"])
    return [
        ("version", f"{found['version']}{aliases}, {found['status']}, made {_time(found['created'])}"),
        ("model", found["digest"][:_SHORT]),
    ]


def _data(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    data = found["data"]
    release = str(data.get("release", ""))
    name = f"O*NET {release}" if release[:1].isdigit() else release
    name += " titles" if name and name == release != OWN_TEXTS else ""
    digest = f"digest {str(data['digest'])[:_SHORT]}" if data.get("digest") else ""
    lines = [("titles", ", ".join(part for part in (name, str(data.get("edition", "")), digest) if part))]
    lines += [("file", _file(name, about)) for name, about in sorted(found["files"].items())]
    order = {split: place for place, split in enumerate(_SPLITS)}
    counts = sorted(found["rows"].items(), key=lambda each: order.get(each[0], len(order)))
    rows = [f"{split} {count:,}" for split, count in counts if isinstance(count, int)]
    return [*lines, ("rows", ", ".join(rows))]


def _file(name: str, about: Any) -> str:
    size, digest = _mapping(about).get("size_bytes"), str(_mapping(about).get("sha256", ""))
    return ", ".join(
        [
            name,
            *([f"{size:,} bytes"] if isinstance(size, int) else []),
            *([f"sha256 {digest[:_SHORT]}"] if digest else []),
        ]
    )


def _labels(labels: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = {name: labels[name] for name in _LABELS if isinstance(labels.get(name), int)}
    counts = [f"{count:,} {_LABELS[name]}" for name, count in known.items() if count or name == "trained"]
    files = [("file", _file(name, about)) for name, about in sorted(labels["files"].items())]
    if not counts:
        return [("labels", "no reviewed titles")]
    return [("labels", f"reviewed titles: {', '.join(counts)}"), *files]


def _code(code: Mapping[str, Any]) -> str:
    words = {"jobmajor": code.get("jobmajor"), "commit": str(code.get("commit") or "")[:_SHORT]}
    words["sources"] = str(code.get("version") or "")[:_SHORT]
    return ", ".join(f"{name} {value}" for name, value in words.items() if value)


def _run(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts = [str(run["id"])] if run.get("id") else []
    parts += [f"definition {str(run['definition'])[:_SHORT]}"] if run.get("definition") else []
    reasons = _mapping(run.get("retrain")).get("reasons")
    return [("run", ", ".join(parts)), ("because", "; ".join(map(str, reasons)) if isinstance(reasons, list) else "")]


def _figures(evaluation: Mapping[str, Any], digest: str) -> list[tuple[str, str]]:
    metrics = _mapping(evaluation.get("metrics"))
    figures = [f"{text} {metrics[name]:.4f}" for name, text in _FIGURES.items() if name in metrics]
    judged = str(evaluation.get("judged") or digest)
    if figures and judged != digest:
        figures.append(f"of the model {judged[:_SHORT]}, which then learned from all rows")
    return [("evaluation", ", ".join(figures))]


def _decision(decision: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not decision:
        return []
    checks = decision.get("checks")
    listed: Sequence[Any] = checks if isinstance(checks, list) else ()
    passed = sum(_mapping(check).get("passed") is True for check in listed)
    reasons = decision.get("reasons")
    return [
        ("decision", f"{outcome(decision)}, {passed} of {len(listed)} checks passed"),
        *(("reason", str(each)) for each in (reasons if isinstance(reasons, list) else ())),
    ]


def _approval(event: Mapping[str, Any]) -> str:
    by = f" by {event['by']}" if event["by"] else ""
    why = f": {event['reason']}" if event["reason"] else ""
    return f"{_VERBS.get(event['verb'], event['verb'])} {_time(event['at'])}{by}{why}"


def _time(text: str) -> str:
    """Return a time of ISO 8601 as people read it.

    >>> _time("2026-11-30T06:22:32.726+00:00")
    '2026-11-30 06:22 UTC'
    """
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text


def _mapping(value: Any) -> dict[str, Any]:
    """Return a mapping, empty for anything else: anyone can change a record in MLflow's pages."""
    return dict(value) if isinstance(value, Mapping) else {}
