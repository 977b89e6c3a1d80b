"""Folders of titles, scored part by part: by the function, and by the step as its container runs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from jobmajor.batch import parts, spark
from jobmajor.batch.parts import Work
from jobmajor.errors import InputError
from jobmajor.model.classifier import Classifier
from jobmajor.steps import __main__ as steps
from sagelocal.jobs import container, contracts
from sagelocal.jobs.environment import current
from sagelocal.storage import archive, manifest, publish
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.model.answers import Coded

TITLES = ["registered nurse", "", None, "truck driver"]
ROWS = pl.DataFrame({"id": ["007", "2", "3", "4"], "title": TITLES})


@pytest.fixture
def work(model_folder: Path, tmp_path: Path) -> Work:
    """One part of each kind, one of them further inside, and what is no data."""
    source = tmp_path / "parts"
    (source / "deep").mkdir(parents=True)
    ROWS.write_parquet(source / "a.parquet")
    ROWS.write_csv(source / "b.csv")
    ROWS.write_ndjson(source / "deep" / "c.jsonl")
    (source / "_SUCCESS").touch()
    return Work(source, tmp_path / "scored", model_folder)


def read(folder: Path) -> list[pl.DataFrame]:
    csv = pl.read_csv(folder / "b.csv", schema_overrides={"id": pl.String})
    return [pl.read_parquet(folder / "a.parquet"), csv, pl.read_ndjson(folder / "deep" / "c.jsonl")]


def expected(answers: Sequence[Coded]) -> list[tuple[str | None, str | None, Any]]:
    """Code, name and score of each; nothing where there is no code."""
    best = [each.answers[0] for each in answers]
    assert any(not each.label for each in best)
    return [
        (each.label, each.name, pytest.approx(each.score, abs=1e-6)) if each.label else (None, None, None)
        for each in best
    ]


def test_every_part_keeps_its_rows_and_gets_what_the_classifier_answers(work: Work, classifier: Classifier) -> None:
    done = parts.score(work, threads=1)

    assert done == {"a.parquet": 4, "b.csv": 4, "deep/c.jsonl": 4}
    answers = classifier.answer(TITLES)
    for frame in read(work.target):
        assert frame["id"].to_list() == ROWS["id"].to_list()
        given = [(row["code"], row["name"], row["score"]) for row in frame.to_dicts()]
        assert given == expected(answers)
        assert frame["abstain"].to_list() == [each.abstain for each in answers]


def test_finished_parts_are_left_alone_and_changed_or_damaged_ones_done_again(work: Work) -> None:
    parts.score(work, threads=1)
    assert parts.score(work, threads=1) == {}
    (work.target / "a.parquet").write_bytes(b"half")
    ROWS.head(2).write_csv(work.source / "b.csv")

    assert parts.score(work, threads=1) == {"a.parquet": 4, "b.csv": 2}


def test_other_level_is_another_answer(work: Work) -> None:
    parts.score(work, threads=1)

    done = parts.score(Work(work.source, work.target, work.model, "detailed"), threads=1)

    assert len(done) == 3
    assert {len(code) for frame in read(work.target) for code in frame["code"].drop_nulls()} == {7}


def test_part_without_its_record_counts_for_nothing(work: Work) -> None:
    """As a kill between the two leaves it."""
    parts.score(work, threads=1)
    (work.target / parts.RECORDS / "b.csv.json").unlink()

    assert list(parts.score(work, threads=1)) == ["b.csv"]


def test_failed_part_is_named_leaves_nothing_and_keeps_the_others(work: Work) -> None:
    ROWS.rename({"title": "job"}).write_csv(work.source / "b.csv")

    with pytest.raises(InputError, match=r"b\.csv: found only id, job, expected a column 'title' of text"):
        parts.score(work, threads=1)

    assert sorted(path.name for path in work.target.iterdir()) == [parts.RECORDS, "a.parquet"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": "1"}, "there is a column 'score' already"),
        ({"title": 7}, "expected a column 'title' of text"),
    ],
)
def test_table_that_has_no_place_for_answers_is_refused(change: dict[str, Any], words: str) -> None:
    frame = ROWS.with_columns(**{name: pl.lit(value) for name, value in change.items()})

    with pytest.raises(InputError, match=words):
        parts.check(frame)


@pytest.mark.parametrize(("name", "data"), [("x.xlsx", b""), ("x.parquet", b"no"), ("x.csv", b"\xff\xfe\x00")])
def test_file_that_is_no_part_is_refused_by_its_name(work: Work, name: str, data: bytes) -> None:
    (work.source / name).write_bytes(data)

    with pytest.raises(InputError, match=r"^x\."):
        parts.score(work, threads=1)


def test_empty_part_and_empty_folder_are_fine(work: Work, tmp_path: Path) -> None:
    ROWS.clear().write_parquet(work.source / "a.parquet")
    (tmp_path / "none").mkdir()

    assert parts.score(work, threads=1)["a.parquet"] == 0
    assert pl.read_parquet(work.target / "a.parquet").schema == {**ROWS.schema, **parts.COLUMNS}
    assert parts.score(Work(tmp_path / "none", tmp_path / "out", work.model)) == {}


def test_part_that_version_0_1_0_finished_is_left_alone(work: Work) -> None:
    """The record is written here as that version wrote it."""
    work.target.mkdir()
    (work.target / parts.RECORDS).mkdir()
    (work.target / "a.parquet").write_bytes(b"its answers")
    hashes = {"source": work.source / "a.parquet", "sha256": work.target / "a.parquet"}
    record: dict[str, Any] = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in hashes.items()}
    record |= {"model": manifest.read(work.model).digest, "level": "major", "rows": 4}
    (work.target / parts.RECORDS / "a.parquet.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")

    assert list(parts.score(work, threads=1)) == ["b.csv", "deep/c.jsonl"]
    assert (work.target / "a.parquet").read_bytes() == b"its answers"


def test_arrow_batches_get_what_the_classifier_answers(model_folder: Path, classifier: Classifier) -> None:
    """What a worker of Spark does with each batch, without Spark."""
    batch = pa.RecordBatch.from_pydict({"id": [1, 2, 3, 4], "title": TITLES})

    (found,) = spark._mapper("title", str(model_folder), "minor")([batch])

    compiled = Classifier(classifier.scorer, classifier.about, classifier.knowledge).compile()  # as the workers score
    answers = compiled.answer(TITLES, "minor")
    assert found.schema.names == ["id", "title", *spark.COLUMNS]
    given = list(zip(*(found[name].to_pylist() for name in ("code", "name", "score")), strict=True))
    assert given == expected(answers)
    assert found["abstain"].to_pylist() == [each.abstain for each in answers]


@pytest.mark.slow
def test_several_threads_give_the_same_bytes_as_one(work: Work, tmp_path: Path) -> None:
    parts.score(work, threads=1)

    parts.score(Work(work.source, tmp_path / "two", work.model), threads=2)

    for path in (path for path in work.target.rglob("*") if path.is_file()):
        assert (tmp_path / "two" / path.relative_to(work.target)).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_killed_run_leaves_whole_parts_only_and_the_next_one_does_the_rest(work: Work, tmp_path: Path) -> None:
    """The kill comes inside the writing of a part: `os.replace` never happens."""
    program = (
        "import os, pathlib, sys\n"
        "from jobmajor.batch import parts as batch\n"
        "write, done = batch._write, []\n"
        "def killed(frame, path):\n"
        "    write(frame, path)\n"
        "    done.append(path)\n"
        "    len(done) < 2 or os._exit(9)\n"
        "batch._write = killed\n"
        "batch.score(batch.Work(*map(pathlib.Path, sys.argv[1:])), threads=1)\n"
    )
    words = [sys.executable, "-c", program, str(work.source), str(work.target), str(work.model)]
    assert subprocess.run(words, check=False, capture_output=True, timeout=120).returncode == 9

    there = {path.name for path in work.target.iterdir()}
    done = parts.score(work, threads=1)

    assert there == {"a.parquet", parts.RECORDS, f"{publish.STAGING}b.csv"}
    assert list(done) == ["b.csv", "deep/c.jsonl"]
    assert not (work.target / f"{publish.STAGING}b.csv").exists()


# The step


@pytest.fixture
def root(work: Work, tmp_path: Path) -> Path:
    """What a scoring job finds."""
    folder = tmp_path / "ml"
    (folder / "processing").mkdir(parents=True)
    work.source.rename(folder / "processing" / "parts")
    archive.pack(work.model, folder / "processing" / "model" / "model.tar.gz")
    return folder


def test_step_scores_the_parts_that_it_finds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGELOCAL_ML_ROOT", str(root))

    assert steps.main(["score", "--level", "minor", "--workers", "1"]) == 0

    codes = pl.read_parquet(root / "processing/output/scored/a.parquet")["code"]
    assert [code is None for code in codes] == [False, True, True, False]
    assert all(code.endswith("00") for code in codes.drop_nulls())


def test_step_leaves_the_reason_where_the_service_looks_for_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGELOCAL_ML_ROOT", str(root))
    (root / "processing" / "parts" / "b.csv").write_text("no\nx\n", "utf-8")

    assert steps.main(["score", "--workers", "1"]) == 1

    assert (root / "output" / "message").read_text("utf-8").startswith("b.csv: found only no")


@pytest.mark.long
def test_sharded_job_of_two_instances_scores_every_part_once(root: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "s3")
    for name in ("parts", "model"):
        store.publish(f"s3://bkt/{name}", root / "processing" / name)
    place = {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    sources = {"parts": "ShardedByS3Key", "model": "FullyReplicated"}
    inputs = [
        {
            "InputName": name,
            "S3Input": {
                **place,
                "S3Uri": f"s3://bkt/{name}",
                "LocalPath": f"/opt/ml/processing/{name}",
                "S3DataDistributionType": how,
            },
        }
        for name, how in sources.items()
    ]
    target = {"S3Uri": "s3://bkt/scored", "LocalPath": "/opt/ml/processing/output/scored"}
    job = contracts.job(
        "Processing",
        {
            "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2}},
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": [sys.executable, "-m", "jobmajor.steps", "score"],
                "ContainerArguments": ["--workers", "1"],
            },
            "ProcessingInputs": inputs,
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "scored", "S3Output": target}]},
        },
        "one",
        "score",
    )

    contents = {item.name: store.listing(item.uri) for item in job.inputs}
    with (tmp_path / "lock").open("w") as lock:
        context = container.JobContext("score", store, current(), tmp_path / "job", tmp_path / "log.txt", lock.fileno())
        container.run(job, context, contents)

    found = set(store.listing("s3://bkt/scored"))
    assert {name for name in found if parts.is_part(name)} == {"a.parquet", "b.csv", "deep/c.jsonl"}
    logs = [path.read_text("utf-8") for path in (tmp_path / "log.txt", tmp_path / "log-algo-2.txt")]
    assert sorted(text.count("scored part=") for text in logs) == [1, 2]
    assert json.loads(store.path("s3://bkt/scored/_records/b.csv.json").read_bytes())["rows"] == 4
    assert "SAGELOCAL_ML_ROOT" not in os.environ
