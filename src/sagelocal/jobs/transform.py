"""Run a batch transform: send every object of the input to the model server, and write the answers to `<name>.out`.

There is one server, whatever the number of instances, because the results are the same. Records keep their line ends.
AssembleWith Line adds a line end to an answer that has none.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sagelocal.errors import Error, StepFailed
from sagelocal.jobs import container, payloads, sandbox
from sagelocal.jobs import server as model_server
from sagelocal.jobs.contracts import ARN, Job, Transfer
from sagelocal.jobs.server import InvocationError
from sagelocal.storage import archive, transfer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sagelocal.jobs.container import JobContext, Result
    from sagelocal.jobs.models import Model
    from sagelocal.jobs.payloads import Processing
    from sagelocal.jobs.server import ModelServer
    from sagelocal.storage.manifest import FileRecord

_LONGEST_S: Final = 28 * 86400.0  # the service's limit for a transform
_PACKED: Final = "model.tar.gz"
# The values of the server's execution parameters, and those of a request. The request takes precedence.
_STRATEGIES: Final = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
_DEFAULTS: Final = {"BatchStrategy": "MultiRecord", "MaxPayloadInMB": 6, "MaxConcurrentTransforms": 1}
_VARIABLES: Final = {
    "BatchStrategy": "SAGEMAKER_BATCH_STRATEGY",
    "MaxPayloadInMB": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "MaxConcurrentTransforms": "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
}
_KEY_ARGUMENTS: Final = ("BatchStrategy", "MaxPayloadInMB", "DataProcessing", "Environment")


def job(arguments: Mapping[str, Any], name: str, model: Model) -> Job:
    """Return the job of a Transform step's resolved Arguments."""
    source, target = arguments["TransformInput"], arguments["TransformOutput"]
    data = Transfer("data", source["DataSource"]["S3DataSource"]["S3Uri"], "data")
    artifact = Transfer("model", model.data_uri, _PACKED if model.packed else "model")
    names = {strategy: name for name, strategy in _STRATEGIES.items()}
    asked = {_VARIABLES[key]: str(names.get(arguments[key], arguments[key])) for key in _DEFAULTS if key in arguments}
    return Job(
        kind="Transform",
        arguments=arguments,
        name=name,
        image=model.image,
        argv=("serve",),
        variables={"SAGEMAKER_BATCH": "true", **asked, **model.variables, **arguments.get("Environment", {})},
        inputs=(data, artifact) if model.data_uri else (data,),
        outputs=(Transfer("transform", target["S3OutputPath"], "out"),),
        files={},
        max_runtime_s=_LONGEST_S,
        reason_file="output/failure",
        key_arguments={
            **{key: arguments[key] for key in _KEY_ARGUMENTS if key in arguments},
            "input": {key: value for key, value in source.items() if key != "DataSource"},
            "output": {key: value for key, value in target.items() if key in {"Accept", "AssembleWith"}},
            "model": {"image": model.image, "variables": dict(model.variables)},
        },
    )


def describe(done: Job, times: tuple[str, str]) -> dict[str, Any]:
    """Return what DescribeTransformJob would give for the finished job; `times` are its start and end, ISO 8601."""
    return {
        **done.arguments,
        "TransformJobName": done.name,
        "TransformJobArn": f"{ARN}:transform-job/{done.name}",
        "TransformJobStatus": "Completed",
        "CreationTime": times[0],
        "TransformStartTime": times[0],
        "TransformEndTime": times[1],
    }


def run(job: Job, context: JobContext, contents: Mapping[str, Mapping[str, FileRecord]]) -> Result:
    """Run the job and publish what it made.

    Args:
        job: What to run.
        context: Where to run it.
        contents: The objects of every input, by the input's name, as they were when the cache was asked.

    Raises:
        StepFailed: The server didn't start or ended, or an object could not be transformed. Nothing is published then;
        the service would keep the objects that succeeded.
        InputError: An input has no objects, or the filters can't be used.
    """
    processing = payloads.processing(dict(job.arguments))
    for item in job.inputs:
        container.fetch(item, context, context.folder / item.name, contents[item.name])
    _unpack(job, context)
    out = context.folder / "out"
    out.mkdir()
    with model_server.started(job, context, own_network=sandbox.refusal() is None) as server:
        batch = _BatchTransform(server, processing, _settings(job, server), job.arguments)
        files = transfer.regular_files(context.folder / "data")
        with ThreadPoolExecutor(int(batch.settings["MaxConcurrentTransforms"])) as pool:
            waiting = [pool.submit(partial(batch.one, name, path, out)) for name, path in files]
            try:
                for done in waiting:
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return container.Result({item.uri: context.store.publish(item.uri, out) for item in job.outputs})


