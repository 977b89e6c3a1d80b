"""Run the pipeline again where a trigger says so, with the labels of the queue as reviewed titles, one at a time."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.data import source as sources
from jobmajor.home import Workspace
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.pipeline import run
from jobmajor.registry.loading import open_registry
from jobmajor.retrain import triggers
from jobmajor.review import choices
from jobmajor.review.queue import Queue
from sagelocal.storage import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobmajor.pipeline.run import Options, Outcome
    from jobmajor.retrain.triggers import Situation, Triggers


@dataclass(frozen=True, slots=True)
class Retrained:
    """What was done.

    Attributes:
        reasons: Why the pipeline should run again; nothing if there is no reason.
        situation: What the triggers were compared with.
        outcome: Of the run; None where there was none.
    """

    reasons: list[str]
    situation: Situation
    outcome: Outcome | None = None


def look(home: Path, options: Options, wanted: Triggers, *, queue: Queue | None = None) -> Retrained:
    """Return whether the pipeline should run again, and run nothing.

    Args:
        home: The workspace.
        options: Of the run.
        wanted: When to run.
        queue: The queue; None is that of the workspace.

    Raises:
        InputError: The data or the check's file can't be used.
    """
    verdict = triggers.verdict(wanted.drift)  # first, as opening the registry takes seconds
    named = options.data or options.settings.data.path
    source = sources.resolve(options.release, home, data=named, fetch=options.fetch)
    found = triggers.situation(open_registry(home).champion(), source.folder, queue or _own(home), verdict)
    return Retrained(triggers.due(wanted, found), found)


def retrain(
    home: Path,
    options: Options,
    wanted: Triggers,
    *,
    queue: Queue | None = None,
    tell: Callable[[list[str]], None] | None = None,
) -> Retrained:
    """Run the pipeline if a trigger says so; the labels of the queue are the reviewed titles.

    The version's lineage says why, as `retrain`, with the latest decision that it could learn from.

    Args:
        home: The workspace.
        options: Of the run; `reviewed` and `why` are set here.
        wanted: When to run.
        queue: The queue; None is that of the workspace.
        tell: Called with the reasons before the run.

    Raises:
        Busy: Another process retrains here. InputError: As `look`.
    """
    with _alone(home):
        found = look(home, options, wanted, queue=queue)
        if not found.reasons:
            return found
        if tell:
            tell(found.reasons)
        why = {"reasons": found.reasons, "labels": found.situation.labels, "decision": found.situation.decision}
        codes = {text: code for text, code in (queue or _own(home)).labels().items() if code != NOT_A_JOB}
        with tempfile.TemporaryDirectory() as name:
            reviewed = Path(name) / "labels.csv" if codes else None
            if reviewed:
                choices.write_labels(reviewed, codes)
            outcome = run.run(home, replace(options, reviewed=reviewed, why=why))
        return replace(found, outcome=outcome)


def _own(home: Path) -> Queue:
    return Queue(Workspace(home).reviews)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with lock.take(Workspace(home).retrain_lock, busy=home):
        yield
