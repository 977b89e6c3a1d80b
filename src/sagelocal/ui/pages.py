"""What each page shows, as values for its template. It reads only what runs leave in the workspace."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from sagelocal.definition import graph
from sagelocal.errors import ArtifactError, Error, InputError
from sagelocal.run import records
from sagelocal.show import drawing, watch
from sagelocal.show.drawing import Mark
from sagelocal.ui import comparison, files, logs, words
from sagelocal.ui.workspace import definition

if TYPE_CHECKING:
    from sagelocal.definition.steps import Definition
    from sagelocal.run.records import Execution, StepRecord
    from sagelocal.ui.workspace import Workspace

_A_PAGE: Final = 100  # runs
_OFTEN_MS, _SELDOM_MS, _NEVER = 1000, 3000, 0
_SHOWN: Final = 4  # outputs whose content is shown on the page of their step
_TEXT_BYTES, _PICTURE_BYTES = 16 * 2**10, 2**20  # of each
_MOST_OTHERS: Final = 200  # runs to compare with
Page = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StepRow:
    """A line of the table of steps; `last` is the reason of a failure or the last line of the log."""

    name: str
    type: str
    status: str
    took: str
    last: str
    details: tuple[str, ...] = ()


def runs(workspace: Workspace, page: int) -> Page:
    """Return the page with all runs, newest first; `page` counts from 1."""
    found, faults = workspace.every()
    first = max(0, page - 1) * _A_PAGE
    return {
        "title": "Runs",
        "every": _SELDOM_MS,
        "runs": found[first : first + _A_PAGE],
        "took": _took,
        "count": len(found),
        "page": max(1, page),
        "is_last": first + _A_PAGE >= len(found),
        "faults": faults,
    }


def run(workspace: Workspace, execution_id: str) -> Page:
    """Return the page of a run.

    Raises:
        InputError: There is no such run. ArtifactError: Its record can't be read.
    """
    execution = workspace.find(execution_id)
    planned = definition(execution)
    rows = _rows(execution, planned)
    return {
        "title": f"Run {execution.id} of {execution.pipeline_name}",
        "every": _every(execution),
        "run": execution,
        "took": _took(execution),
        "rows": rows,
        "picture": _picture(execution, planned, rows),
        "others": _others(workspace, execution),
    }


def _every(execution: Execution) -> int:
    return _OFTEN_MS if execution.status == records.EXECUTING else _NEVER


def _took(execution: Execution) -> str:
    return watch.duration(execution.started, execution.seconds, time.time(), runs=execution.status == records.EXECUTING)


def _others(workspace: Workspace, execution: Execution) -> list[Execution]:
    """Return the runs that this one can be compared with: those of the same pipeline first."""
    found = [other for other in workspace.every()[0] if other.id != execution.id][:_MOST_OTHERS]
    return sorted(found, key=lambda other: other.pipeline_name != execution.pipeline_name)


def _rows(execution: Execution, planned: Definition | None) -> list[StepRow]:
    """Return the steps that were reached, and those that the definition has besides."""
    reached = {record.name: record for record in execution.steps}
    rows = [
        StepRow(*row, details=_details(reached[row[0]]) if row[0] in reached else ())
        for row in watch.rows(execution, time.time())
    ]
    known = {row.name for row in rows}
    for step, _ in graph.flatten(planned.steps if planned else ()):
        if step.name not in known:
            is_left_out = bool(execution.selected) and step.name not in execution.selected
            rows.append(StepRow(step.name, step.type, "not selected" if is_left_out else "not reached", "", ""))
    return rows


def _details(record: StepRecord) -> tuple[str, ...]:
    """Return the evaluated conditions and the metrics, as texts."""
    conditions = (f"{item['text']}: {'yes' if item['passed'] else 'no'}" for item in record.conditions)
    return (*conditions, *(f"{name} {words.number(value)}" for name, value in record.metrics.items()))


def _picture(execution: Execution, planned: Definition | None, rows: list[StepRow]) -> Markup | None:
    if planned is None:
        return None
    marks = {
        row.name: Mark(
            row.status, f"is-{words.css_class(row.status)}", words.run_url(execution.id, "step", name=row.name)
        )
        for row in rows
    }
    with suppress(Error, RecursionError):
        # The drawing escapes every text in it.
        return Markup(drawing.svg(planned, f"Graph of {execution.pipeline_name}", marks))  # noqa: S704
    return None


def step(workspace: Workspace, execution_id: str, name: str) -> Page:
    """Return the page of a step.

    Raises:
        InputError: There is no such run or step. ArtifactError: The run's record can't be read.
    """
    execution = workspace.find(execution_id)
    planned = definition(execution)
    row = next((row for row in _rows(execution, planned) if row.name == name), None)
    if row is None:
        raise InputError(f"run {execution.id} has no step {name[:200]!r}: its page lists its steps")
    record = next((record for record in execution.steps if record.name == name), None)
    found = logs.find(execution.folder, name) if record else []
    return {
        "title": f"Step {name} of run {execution.id}",
        "every": _every(execution),
        "run": execution,
        "row": row,
        "record": record,
        "logs": found,
        "tail": _part(found[0]) if found else None,
        "origin": _origin(workspace, execution, record) if record and record.cached else None,
        **_declared(planned, name),
        **_outputs(workspace, execution, record),
    }


def _part(log: logs.Log) -> logs.Part | None:
    with suppress(OSError):
        return logs.read(log)
    return None


def _origin(workspace: Workspace, execution: Execution, record: StepRecord) -> Execution | None:
    """Return the run that made what a cached step took from the cache, if it is still there."""
    for other in workspace.every()[0]:
        for step in other.steps if other.started < execution.started else ():
            if step.name == record.name and not step.cached and step.properties == record.properties != {}:
                return other
    return None


def _declared(planned: Definition | None, name: str) -> Page:
    """Return what the definition says of a step: its arguments, and whether it looks into the cache."""
    for step, _ in graph.flatten(planned.steps if planned else ()):
        if step.name == name:
            arguments = step.arguments if step.type != "Condition" else {"Conditions": step.conditions}
            return {"declared": arguments, "keeps": step.cache is not None and step.cache.enabled}
    return {"declared": None, "keeps": False}


def _outputs(workspace: Workspace, execution: Execution, record: StepRecord | None) -> Page:
    """Return the outputs that are listed, how many there are, and the content of the first small ones."""
    try:
        found = files.recorded(workspace.home, execution, record) if record else []
    except ArtifactError as error:
        return {"outputs": [], "output_count": 0, "contents": [], "outputs_fault": str(error)}
    small = [output for output in found[: files.MOST] if 0 < output.record.size_bytes <= _most_shown(output)]
    contents = [(output, files.content(output)) for output in small[:_SHOWN] if output.state == files.THERE]
    return {
        "outputs": found[: files.MOST],
        "output_count": len(found),
        "contents": [(output, shown) for output, shown in contents if shown.kind],
        "outputs_fault": "",
    }


def _most_shown(output: files.Output) -> int:
    return _PICTURE_BYTES if output.name.lower().endswith(".png") else _TEXT_BYTES


def log(workspace: Workspace, place: tuple[str, str, str], before: int | None, after: int | None) -> Page:
    """Return the page of a log.

    Args:
        workspace: Where the run is.
        place: The run, the step and the log.
        before: Where the part that is shown ends, in bytes.
        after: Where it begins; with neither, it is the end of the log.

    Raises:
        InputError: There is no such run, step or log. ArtifactError: The run's record can't be read.
    """
    execution = workspace.find(place[0])
    found = logs.find(execution.folder, execution.step(place[1]).name)
    chosen = next((each for each in found if each.name == place[2]), None)
    if chosen is None:
        raise InputError(f"step {place[1]!r} has no log {place[2][:200]!r}: its page lists its logs")
    follows = before is None and after is None
    return {
        "title": f"{chosen.title} of step {place[1]}",
        "every": _every(execution) if follows else _NEVER,
        "run": execution,
        "step": place[1],
        "log": chosen,
        "part": logs.read(chosen, before=before, after=after),
    }


def output(workspace: Workspace, place: tuple[str, str], uri: str, name: str) -> Page:
    """Return the page of an output file; `place` are the run and the step.

    Raises:
        InputError: There is no such run, step or file. ArtifactError: A record can't be read.
    """
    execution = workspace.find(place[0])
    record = execution.step(place[1])
    chosen = files.find(files.recorded(workspace.home, execution, record), uri, name)
    return {
        "title": f"{chosen.name} of step {record.name}",
        "every": _NEVER,
        "run": execution,
        "step": record.name,
        "output": chosen,
        "content": files.content(chosen),
    }


def compare(workspace: Workspace, ids: list[str]) -> Page:
    """Return the page with two runs side by side.

    Raises:
        InputError: There are not two different ids, or no such run. ArtifactError: A record can't be read.
    """
    if len(set(ids)) != 2 or len(ids) != 2:
        raise InputError(f"found {len(set(ids))} runs to compare, expected two: tick two of the list")
    pair = workspace.find(ids[0]), workspace.find(ids[1])
    outputs = comparison.outputs(pair, workspace.home)
    return {
        "title": f"Runs {pair[0].id} and {pair[1].id}",
        "every": min(filter(None, map(_every, pair)), default=_NEVER),
        "pair": pair,
        "times": [_took(execution) for execution in pair],
        "changed_steps": comparison.definitions(pair),
        "parameters": comparison.parameters(pair),
        "steps": comparison.steps(pair),
        "metrics": comparison.metrics(pair),
        "outputs": [row for row in outputs if row.differs],
        "equal_count": sum(not row.differs for row in outputs),
        "most": files.MOST,
    }
