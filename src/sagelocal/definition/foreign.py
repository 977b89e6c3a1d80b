"""Step types that the service runs and this machine doesn't, each with the reason.

They are read like the others, so that the rest of a definition can be checked, and refused by name before a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS: Final[Mapping[str, str]] = {
    "QualityCheck": "Model Monitor's own analyzer image computes it, which runs in the service alone",
    "ClarifyCheck": "Clarify's own image computes it, which runs in the service alone",
    "EMR": "it starts a cluster of the account",
    "EMRServerless": "it starts an application of the account",
    "AutoML": "the service chooses and trains algorithms of its own",
    "Job": "the service customizes models of its own",
    "EndpointConfig": "endpoints serve in the account alone",
    "Endpoint": "endpoints serve in the account alone",
    "InferenceComponent": "endpoints serve in the account alone",
    "Lineage": "the account keeps the lineage",
    "Cleanup": "it deletes objects that a run here keeps for its cache",
    "ForEach": "one step runs once here",
}
# Types whose arguments hold steps or addresses of their own, which no other step may refer to.
OPAQUE: Final = ("ForEach", "Cleanup", "Lineage")
# Types that check data against a baseline. They run nothing where their SkipCheck is true.
CHECKS: Final = ("QualityCheck", "ClarifyCheck")
