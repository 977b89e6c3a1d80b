"""Run a hyperparameter search: trainings one after the other with drawn values, and select the best of them.

Values are drawn from a seed (RandomSeed, or 0), so that the same definition tries the same values. The strategy
Bayesian draws as Random does, because the service's search model is not public; the scale `Auto` is linear. As on the
service, the hyperparameters of a training include `_tuning_objective_metric`.
Source: AWS, SageMaker API Reference, HyperParameterTuningJobConfig.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.errors import StepFailed
from sagelocal.jobs import container, contracts
from sagelocal.jobs.contracts import ARN, Job
from sagelocal.storage import transfer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sagelocal.jobs.container import JobContext, Result
    from sagelocal.storage.manifest import FileRecord

    Published = Mapping[str, Mapping[str, FileRecord]]

_ADDRESSES: Final = ("InputDataConfig", "OutputDataConfig", "CheckpointConfig", "RoleArn")


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of a search: the values tried, and the last value of the objective, None if there is none."""

    name: str
    tried: Mapping[str, str]
    value: float | None = None
    failure: str | None = None


def job(arguments: Mapping[str, Any], name: str) -> Job:
    """Return the job of a Tuning step's resolved Arguments, with the inputs of every training."""
    definition = arguments["TrainingJobDefinition"]
    one = contracts.training(_training(definition, {}), name)
    channels = [
        {key: value for key, value in item.items() if key != "DataSource"}
        for item in definition.get("InputDataConfig", ())
    ]
    key_arguments = {
        "config": arguments["HyperParameterTuningJobConfig"],
        "training": {key: value for key, value in definition.items() if key not in _ADDRESSES},
        "channels": channels,
    }
    return dataclasses.replace(
        one, kind="Tuning", arguments=arguments, outputs=(), checkpoints=None, key_arguments=key_arguments
    )


