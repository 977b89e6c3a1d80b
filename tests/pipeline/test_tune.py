from __future__ import annotations

import fcntl
import subprocess
import sys
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from botocore.validate import ParamValidator

from jobmajor import settings
from jobmajor.errors import ArtifactError, Busy, InputError, MissingExtra
from jobmajor.evaluation import evaluate
from jobmajor.model import thresholds
from jobmajor.pipeline import tune
from jobmajor.settings import Linear
from sagelocal.definition import constraints, service_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jobmajor.pipeline.tune import Progress, Result

    Tables = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def halves(splits: Mapping[str, pl.DataFrame]) -> Tables:
    """Half of the small splits: a trial takes a tenth of a second."""
    pytest.importorskip("optuna", reason="needs the extra 'tune'")
    return splits["train"].gather_every(2), splits["validation"]


def search(home: Path, halves: Tables, **told: Any) -> tuple[Result, list[Progress]]:
    """What a search found, and what it told of on its way."""
    heard: list[Progress] = []
    options = tune.SearchOptions(on_trial=heard.append, **told)
    return tune.run(home, *halves, options), heard


def tried(heard: list[Progress]) -> list[tuple[Linear, float]]:
    return [(progress.trial.settings, progress.trial.f1) for progress in heard]


@pytest.fixture(scope="module")
def five(halves: Tables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[Progress]]:
    """A search of five trials that nothing disturbed."""
    return search(tmp_path_factory.mktemp("five"), halves, trials=5)


def test_every_range_is_of_a_setting_of_the_recipe_and_within_its_bounds() -> None:
    known = {item.name: item for item in fields(Linear)}

    for one in tune.SPACE:
        bounds, default = known[one.name].metadata, getattr(Linear(), one.name)
        assert bounds["low"] <= one.low < one.high <= bounds["high"], one
        assert one.low <= default <= one.high, one
        assert isinstance(one.low, int) == isinstance(one.high, int) or not isinstance(default, int), one
    assert len({one.name for one in tune.SPACE}) == len(tune.SPACE)


def leaves(value: Any, shape: Any) -> Iterator[tuple[Any, Any]]:
    """Every value with the shape that the service's description has for it."""
    yield value, shape
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from leaves(item, shape.members[name])
    elif shape.type_name == "list":
        for item in value:
            yield from leaves(item, shape.member)


def test_ranges_are_what_a_tuning_step_takes() -> None:
    shape = service_model.model().operation_model("CreateHyperParameterTuningJob").input_shape
    ranges = shape.members["HyperParameterTuningJobConfig"].members["ParameterRanges"]

    found = tune.parameter_ranges()

    assert ParamValidator().validate(found, ranges).generate_report() == ""
    assert [fault for value, kind in leaves(found, ranges) for fault in constraints.faults(value, kind)] == []
    listed = [one for kind in found.values() for one in kind]
    assert {one["Name"] for one in listed} == {one.name for one in tune.SPACE}
    for one in listed:  # as the step reads them, which gets text
        for end in ("MinValue", "MaxValue"):
            settings.build(Linear, {one["Name"]: one[end]})


def test_figure_is_the_one_that_training_says_of_validation(halves: Tables) -> None:
    model = thresholds.fit(*halves, Linear())
    counted = halves[1].filter(pl.col("source") == "alternate")
    judged = evaluate.evaluate(counted, model.predict_proba(counted["title"]), model.classes(), seed=0)

    assert tune.score(*halves, Linear()) == pytest.approx(judged["classification_metrics"]["test_f1"])


def test_search_begins_with_the_settings_at_hand_and_ends_with_the_best(five: tuple[Result, list[Progress]]) -> None:
    found, heard = five

    assert heard[0].trial.settings == Linear()
    assert found.best.f1 == max(progress.trial.f1 for progress in heard) == heard[-1].best.f1
    assert [(progress.finished, progress.wanted) for progress in heard] == [(count, 5) for count in range(1, 6)]
    assert len({progress.trial.settings for progress in heard}) == 5
    for progress in heard:
        for one in tune.SPACE:
            assert one.low <= getattr(progress.trial.settings, one.name) <= one.high


def test_what_the_space_leaves_out_stays_as_it_was(halves: Tables, tmp_path: Path) -> None:
    found, _ = search(tmp_path, halves, trials=2, settings=Linear(seed=3))

    assert found.best.settings.seed == 3


@pytest.mark.long  # further searches, each of several trainings
def test_search_that_is_taken_up_again_goes_the_way_of_one_in_one_piece(
    halves: Tables, tmp_path: Path, five: tuple[Result, list[Progress]]
) -> None:
    _, first = search(tmp_path, halves, trials=2)
    found, second = search(tmp_path, halves, trials=5)

    assert tried([*first, *second]) == tried(five[1])
    assert found == five[0]
    assert search(tmp_path, halves, trials=5) == (found, [])


