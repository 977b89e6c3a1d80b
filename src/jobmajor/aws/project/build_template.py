"""`run-pipeline` and `get-pipeline-definition`, as the build project of AWS's MLOps templates calls them.

A project made from such a template keeps its buildspec; only these two programs are replaced. They read --kwargs and
--tags as JSON or Python literals, where AWS's programs call `eval`. Source of the options: AWS,
amazon-sagemaker-examples, the build template of "sagemaker-pipelines", `pipelines/run_pipeline.py`.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from jobmajor import settings
from jobmajor.errors import InputError
from jobmajor.pipeline.definition import to_bytes
from sagelocal.show.terminal import complain, one_line
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_OURS: Final = re.compile(r"([A-Za-z_]\w*\.)*(jobmajorclf|jobmajor)\.pipeline")
# The names that AWS's templates and the tutorial pass: used, ignored, and required to equal the settings.
_PASSED: Final = ("region", "role", "default_bucket", "input_data_url", "image_uri", "sagemaker_project_arn")
_IGNORED: Final = ("sagemaker_project_name", "sagemaker_project_id", "base_job_prefix", "processing_instance_type")
_AGREED: Final = {"pipeline_name": "pipeline", "model_package_group_name": "group"}
_TIME_LIMIT_S: Final = 86_400.0


@dataclasses.dataclass(frozen=True, slots=True)
class BuildRequest:
    """The build project's options, parsed and checked.

    Attributes:
        values: The values of --kwargs, by name.
        tags: Each with Key and Value.
        chosen: The settings, with region, bucket and role from --kwargs where given.
    """

    values: Mapping[str, str]
    tags: Sequence[Mapping[str, str]]
    chosen: settings.Settings


def literal(text: str | None, option: str, kind: type) -> Any:
    """Return an option's value, parsed as JSON or as a Python literal, without executing anything.

    Raises:
        InputError: It is neither, or has another type.

    >>> literal("{'region': 'us-east-1'}", "--kwargs", dict) == literal('{"region": "us-east-1"}', "--kwargs", dict)
    True
    """
    if not text:
        return kind()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            raise InputError(f"{option} is neither JSON nor a Python literal: quote names and values") from None
    if not isinstance(value, kind):
        raise InputError(f"{option}: found {type(value).__name__}, expected {kind.__name__}")
    return value


def read(module: str, kwargs: str | None, tags: str | None = None, path: Path | None = None) -> BuildRequest:
    """Parse and check the options.

    Args:
        module: The pipeline's module, as the template names it.
        kwargs: The arguments that AWS's programs pass to `get_pipeline`.
        tags: A list of items with Key and Value.
        path: The settings file; `jobmajor.toml` when None.

    Raises:
        InputError: The module isn't ours, or an option can't be used.
    """
    if not _OURS.fullmatch(module):
        raise InputError(f"--module-name: found {module}, expected pipelines.jobmajorclf.pipeline or jobmajor.pipeline")
    values = {str(name): value for name, value in literal(kwargs, "--kwargs", dict).items() if value is not None}
    chosen = settings.read(path)
    _check(values, chosen)
    chosen = dataclasses.replace(
        chosen,
        aws=dataclasses.replace(
            chosen.aws,
            region=values.get("region", chosen.aws.region),
            bucket=values.get("default_bucket", chosen.aws.bucket),
            job_role=values.get("role", chosen.aws.job_role),
        ),
    )
    return BuildRequest(values, _tags(literal(tags, "--tags", list)), chosen)


def _check(values: Mapping[str, Any], chosen: settings.Settings) -> None:
    known = (*_PASSED, *_IGNORED, *_AGREED)
    for name, value in values.items():
        if name not in known:
            raise InputError(f"--kwargs: {name!r} is unknown, expected one of {', '.join(known)}")
        if not isinstance(value, str):
            raise InputError(f"--kwargs: {name}: found {value!r}, expected text")
        ours = getattr(chosen.names, _AGREED[name]) if name in _AGREED else value
        if value != ours:
            raise InputError(f"--kwargs: {name}: found {value}, expected {ours}: change names.project in jobmajor.toml")


def _tags(items: Sequence[Any]) -> list[dict[str, str]]:
    for item in items:
        if not isinstance(item, dict) or set(item) != {"Key", "Value"} or not all(map(_is_text, item.values())):
            raise InputError(f"--tags: found {item!r}, expected items with Key and Value")
    return [dict(item) for item in items]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def definition(words: Sequence[str] | None = None) -> int:
    """Run `get-pipeline-definition`: print the definition or write it to a file; needs no account."""
    parser = argparse.ArgumentParser(prog="get-pipeline-definition", description="Print the pipeline's definition.")
    _add_shared(parser)
    parser.add_argument("-f", "--file-name", help="write the definition to this file instead")
    given = parser.parse_args(words)

    def work() -> int:
        data = to_bytes(read(given.module_name, given.kwargs).chosen)
        if given.file_name:
            from pathlib import Path  # noqa: PLC0415 - beside its one use

            publish.write_file(Path(given.file_name).absolute(), data)
        else:
            sys.stdout.write(data.decode())
        return 0

    return _edge(work)


def run(words: Sequence[str] | None = None) -> int:
    """Run `run-pipeline`: upsert and start the pipeline; with --wait the execution's outcome decides the status."""
    parser = argparse.ArgumentParser(prog="run-pipeline", description="Upsert the pipeline and start it.")
    _add_shared(parser)
    parser.add_argument("-role-arn", "--role-arn", required=True, help="the pipeline's role")
    parser.add_argument("-tags", "--tags", help="a list of Key and Value, as JSON or a Python literal")
    parser.add_argument("-description", "--description", help="accepted and ignored")
    parser.add_argument("--wait", action="store_true", help="wait until the execution has ended")
    given = parser.parse_args(words)

    def work() -> int:
        from jobmajor.aws.api.account import connect  # noqa: PLC0415 - brings in botocore
        from jobmajor.aws.names import Names  # noqa: PLC0415 - as above

        request = read(given.module_name, given.kwargs, given.tags)
        chosen = request.chosen.aws
        account = connect(chosen.region or None, expected_account=chosen.account or None)
        names = Names.of(request.chosen, account.region, account.account_id)
        arn = send(account, names, request, given.role_arn)
        return _waited(account, arn) if given.wait else 0

    return _edge(work)


