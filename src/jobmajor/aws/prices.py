"""Estimate what requests would cost, from a dated price table.

A price that the table lacks is "unknown", never 0. Costs that depend on use, such as traffic, logs and the duration of
a job, are given per unit.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jobmajor.aws.api.request import Call
    from jobmajor.aws.price_table import Table

_BUILDER: Final = "BUILD_GENERAL1_SMALL"  # the stack's build project, whose type a start doesn't repeat
_GB: Final = 10**9
_MB_OF_GB: Final = 1024  # a serverless endpoint's memory
_PUTS: Final = {"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"}
_TYPE: Final = re.compile(r"""["']?Type["']?\s*:\s*["']?(AWS::\w+::\w+)""")
_RESOURCES: Final = {"AWS::KMS::Key": "kms/key", "AWS::CloudWatch::Alarm": "cloudwatch/alarm"}


@dataclass(frozen=True, slots=True)
class Cost:
    """One item of an estimate.

    Attributes:
        what: What is paid for, in words.
        usd: US dollars for one `per`, all units together; None if unknown.
        per: hour, month, GB month, …
        note: What the cost depends on, or "".
        most_usd: The upper end, for a cost that is a range from `usd` on; else None.
    """

    what: str
    usd: float | None
    per: str
    note: str = ""
    most_usd: float | None = None

    def line(self) -> str:
        """Return the item as one line of text."""
        ends = [f"{usd:,.7f}".rstrip("0").rstrip(".") for usd in (self.usd, self.most_usd) if usd is not None]
        figure = f"{' to '.join(ends)} USD" if self.usd is not None else "unknown"
        return f"{self.what}: {figure} per {self.per}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The costs of some requests, with the date, source and region of the prices."""

    costs: tuple[Cost, ...]
    as_of: str
    source: str
    region: str

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain data for JSON; unknown prices are "unknown"."""
        costs = [
            {name: value for name, value in asdict(cost).items() if name != "most_usd" or value is not None}
            | {"usd": "unknown" if cost.usd is None else cost.usd}
            for cost in self.costs
        ]
        return {"costs": costs, "as_of": self.as_of, "source": self.source, "region": self.region}

    def lines(self) -> Iterator[str]:
        """Yield the estimate as lines of text."""
        if not self.costs:
            yield "cost: nothing with a fixed price; storage, requests and logs are billed by use"
            return
        yield f"cost in {self.region}, prices of {self.as_of} (source: {self.source}):"
        for cost in self.costs:
            yield f"  {cost.line()}"


@dataclass(frozen=True, slots=True)
class _Estimator:
    """Estimates requests with one table and region; each kind of request has a method.

    `scaled` has the least and the most instances of each variant that scales.
    """

    table: Table
    region: str
    definition: Mapping[str, Any] | None
    scaled: Mapping[str, tuple[int, int]]

    def cost(self, what: str, words: str, count: float, per: str = "", note: str = "") -> Cost:
        price = self.table.find(self.region, what)
        unit = per or (price.per.rpartition(" ")[2] if price else "unit")
        return Cost(words, price.usd * count if price else None, unit, note)

    def instances(self, kind: str, count: Any, words: str, note: str = "") -> Cost:
        known = count if isinstance(count, int) else 1
        return self.cost(f"sagemaker/{kind}", f"{words} on {known} × {kind}", known, "hour", note)

    def endpoint_config(self, parameters: Mapping[str, Any]) -> Iterator[Cost]:
        for variant in (*parameters["ProductionVariants"], *parameters.get("ShadowProductionVariants", ())):
            words = f"endpoint variant {variant['VariantName']}"
            if "ServerlessConfig" in variant:
                gigabytes = variant["ServerlessConfig"]["MemorySizeInMB"] / _MB_OF_GB
                note = "while it answers; nothing while idle"
                yield self.cost(
                    "sagemaker/serverless", f"{words}, serverless with {gigabytes:g} GB", gigabytes, "second", note
                )
            elif "InstanceType" in variant:
                yield self.fleet(variant, words)

    def fleet(self, variant: Mapping[str, Any], words: str) -> Cost:
        """Return the cost of a variant's instances: a range where it scales."""
        kind, count = variant["InstanceType"], int(variant.get("InitialInstanceCount", 1))
        least, most = self.scaled.get(variant["VariantName"], (count, count))
        note = "as long as an endpoint uses it"
        if least == most:
            return self.instances(kind, least, words, note)
        hourly = self.table.hourly(self.region, kind)
        ends = (None, None) if hourly is None else (least * hourly, most * hourly)
        return Cost(
            f"{words} on {least} to {most} × {kind}", ends[0], "hour", f"{note}; it scales with its load", ends[1]
        )

    def processing(self, parameters: Mapping[str, Any], words: str = "processing job") -> Iterator[Cost]:
        cluster = parameters["ProcessingResources"]["ClusterConfig"]
        yield self._job(words, cluster, parameters.get("StoppingCondition", {}))

    def training(self, parameters: Mapping[str, Any], words: str = "training job") -> Iterator[Cost]:
        yield self._job(words, parameters["ResourceConfig"], parameters.get("StoppingCondition", {}))

    def tuning(self, parameters: Mapping[str, Any], words: str = "tuning job") -> Iterator[Cost]:
        most = parameters["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs", 1)
        yield from self.training(parameters["TrainingJobDefinition"], f"{words}, each of {most} trainings")

    def transform(self, parameters: Mapping[str, Any]) -> Iterator[Cost]:
        yield self._job("batch transform", parameters["TransformResources"], {})

    def _job(self, words: str, cluster: Mapping[str, Any], stopping: Mapping[str, Any]) -> Cost:
        limit_s = stopping.get("MaxRuntimeInSeconds")
        note = f"while it runs, {limit_s / 3600:g} h at most" if isinstance(limit_s, int | float) else "while it runs"
        return self.instances(cluster["InstanceType"], cluster.get("InstanceCount", 1), words, note)

    def pipeline(self, parameters: Mapping[str, Any]) -> Iterator[Cost]:
        """Yield the costs of each run, from the request's definition or else the one at hand."""
        text = parameters.get("PipelineDefinition")
        body = json.loads(text) if text else self.definition
        if body is None:
            yield Cost("a run of the pipeline", None, "run", "its definition isn't known")
            return
        values = {item["Name"]: item.get("DefaultValue") for item in body.get("Parameters", ())}
        values |= {item["Name"]: item["Value"] for item in parameters.get("PipelineParameters", ())}
        by_type = {"Processing": self.processing, "Training": self.training, "Tuning": self.tuning}
        for step in body.get("Steps", ()):
            if costs_of := by_type.get(step["Type"]):
                yield from costs_of(_bound(step["Arguments"], values), f"each run, step {step['Name']}")

    def stack(self, parameters: Mapping[str, Any]) -> Iterator[Cost]:
        template = parameters.get("TemplateBody")
        if template is None:
            yield Cost("the stack", None, "month", "its template isn't part of the request")
            return
        counts = Counter(_TYPE.findall(template))
        for kind, what in _RESOURCES.items():
            if counts[kind]:
                note = "at most: some depend on the stack's parameters"
                yield self.cost(what, f"{counts[kind]} × {kind}", counts[kind], "month", note)

    def alarm(self, parameters: Mapping[str, Any]) -> Iterator[Cost]:
        yield self.cost("cloudwatch/alarm", f"alarm {parameters['AlarmName']}", 1, "month")

    def build(self, parameters: Mapping[str, Any]) -> Iterator[Cost]:
        kind = parameters.get("environment", {}).get("computeType", _BUILDER)
        yield self.cost(f"codebuild/{kind}", f"builds on {kind}", 1, "minute", "while one runs")


