"""`python -m sagelocal` is the program `sagelocal`."""

from __future__ import annotations

import sys

from sagelocal.cli import main

if __name__ == "__main__":
    sys.exit(main())
