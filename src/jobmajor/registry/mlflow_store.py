"""The registry on this machine: MLflow for the records, folders named by digest for the files.

With MLflow alone, two processes could register one model twice, and the run of a killed process would stay RUNNING. So
every write holds a file lock, and a change takes effect only with its last transaction. Only MLflow's public client
writes.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from jobmajor.errors import ArtifactError, ChecksumMismatch, RegistryError, SettingError, UnknownVersion
from jobmajor.home import Workspace
from jobmajor.registry import mlflow_database, mlflow_figures, mlflow_records
from jobmajor.registry.versions import (
    CHAMPION,
    DIGEST,
    MODEL_NAME,
    PREDICTIONS,
    Approval,
    Candidate,
    Event,
    Version,
    folder_of,
    passed,
    settled,
    succession,
)
from sagelocal.storage import lock, manifest, publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from mlflow.tracking import MlflowClient

_logger = logging.getLogger(__name__)

_OURS = f"name = '{MODEL_NAME}'"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # or the pages show the experiment as one of prompts
_MOST = 200_000  # versions in one answer, MLflow's own limit


class MlflowRegistry:
    """`versions.Registry` in the workspace `home`; safe for many processes, and if one is killed at any moment."""

    def __init__(self, home: Path) -> None:
        if {"?", "%"} & set(str(home.resolve())):  # they mean something else in a database's address
            raise SettingError("home", str(home), "a path without ? and %")
        self._home = home.resolve()
        self._workspace = Workspace(self._home)
        self._workspace.models.mkdir(parents=True, exist_ok=True)
        with mlflow_database.one_line():
            self._client = self._open()

    def register(self, candidate: Candidate) -> Version:
        """Write the files first, then the run, then the version in one transaction, then the run's end."""
        digest = manifest.verify(candidate.model_folder).digest
        judged = manifest.verify(candidate.judged_folder).digest if candidate.judged_folder else digest
        with mlflow_database.one_line(), self.writing():
            self._sweep()
            self._keep(candidate.model_folder, digest)
            self._keep(candidate.judged_folder or candidate.model_folder, judged)
            found = self._search(f"tags.{DIGEST} = '{digest}'")
            number = int(found[0].version) if found else self._record(candidate, digest, judged)
            version = self.get(number)
            is_better = passed(candidate.decision) and not passed(version.decision)
            if is_better or (candidate.decision or {}).get("own_test"):
                self._tag(version, "decision", mlflow_records.text(candidate.decision))
            return self.get(number)

    def decide(self, number: int, decision: Mapping[str, Any]) -> Version:
        """Write the tag that holds it."""
        with mlflow_database.one_line(), self.writing():
            version = self.get(number)
            version.require_passed()
            self._tag(version, "decision", mlflow_records.text(decision))
            return self.get(number)

    def versions(self) -> tuple[Version, ...]:
        """Return all versions by one query, without those that someone made by hand in MLflow."""
        with mlflow_database.one_line():
            records = [record for record in self._search() if DIGEST in record.tags]
            aliases = self._model().aliases
        for record in records:  # MLflow's search leaves them out
            record.aliases = [name for name, number in aliases.items() if number == record.version]
        return tuple(map(self._version, records))

    def get(self, number: int) -> Version:
        """Read one version from MLflow, each time anew."""
        if type(number) is int and 0 < number < 2**31:  # no True, and no more than MLflow's column holds
            with mlflow_database.one_line():
                if self._search(f"version_number = {number}"):
                    return self._version(self._client.get_model_version(MODEL_NAME, str(number)))
        raise UnknownVersion(self._home, number, tuple(version.number for version in self.versions()[-20:]))

    def champion(self) -> Version | None:
        """Return the version that MLflow's alias points to."""
        number = self._champion_number()
        return None if number is None else self.get(number)

    def champions(self) -> list[int]:
        """Read the history that rollbacks follow."""
        return succession(self.history())

    def history(self) -> list[Event]:
        """Read the events, without the one that a killed process announced."""
        return settled(self._events(), self._champion_number())

    def writing(self) -> AbstractContextManager[int]:
        """Hold the registry as its only writer, until the block ends or the process dies."""
        return lock.wait_for(self._workspace.registry_lock)

    def candidate(self) -> Version | None:
        """Find the version that waits by a rule: a second alias could be left behind by a kill."""
        crowned = {event.number for event in self.history()}
        waiting = [
            version
            for version in self.versions()
            if version.number > max(crowned, default=0) and version.status != "Rejected"
        ]
        return waiting[-1] if waiting else None

    def promote(self, number: int, approval: Approval | None = None) -> Version:
        """Move the alias, as the last step and in one transaction: a kill before it does not change the champion."""
        with mlflow_database.one_line(), self.writing():
            version = self.get(number)
            version.require_passed()
            if self._champion_number() != number:
                version.require_approval(approval)
            self._crown(version, "promote", approval)
            return self.get(number)

    def rollback(self, approval: Approval | None = None) -> Version:
        """Return to the champion before this one; the succession forgets the one that was rolled back."""
        with mlflow_database.one_line(), self.writing():
            line = self.champions()
            if len(line) < 2:
                raise RegistryError(f"{self._home} has no earlier champion: promote a version instead")
            self._crown(self.get(line[-2]), "rollback", approval)
            return self.get(line[-2])

    def verify(self, number: int) -> manifest.Manifest:
        """Hash every file, those of the judged model too, and return the manifest."""
        version = self.get(number)
        self.judged(number)
        return _verified(version.folder, version.digest)

    def judged(self, number: int) -> Path:
        """Hash every file and return their folder."""
        digest = self.get(number).judged
        _verified(folder_of(self._home, digest), digest)
        return folder_of(self._home, digest)

    def baseline(self, number: int, name: str = PREDICTIONS) -> Path:
        """Hash every file and return their folder, which is among those that MLflow keeps with the version's run."""
        digest = mlflow_records.baseline_digest(self.get(number), name)
        with mlflow_database.one_line():
            run = self._client.get_model_version(MODEL_NAME, str(number)).run_id
        folder = self._workspace.artifacts / str(run) / "artifacts" / mlflow_records.BASELINES / name
        _verified(folder, digest)
        return folder

    def sweep(self) -> int:
        """Close the runs of killed processes; while the writers' lock is held, no RUNNING run has a living process."""
        with mlflow_database.one_line(), self.writing():
            return self._sweep()

    def _open(self) -> MlflowClient:
        database = self._workspace.database
        if not database.exists():
            with self.writing():
                if not database.exists():
                    for folder in (self._home, self._workspace.models):
                        publish.sweep(folder)  # of a process killed while it made the database
                    mlflow_database.create(database, self._workspace.models)
        client = mlflow_database.client(database)
        if not client.search_registered_models(_OURS):
            with self.writing():
                if not client.search_registered_models(_OURS):
                    client.create_registered_model(MODEL_NAME)
        return client

    def _sweep(self) -> int:
        publish.sweep(self._workspace.models)
        experiments = self._client.search_experiments(filter_string=f"name LIKE '{MODEL_NAME}%'")
        runs = self._client.search_runs(
            [experiment.experiment_id for experiment in experiments],
            filter_string="attributes.status = 'RUNNING'",
        )
        for run in runs:
            registered = self._search(f"run_id = '{run.info.run_id}'")
            self._client.set_terminated(run.info.run_id, "FINISHED" if registered else "KILLED")
            _logger.info("closed run %s of a killed process", run.info.run_id)
        return len(runs)

    def _keep(self, source: Path, digest: str) -> None:
        target = folder_of(self._home, digest)
        try:
            _verified(target, digest)
        except ArtifactError:
            shutil.rmtree(target, ignore_errors=True)
            with publish.new_folder(target) as staging:
                shutil.copytree(source, staging, dirs_exist_ok=True, copy_function=shutil.copyfile)
                _verified(staging, digest)

    def _record(self, candidate: Candidate, digest: str, judged: str) -> int:
        metrics = mlflow_figures.headline(candidate.evaluation)
        tags = {
            DIGEST: digest,
            "status": candidate.status,
            "metrics": mlflow_records.text(metrics),
            "decision": mlflow_records.text(candidate.decision),
            "lineage": mlflow_records.lineage_text(candidate, digest, judged),
        }
        with self._run(digest) as run_id:
            self._log(run_id, candidate)
            version = self._client.create_model_version(
                MODEL_NAME, folder_of(self._home, digest).as_uri(), run_id, tags
            )
        _logger.info("registered version %s, digest %s", version.version, digest)
        return int(version.version)

    @contextmanager
    def _run(self, digest: str) -> Iterator[str]:
        run = self._client.create_run(self._experiment(), run_name=digest[:12], tags={DIGEST: digest})
        try:
            yield run.info.run_id
        except BaseException:
            self._client.set_terminated(run.info.run_id, "FAILED")
            raise
        self._client.set_terminated(run.info.run_id)

    def _log(self, run_id: str, candidate: Candidate) -> None:
        for metrics, params in mlflow_figures.batches(candidate):
            self._client.log_batch(run_id, metrics, params)
        for path in candidate.attachments:
            self._client.log_artifact(run_id, str(path))
        if candidate.baselines:
            self._client.log_artifacts(run_id, str(candidate.baselines), mlflow_records.BASELINES)

    def _experiment(self) -> str:
        """Return the experiment's id; MLflow fixes an experiment's folder, so a moved workspace gets another."""
        location = self._workspace.artifacts.as_uri()
        name = MODEL_NAME
        found = self._client.get_experiment_by_name(name)
        if found and found.artifact_location != location:
            name = f"{MODEL_NAME} in {self._home}"
            found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name, location, tags=_KIND)

    def _crown(self, version: Version, verb: str, approval: Approval | None) -> None:
        version.require_passed()
        if not version.folder.exists():
            raise ArtifactError(f"version {version.number} has no files any more: run the pipeline on its data again")
        _verified(version.folder, version.digest)
        champion = self._champion_number()
        if version.status != "Approved":
            self._tag(version, "status", "Approved")
        if champion != version.number:
            events = [*settled(self._events(), champion), Event.now(version.number, verb, approval)]
            text = mlflow_records.history_text(events)
            self._client.set_registered_model_tag(MODEL_NAME, mlflow_records.HISTORY, text)
            self._client.set_registered_model_alias(MODEL_NAME, CHAMPION, str(version.number))
            _logger.info("%s: version %d is the champion, before it was %s", verb, version.number, champion)

    def _tag(self, version: Version, key: str, value: str) -> None:
        self._client.set_model_version_tag(MODEL_NAME, str(version.number), key, value)

    def _model(self) -> RegisteredModel:
        return self._client.get_registered_model(MODEL_NAME)

    def _champion_number(self) -> int | None:
        with mlflow_database.one_line():
            number = self._model().aliases.get(CHAMPION)
        return None if number is None else int(number)

    def _events(self) -> list[Event]:
        with mlflow_database.one_line():
            return mlflow_records.events(self._model().tags, self._home)

    def _search(self, condition: str = "") -> list[ModelVersion]:
        where = f"{_OURS} and {condition}" if condition else _OURS
        return list(self._client.search_model_versions(where, _MOST, ["version_number ASC"]))

    def _version(self, record: ModelVersion) -> Version:
        return mlflow_records.version(record, self._home)


def _verified(folder: Path, digest: str) -> manifest.Manifest:
    found = manifest.verify(folder)
    if found.digest != digest:
        raise ChecksumMismatch(folder / manifest.NAME, digest, found.digest)
    return found
