"""What a default quota of the service would refuse: a warning here, because a quota can be raised and nothing breaks.

Source: AWS General Reference, "Amazon SageMaker AI endpoints and quotas"; CreatePipeline and StartPipelineExecution in
the API Reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagelocal.definition import graph

if TYPE_CHECKING:
    from sagelocal.definition.steps import Definition

STEPS: Final = 50
PARAMETERS: Final = 200
CHARACTERS: Final = 2**20


def warnings(definition: Definition) -> tuple[str, ...]:
    """Return a sentence for each quota that the definition exceeds; it runs here all the same."""
    found = (
        ("steps", sum(1 for _ in graph.flatten(definition.steps)), STEPS, "ask AWS for more, or split the pipeline"),
        ("parameters", len(definition.parameters), PARAMETERS, "pass some of them in a file"),
        ("characters", len(definition.data.decode()), CHARACTERS, "move long texts to files in S3"),
    )
    return tuple(
        f"found {count:,} {what}, and the service's quota is {most:,}: {advice}"
        for what, count, most, advice in found
        if count > most
    )