def send(account: Account, names: Names, request: BuildRequest, role: str) -> str:
    """Upsert and start the pipeline, and return the execution's ARN."""
    from jobmajor.aws.executions import pipeline, start  # noqa: PLC0415 - brings in botocore

    done = pipeline.upsert(account, names, to_bytes(request.chosen), role=role, tags=request.tags)
    _print(f"###### Created/Updated SageMaker Pipeline: {done.change} {done.arn}")
    given = {"InputDataUrl": "input_data_url", "ImageUri": "image_uri"}
    values = {name: request.values[word] for name, word in given.items() if word in request.values}
    begun = pipeline.start(account, names, start.parameters(account, names, values))
    _print(f"###### Execution started with PipelineExecutionArn: {begun.arn}")
    return begun.arn


def _waited(account: Account, arn: str) -> int:
    from jobmajor.aws.executions import execution  # noqa: PLC0415 - brings in botocore

    found = execution.wait(account, arn, limit_s=_TIME_LIMIT_S)
    for step in found.steps:
        _print(f"{step.name}: {step.status} {one_line(step.reason)}".rstrip())
    return 0 if found.status == execution.SUCCEEDED else complain(found.failure or found.status, 1)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--module-name", required=True, help="such as pipelines.jobmajorclf.pipeline")
    parser.add_argument("-kwargs", "--kwargs", help="values by name, as JSON or a Python literal")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # people read a build's log while it runs


def _edge(work: Callable[[], int]) -> int:
    """Return the exit status; jobmajor's errors are printed in one line."""
    from jobmajor.errors import Error  # noqa: PLC0415 - beside its one use

    try:
        return work()
    except Error as error:
        return complain(str(error), 2 if isinstance(error, InputError) else 1)
