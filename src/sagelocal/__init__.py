"""Run SageMaker pipeline definitions on this machine, without Docker and without an account."""

from typing import Final

__version__: Final = "0.2.0"