@pytest.mark.long  # further searches, each of several trainings
def test_another_seed_tries_other_settings(halves: Tables, tmp_path: Path, five: tuple[Result, list[Progress]]) -> None:
    _, heard = search(tmp_path, halves, trials=2, seed=1)

    assert heard[1].trial.settings != five[1][1].trial.settings


_KILLED = """
import logging, os, signal, sys
from pathlib import Path
import polars as pl
from jobmajor.pipeline import tune

class Kill(logging.Handler):
    fits = 0

    def emit(self, record):
        if record.getMessage().startswith("blend"):
            self.fits += 1
            if self.fits == 3:
                os.kill(os.getpid(), signal.SIGKILL)

home = Path(sys.argv[1])
logging.getLogger("jobmajor.model.linear.fit").addHandler(Kill())
logging.getLogger("jobmajor.model.linear.fit").setLevel(logging.INFO)
halves = (pl.read_parquet(home / name) for name in ("train", "validation"))
tune.run(home, *halves, tune.Options(trials=5))
"""


@pytest.mark.long  # a search in a process of its own, killed, then done again: a quarter of a minute
def test_search_that_was_killed_in_a_trial_keeps_the_finished_ones_and_tries_that_one_again(
    halves: Tables, tmp_path: Path, five: tuple[Result, list[Progress]]
) -> None:
    for name, table in zip(("train", "validation"), halves, strict=True):
        table.write_parquet(tmp_path / name)
    killed = subprocess.run([sys.executable, "-c", _KILLED, tmp_path], check=False, capture_output=True, timeout=120)

    found, heard = search(tmp_path, halves, trials=5)

    assert killed.returncode == -9, killed.stderr
    assert tried(heard) == tried(five[1])[2:]
    assert (found.best.settings, found.best.f1, found.finished) == (five[0].best.settings, five[0].best.f1, 5)
    assert heard[0].trial.number == 3  # the killed one keeps its number, 2


@pytest.mark.long
def test_trials_of_other_titles_do_not_count(halves: Tables, tmp_path: Path) -> None:
    search(tmp_path, halves, trials=1)

    found, heard = search(tmp_path, (halves[0].slice(1), halves[1]), trials=1)

    assert len(heard) == found.finished == 1


def test_best_settings_are_a_part_of_the_settings_file(tmp_path: Path, five: tuple[Result, list[Progress]]) -> None:
    found = five[0]
    tune.write(tmp_path / "best.toml", found)

    again = settings.read(tmp_path / "best.toml")

    assert again == replace(settings.Settings(), linear=found.best.settings)
    first = (tmp_path / "best.toml").read_text().partition("\n")[0]
    assert first == (
        f"# jobmajor tune: trial {found.best.number}, the best of 5: weighted F1 {found.best.f1:.4f} on validation, "
        f"data {found.data[:12]}"
    )


def test_file_that_is_there_is_not_written_over(tmp_path: Path, five: tuple[Result, list[Progress]]) -> None:
    (tmp_path / "jobmajor.toml").write_text("[split]\n")

    with pytest.raises(InputError, match="is there already"):
        tune.write(tmp_path / "jobmajor.toml", five[0])

    assert (tmp_path / "jobmajor.toml").read_text() == "[split]\n"


def test_two_searches_in_one_workspace_are_refused(halves: Tables, tmp_path: Path) -> None:
    with (tmp_path / "tune.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(Busy):
            search(tmp_path, halves, trials=1)


def test_workspace_may_have_any_name(halves: Tables, tmp_path: Path) -> None:
    home = tmp_path / "100% mine? yes #1"

    search(home, halves, trials=1)

    assert (home / "tune.db").is_file()


def test_file_that_is_no_database_of_trials_is_refused_in_one_line(halves: Tables, tmp_path: Path) -> None:
    (tmp_path / "tune.db").write_bytes(b"no database" * 100)

    with pytest.raises(ArtifactError, match="is no database of trials") as caught:
        search(tmp_path, halves, trials=1)

    assert "\n" not in str(caught.value)


def test_no_trial_is_refused(halves: Tables, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 trials were asked for: expected at least 1"):
        search(tmp_path, halves, trials=0)


def test_missing_extra_is_one_line(
    splits: Mapping[str, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(MissingExtra, match=r"jobmajor tune needs the extra 'tune'"):
        tune.run(tmp_path, splits["train"], splits["validation"])

    assert list(tmp_path.iterdir()) == []
