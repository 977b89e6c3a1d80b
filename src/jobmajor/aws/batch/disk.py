"""The disk of a scoring job's instances: each needs room for its share of the titles and of the answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from jobmajor.aws.api.errors import AwsInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

GB: Final = 10**9
TITLE_BYTES, ANSWER_BYTES = 30, 60  # assumed: a title, and a title with its answer
_OUTPUT_SHARE: Final = ANSWER_BYTES / TITLE_BYTES
_SPARE: Final = 1.2
_LEAST_DISK_GB, _MOST_DISK_GB = 30, 16_384  # room for the model; the service's limit


def share_gb(sizes: Sequence[int], instances: int) -> int:
    """Return the disk that each instance needs, in GB: its share of input and output, and a fifth more.

    Args:
        sizes: The size of each part, in bytes. The service shares out parts, not bytes, so the largest share counts.
        instances: The number of instances.

    Raises:
        AwsInputError: More than the service offers.

    >>> share_gb([10 * 10**9] * 9, 3)
    108
    """
    largest = sorted(sizes, reverse=True)[: math.ceil(len(sizes) / instances)]
    needed = needed_gb(sum(largest))
    if needed > _MOST_DISK_GB:
        raise AwsInputError(
            f"--instances: found {instances}, each of which would need {needed:,} GB of disk, expected so many that "
            f"{_MOST_DISK_GB:,} GB are enough: use more instances, and more and smaller parts"
        )
    return needed


def needed_gb(input_bytes: float) -> int:
    """Return the disk for this much input and its output, in GB."""
    return max(_LEAST_DISK_GB, math.ceil(input_bytes * (1 + _OUTPUT_SHARE) * _SPARE / GB))
