"""The commands `jobmajor aws …`, one file for each group of them.

Each file has `add(app)`, which puts its commands into the group; none of them imports boto3 before it runs.
"""

from __future__ import annotations

import importlib
import pkgutil

import typer

from jobmajor.cli.options import LOOK

app = typer.Typer(help="Run the same pipeline on AWS SageMaker.", **LOOK)
for _module in pkgutil.iter_modules(__path__):
    if _module.name not in ("execution_view", "options"):
        importlib.import_module(f"{__name__}.{_module.name}").add(app)
