"""The shapes of SageMaker's requests and responses, from botocore's service model. Nothing is called.

It is the only description of the service's limits that AWS keeps up to date. AWS's JSON schema of definitions refuses
what its own SDK writes.
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
    """Return the service model; the first call takes about 0.3 s.

    Only botocore's own files are read. A model in a user's home folder would make a definition valid on one machine
    and not on another.
    """
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")


def request(step_type: str) -> Shape | None:
    """Return the request shape for the Arguments of a step type, or None if there is no request."""
    name = _OPERATIONS.get(step_type)
    return model().operation_model(f"Create{name}").input_shape if name else None


def properties(step_type: str, member: str | int = "") -> Shape | None:
    """Return the response shape that `Steps.name` refers to, or None if there is no response.

    Args:
        step_type: Of the step.
        member: The first part of the reference. A Tuning step has two responses; one of them lists its jobs.
    """
    name = _OPERATIONS.get(step_type)
    if step_type == "Tuning" and member == "TrainingJobSummaries":
        return model().operation_model(f"ListTrainingJobsFor{name}").output_shape
    return model().operation_model(f"Describe{name}").output_shape if name else None


def output(found: Output) -> Shape:
    """Return the shape of an output of a Lambda or Callback step."""
    return Shape(found.name, {"type": _OUTPUT_TYPES[found.type]})
