"""Whether training gives the same bytes whatever the threads and hash seeds: each time in a fresh process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.systems import OURS
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.protocols import Parts

_THREADS = (1, 2, 3, 4)
_HASH_SEEDS = (0, 1, 2, 3, 4)
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True, slots=True)
class Retrain:
    """One training: under what, and the sha256 of the model's files."""

    threads: int
    hash_seed: int
    digest: str


def digests(parts: Parts, report: Callable[[str], None], runs: int = 20) -> list[Retrain]:
    """What so many trainings of ours gave, over thread counts and hash seeds."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        parts.train.write_parquet(Path(folder) / "train.parquet")
        parts.validation.write_parquet(Path(folder) / "validation.parquet")
        for hash_seed, threads in list(product(_HASH_SEEDS, _THREADS))[:runs]:
            report(f"{threads} threads, hash seed {hash_seed}")
            numbers = {name: str(threads) for name in _VARIABLES}
            environment = os.environ | numbers | {"PYTHONHASHSEED": str(hash_seed)}
            words = [sys.executable, "-m", "benchmarks.retrain", folder]
            done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
            found.append(Retrain(threads, hash_seed, done.stdout.strip()))
    return found


def main() -> None:
    """Train on the rows in a folder, and print the digest of what was saved."""
    source = Path(sys.argv[1])
    coder = OURS.fit(pl.read_parquet(source / "train.parquet"), pl.read_parquet(source / "validation.parquet"))
    with tempfile.TemporaryDirectory() as folder:
        coder.save(Path(folder))
        total = hashlib.sha256()
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.name != manifest.NAME:  # it says when, too
                total.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    sys.stdout.write(total.hexdigest() + "\n")


if __name__ == "__main__":
    main()
