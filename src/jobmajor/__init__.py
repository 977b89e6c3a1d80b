"""Job titles to SOC codes.

>>> import jobmajor
>>> model = jobmajor.load()                                  # doctest: +SKIP
>>> model.predict(["licensed practical nurse"])              # doctest: +SKIP
array(['29-0000'], dtype='<U7')

Names are brought in when they are first used, so that importing this costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobmajor.batch.files import code_file
    from jobmajor.batch.options import FileOptions, Summary
    from jobmajor.data.labelled import TitleFile
    from jobmajor.model.answers import Answer
    from jobmajor.model.classifier import Classifier
    from jobmajor.model.deepest import deepest
    from jobmajor.model.estimator import TitleClassifier
    from jobmajor.model.rules.prior import Prior
    from jobmajor.pipeline.adapt import adapt
    from jobmajor.pipeline.outside import Judging, evaluate
    from jobmajor.pipeline.run import Options, Outcome, run
    from jobmajor.pipeline.summarise import Wish, summarise
    from jobmajor.registry.loading import load
    from jobmajor.tables.block import Reading
    from jobmajor.titles import normalise

__version__ = "0.2.0"
__all__ = [
    "Answer",
    "Classifier",
    "FileOptions",
    "Judging",
    "Options",
    "Outcome",
    "Prior",
    "Reading",
    "Summary",
    "TitleClassifier",
    "TitleFile",
    "Wish",
    "adapt",
    "code_file",
    "deepest",
    "evaluate",
    "load",
    "normalise",
    "run",
    "summarise",
]

_MODULES = {
    "Answer": "model.answers",
    "Classifier": "model.classifier",
    "FileOptions": "batch.files",
    "Judging": "pipeline.outside",
    "Options": "pipeline.run",
    "Outcome": "pipeline.run",
    "Prior": "model.rules.prior",
    "Reading": "tables.block",
    "Summary": "batch.files",
    "TitleClassifier": "model.estimator",
    "TitleFile": "data.labelled",
    "Wish": "pipeline.summarise",
    "adapt": "pipeline.adapt",
    "code_file": "batch.files",
    "deepest": "model.deepest",
    "evaluate": "pipeline.outside",
    "load": "registry.loading",
    "normalise": "titles",
    "run": "pipeline.run",
    "summarise": "pipeline.summarise",
}
# Modules that moved in 0.2, by the name that documents and exported MLflow models of 0.1 use.
_MOVED = {
    "frames": "model.frames",
    "loading": "registry.loading",
    "local": "pipeline.run",
    "pyfunc": "registry.mlflow_model",
    "spark": "batch.spark",
    "tune": "pipeline.tune",
}


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        return import_module(f"jobmajor.{_MOVED[name]}")
    if name not in _MODULES:
        raise AttributeError(f"module 'jobmajor' has no attribute {name!r}: it has {', '.join(__all__)}")
    from jobmajor.errors import MissingExtra  # noqa: PLC0415 - importing these costs nothing
    from sagelocal import extras  # noqa: PLC0415

    with extras.named(f"jobmajor.{name}", MissingExtra):
        value = getattr(import_module(f"jobmajor.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
