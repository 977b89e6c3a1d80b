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
    from jobmajor.answers import Answer
    from jobmajor.bulk.run import FileOptions, Summary, code_file
    from jobmajor.classifier import Classifier
    from jobmajor.estimator import TitleClassifier
    from jobmajor.loading import load
    from jobmajor.local import Options, Outcome, run
    from jobmajor.titles import normalise

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Classifier",
    "FileOptions",
    "Options",
    "Outcome",
    "Summary",
    "TitleClassifier",
    "code_file",
    "load",
    "normalise",
    "run",
]

_ROOMS = {
    "Answer": "answers",
    "Classifier": "classifier",
    "FileOptions": "bulk.run",
    "Options": "local",
    "Outcome": "local",
    "Summary": "bulk.run",
    "TitleClassifier": "estimator",
    "code_file": "bulk.run",
    "load": "loading",
    "normalise": "titles",
    "run": "local",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'jobmajor' has no attribute {name!r}: it has {', '.join(__all__)}")
    value = getattr(import_module(f"jobmajor.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