def _unpack(job: Job, context: JobContext) -> None:
    """Put the model where the server looks for it: /opt/ml/model."""
    target, artifact = context.folder / "ml" / "model", context.folder / "model"
    target.parent.mkdir(parents=True)
    if not any(item.folder == _PACKED for item in job.inputs):
        artifact.mkdir(exist_ok=True)
        artifact.rename(target)
        return
    for _, path in transfer.regular_files(artifact):
        archive.unpack(path, target)


def _settings(job: Job, server: ModelServer) -> dict[str, Any]:
    said = server.parameters()
    said["BatchStrategy"] = _STRATEGIES.get(str(said.get("BatchStrategy")), _DEFAULTS["BatchStrategy"])
    asked = {**_DEFAULTS, **{key: said[key] for key in _DEFAULTS if key in said}}
    asked |= {key: job.arguments[key] for key in _DEFAULTS if key in job.arguments}
    for name in ("MaxPayloadInMB", "MaxConcurrentTransforms"):
        if not isinstance(asked[name], int) or asked[name] < 0:
            raise server.fail(f"the model's server says {name} {asked[name]!r}, expected a whole number")
    return {**asked, "MaxConcurrentTransforms": max(1, asked["MaxConcurrentTransforms"])}


@dataclass(frozen=True, slots=True)
class _BatchTransform:
    """A running transform."""

    server: ModelServer
    processing: Processing
    settings: Mapping[str, Any]
    arguments: Mapping[str, Any]

    def one(self, name: str, path: Path, out: Path) -> None:
        """Transform one object."""
        target = out / f"{name}.out"
        target.parent.mkdir(parents=True, exist_ok=True)
        ends_lines = self.arguments["TransformOutput"].get("AssembleWith") == "Line"
        try:
            with target.open("wb") as file:
                for part in self._parts(path):
                    file.write(part)
                    if ends_lines and not part.endswith(b"\n"):
                        file.write(b"\n")
        except InvocationError as error:
            raise self.server.fail(f"{name}: {error}") from error
        except StepFailed:
            raise
        except Error as error:
            raise StepFailed(self.server.context.step, f"{name}: {error}", self.server.context.log) from error

    def _parts(self, path: Path) -> Iterator[bytes]:
        source = self.arguments["TransformInput"]
        split, most = source.get("SplitType", "None"), self.settings["MaxPayloadInMB"]
        single = self.settings["BatchStrategy"] == "SingleRecord"
        found = payloads.records(path, split)
        for batch in payloads.batches(found, most * payloads.MB or None, single=single):
            yield self.processing.result(batch, self._answer(self.processing.request(batch)))

    def _answer(self, body: bytes) -> bytes:
        """Return the server's answer, with as many retries as the request allows."""
        client = self.arguments.get("ModelClientConfig", {})
        tries = client.get("InvocationsMaxRetries", 3)
        while True:
            try:
                timeout_s = client.get("InvocationsTimeoutInSeconds", 600)
                return self.server.ask("POST", "/invocations", body, self._headers(), timeout_s=timeout_s)
            except InvocationError as error:
                if error.is_final or tries == 0 or self.server.running.ends_within(0):
                    raise
                tries -= 1

    def _headers(self) -> dict[str, str]:
        given = {
            "Content-Type": self.arguments["TransformInput"].get("ContentType"),
            "Accept": self.arguments["TransformOutput"].get("Accept"),
            "Transfer-Encoding": None if self.settings["MaxPayloadInMB"] else "chunked",
        }
        return {name: value for name, value in given.items() if value}
