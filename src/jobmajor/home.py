"""The workspace: the folder that `--home` names, with a name for each thing that jobmajor keeps in it.

`runs/`, `jobs/`, `cache/` and the locks of a run are sagelocal's, which lays them out itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the value holds one


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths below the folder `root`; none of them need exist."""

    root: Path

    @property
    def releases(self) -> Path:
        """The fetched releases of O*NET, each in a separate folder."""
        return self.root / "data"

    @property
    def buckets(self) -> Path:
        """The local replacement of S3: a folder for each bucket."""
        return self.root / "s3"

    @property
    def models(self) -> Path:
        """The files of registered models, each in a folder named by its manifest's digest."""
        return self.root / "models"

    @property
    def artifacts(self) -> Path:
        """The files that MLflow keeps beside its records."""
        return self.root / "artifacts"

    @property
    def database(self) -> Path:
        """MLflow's records, in SQLite."""
        return self.root / "mlflow.db"

    @property
    def registry_lock(self) -> Path:
        """The lock of the process that writes to the registry."""
        return self.root / "registry.lock"

    @property
    def trials(self) -> Path:
        """Optuna's records of a search for better settings, in SQLite."""
        return self.root / "tune.db"

    @property
    def trials_lock(self) -> Path:
        """The lock of the process that searches."""
        return self.root / "tune.lock"

    @property
    def shadows(self) -> Path:
        """The answers of candidates in the shadow of a service, a folder for each version."""
        return self.root / "shadow"

    @property
    def captures(self) -> Path:
        """The traffic that a service recorded, unless its folder is named."""
        return self.root / "captures"

    @property
    def reviews(self) -> Path:
        """The queue of titles that wait for a person, and every decision, in SQLite."""
        return self.root / "reviews.db"

    @property
    def retrain_lock(self) -> Path:
        """The lock of the process that decides whether the pipeline runs again, and runs it."""
        return self.root / "retrain.lock"

    @property
    def prices(self) -> Path:
        """AWS's prices, a file for each region."""
        return self.root / "prices"

    @property
    def found_settings(self) -> Path:
        """The file to which a search writes the best settings by default."""
        return self.root / "tune.toml"