def _bound(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a part of a definition with parameters replaced by their values; other expressions stay."""
    if isinstance(value, list):
        return [_bound(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    name = str(value["Get"]).removeprefix("Parameters.") if value.keys() == {"Get"} else ""
    return values[name] if name in values else {key: _bound(item, values) for key, item in value.items()}


_BY_OPERATION: Final[Mapping[str, Callable[[_Estimator, Mapping[str, Any]], Iterator[Cost]]]] = {
    "CreateEndpointConfig": _Estimator.endpoint_config,
    "CreateProcessingJob": _Estimator.processing,
    "CreateTrainingJob": _Estimator.training,
    "CreateHyperParameterTuningJob": _Estimator.tuning,
    "CreateTransformJob": _Estimator.transform,
    "CreatePipeline": _Estimator.pipeline,
    "UpdatePipeline": _Estimator.pipeline,
    "StartPipelineExecution": _Estimator.pipeline,
    "CreateStack": _Estimator.stack,
    "UpdateStack": _Estimator.stack,
    "PutMetricAlarm": _Estimator.alarm,
    "CreateProject": _Estimator.build,
    "StartBuild": _Estimator.build,
}


def estimate(calls: Iterable[Call], table: Table, region: str, definition: Mapping[str, Any] | None = None) -> Estimate:
    """Estimate what these requests would cost, without the storage and traffic of existing resources.

    Args:
        calls: An account's changes.
        table: The price table, from `read`.
        region: The region that the requests go to.
        definition: The definition of the pipeline that a start would run, if it is known.
    """
    found = list(calls)
    estimator = _Estimator(table, region, definition, dict(_scaled(found)))
    costs = [
        cost
        for call in found
        if (costs_of := _BY_OPERATION.get(call.operation))
        and (call.service, call.operation) != ("sagemaker", "CreateProject")
        for cost in costs_of(estimator, call.parameters)
    ]
    return Estimate((*costs, *_stored(estimator, found)), table.as_of, table.source, region)


def _scaled(calls: Iterable[Call]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each variant that scales, with its least and most instances."""
    for call in calls:
        if call.operation == "RegisterScalableTarget":
            variant = str(call.parameters["ResourceId"]).rpartition("/")[2]
            yield variant, (int(call.parameters["MinCapacity"]), int(call.parameters["MaxCapacity"]))


def _stored(estimator: _Estimator, calls: Iterable[Call]) -> Iterator[Cost]:
    """Yield the costs of uploads to S3: the requests once, the bytes each month."""
    puts = [call.parameters for call in calls if call.service == "s3" and call.operation in _PUTS]
    if not puts:
        return
    yield estimator.cost("s3/put", f"S3, {len(puts)} × PUT or POST", len(puts), "upload")
    sizes = [_size(parameters) for parameters in puts]
    if None in sizes:
        yield Cost("S3, stored data", None, "month")
    else:
        kept = sum(size for size in sizes if size) / _GB
        yield estimator.cost("s3/storage", f"S3, {kept:.6f} GB stored", kept, "month")


def _size(parameters: Mapping[str, Any]) -> int | None:
    """Return the size of a request's body in bytes; None if unknown."""
    if "ContentLength" in parameters:
        return int(parameters["ContentLength"])
    body = parameters.get("Body", b"")
    return len(body) if isinstance(body, bytes) else None
