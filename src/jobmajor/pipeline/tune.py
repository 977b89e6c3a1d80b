"""Search for better settings of the linear recipe, in trials that are judged on validation titles only.

`SPACE` is the search space, for a search on this machine and for a Tuning step on SageMaker. Trials with equal data,
space, other settings and code belong to one study. The workspace's `tune.db` stores the study, so that a later search
continues it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobmajor.errors import ArtifactError, InputError, MissingExtra
from jobmajor.evaluation import metrics
from jobmajor.evaluation.judged import all_classes, headline, judge
from jobmajor.home import Workspace
from jobmajor.lineage import code_version
from jobmajor.model import thresholds
from jobmajor.settings import Linear
from sagelocal.storage import lock, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import polars as pl

_DIGITS = 4  # significant digits of the values that are tried


@dataclass(frozen=True, slots=True)
class Range:
    """The range of a setting of `Linear`, both ends included; `log` searches it on a logarithmic scale."""

    name: str
    low: float
    high: float
    log: bool = False


# Around the defaults, by what an order of magnitude does to each.
SPACE = (
    Range("penalty", 0.1, 10.0, log=True),
    Range("word_gain", 0.5, 8.0, log=True),
    Range("smoothing", 0.003, 0.3, log=True),
    Range("widest", 20, 867, log=True),
    Range("hidden", 64, 512, log=True),
    Range("epochs", 4, 30, log=True),
    Range("rate", 0.0005, 0.02, log=True),
    Range("dropout", 0.0, 0.6),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were tried; `f1` is the weighted F1 of the major groups on validation, 0 to 1."""

    number: int
    settings: Linear
    f1: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A trial that has just finished, its duration, the best one so far, and how many of `wanted` are finished."""

    trial: Trial
    best: Trial
    finished: int
    wanted: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of a search.

    Attributes:
        trials: How many finished trials to end with, those of earlier runs included.
        seed: The seed of the sampler. A search that was killed and started again tries the same settings.
        settings: The first trial, so that the result is never worse. Settings outside the space keep these values.
        on_trial: Called after each trial.
    """

    trials: int = 30
    seed: int = 0
    settings: Linear = field(default_factory=Linear)
    on_trial: Callable[[Progress], None] | None = None


Options = SearchOptions  # its name in 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """The best of `finished` trials; `data` is the digest of the titles of training and validation."""

    best: Trial
    finished: int
    data: str


def run(home: Path, train: pl.DataFrame, validation: pl.DataFrame, options: SearchOptions | None = None) -> Result:
    """Search until the wanted number of trials is finished, and return the best one, the first of equal ones.

    Args:
        home: The workspace.
        train: Training titles, as `prepare` writes them.
        validation: Validation titles; trials are judged by its counted rows.
        options: The options of the search.

    Raises:
        MissingExtra: Optuna isn't installed. Busy: Another search holds the workspace.
        ArtifactError: `tune.db` is no database of trials.
    """
    options = options or SearchOptions()
    check(options)
    data = _digest(train, validation)
    with lock.take(Workspace(home).trials_lock, busy=home):
        study = _open(Workspace(home).trials, _name(data, options.settings), options)
        finished = _finished(study, options.settings)
        while len(finished) < options.trials:
            begun = time.monotonic()
            study.sampler = _sampler(options.seed + len(finished))
            asked = study.ask()
            settings = _settings(options.settings, {one.name: _suggest(asked, one) for one in SPACE})
            trial = Trial(asked.number, settings, score(train, validation, settings))
            study.tell(asked, trial.f1)
            finished.append(trial)
            if options.on_trial:
                seconds = time.monotonic() - begun
                options.on_trial(Progress(trial, _best(finished), len(finished), options.trials, seconds))
    return Result(_best(finished), len(finished), data)


def check(options: SearchOptions) -> None:
    """Raise what `run` raises, as far as it can be told before any data is read."""
    if options.trials < 1:
        raise InputError(f"{options.trials} trials were asked for: expected at least 1")
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtra("jobmajor tune", "tune")


def check_output(path: Path) -> None:
    """Raise InputError if the file is there already."""
    if path.exists():
        raise InputError(f"{path} is there already: name a new file, or put the [linear] section into it by hand")


def score(train: pl.DataFrame, validation: pl.DataFrame, settings: Linear) -> float:
    """Return the weighted F1, on validation's counted rows, of a model trained with these settings."""
    model = thresholds.fit(train, validation, settings)
    answers = model.predict_proba(validation["title"]), model.classes()
    judged = headline(judge(validation, answers, all_classes(validation, model.classes())))
    return float(metrics.weighted_f1(judged.matrix()))


