"""A registry that a disk, a person or another program damaged: one line, status 1 or 2, never a trace."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.cli.main import main
from jobmajor.errors import RegistryError
from jobmajor.registry import mlflow_records, versions
from jobmajor.registry.loading import champion_folder, open_registry
from jobmajor.registry.versions import Candidate
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "a" * 64
TAGS = {
    "digest": DIGEST,
    "status": "Approved",
    "metrics": '{"test_f1": 0.9}',
    "decision": '{"passed": true, "reasons": []}',
    "lineage": '{"source": {"release": "28.1"}}',
}
KINDS = ("null", "[]", "{}", "1", '"x"', "true", "not json", "", "[[1]]", "[" * 5000, "NaN", None)
# The values of another kind that are right for a tag, too: a version without a gate has no decision.
ALSO_RIGHT = {("decision", "null"), ("decision", "{}"), ("metrics", "{}"), ("lineage", "{}")}


class Record:
    """What MLflow gives for a version."""

    def __init__(self, tags: dict[str, Any]) -> None:
        self.tags, self.version, self.creation_timestamp = tags, "3", 1_700_000_000_000
        self.aliases: list[str] = []


@pytest.mark.parametrize("name", TAGS)
def test_tag_of_another_kind_is_one_line_that_names_the_version(tmp_path: Path, name: str) -> None:
    for value in KINDS:
        tags = {key: text for key, text in {**TAGS, name: value}.items() if text is not None}
        if (name, value) in ALSO_RIGHT:
            mlflow_records.version(Record(tags), tmp_path)  # type: ignore[arg-type]
            continue
        with pytest.raises(RegistryError, match=r"version 3 in .*: found|has the digest") as caught:
            mlflow_records.version(Record(tags), tmp_path)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decision", '{"passed": true, "reasons": 5}'),
        ("lineage", '{"source": 5}'),
        ("metrics", '{"test_f1": "high"}'),
        ("metrics", '{"test_f1": null}'),
        ("status", "Fine"),
        ("digest", b"\xff\xfe"),
    ],
)
def test_member_of_another_kind_is_one_line(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(RegistryError, match=name):
        mlflow_records.version(Record({**TAGS, name: value}), tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [*KINDS[2:-1], "null", "[null]", '[[1, "promote"]]', '[["1", "promote", "now"]]'])
def test_history_of_another_kind_is_one_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(RegistryError, match=r"the history of champions in .* is damaged: found"):
        mlflow_records.events({"champions": value}, tmp_path)


def test_history_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert mlflow_records.events({}, tmp_path) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a champion, whose model is a single file."""
    home = tmp_path_factory.mktemp("whole") / "home"
    model = tmp_path_factory.mktemp("model")
    (model / "model.json").write_text("{}")
    manifest.write(model)
    registry = open_registry(home)
    registry.register(Candidate(model, {}, {"passed": True, "reasons": []}, "Approved", {}))
    registry.promote(1)
    return home


def _sql(*statements: str) -> Callable[[Path], None]:
    def damage(home: Path) -> None:
        with closing(sqlite3.connect(home / "mlflow.db")) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return damage


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(home: Path) -> None:
        (home / "mlflow.db").write_bytes(change((home / "mlflow.db").read_bytes()))

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "no aliases": _sql("DROP TABLE registered_model_aliases"),
    "no versions": _sql("DROP TABLE model_versions"),
    "no models": _sql("DROP TABLE registered_models"),
    "a column by another name": _sql("ALTER TABLE model_versions RENAME COLUMN creation_time TO made"),
    "a time that is text": _sql("UPDATE model_versions SET creation_time = 'noon'"),
    "an unknown schema": _sql("UPDATE alembic_version SET version_num = 'of tomorrow'"),
    "a digest of bytes": _sql("UPDATE model_version_tags SET value = x'fffe' WHERE key = 'digest'"),
    "a broken decision": _sql("UPDATE model_version_tags SET value = '{' WHERE key = 'decision'"),
    "an empty file": _bytes(lambda _: b""),
    "a first page": _bytes(lambda data: data[:4096]),
    "half of it": _bytes(lambda data: data[: len(data) // 2]),
    "no database": _bytes(lambda data: b"x" * len(data)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_registry_is_one_line(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    home = Path(shutil.copytree(whole, tmp_path / "home"))
    DAMAGES[name](home)
    capfd.readouterr()

    status = main(["models", "list", "--home", str(home)])

    said = capfd.readouterr().err
    assert status == 1
    assert said.startswith("error: ")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_empty_database_is_never_taken_for_a_new_one(whole: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(whole, tmp_path / "home"))
    (home / "mlflow.db").write_bytes(b"")

    with pytest.raises(RegistryError, match="is empty, expected MLflow's tables"):
        champion_folder(home)
    assert (home / "mlflow.db").read_bytes() == b""


@pytest.mark.slow
def test_database_that_another_program_holds_says_so(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(whole, tmp_path / "home"))
    monkeypatch.setattr("jobmajor.registry.mlflow_database._PATIENCE_S", 0.1)

    with closing(sqlite3.connect(home / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match=r"can't be read \(database is locked\): end the program that holds it"):
            champion_folder(home)


def test_digest_of_another_type_opens_no_folder(tmp_path: Path) -> None:
    for digest in (b"a" * 64, 5, ["a" * 64], "A" * 64, "../" * 21 + "a"):
        with pytest.raises(RegistryError, match="expected 64 hex digits"):
            versions.folder_of(tmp_path, digest)  # type: ignore[arg-type]


def test_record_of_jobmajor_is_read_as_it_was_written(tmp_path: Path) -> None:
    version = mlflow_records.version(Record(TAGS), tmp_path)  # type: ignore[arg-type]

    assert (version.number, version.digest, version.metrics) == (3, DIGEST, {"test_f1": 0.9})
    assert version.decision == json.loads(TAGS["decision"])
