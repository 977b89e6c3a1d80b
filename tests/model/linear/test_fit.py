from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from jobmajor import soc
from jobmajor.data import source
from jobmajor.errors import DataError
from jobmajor.model import thresholds
from jobmajor.model.linear import calibrate, spelling, vectors
from jobmajor.model.linear.arrays import Blend
from jobmajor.model.linear.features import WORD_BUCKETS, bags
from jobmajor.model.linear.model import LinearModel
from jobmajor.model.linear.scoring import blended, evidence, known_pieces
from jobmajor.settings import Linear
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

NURSE, SURGEON, DRIVER = "29-1141", "29-1242", "53-3032"
TOY = [
    *((f"ward nurse {number}x", NURSE) for number in range(9)),
    *((f"heart surgeon {number}x", SURGEON) for number in range(9)),
    *((f"truck driver {number}x", DRIVER) for number in range(9)),
]
SMALL = Linear(hidden=8, epochs=2)


def frame(rows: Sequence[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame([(*row, "alternate") for row in rows], schema=["text", "code", "source"], orient="row")


def fitted(rows: Sequence[tuple[str, str]] = TOY, how: Linear | None = None) -> Classifier:
    return thresholds.fit(frame(rows), frame(rows[::3]), how or Linear())


def learned(model: Classifier) -> LinearModel:
    assert isinstance(model.scorer, LinearModel)
    return model.scorer


def same(one: LinearModel, other: LinearModel) -> bool:
    arrays = other.arrays.to_mapping()
    return one.blend == other.blend and all(
        np.array_equal(array, arrays[name]) for name, array in one.arrays.to_mapping().items()
    )


def digests(folder: Path) -> dict[str, str]:
    return {name: record.sha256 for name, record in manifest.scan(folder).items()}


def test_what_was_learned_is_said_of_new_titles() -> None:
    model = fitted()

    assert model.classes() == ("29-0000", "53-0000")
    assert model.predict(["the nurse", "driver of a truck"]).tolist() == ["29-0000", "53-0000"]
    assert model.predict(["head nurse", "eye surgeon", "drivers"], "detailed").tolist() == [NURSE, SURGEON, DRIVER]


def test_words_that_no_title_holds_are_understood_by_what_they_mean() -> None:
    model = learned(fitted(TOY, Linear(hidden=32, epochs=100)))
    unseen = {"physician": SURGEON, "automobile": DRIVER, "bus": DRIVER, "cardiac": SURGEON, "midwife": NURSE}
    assert not set(unseen) & {word for text, _ in TOY for word in text.split()}

    scores = evidence(bags(list(unseen)), model.arrays, model.arrays.tables()).scores

    assert [model.codes[column] for column in scores.argmax(axis=1)] == list(unseen.values())


def test_every_word_of_a_meaning_is_known_and_those_of_training_that_have_one() -> None:
    arrays = learned(fitted([*TOY, ("pipelaying zzzqq", DRIVER)], SMALL)).arrays

    assert "pipelaying" not in vectors.shipped().row_of
    listed = bags([*vectors.shipped().row_of, "pipelaying", "surgeon"]).words
    assert np.array_equal(arrays.word_buckets, np.unique(listed))
    assert bags(["zzzqq"]).words[0] not in arrays.word_buckets
    # Each place's largest part is the 127th unit of its scale.
    assert (np.abs(arrays.word_parts.astype(int)).max(axis=0) == 127).all()
    assert arrays.word_parts.shape == (len(arrays.word_buckets), 3, 8)


def test_of_words_that_share_a_bucket_that_of_training_gives_it_its_meaning() -> None:
    meanings = vectors.shipped()
    words, buckets = list(meanings.row_of), bags(list(meanings.row_of)).words
    _, first, counts = np.unique(buckets, return_index=True, return_counts=True)
    hidden_ones = sorted(set(range(len(words))) - set(first.tolist()))[:50:10]
    assert len(hidden_ones) == 5

    arrays = learned(fitted([*TOY, *((words[row], DRIVER) for row in hidden_ones)], SMALL)).arrays

    # What a word adds is linear in its vector; the words without a rival in their bucket say how.
    alone = first[counts == 1]
    said = arrays.word_parts[np.searchsorted(arrays.word_buckets, buckets), 0] * arrays.word_scales[0]
    inputs = np.linalg.lstsq(meanings.values[alone], said[alone])[0]
    off = np.abs(meanings.values @ inputs - said) / arrays.word_scales[0]
    assert off[alone].max() < 1  # rounding to whole units
    assert off[hidden_ones].max() < 1


def test_share_of_a_title_under_two_codes_is_split_among_them() -> None:
    model = fitted([*TOY, *((f"supervisor {sign}", code) for sign in "xyz" for code in (NURSE, DRIVER))])

    shares = dict(zip(model.codes, model.predict_proba(["supervisor"], "detailed")[0], strict=True))

    assert shares[NURSE] > 2 * shares[SURGEON]
    assert shares[DRIVER] > 2 * shares[SURGEON]
    assert shares[NURSE] + shares[DRIVER] > 0.6


def test_rarer_pieces_gain_more_and_words_more_than_letters() -> None:
    rows = [("ab", NURSE), ("ab", NURSE), ("cd ab", DRIVER), ("ef", DRIVER)]

    arrays = learned(fitted(rows, Linear(word_gain=3.0))).arrays

    gains = dict(zip(arrays.buckets.tolist(), arrays.gains.tolist(), strict=True))
    ab, cd = (int(bags([word]).buckets[-1]) for word in ("ab", "cd"))
    # Three titles, since repeated ones are one: log(4 / (1 + titles with it)) + 1, and thrice that for words.
    assert gains[ab] == pytest.approx(3 * (np.log(4 / 3) + 1))
    assert gains[cd] == pytest.approx(3 * (np.log(4 / 2) + 1))
    assert gains[int(bags(["ab"]).buckets[0])] == pytest.approx(np.log(4 / 3) + 1)
    assert gains[-1] == 0


def test_counts_are_those_of_naive_bayes() -> None:
    how = Linear(smoothing=0.5)
    model = fitted(TOY, how)
    arrays = learned(model).arrays
    texts, codes = zip(*sorted(TOY), strict=True)
    found = known_pieces(bags(texts), arrays.tables().rows, arrays.gains)
    vectors = np.zeros((len(texts), len(arrays.gains)))
    np.add.at(vectors, (found.titles, found.rows), found.values)
    seen = np.array([vectors[[code == each for each in codes]].sum(axis=0) for code in model.codes])

    # log((seen + a) / (total + a rows)) of every piece and code, the piece never seen with a code taken off.
    logs = np.log((seen + 0.5) / (seen.sum(axis=1, keepdims=True) + 0.5 * len(arrays.gains)))
    mine = np.tile(-arrays.code_totals.astype(float)[:, None], len(arrays.gains))
    rows = np.repeat(np.arange(len(arrays.gains)), np.diff(arrays.entry_starts))
    np.add.at(mine, (arrays.entry_codes, rows), arrays.entry_values)
    assert mine + np.log(0.5) == pytest.approx(logs, abs=1e-5)


def test_pieces_of_more_codes_than_allowed_count_towards_none() -> None:
    everywhere = [(f"{text} staff", code) for text, code in TOY]

    arrays = learned(fitted(everywhere, Linear(widest=1))).arrays

    spread = dict(zip(arrays.buckets.tolist(), np.diff(arrays.entry_starts).tolist(), strict=True))
    assert max(spread.values()) == 1
    assert spread[int(bags(["staff"]).buckets[-1])] == 0
    assert spread[int(bags(["nurse"]).buckets[-1])] == 1


def test_smaller_penalty_gives_smaller_weights() -> None:
    strong, weak = (learned(fitted(TOY, Linear(penalty=penalty))).arrays.weights for penalty in (10.0, 0.001))

    assert np.abs(weak).max() < np.abs(strong).max() / 10


@pytest.mark.slow
@settings(max_examples=5)
@given(st.permutations(TOY))
@pytest.mark.long
def test_order_of_the_rows_changes_nothing(rows: list[tuple[str, str]]) -> None:
    one, other = (learned(thresholds.fit(frame(each), frame(TOY[::3]), SMALL)) for each in (TOY, rows))

    assert same(one, other)


@pytest.mark.parametrize("threads", [1, 2])
def test_number_of_threads_changes_nothing(
    threads: int, classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    with threadpool_limits(threads):
        again = thresholds.fit(splits["train"], splits["validation"], Linear())

    assert same(learned(again), learned(classifier))


_OF_MAJORS = {"linear", "shift", "counts", "across", "network"}


def losses(model: LinearModel, counted: pl.DataFrame, blend: Blend) -> tuple[float, float]:
    """Log loss of the major groups and of the codes in their true groups, spelled out."""
    _, columns = np.unique([soc.ancestor(code, "major") for code in model.codes], return_inverse=True)
    tables = model.arrays.tables()
    read = spelling.read(counted["text"].to_list(), model.arrays.gains, tables)[0]
    found = evidence(read, model.arrays, tables)
    shares = blended(found, blend, columns).astype(float)
    own = [np.array([code[:2] == wanted[:2] for code in model.codes]) for wanted in counted["code"]]
    groups = np.array([row[members].sum() for row, members in zip(shares, own, strict=True)])
    seen = [row for row, code in enumerate(counted["code"]) if code in model.codes]
    right = np.array([shares[row, model.codes.index(counted["code"][row])] for row in seen])
    return float(-np.log(groups).mean()), float(-np.log(right / groups[seen] + 1e-9).mean())


def usable(splits: Mapping[str, pl.DataFrame], classifier: Classifier) -> pl.DataFrame:
    return splits["validation"].filter(pl.col("source") == "alternate")


def test_no_change_of_one_weight_would_lower_the_log_loss(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    model, counted = learned(classifier), usable(splits, classifier)
    least_of_majors, least = losses(model, counted, model.blend)

    worst = 0.0
    for name, (low, high) in calibrate._BOUNDS.items():
        place, loss = (0, least_of_majors) if name in {"linear", "shift", "counts", "network"} else (1, least)
        chosen = getattr(model.blend, name)
        values = [value for step in (0.02, 1.0) for value in (chosen - step, chosen + step) if low <= value <= high]
        moved = [losses(model, counted, replace(model.blend, **{name: value}))[place] for value in values]
        assert min(moved, default=loss) >= loss - 1e-5, name
        worst = max(worst, max(moved, default=loss) - loss)
    assert worst > 0.1


@pytest.mark.parametrize("across", [1.0, 1.3, 1.6, 2.0])
def test_no_other_sharpness_across_the_codes_would_lower_the_log_loss(
    across: float, classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    model, counted = learned(classifier), usable(splits, classifier)

    other = losses(model, counted, replace(model.blend, across=across))[0]

    assert other >= losses(model, counted, model.blend)[0] - 1e-5


def test_code_that_training_never_saw_tells_of_the_major_groups_only(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    rows, arrays = usable(splits, classifier), learned(classifier).arrays
    strange = rows.with_columns(code=pl.lit("11-2032"))
    assert "11-2032" not in classifier.codes

    both = calibrate.calibrate(arrays, classifier.codes, pl.concat([strange, rows]))

    plain = calibrate.calibrate(arrays, classifier.codes, rows)
    assert {name for name in calibrate._BOUNDS if getattr(both, name) != getattr(plain, name)} <= _OF_MAJORS
    assert both.linear != plain.linear
    alone = calibrate.calibrate(arrays, classifier.codes, strange)
    assert {name for name in calibrate._BOUNDS if getattr(alone, name) != getattr(Blend(), name)} <= _OF_MAJORS


def test_major_group_that_training_never_saw_does_not_calibrate(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    rows, model = usable(splits, classifier), learned(classifier)
    others = [code for code in model.codes if code[:2] != "55"]
    strange = rows.filter(pl.col("code").str.head(2) == "55")
    assert len(strange) > 0
    few = thresholds.fit(splits["train"].filter(pl.col("code").is_in(others)), rows, SMALL)

    assert calibrate.calibrate(learned(few).arrays, learned(few).codes, strange) == Blend()


def test_phrase_of_a_description_teaches_a_word_and_is_no_title() -> None:
    taught = frame(TOY).vstack(
        frame([("zeppelin", DRIVER)]).with_columns(source=pl.lit("description")).select(frame(TOY).columns)
    )

    plain, told = (thresholds.fit(rows, frame(TOY[::3]), SMALL) for rows in (frame(TOY), taught))

    before, after = (model.predict_proba(["zeppelin"])[0] for model in (plain, told))
    column = told.classes().index(soc.ancestor(DRIVER, "major"))
    assert after[column] > before[column] + 0.1
    assert told.answer(["zeppelin"])[0].source == "model"


def test_only_counted_rows_calibrate(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    derived = splits["train"].with_columns(source=pl.lit("occupation"))

    again = thresholds.fit(splits["train"], pl.concat([splits["validation"], derived]), Linear())

    assert learned(again).blend == learned(classifier).blend


def test_model_says_where_it_comes_from() -> None:
    how = Linear(penalty=2.0)

    model = thresholds.fit(frame(TOY), frame(TOY), how, {"source": {"release": "x"}})

    assert model.about == {"source": {"release": "x"}, "recipe": "linear", "settings": asdict(how)}


def test_titles_of_a_single_group_are_refused() -> None:
    with pytest.raises(DataError, match=r"found one major group, 29-0000, expected two or more"):
        fitted([row for row in TOY if row[1] != DRIVER])


def test_words_are_the_upper_half_of_the_rows() -> None:
    arrays = learned(fitted()).arrays

    assert (np.diff(arrays.buckets) > 0).all()
    assert arrays.buckets[0] == -1
    # ward, heart, truck, nurse, surgeon, driver, 0x to 8x; and pairs: 3 of words, 3 * 9 with a number.
    assert (arrays.buckets >= WORD_BUCKETS).sum() == 6 + 9 + 3 + 27


@pytest.mark.slow
@pytest.mark.long
def test_fresh_processes_with_other_hash_seeds_and_threads_make_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for seed, threads in (("0", "1"), ("77", "2")):
        root = tmp_path / seed
        shutil.copytree(source.STARTER_FOLDER, root / "processing" / "input")
        variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), threads)
        environment = {**os.environ, **variables, "PYTHONHASHSEED": seed, "SAGELOCAL_ML_ROOT": str(root)}
        run = [sys.executable, "-m", "jobmajor.steps"]
        subprocess.run([*run, "prepare"], env=environment, check=True, capture_output=True)
        (root / "input" / "config").mkdir(parents=True)
        (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps({"penalty": "1.0"}))
        (root / "input" / "data").symlink_to(root / "processing" / "output")
        subprocess.run([*run, "train"], env=environment, check=True, capture_output=True)
        made.append((digests(root / "processing" / "output"), digests(root / "model"), manifest.read(root / "model")))

    assert made[0] == made[1]
    assert made[0][2].digest == made[1][2].digest
    assert {"model.json", "model.safetensors"} <= made[0][1].keys()
