"""Titles in a real local Spark: one core, one Java process, the same answers as without it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.batch import spark
from jobmajor.errors import InputError
from jobmajor.model.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Iterator


pytest.importorskip("pyspark", reason="needs the extra `spark`")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,  # a Java process takes 20 s; test_parts holds the answers without one
    pytest.mark.xdist_group("spark"),  # one Java process
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java, which Spark runs on"),
    # Spark's own: it leaves sockets to its Java process open until Python ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:pytest.PytestUnraisableExceptionWarning"),
    # It looks at pandas' version even where, as here, batches are Arrow's and pandas is not used.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

ROWS = [(1, "registered nurse"), (2, ""), (3, None), (4, "truck driver"), (5, "Köchin")]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Spark on one core, reachable on loopback only, whose workers find the package where this process does."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - may not be installed

    work = tmp_path_factory.mktemp("spark")
    sources = str(Path(spark.__file__).parents[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (sources, os.environ.get("PYTHONPATH", "")))))
        builder = SparkSession.builder.master("local[1]").appName("jobmajor tests")
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": "1",
            "spark.local.dir": str(work),
            "spark.sql.warehouse.dir": str(work / "warehouse"),
            "spark.driver.memory": "512m",
        }.items():
            builder = builder.config(name, value)
        started = builder.getOrCreate()
        yield started
        started.stop()


def test_rows_come_back_with_what_the_classifier_answers(
    session: Any, model_folder: Path, classifier: Classifier
) -> None:
    frame = session.createDataFrame(ROWS, "id long, title string").repartition(2)

    found = {row.id: row for row in spark.score(frame, "title", model_folder, "minor").collect()}

    compiled = Classifier(classifier.scorer, classifier.about, classifier.knowledge).compile()  # as the workers score
    answers = compiled.answer([title for _, title in ROWS], "minor")
    for (number, title), answer in zip(ROWS, answers, strict=True):
        row, best = found[number], answer.answers[0]
        assert (row.title, row.abstain) == (title, answer.abstain)
        assert (row.code, row.name) == ((best.label, best.name) if best.label else (None, None))
        assert row.score == (pytest.approx(best.score, abs=1e-6) if best.label else None)


def test_answers_go_through_a_lake_s_own_files(session: Any, model_folder: Path, tmp_path: Path) -> None:
    frame = session.createDataFrame(ROWS, "id long, title string")

    spark.score(frame, "title", model_folder).write.parquet(str(tmp_path / "scored"))

    read = session.read.parquet(str(tmp_path / "scored"))
    assert read.count() == len(ROWS)
    assert dict(read.dtypes) == {"id": "bigint", "title": "string", **spark.COLUMNS}


@pytest.mark.parametrize(
    ("schema", "column", "words"),
    [
        ("id long, job string", "title", "found no column 'title' of text in id, job"),
        ("id long, title binary", "title", "found no column 'title' of text"),
        ("code long, title string", "title", "there is a column 'code' already"),
    ],
)
def test_frame_that_has_no_place_for_answers_is_refused_before_anything_runs(
    session: Any, schema: str, column: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        spark.score(session.createDataFrame([], schema), column, tmp_path)
