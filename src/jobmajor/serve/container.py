"""The container's `serve`: serve `/opt/ml/model` on port 8080 of all interfaces, under SageMaker's inference contract.

Environment variables set the rest:

- SAGEMAKER_BIND_TO_PORT: another port.
- SAGEMAKER_BATCH: "true" in a batch transform, which allows more time for an answer.
- JOBMAJOR_LEVEL, JOBMAJOR_TOP_K, JOBMAJOR_EXACT: the defaults of a request's parameters.
- JOBMAJOR_WORKERS: how many processes answer; "auto", the default, is one for each processor of the container.
- JOBMAJOR_CAPTURE: record requests and answers in this folder, for `jobmajor monitor`.
- JOBMAJOR_CAPTURE_SHARE, JOBMAJOR_CAPTURE_MB, JOBMAJOR_CAPTURE_DAYS, JOBMAJOR_CAPTURE_HASHED ("true"): how, as the
  options of `jobmajor serve`.
- JOBMAJOR_CAPTURE_KEY: the secret of the hashes.
- SAGELOCAL_ML_ROOT: the folder to use for `/opt/ml`, outside a container.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from jobmajor import serve
from jobmajor.errors import Error, InputError
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service import champion, logs
from sagelocal.jobs.sandbox import ML_ROOT

_HOST, _PORT = "0.0.0.0", 8080  # noqa: S104 - the contract: requests come from outside the container
_DRAIN_S = 5.0
_log = logging.getLogger("jobmajor.serve")


def main() -> int:
    """Return the exit status: 0 after SIGTERM, 2 for invalid input, 1 for a model that is damaged."""
    logs.configure()
    try:
        serve.require()
        _serve()
    except (Error, Refusal) as error:
        _log.error("%s", error)
        return 2 if isinstance(error, (InputError, Refusal)) else 1
    return 0


def _serve() -> None:
    from jobmajor.serve import launch, server  # noqa: PLC0415 - Starlette and uvicorn may not be installed
    from jobmajor.serve.service import service  # noqa: PLC0415 - Starlette and uvicorn may not be installed

    root = Path(os.environ.get(ML_ROOT) or "/opt/ml")
    address = server.Address(_HOST, _port(os.environ.get("SAGEMAKER_BIND_TO_PORT")), _DRAIN_S)
    workers = launch.workers(os.environ.get("JOBMAJOR_WORKERS") or launch.AUTO)
    options = replace(service.from_environment(), workers=workers)
    held = champion.Champion(champion.ModelSource(root, root / "model"))
    launch.run(service.Service(held, options), address)


def _port(text: str | None) -> int:
    if not text:
        return _PORT
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise InputError(f"SAGEMAKER_BIND_TO_PORT is {text!r}: expected a port, 0 to 65535")
    return int(text)
