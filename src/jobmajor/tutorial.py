"""What the notebook "Start Here" does outside its cells: plots, a simulated AWS, a service that answers, and waiting.

It needs the extra `tutorial`. Nothing else of jobmajor imports this module.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor import soc
from jobmajor.errors import InputError, MissingExtra
from sagelocal import extras

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.evaluation.judged import Judged
    from sagelocal.run.executor import StepRecord

_STEPS = tuple(number / 100 for number in range(0, 100, 5))
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()  # until the notebook closes its end
"""


def bars(counts: Mapping[str, int], title: str) -> None:
    """Draw one bar for each code, largest first, with the name of the code beside it."""
    axes = _axes(height=max(2.0, len(counts) * 0.28))
    order = sorted(counts, key=counts.__getitem__)
    names = [soc.name(code).removesuffix(" Occupations")[:44] for code in order]
    axes.barh(
        [f"{name}  {soc.short(code)}" for name, code in zip(names, order, strict=True)],
        [counts[code] for code in order],
    )
    axes.set_title(title)


def histogram(values: Sequence[int], title: str, what: str) -> None:
    """Draw how often each whole number occurs."""
    axes = _axes()
    axes.hist(values, bins=range(min(values), max(values) + 2), align="left", rwidth=0.9)
    axes.set_title(title)
    axes.set_xlabel(what)


def confusion(judged: Judged) -> None:
    """Draw the share of each true major group that gets each answer: rows are the truth, a good model is a diagonal."""
    counts = judged.matrix()
    rows = counts.sum(axis=1, keepdims=True)
    axes = _axes(width=6.5, height=6.0)
    axes.imshow(counts / rows.clip(min=1), cmap="Blues", vmin=0, vmax=1)
    labels = [soc.short(code) for code in judged.classes]
    axes.set_xticks(range(len(labels)), labels, fontsize=7)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")


def reliability(judged: Judged) -> None:
    """Draw the share of right answers against the score: on the diagonal, scores come true."""
    from jobmajor.evaluation import metrics  # noqa: PLC0415 - loads scipy

    found = metrics.reliability(judged.confidence, judged.correct, bins=10)
    axes = _axes(width=4.5, height=4.5)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([each.confidence for each in found], [each.accuracy for each in found], marker="o")
    axes.set_xlabel("mean score")
    axes.set_ylabel("share that is right")


def coverage(judged: Judged) -> None:
    """Draw what you get if you accept only answers above a score: how many, and how many of these are right."""
    from jobmajor.evaluation import metrics  # noqa: PLC0415 - loads scipy

    found = [
        each for each in metrics.selections(judged.confidence, judged.correct, _STEPS) if each.accuracy is not None
    ]
    axes = _axes()
    axes.plot([each.threshold for each in found], [each.coverage for each in found], label="accepted")
    axes.plot([each.threshold for each in found], [each.accuracy for each in found], label="right, of the accepted")
    axes.set_xlabel("least score to accept")
    axes.legend()


def _axes(width: float = 6.5, height: float = 3.0) -> Any:
    with extras.named("jobmajor.tutorial", MissingExtra):
        from matplotlib import pyplot as plt  # noqa: PLC0415 - of an extra
    _, axes = plt.subplots(figsize=(width, height), layout="constrained")
    return axes


@dataclass(frozen=True, slots=True)
class Simulated:
    """A server on this machine that answers as AWS does and keeps everything in memory."""

    address: str
    process: subprocess.Popen[str]

    def end(self) -> int:
        """End the server, and return its exit status; everything in it is gone."""
        self.process.communicate(timeout=60)  # closes its input, for which it waits
        return self.process.returncode


