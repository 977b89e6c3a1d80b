"""`python -m jobmajor` is the program `jobmajor`."""

from __future__ import annotations

import sys

from jobmajor.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
