"""Run the pipeline on this machine: fetch data, execute the definition, register a version and promote it.

The pipeline itself is in `definition`. This module puts the data where the definition reads it, chooses the model to
compare with, and registers the version at the end.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jobmajor import arguments
from jobmajor.data import folder as folders
from jobmajor.data import labelled
from jobmajor.data import source as sources
from jobmajor.data.labelled import TitleFile
from jobmajor.errors import InputError, MissingExtra, SettingError
from jobmajor.evaluation.checks import PROMOTE, REFUSE
from jobmajor.home import Workspace
from jobmajor.lineage import command_version, pipeline_version
from jobmajor.model import transformer
from jobmajor.model.transformer import checkpoint_files
from jobmajor.pipeline import definition as pipeline
from jobmajor.pipeline import inputs, requests
from jobmajor.pipeline.registration import Registration
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import Approval
from jobmajor.settings import Settings
from sagelocal import extras
from sagelocal.definition import parse as definitions
from sagelocal.jobs import environment
from sagelocal.run import executor
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jobmajor.data.source import TitleSource
    from jobmajor.pipeline.tune import Result, SearchOptions
    from jobmajor.registry.versions import Version
    from sagelocal.definition.steps import Definition
    from sagelocal.run.executor import Execution, StepRecord

_log = logging.getLogger(__name__)
_MAX_EVALUATION_BYTES = 64 * 2**20
# Parameters that a run computes, and from what. If you could set them, the lineage might name data that was not used.
_COMPUTED_PARAMETERS = {
    "InputDataUrl": "--release or --data",
    "ReviewedDataUrl": "--reviewed",
    "ChampionModelUrl": "the workspace's champion",
    "CheckpointUrl": "the setting transformer.checkpoint",
}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run; None for a threshold takes the default for the data.

    `reviewed` are titles of your own to learn from; `own_test` are others, on which the candidate has to stand its
    ground against the champion. `why` says in the version's lineage, as `retrain`, why the run was started.
    """

    release: str = sources.AUTO
    data: Path | Sequence[Path] | None = None
    reviewed: Path | None = None
    own_test: Path | None = None
    threshold: float | None = None
    promote: bool = True
    why: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    fetch: sources.FetchOptions | None = None
    on_source: Callable[[TitleSource], None] | None = None
    on_event: Callable[[StepRecord], None] | None = None

    def __post_init__(self) -> None:
        arguments.check(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    `version` is the registered one, None where the gate refused or a step failed; `champion` is the workspace's
    champion after the run; `evaluation`, and `report`, its page for people, are None where the run did not get so far.
    """

    execution: Execution
    source: TitleSource
    threshold: float
    evaluation: Mapping[str, Any] | None
    version: Version | None
    champion: Version | None
    report: Path | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether the run made a version that the gate passed, or left to a person."""
        return self.execution.status == "Succeeded" and self.version is not None and self.version.outcome != REFUSE


def run(home: Path, options: Options | None = None) -> Outcome:
    """Run the pipeline in the workspace `home` to its end.

    Raises:
        InputError: The data, a setting or a parameter can't be used; nothing was run. Busy: Another run holds the
        workspace. PipelineError: The workspace can't be written.
    """
    options, home = Options() if options is None else options, arguments.path("home", home)
    arguments.instance("options", options, Options)
    _check(options)
    source = _source(home, options)
    settings = options.settings
    checkpoint = checkpoint_files.files(settings.transformer.checkpoint) if requests.is_transformer(settings) else []
    with executor.hold(home) as lock:  # from before the data is brought and the champion is chosen to its end
        return _run(home, options, (source, checkpoint), lock)


def tune(home: Path, output: Path, options: Options, search: SearchOptions) -> Result:
    """Search for better settings of the linear recipe on the data that a run would read; write them to `output`.

    Args:
        home: The workspace; an interrupted search continues in it.
        output: A new file, a part of `jobmajor.toml`.
        options: The data, and the settings that the search starts with; the options that only a run needs are ignored.
        search: The options of the search.

    Raises:
        InputError: The data or a setting can't be used, or the file is there; nothing was tried.
        MissingExtra: Optuna isn't installed. Busy: Another search holds the workspace.
    """
    from jobmajor.data import onet, prepare  # noqa: PLC0415 - heavy
    from jobmajor.pipeline import tune  # noqa: PLC0415 - heavy, and no run needs it

    if options.settings.train.recipe != "linear":
        raise SettingError("train.recipe", options.settings.train.recipe, "linear: it is what a search is for")
    wanted = replace(search, settings=options.settings.linear)
    tune.check(wanted)
    tune.check_output(output)
    source = _source(home, options)
    parts = prepare.prepare(onet.read_source(source), options.settings.split)
    found = tune.run(home, parts["train"], parts["validation"], wanted)
    tune.write(output, found)
    return found


def _source(home: Path, options: Options) -> TitleSource:
    source = sources.resolve(
        options.release, home, data=options.data or options.settings.data.path, fetch=options.fetch
    )
    if options.on_source:
        options.on_source(source)
    return source


def _run(home: Path, options: Options, found: tuple[TitleSource, list[Path]], lock: int) -> Outcome:
    source, checkpoint = found
    store = FolderStore(Workspace(home.absolute()).buckets)
    parameters = {
        "InputDataUrl": inputs.data(source, store, options.settings),
        "ReviewedDataUrl": inputs.reviewed(options.reviewed, store, options.settings),
        "TestScoreThreshold": _threshold(options, source),
        **options.parameters,
    }
    if checkpoint:
        parameters["CheckpointUrl"] = inputs.checkpoint(checkpoint, store, options.settings)
    definition, registry = definitions.parse(pipeline.to_bytes(options.settings)), open_registry(home)
    key = _run_key(definition, parameters, options.settings)
    parameters["ChampionModelUrl"] = inputs.champion(registry, key, store, options.settings)
    why = {"retrain": dict(options.why)} if options.why else {}
    origin = {"run_key": key, "source": {"release": source.release, "how": source.how}, **why}
    own = TitleFile(options.own_test) if options.own_test else None
    handler = Registration(registry, origin, home, own)
    execution = executor.run(definition, home, replace(_executor_options(options, parameters, handler), lock=lock))
    version = handler.version(execution)
    waiting = registry.candidate()  # leaves out former champions: a run does not undo a rollback
    is_accepted = version is not None and version.outcome == PROMOTE
    if version and is_accepted and options.promote and waiting and waiting.number == version.number:
        version = registry.promote(version.number, Approval("jobmajor run", "the gate passed it"))
    threshold: float = execution.parameters["TestScoreThreshold"]
    folder = _evaluation_uri(execution)
    evaluation = json.loads(store.read(f"{folder}/{pipeline.EVALUATION}", _MAX_EVALUATION_BYTES)) if folder else None
    page = store.path(f"{folder}/{pipeline.REPORT}") if folder else None
    return Outcome(execution, source, threshold, evaluation, version, registry.champion(), page)


def _check(options: Options) -> None:
    """Raise for options that can't be used, before anything is fetched or written."""
    extras.require("jobmajor run", "train", MissingExtra)
    if requests.is_transformer(options.settings):
        transformer.require('the setting train.recipe = "transformer"')
    if options.own_test:
        labelled.read(TitleFile(options.own_test))
    for name in _COMPUTED_PARAMETERS.keys() & options.parameters.keys():
        raise InputError(
            f"parameter {name!r} can't be given to a run, which sets it from {_COMPUTED_PARAMETERS[name]}: leave it out"
        )
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise SettingError("threshold", options.threshold, "a share from 0 to 1")
    values = definitions.bind(definitions.parse(pipeline.to_bytes(options.settings)).parameters, options.parameters)
    if not 0 <= values["TestScoreThreshold"] <= 1:
        raise SettingError("TestScoreThreshold", values["TestScoreThreshold"], "a share from 0 to 1")
    if options.threshold is not None and "TestScoreThreshold" in options.parameters:
        raise InputError("a threshold and the parameter 'TestScoreThreshold' were given: leave one of the two out")


def _threshold(options: Options, source: TitleSource) -> float:
    thresholds = options.settings.thresholds
    if options.threshold is not None:
        return options.threshold
    return {folders.STARTER: thresholds.starter, folders.OWN: thresholds.own}.get(source.release, thresholds.onet)


def _executor_options(options: Options, parameters: Mapping[str, Any], handler: Registration) -> executor.RunOptions:
    current = environment.current()
    recipe = options.settings.train.recipe
    ours = executor.Environment(
        current.prefix,
        pipeline_version(recipe),
        honours_root=True,
        digest_of_command=partial(command_version, recipe=recipe),
    )
    return executor.RunOptions(
        parameters=parameters,
        environment=ours,
        register=handler,
        pipeline_name=options.settings.names.pipeline,
        on_event=options.on_event,
    )


def _run_key(definition: Definition, parameters: Mapping[str, Any], settings: Settings) -> str:
    """Return a key that is equal for equal work; the threshold and the approval, decided at the end, don't count."""
    decided = ("TestScoreThreshold", "ModelApprovalStatus")
    bound = definitions.bind(definition.parameters, parameters)
    given = {name: value for name, value in bound.items() if name not in decided}
    text = json.dumps([definition.digest, pipeline_version(settings.train.recipe), given], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _evaluation_uri(execution: Execution) -> str | None:
    """Return where `evaluate-model` left its files, in this execution or in the one whose result was reused."""
    for record in execution.steps:
        if record.name == "evaluate-model" and record.status == "Succeeded":
            outputs = record.properties["ProcessingOutputConfig"]["Outputs"]
            uri: str = next(item["S3Output"]["S3Uri"] for item in outputs if item["OutputName"] == "evaluation")
            return uri
    return None