def simulate_aws() -> Simulated:
    """Start the server, and point this process and those that it starts to it; their AWS credentials are forgotten.

    Raises:
        MissingExtra: moto is not installed.
    """
    extras.require("a simulated AWS", "tutorial", MissingExtra)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER], text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )
    address = process.stdout.readline().strip() if process.stdout else ""
    os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_CONFIG_FILE": os.devnull}
    os.environ |= {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    return Simulated(address, process)


@contextmanager
def service(model: Path | None = None) -> Iterator[str]:
    """Start `jobmajor serve` with a model, or with the champion, and yield its address; end it afterwards.

    Raises:
        InputError: It ended before it listened, with the last line that it said.
    """
    program = Path(sys.executable).with_name("jobmajor")
    words = [str(program), "serve", "--port", "0", *(["--model", str(model)] if model else [])]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        yield address_of(process)
    finally:
        process.terminate()
        process.communicate()


def address_of(process: Any) -> str:
    """Return the address that a service writes to its log when it listens.

    Raises:
        InputError: The log ended before that.
    """
    line = ""
    for line in process.stderr:
        if '"listening"' in line:
            return str(json.loads(line)["url"])
    raise InputError(f"the service ended before it listened; the last it said: {line.strip() or 'nothing'}")


def ask(address: str, titles: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return the answers of a service to titles, best first."""
    import urllib3  # noqa: PLC0415 - of an extra

    answer = urllib3.request("POST", f"{address}/invocations", json={"instances": list(titles)}).json()
    found: list[list[dict[str, Any]]] = answer["predictions"]
    return found


def repository(account: Account, names: Names, github: str) -> str:
    """Return the address of the project's repository: on GitHub, or the only one of CodeCommit with the project's name.

    Raises:
        InputError: CodeCommit has none or several.
    """
    if github:
        return f"https://github.com/{github}.git"
    made = account.pages("codecommit", "ListRepositories", "repositories")
    named = [item["repositoryName"] for item in made if names.project in item["repositoryName"]]
    if len(named) != 1:
        found = ", ".join(named) or "none"
        raise InputError(
            f"CodeCommit's repositories of {names.project}: found {found}, expected one: set aws.github instead"
        )
    described = account.read("codecommit", "GetRepository", repositoryName=named[0])
    return str(described["repositoryMetadata"]["cloneUrlHttp"])


def run_stored(account: Account, names: Names, work: Path, threshold: float) -> str:
    """Run the definition that a simulated account stores, as SageMaker would, and return the execution's status.

    Jobs are processes here, their files go through the simulated S3, and the version into the simulated registry.
    """
    from jobmajor.aws.executions import start  # noqa: PLC0415 - of an extra, as all here
    from jobmajor.lineage import pipeline_version  # noqa: PLC0415
    from sagelocal.definition import parse  # noqa: PLC0415
    from sagelocal.jobs import environment  # noqa: PLC0415
    from sagelocal.run import executor  # noqa: PLC0415
    from sagelocal.storage import object_store  # noqa: PLC0415

    def register(request: Any) -> dict[str, Any]:
        made = account.change("sagemaker", "CreateModelPackage", **request.arguments)
        return {**request.arguments, **made}

    kept = account.read("sagemaker", "DescribePipeline", PipelineName=names.pipeline)["PipelineDefinition"]
    given = {"ImageUri": f"{names.image_repository}@sha256:{'0' * 64}", "TestScoreThreshold": threshold}
    version = pipeline_version(names.settings.train.recipe)
    options = executor.RunOptions(
        parameters=start.parameters(account, names, given),
        environment=replace(environment.current(), digest=version, honours_root=True),
        register=register,
        store=object_store.connect(),
        pipeline_name=names.pipeline,
        on_event=tell,
    )
    return executor.run(parse.parse(kept.encode()), work, options).status


def tell(step: StepRecord) -> None:
    """Print a step that ended, with its time."""
    if step.status != "Executing":
        took = "cached" if step.cached else f"{step.seconds:.1f} s"
        print(f"{step.name:17} {step.type:14} {step.status:10} {took}")  # noqa: T201 - for the notebook


def watch(account: Account, names: Names, pushed: datetime) -> str:
    """Wait for the execution that a build starts after a push, until it ends, and return its status."""
    from jobmajor.aws.executions import execution  # noqa: PLC0415 - of an extra

    def newest() -> dict[str, Any] | None:
        found = account.find("sagemaker", "ListPipelineExecutions", PipelineName=names.pipeline) or {}
        begun = [item for item in found.get("PipelineExecutionSummaries", []) if item["StartTime"] > pushed]
        return max(begun, key=lambda item: item["StartTime"], default=None)

    begun = account.wait(newest, bool, describe="the build starts the pipeline", limit_s=3600) or {}
    done = execution.wait(account, begun["PipelineExecutionArn"])
    for step in done.steps:
        print(f"{step.name:17} {step.status}")  # noqa: T201 - for the notebook
    return done.status
