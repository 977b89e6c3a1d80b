"""SageMaker as botocore describes it: the shapes of requests and answers, read once and never called.

AWS publishes no other description of its limits that is kept up to date; its JSON schema of
definitions refuses what its own SDK writes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import botocore
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

if TYPE_CHECKING:
    from sagelocal.definition.steps import Output

VERSION: Final[str] = botocore.__version__
_OPERATIONS: Final = {
    "Processing": "ProcessingJob",
    "Training": "TrainingJob",
    "Tuning": "HyperParameterTuningJob",
    "RegisterModel": "ModelPackage",
    "Model": "Model",
    "Transform": "TransformJob",
}
# What the outputs of Lambda and Callback steps are, in the words of the service model.
_OUTPUT_TYPES: Final = {"String": "string", "Integer": "integer", "Boolean": "boolean", "Float": "double"}


@cache
def model() -> ServiceModel:
    """The whole service; takes about 0.3 s once, then nothing.

    Only botocore's own files are read: a model that a user keeps in her home folder would make the
    same definition valid on one machine and not on another.
    """
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")


def request(step_type: str) -> Shape | None:
    """What the Arguments of such a step are sent as; None where we know no request."""
    name = _OPERATIONS.get(step_type)
    return model().operation_model(f"Create{name}").input_shape if name else None


def properties(step_type: str, member: str | int = "") -> Shape | None:
    """What `Steps.name` refers to once such a step is done; None where we know no answer.

    Args:
        step_type: Of the step.
        member: The first part of the reference: a search has two answers, and its jobs stand in the other one.
    """
    name = _OPERATIONS.get(step_type)
    if step_type == "Tuning" and member == "TrainingJobSummaries":
        return model().operation_model(f"ListTrainingJobsFor{name}").output_shape
    return model().operation_model(f"Describe{name}").output_shape if name else None


def output(found: Output) -> Shape:
    """What a reference to an output of a Lambda or Callback step gives."""
    return Shape(found.name, {"type": _OUTPUT_TYPES[found.type]})
