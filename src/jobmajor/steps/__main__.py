"""Run one step, and leave the reason of any failure where SageMaker looks for it.

Everything that can fail is imported within `main`: a library that can't be loaded is a reason, too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor import failure
from jobmajor.errors import InputError, Unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT_VARIABLE = "SAGELOCAL_ML_ROOT"  # the folder to use for /opt/ml, outside a container
UNFINISHED = 75  # as in `model.transformer.launch`


def main(words: Sequence[str] | None = None) -> int:
    """Run one step and return its exit status.

    0 is success, 75 a training to be started again, 2 a wrong command line, 1 any other fault. After a fault the reason
    is the last line of the log. It is also in `output/failure` of a training and in `output/message` of other steps,
    unless that can't be written.
    """
    given = list(sys.argv[1:] if words is None else words)
    root = Path(os.environ.get(ROOT_VARIABLE) or "/opt/ml")
    step = given[0] if given else ""
    try:
        from jobmajor.steps import commands  # noqa: PLC0415 - what can't be imported is reported

        return commands.run(given, root)
    except SystemExit as error:
        if error.code:  # argparse has printed the usage and the fault
            failure.report(InputError(f"wrong command line: {' '.join(given) or 'no step was named'}"), root, step)
        raise
    except Exception as error:  # the edge of the container
        failure.report(error, root, step)
        return UNFINISHED if isinstance(error, Unfinished) else 1


if __name__ == "__main__":
    sys.exit(main())
