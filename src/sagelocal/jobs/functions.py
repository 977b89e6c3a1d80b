"""Jobs of `@step` functions: the SDK's own program fetches the function from S3, calls it, and puts its result there.

It must find the SDK in the job's environment, and S3. Where it finds no S3, it ends with status 0 and has done nothing,
so the result is looked for. Source: sagemaker 2.257.7 and 3.27.0, remote_function/invoke_function.py.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from sagelocal.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sagelocal.jobs.contracts import Job
    from sagelocal.storage.manifest import FileRecord
    from sagelocal.storage.store import Store

CHANNEL: Final = "sagemaker_remote_function_bootstrap"
_RESULT: Final = "payload.pkl"
# The SDK's program would upgrade the environment by pip, and would call sudo for any user but root. The environment is
# the image here, so what the function needs has to be in it, and nothing is installed.
VARIABLES: Final = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "LOGNAME": "root"}


def is_function(arguments: Mapping[str, Any]) -> bool:
    """Return whether a Training step's Arguments are those of a `@step` function."""
    channels = arguments.get("InputDataConfig")
    return isinstance(channels, list) and any(
        isinstance(item, dict) and item.get("ChannelName") == CHANNEL for item in channels
    )


def result(job: Job, step: str, store: Store) -> dict[str, Mapping[str, FileRecord]]:
    """Return the objects that a function left, by prefix; empty for other jobs.

    Raises:
        StepFailed: It left none.
    """
    if not is_function(job.arguments):
        return {}
    uri = str(job.arguments["OutputDataConfig"]["S3OutputPath"])
    found = store.listing(uri)
    if _RESULT not in found:
        fault = f"its program ended without an error and without a result ({uri}/{_RESULT})"
        raise StepFailed(step, f"{fault}: see its log; the function was not called to its end")
    return {uri: found}


def faults(arguments: Mapping[str, Any], prefix: Path) -> Iterator[str]:
    """Yield what keeps a function from running in an environment, each as `member: problem`."""
    image = "AlgorithmSpecification.TrainingImage"
    if arguments.get("EnableNetworkIsolation") is True:
        yield "EnableNetworkIsolation: a @step function needs S3, so its job can't be isolated: leave it out"
    if not (prefix / "bin" / "python").exists():
        yield f"{image}: a @step function runs with python, and {prefix}/bin has none: map the image to an environment"
        return
    packages = [path for path in prefix.glob("lib*/python3*/site-packages") if (path / "sagemaker").is_dir()]
    if not packages:
        yield f"{image}: a @step function needs the SageMaker SDK, and {prefix} has none: map the image to one that has"
        return
    wanted, found = _python_of(arguments), packages[0].parent.name.removeprefix("python")
    if wanted and wanted != found:
        yield f"{image}: the function was compiled on Python {wanted}, and {prefix} has {found}: compile it on that one"


def _python_of(arguments: Mapping[str, Any]) -> str:
    words = arguments.get("AlgorithmSpecification", {}).get("ContainerArguments", [])
    found = next((value for name, value in itertools.pairwise(words) if name == "--client_python_version"), "")
    return found if isinstance(found, str) and re.fullmatch(r"3\.\d+", found) else ""