def draws(config: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the values of each training: endlessly for a random search, every combination for a grid."""
    ranges = config.get("ParameterRanges", {})
    words = {item["Name"]: item["Values"] for item in ranges.get("CategoricalParameterRanges", ())}
    if config["Strategy"] == "Grid":
        yield from (dict(zip(words, values, strict=True)) for values in itertools.product(*words.values()))
        return
    rng = random.Random(config.get("RandomSeed", 0))  # noqa: S311 - to be repeated, not to be secret
    while True:
        numbers = {item["Name"]: str(_real(item, rng)) for item in ranges.get("ContinuousParameterRanges", ())}
        wholes = {item["Name"]: str(_whole(item, rng)) for item in ranges.get("IntegerParameterRanges", ())}
        yield {**numbers, **wholes, **{name: rng.choice(values) for name, values in words.items()}}


def _real(item: Mapping[str, Any], rng: random.Random) -> float:
    low, high, scale = float(item["MinValue"]), float(item["MaxValue"]), item.get("ScalingType", "Auto")
    if scale == "Logarithmic":
        found = math.exp(rng.uniform(math.log(low), math.log(high)))
    elif scale == "ReverseLogarithmic":
        found = 1 - math.exp(rng.uniform(math.log(1 - high), math.log(1 - low)))
    else:
        found = rng.uniform(low, high)
    return min(max(found, low), high)


def _whole(item: Mapping[str, Any], rng: random.Random) -> int:
    low, high = int(item["MinValue"]), int(item["MaxValue"])
    if item.get("ScalingType") == "Logarithmic":
        return min(max(round(math.exp(rng.uniform(math.log(low), math.log(high)))), low), high)
    return rng.randint(low, high)


def run(job: Job, context: JobContext, contents: Mapping[str, Mapping[str, FileRecord]]) -> Result:
    """Run the trainings, and return what they published and the best value.

    Args:
        job: What to run.
        context: Where to run it; each training has a log beside `context.log`.
        contents: The objects of every input, by the input's name, as they were when the cache was asked.

    Raises:
        StepFailed: No training succeeded with a value of the objective.
    """
    search, done, outputs = _Search(job, context, contents), list[Trial](), dict[str, "Mapping[str, FileRecord]"]()
    began = time.monotonic()
    for number, tried in enumerate(itertools.islice(draws(search.config), search.most), start=1):
        if done and time.monotonic() - began > search.max_runtime_s:
            break
        trial, published = search.one(number, tried)
        done.append(trial)
        outputs |= published
        search.note(trial)
        if search.reaches_target(trial):
            break
    best = search.ranked(done)
    if not best or best[0].value is None:
        first = next((trial.failure for trial in done if trial.failure), f"no value of {search.metric!r} in any log")
        raise StepFailed(
            context.step, f"none of {len(done)} trainings gave the objective; the first: {first}", context.log
        )
    return container.Result(outputs, {search.metric: best[0].value}, told=search.summary(best))


@dataclass(frozen=True, slots=True)
class _Search:
    job: Job
    context: JobContext
    contents: Mapping[str, Mapping[str, FileRecord]]

    @property
    def config(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.job.arguments["HyperParameterTuningJobConfig"]
        return found

    @property
    def most(self) -> int | None:
        found: int | None = self.config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
        return found

    @property
    def max_runtime_s(self) -> float:
        return float(self.config["ResourceLimits"].get("MaxRuntimeInSeconds", math.inf))

    @property
    def metric(self) -> str:
        return str(objective(self.job.arguments)["MetricName"])

    @property
    def sign(self) -> int:
        return 1 if objective(self.job.arguments)["Type"] == "Maximize" else -1

    def one(self, number: int, tried: Mapping[str, str]) -> tuple[Trial, Mapping[str, Mapping[str, FileRecord]]]:
        mark = hashlib.sha256(f"{self.job.name} {number}".encode()).hexdigest()[:8]
        name = f"{self.job.name[:48].rstrip('-')}-{number:03d}-{mark}"
        arguments = _training(self.job.arguments["TrainingJobDefinition"], {**tried, contracts.OBJECTIVE: self.metric})
        training = contracts.training(arguments, name)
        if training.checkpoints:
            own = dataclasses.replace(training.checkpoints, uri=f"{training.checkpoints.uri.rstrip('/')}/{name}")
            training = dataclasses.replace(training, checkpoints=own)
        folder, log = self.context.folder / name, self.context.log.with_name(f"{name}.txt")
        try:
            result = container.run(training, dataclasses.replace(self.context, folder=folder, log=log), self.contents)
        except StepFailed as error:
            if self.context.stop.is_requested:
                raise
            return Trial(name, tried, failure=error.reason), {}
        finally:
            transfer.remove(folder)
        return Trial(name, tried, result.metrics.get(self.metric)), result.outputs

    def note(self, trial: Trial) -> None:
        """Append a line on a training to the step's log."""
        told = f"{self.metric}={trial.value}" if trial.failure is None else f"failed: {trial.failure}"
        with self.context.log.open("a", encoding="utf-8") as log:
            log.write(f"{trial.name} {dict(trial.tried)} {told}\n")

    def reaches_target(self, trial: Trial) -> bool:
        target = self.config.get("TuningJobCompletionCriteria", {}).get("TargetObjectiveMetricValue")
        return target is not None and trial.value is not None and self.sign * trial.value >= self.sign * target

    def ranked(self, done: list[Trial]) -> list[Trial]:
        """Return the trials, best first; those without a value come last, ties keep their order."""
        return sorted(done, key=lambda trial: -self.sign * trial.value if trial.value is not None else math.inf)

    def summary(self, ranked: list[Trial]) -> dict[str, Any]:
        told = [self._told(trial) for trial in ranked]
        failed = sum(trial.failure is not None for trial in ranked)
        valued = sum(trial.value is not None for trial in ranked)
        return {
            "BestTrainingJob": told[0],
            "TrainingJobSummaries": told,
            "TrainingJobStatusCounters": {
                **dict.fromkeys(("InProgress", "RetryableError", "Stopped"), 0),
                "Completed": len(ranked) - failed,
                "NonRetryableError": failed,
            },
            "ObjectiveStatusCounters": {"Succeeded": valued, "Pending": 0, "Failed": len(ranked) - valued},
        }

    def _told(self, trial: Trial) -> dict[str, Any]:
        value = {"Type": objective(self.job.arguments)["Type"], "MetricName": self.metric, "Value": trial.value}
        return {
            "TrainingJobName": trial.name,
            "TrainingJobArn": f"{ARN}:training-job/{trial.name}",
            "TrainingJobStatus": "Failed" if trial.failure else "Completed",
            "TunedHyperParameters": dict(trial.tried),
            "ObjectiveStatus": "Failed" if trial.value is None else "Succeeded",
            **({"FailureReason": trial.failure} if trial.failure else {}),
            **({"FinalHyperParameterTuningJobObjectiveMetric": value} if trial.value is not None else {}),
        }


def objective(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the objective: `Type` and `MetricName`."""
    found: Mapping[str, Any] = arguments["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    return found


def describe(done: Job, told: Mapping[str, Any], times: tuple[str, str]) -> dict[str, Any]:
    """Return what DescribeHyperParameterTuningJob would give; `told` is the result's, `times` are ISO 8601."""
    return {
        **done.arguments,
        **told,
        "HyperParameterTuningJobName": done.name,
        "HyperParameterTuningJobArn": f"{ARN}:hyper-parameter-tuning-job/{done.name}",
        "HyperParameterTuningJobStatus": "Completed",
        "CreationTime": times[0],
        "HyperParameterTuningEndTime": times[1],
    }


def resourced(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition with a ResourceConfig, made from a HyperParameterTuningResourceConfig if it has one."""
    own = definition.get("HyperParameterTuningResourceConfig")
    if "ResourceConfig" in definition or not isinstance(own, dict):
        return dict(definition)
    return {**definition, "ResourceConfig": {**own, **next(iter(own.get("InstanceConfigs", ())), {})}}


def _training(definition: Mapping[str, Any], tried: Mapping[str, str]) -> dict[str, Any]:
    """Return the Arguments of one training."""
    return {**resourced(definition), "HyperParameters": {**definition.get("StaticHyperParameters", {}), **tried}}
