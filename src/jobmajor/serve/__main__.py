"""Run the container's `serve`, and say in the last line of the log what ended it.

Everything that can fail is imported within `main`: a library that can't be loaded is a reason, too.
"""

from __future__ import annotations

import json
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from jobmajor import failure


def main() -> int:
    """Return the exit status: that of `container.main`, or 1 after any other error."""
    try:
        from jobmajor.serve import container  # noqa: PLC0415 - what can't be imported is reported

        return container.main()
    except Exception as error:  # the edge of the container
        frames = traceback.extract_tb(error.__traceback__)
        event = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "error",
            "message": failure.reason(error, Path("/opt/ml")),
            "places": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames][-12:],
        }
        sys.stderr.write(f"{json.dumps(event)}\n")
        sys.stderr.flush()
        return 1


if __name__ == "__main__":
    sys.exit(main())
