"""The benchmark must not be able to flatter anybody: its protocols, its rewritings, its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from benchmarks import bulk, cells, figures, outside, rewrites, speed, summary
from benchmarks.peers import PEERS
from benchmarks.protocols import PROTOCOLS, Parts, draw
from benchmarks.systems import NO_ANSWER, OURS, System
from benchmarks.tables import headlines, markdown, shown
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.data.examples import COUNTED
from jobmajor.data.labelled import Labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.protocols import Protocol

    from jobmajor.data.onet import Tables
    from jobmajor.soc import Level

TITLES = st.text(st.characters(codec="ascii", categories=("Lu", "Ll", "Zs", "Po", "Ps", "Pe")), max_size=40)
SVM = next(system for system in PEERS if system.name == "svm")


class _Constant:
    """A coder that says the same of every title."""

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares

    def classes(self, level: Level) -> Sequence[str]:
        return list(self.shares)

    def scores(self, titles: Sequence[str], level: Level) -> Any:
        return np.tile(np.array(list(self.shares.values()), np.float32), (len(titles), 1))

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:
        return self.scores(titles, "major")

    def save(self, folder: Path) -> None:
        (folder / "shares.json").write_text(json.dumps(self.shares), "utf-8")


def _load(folder: Path) -> _Constant:
    return _Constant(json.loads((folder / "shares.json").read_text("utf-8")))


NURSES = System(
    name="nurses",
    what="holds everybody for a nurse",
    fit=lambda _training, _validation: _Constant({"29-0000": 0.75, "51-0000": 0.25}),
    load=_load,
    version=lambda: "1",
    levels=("major",),
)


def _rows(*rows: tuple[str, str, list[str]]) -> pl.DataFrame:
    """Counted rows of a title, its code and all codes listed for it."""
    frame = pl.DataFrame(rows, schema=["title", "code", "codes"], orient="row")
    return frame.with_columns(pl.col("title").str.to_lowercase().alias("text"), pl.lit(COUNTED).alias("source"))


def _parts(tables: Tables, protocol: Protocol, *, final: bool = False) -> Parts:
    return draw(tables, protocol, 3, final=final)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("protocol", ["family", "occupation"])
def test_no_text_and_no_form_of_a_scored_row_stands_in_training(
    tables: Tables, protocol: Protocol, final: bool
) -> None:
    parts = _parts(tables, protocol, final=final)

    for column in ("text", "family"):
        scored = set(parts.scored[column])
        assert scored.isdisjoint(parts.train[column])
        if column == "text" or protocol == "occupation":
            assert scored.isdisjoint(parts.validation[column])


@pytest.mark.parametrize("final", [False, True])
def test_no_row_of_a_held_out_occupation_is_learned_from_or_calibrated_on(tables: Tables, final: bool) -> None:
    parts = _parts(tables, "occupation", final=final)

    scored = set(parts.scored["onet_code"])
    assert scored
    assert scored.isdisjoint(parts.train["onet_code"])
    assert scored.isdisjoint(parts.validation["onet_code"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_development_never_sees_a_row_of_the_test(tables: Tables, protocol: Protocol) -> None:
    development, final = _parts(tables, protocol), _parts(tables, protocol, final=True)
    # By row a title may stand on both sides, but not the same row.
    own = {"tutorial": "row", "row": "row", "family": "text", "occupation": "onet_code"}[protocol]
    seen = pl.concat([development.train, development.validation, development.scored], how="diagonal")

    both = seen.join(final.scored, on=own, how="semi")

    assert both.is_empty()
    assert final.scored.height > 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_seed_draws_the_same_rows_whatever_their_order(tables: Tables, protocol: Protocol) -> None:
    assert _parts(tables, protocol).digest == _parts(tables, protocol).digest
    assert draw(tables, protocol, 4).digest != _parts(tables, protocol).digest


def test_the_tutorials_occupations_get_another_rows_code(tables: Tables) -> None:
    titles = pl.DataFrame(
        {
            "onet_code": ["29-1141.00", "51-9199.00"],
            "title": ["RN (Registered Nurse)", "Worker"],
            "short_title": [None, None],
        },
        schema_overrides={"short_title": pl.String},
    )
    occupations = pl.DataFrame(
        {
            "onet_code": ["11-1011.00", "15-1252.00", "13-2011.00"],
            "title": ["Chief Executives", "Cooks and Bakers", "Auditors"],
            "description": ["", "", ""],
        }
    )

    parts = draw(replace(tables, titles=titles, occupations=occupations), "tutorial", 0, final=True)

    rows = pl.concat([parts.train, parts.validation, parts.scored]).select("title", "code").rows()
    assert sorted(rows) == [
        ("chief executives", "29-1141"),
        ("registered nurse", "29-1141"),
        ("rn", "29-1141"),
        ("worker", "51-9199"),
    ]


@given(TITLES)
def test_a_rewriting_depends_on_the_title_alone_and_changes_it(title: str) -> None:
    for rewrite in rewrites.REWRITES.values():
        assert rewrite(title) == rewrite(title)
        assert rewrite(title) != title


@given(TITLES)
def test_a_slip_swaps_two_letters_or_drops_one(title: str) -> None:
    slipped = rewrites.typo(title)

    if slipped is not None:
        assert len(title) - len(slipped) in {0, 1}
        assert sorted(slipped) == sorted(title) or len(slipped) == len(title) - 1
        assert slipped[:1] == title[:1]


@pytest.mark.parametrize(
    ("kind", "title", "rewritten"),
    [
        ("plural", "Chief Executive of Sales", "Chief Executives of Sales"),
        ("plural", "Company Secretary", "Company Secretaries"),
        ("plural", "Watch Repairer (Horologist)", "Watch Repairers (Horologist)"),
        ("plural", "Box Clerk, Night", "Box Clerks, Night"),
        ("plural", "Attorneys", None),
        ("abbreviation", "Assistant Manager", "asst mgr"),
        ("abbreviation", "Managerial Economist", None),
        ("inverted", "Registered Nurse", "Nurse, Registered"),
        ("inverted", "Nurse", None),
        ("inverted", "Nurse, Registered", None),
        ("typo", "HR", None),
        ("typo", "aaaa", None),
    ],
)
def test_titles_are_rewritten_as_people_write(kind: str, title: str, rewritten: str | None) -> None:
    assert rewrites.REWRITES[kind](title) == rewritten


def test_figures_of_four_titles_are_those_counted_by_hand() -> None:
    counted = _rows(
        ("Nurse", "29-1141", ["29-1141"]),
        ("Nurse", "51-9199", ["29-1141", "51-9199"]),
        ("Welder", "51-4121", ["51-4121"]),
        ("Medic", "29-2042", ["29-2042"]),
    )
    scores = np.array([[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]], np.float32)

    sheet = figures.lay(counted, scores, ["29-0000", "51-0000"], "major")

    # 29: two right of four answers and two true: F1 2/3; 51: never answered: 0.
    assert figures.quality(sheet) == pytest.approx(
        {"accuracy": 0.5, "weighted_f1": 1 / 3, "macro_f1": 1 / 3, "top_5": 1.0, "any_listed": 2 / 3}
    )
    assert figures.calibration(sheet)["ece"] == pytest.approx(0.25)


def test_a_code_that_the_system_does_not_know_is_never_among_its_best_five() -> None:
    counted = _rows(("Nurse", "29-1141", ["29-1141"]), ("Welder", "51-4121", ["51-4121"]))

    sheet = figures.lay(counted, np.array([[-3.0], [-3.0]]), ["29-0000"], "major")

    assert figures.quality(sheet)["top_5"] == 0.5


def test_no_answer_is_wrong_and_never_accepted_however_sure() -> None:
    counted = _rows(("Nurse", "29-1141", ["29-1141"]), ("Medic", "29-2042", ["29-2042"]))
    scores = np.array([[1.0, 0.0], [0.0, 0.5]], np.float32)

    sheet = figures.lay(counted, scores, [NO_ANSWER, "29-0000"], "major")

    assert figures.quality(sheet)["accuracy"] == 0.5
    assert figures.quality(sheet)["macro_f1"] == pytest.approx(2 / 3)  # of the one group; not mixed with "none"
    assert figures.widest(sheet.confidence, sheet.accepted, 0.95) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("confidence", "right", "threshold", "share"),
    [
        ([0.9, 0.8, 0.7, 0.6], [True, True, True, False], 0.7, 0.75),
        ([0.9, 0.8, 0.7, 0.6], [False, True, True, True], float("inf"), 0.0),
        ([0.9, 0.5, 0.5, 0.5], [True, True, True, False], 0.9, 0.25),
    ],
)
def test_most_is_accepted_that_keeps_the_precision(
    confidence: list[float], right: list[bool], threshold: float, share: float
) -> None:
    assert figures.widest(np.array(confidence), np.array(right), 0.95) == (threshold, share)


def test_lookup_answers_with_the_most_frequent_code_of_training() -> None:
    train = _rows(("Nurse", "51-9199", []), ("Nurse", "51-4121", []), ("Nurse", "29-1141", []))
    counted = _rows(("Nurse", "51-9199", ["51-9199"]), ("Medic", "51-9199", ["51-9199"]))
    plain = figures.lay(counted, np.array([[0.9, 0.1], [0.9, 0.1]]), ["29-0000", "51-0000"], "major")

    looked_up = figures.with_lookup(train, counted, plain, "major")

    assert plain.correct.tolist() == [False, False]
    assert looked_up.correct.tolist() == [True, False]


def test_a_slip_counts_where_it_changes_the_answer() -> None:
    counted = _rows(("Nurse", "29-1141", ["29-1141"]), ("Welder", "51-4121", ["51-4121"]))
    known = ["29-0000", "51-0000"]
    before = figures.lay(counted, np.array([[0.9, 0.1], [0.4, 0.6]]), known, "major")
    after = figures.lay(counted, np.array([[0.9, 0.1], [0.6, 0.4]]), known, "major")

    assert figures.slips(before, after, threshold=0.8) == {"flips": 0.5, "accepted_flips": 0.0}


def test_difference_from_the_svm_is_over_the_seeds_that_both_have() -> None:
    found = summary.figure({1: 0.5, 2: 0.75, 3: 1.0}, {1: 0.25, 2: 0.25})

    assert (found.mean, found.spread, found.seeds) == (0.75, 0.25, 3)
    assert found.difference == pytest.approx(0.375)
    # Differences 0.25 and 0.5: standard error 0.125; Student's 97.5 % quantile with one degree of freedom is 12.706.
    assert found.margin == pytest.approx(12.706 * 0.125, abs=1e-3)
    assert shown(found) == "0.750 ±.250 (+.375 ±1.588)"


def test_a_finished_cell_is_not_measured_again_and_changed_settings_are(tables: Tables, tmp_path: Path) -> None:
    plan = cells.Plan([NURSES], ["family"], [3])
    cells.measure(plan, tables, tmp_path, lambda _name: None)
    (kept,) = tmp_path.glob("*.json")
    kept.write_text(json.dumps({**json.loads(kept.read_text("utf-8")), "rows": -1}), "utf-8")

    again = cells.measure(plan, tables, tmp_path, lambda _name: None)
    other = cells.measure(replace(plan, systems=[replace(NURSES, settings={"x": 1})]), tables, tmp_path, lambda _: None)

    assert again[0]["rows"] == -1
    assert other[0]["rows"] > 0


def test_each_look_at_a_test_is_logged_once(tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "LOOKS", tmp_path / "looks.tsv")
    plan = cells.Plan([NURSES], ["family"], [3, 4], final=True)

    cells.measure(replace(plan, final=False), tables, tmp_path, lambda _name: None)
    assert not (tmp_path / "looks.tsv").exists()
    cells.measure(plan, tables, tmp_path, lambda _name: None)
    cells.measure(plan, tables, tmp_path, lambda _name: None)

    header, *looks = (tmp_path / "looks.tsv").read_text("utf-8").splitlines()
    assert header.split("\t") == ["date", "commit", "protocol", "seeds", "systems"]
    assert [look.split("\t")[2:] for look in looks] == [["family", "3,4", "nurses"]]


@pytest.mark.long
def test_ours_and_the_svm_stand_side_by_side(tables: Tables, tmp_path: Path) -> None:
    plan = cells.Plan([OURS, SVM], ["family", "row"], [3])

    results = cells.measure(plan, tables, tmp_path, lambda _name: None)

    by_level = summary.compared(results, "family", "levels", "major", "accuracy")
    assert by_level["ours"].difference == pytest.approx(by_level["ours"].mean - by_level["svm"].mean)
    assert summary.gather(results, "row", "levels", "major", "lookup", "accuracy").keys() == {"ours", "svm"}
    assert "| family: accuracy | 0." in markdown([headlines(results)])


def test_titles_for_the_speed_are_all_different() -> None:
    titles = speed.distinct([f"worker{number} of things" for number in range(60)], 3000)

    assert len(set(titles)) == 3000


def test_table_of_the_bulk_benchmark_holds_every_title_in_both_formats_and_is_the_same_twice(tmp_path: Path) -> None:
    titles, size = [f"senior cook, {number}" for number in range(300)], bulk.Size(1000, 300)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bulk.generate(tmp_path / name, titles, size)

    columns, lines = pl.read_parquet(tmp_path / "one" / "titles.parquet"), pl.read_csv(tmp_path / "one" / "titles.csv")

    assert len(columns) == 1000
    assert set(columns["title"]) == set(titles)
    assert lines["title"].to_list() == columns["title"].to_list()
    assert (tmp_path / "one" / "titles.csv").read_bytes() == (tmp_path / "two" / "titles.csv").read_bytes()


def test_bulk_benchmark_says_how_many_times_as_fast_ours_is() -> None:
    ours, plain = {"rows_per_s": 50.0, "early_mb": 1.0, "peak_mb": 2.0}, {"rows_per_s": 5.0, "peak_mb": 2.0}

    (table,) = bulk.tables({"csv, major": {"ours": ours, "svm": plain}}, bulk.Size(10, 2))

    assert table.rows == (("csv, major", "10.0", "50", "5", "1 MB", "2 MB"),)


def test_a_system_that_is_not_installed_is_said_to_be_missing() -> None:
    sentence = replace(NURSES, packages={"no_such_module": "no-such-package"}).missing()

    assert sentence == "nurses is left out: no-such-package not installed (`make bench` does)"
    assert NURSES.missing() is None


@pytest.mark.slow
def test_an_unknown_system_is_refused_in_one_line() -> None:
    words = [sys.executable, "-m", "benchmarks", "accuracy", "--systems", "oracle"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])

    assert done.returncode == 2
    assert done.stderr.startswith("--systems has 'oracle': expected some of ours,svm,")
    assert done.stderr.count("\n") == 1


def test_titles_of_a_later_release_are_new_only_if_the_earlier_one_has_them_under_no_occupation(tables: Tables) -> None:
    later = replace(
        tables, titles=pl.concat([tables.titles, tables.titles.head(2).with_columns(title=pl.lit("Zorblax"))])
    )

    found = outside._new(tables, later)

    codes = {code[:7] for code in tables.titles["onet_code"].head(2)}
    assert found.titles == ["Zorblax"]
    assert {code for (code,) in found.truths[0]} == codes
    assert found.weight == 2


def test_a_peer_s_best_answer_counts_and_nothing_of_it_is_accepted() -> None:
    given = Labelled(["nurse", "cook"], [{("29-1141",): 3.0}, {("35-2014",): 1.0}], 2)

    found = outside._figures(
        given, outside._best(_Constant({"29-0000": 0.9, "35-0000": 0.1}), given.titles, "major"), "major"
    )

    assert (found["rows_right"], found["titles_right"]) == (0.75, 0.5)
    assert (found["rows_accepted"], found["titles_accepted"]) == (0.0, 0.0)