def fragment(found: Result) -> str:
    """Return the best settings as a part of `jobmajor.toml`, with a line that says where they come from."""
    best = found.best
    origin = f"# jobmajor tune: trial {best.number}, the best of {found.finished}: weighted F1 {best.f1:.4f}"
    values = [f"{name} = {json.dumps(value)}" for name, value in asdict(best.settings).items()]
    return "\n".join([f"{origin} on validation, data {found.data[:12]}", "[linear]", *values, ""])


def write(path: Path, found: Result) -> None:
    """Write `fragment` to a new file.

    Raises:
        InputError: A file of that name is there; its other sections would be lost.
    """
    check_output(path)
    publish.write_file(path, fragment(found).encode())


def parameter_ranges() -> dict[str, list[dict[str, str]]]:
    """Return the search space as a Tuning step's `HyperParameterTuningJobConfig.ParameterRanges`.

    >>> parameter_ranges()["IntegerParameterRanges"][0]
    {'Name': 'widest', 'MinValue': '20', 'MaxValue': '867', 'ScalingType': 'Logarithmic'}
    """
    kinds: dict[str, list[dict[str, str]]] = {"ContinuousParameterRanges": [], "IntegerParameterRanges": []}
    for one in SPACE:
        limits = {"Name": one.name, "MinValue": str(one.low), "MaxValue": str(one.high)}
        scaling = {"ScalingType": "Logarithmic" if one.log else "Linear"}
        kinds["IntegerParameterRanges" if _is_whole(one) else "ContinuousParameterRanges"].append({**limits, **scaling})
    return {kind: ranges for kind, ranges in kinds.items() if ranges}


def _is_whole(one: Range) -> bool:
    return isinstance(getattr(Linear(), one.name), int)


def _suggest(asked: Any, one: Range) -> float:
    suggest = asked.suggest_int if _is_whole(one) else asked.suggest_float
    value: float = suggest(one.name, one.low, one.high, log=one.log)
    return value


def _settings(base: Linear, values: Mapping[str, float]) -> Linear:
    """Return the settings of a trial."""
    rounded = {
        name: value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}") for name, value in values.items()
    }
    return replace(base, **rounded)  # type: ignore[arg-type]  # a mapping of differently typed settings


def _best(trials: list[Trial]) -> Trial:
    return max(trials, key=lambda trial: trial.f1)


def _digest(train: pl.DataFrame, validation: pl.DataFrame) -> str:
    """Return the sha256 of the columns that the recipe reads of both tables, 64 hex digits."""
    total = hashlib.sha256()
    for table in (train, validation):
        for row in table.select("title", "text", "code", "source").iter_rows():
            total.update(json.dumps(row).encode())
        total.update(b"\n")
    return total.hexdigest()


def _name(data: str, base: Linear) -> str:
    """Return the name of a study; data, ranges, fixed settings and code that differ make another study."""
    tuned = {one.name for one in SPACE}
    fixed = {name: value for name, value in asdict(base).items() if name not in tuned}
    parts = {"data": data, "space": [asdict(one) for one in SPACE], "settings": fixed, "code": code_version(__name__)}
    return f"linear-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"


def _sampler(seed: int) -> Any:
    import optuna  # noqa: PLC0415 - an extra, and slow to load

    return optuna.samplers.TPESampler(seed=seed)


def _open(path: Path, name: str, options: SearchOptions) -> Any:
    """Open the study, mark trials of killed searches as failed, and queue the first trial if there is none."""
    import optuna  # noqa: PLC0415 - as above
    import sqlalchemy.exc  # noqa: PLC0415 - as above

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        # The path goes in as it is: in an address, a "?" or "#" in a folder's name would end it.
        address = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
        study = optuna.create_study(storage=address, study_name=name, direction="maximize", load_if_exists=True)
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        why = str(error).partition("\n")[0]
        raise ArtifactError(f"{path} is no database of trials ({why}): move it away to begin anew") from error
    for left in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(left.number, state=optuna.trial.TrialState.FAIL)
    if not study.get_trials(states=[optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.WAITING]):
        first = asdict(options.settings)
        study.enqueue_trial({one.name: min(max(first[one.name], one.low), one.high) for one in SPACE})
    return study


def _finished(study: Any, base: Linear) -> list[Trial]:
    import optuna  # noqa: PLC0415 - as above

    done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return [Trial(trial.number, _settings(base, trial.params), trial.value) for trial in done]
