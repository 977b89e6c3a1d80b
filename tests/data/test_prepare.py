from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from jobmajor.data import examples, prepare
from jobmajor.data.onet import Tables
from jobmajor.errors import DataError
from jobmajor.monitor import profile
from jobmajor.settings import Split
from jobmajor.titles import family_key, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

COUNTED = pl.col("source") == "alternate"
CODES = ("29-1141.00", "15-1252.00", "53-3032.00")
# Few enough that titles meet, in another order, as a short form or in another spelling; enough for several families.
WORDS = tuple(f"{sign}{number}" for sign in "abcdef" for number in range(12))
SPELLINGS = ("{0} {1}", "{1}, {0}", "Sr. {0} {1}", "Senior {0} {1}", "{0} ({1})", "{0}", "{0}’s {1}", "É{0} & {1}")
TITLES = st.builds(lambda spelling, *words: spelling.format(*words), *map(st.sampled_from, (SPELLINGS, WORDS, WORDS)))
QUICK = settings(max_examples=30, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
ROWS = st.lists(st.tuples(st.sampled_from(CODES), TITLES, st.none() | st.sampled_from(WORDS)), min_size=30, max_size=60)


def built(rows: Sequence[tuple[str, str, str | None]]) -> pl.DataFrame:
    """Examples of alternate titles alone."""
    names = ("onet_code", "title", "short_title", "sources")
    titles = pl.DataFrame([(*row, None) for row in rows], schema=dict.fromkeys(names, pl.String), orient="row")
    nothing = pl.DataFrame(schema={"onet_code": pl.String, "title": pl.String})
    return examples.build(Tables("unknown", "text", nothing, titles, nothing))


def parts_of(examples: pl.DataFrame, how: Split | None = None) -> Mapping[str, pl.DataFrame]:
    try:
        return prepare.split(examples, how or Split(validation=0.2, test=0.2))
    except DataError:
        assume(False)
        raise


def in_two(parts: Mapping[str, pl.DataFrame], column: str) -> set[object]:
    """What stands in more than one split."""
    seen = [set(part[column]) for part in parts.values()]
    return (seen[0] & seen[1]) | (seen[0] & seen[2]) | (seen[1] & seen[2])


@pytest.mark.slow
@QUICK
@given(ROWS)
def test_no_family_no_text_and_no_row_is_in_two_splits(rows: list[tuple[str, str, str | None]]) -> None:
    frame = built(rows)

    parts = parts_of(frame)

    assert in_two(parts, "family") == in_two(parts, "text") == in_two(parts, "title") == set()
    split_of = {title: name for name, part in parts.items() for title in part["title"]}
    for (row,), forms in frame.group_by("row"):
        assert len({split_of[title] for title in forms["title"] if title in split_of}) <= 1, row


@QUICK
@given(ROWS)
def test_titles_of_one_row_or_of_the_same_words_are_one_family(rows: list[tuple[str, str, str | None]]) -> None:
    found = prepare.families(built(rows))

    assert (found.group_by("row").agg(pl.col("family").n_unique())["family"] == 1).all()
    keys = found["title"].map_elements(family_key, return_dtype=pl.String)
    assert (found.group_by(keys).agg(pl.col("family").n_unique())["family"] == 1).all()


def test_a_chain_of_rows_and_words_is_one_family_and_another_title_is_not() -> None:
    found = prepare.families(
        built([(CODES[0], "Alpha (Beta)", None), (CODES[1], "beta", "Gamma"), (CODES[2], "Delta", None)])
    )

    # Alpha (Beta) - Beta - Gamma; the family's name is its first set of words.
    assert dict(found.select("title", "key").iter_rows()) == {
        "Alpha (Beta)": "alpha",
        "Alpha": "alpha",
        "Beta": "alpha",
        "beta": "alpha",
        "Gamma": "alpha",
        "Delta": "delta",
    }
    assert dict(found.select("key", "family").iter_rows()) == {"alpha": 0, "delta": 1}


def written(parts: Mapping[str, pl.DataFrame]) -> list[bytes]:
    buffers = [io.BytesIO() for _ in parts]
    for part, buffer in zip(parts.values(), buffers, strict=True):
        part.write_parquet(buffer, compression="zstd", statistics=False)
    return [buffer.getvalue() for buffer in buffers]


@pytest.mark.slow
@QUICK
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_the_titles_changes_no_byte(rows: list[tuple[str, str, str | None]], random: Random) -> None:
    straight = parts_of(built(rows))

    mixed = parts_of(built(random.sample(rows, len(rows))))

    assert written(mixed) == written(straight)


def test_order_of_the_rows_of_all_tables_changes_no_byte(tables: Tables) -> None:
    titles, occupations = (
        frame.sample(fraction=1, shuffle=True, seed=1) for frame in (tables.titles, tables.occupations)
    )
    mixed = replace(tables, titles=titles, occupations=occupations)

    straight, other = (prepare.split(examples.build(each), Split()) for each in (tables, mixed))

    assert written(other) == written(straight)
    baselines = [profile.data_baseline(each["train"], "").to_json() for each in (straight, other)]
    assert baselines[0] == baselines[1]


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Registered Nurse", "nurse registered"),
        ("nurse, REGISTERED", "nurse registered"),
        ("Nurse / nurse", "nurse"),
        ("Sr. Buyer", "buyer sr"),
        ("R&D Engineer", "d engineer r"),
        ("Driver's Helper", "driver helper s"),
        ("snake_case", "case snake"),
        ("Café Manager", "café manager"),
        ("ＮＵＲＳＥ ﬁ", "fi nurse"),
        ("C++ / C#", "c"),
        ("Grade 2", "2 grade"),
        ("İstanbul", "i stanbul"),
        (" ?! ", "?!"),
    ],
)
def test_family_key_is_frozen(title: str, key: str) -> None:
    assert family_key(title) == key


def test_families_are_put_in_the_order_of_their_frozen_draw() -> None:
    names = [f"title{number}" for number in range(40)]
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"7:{name}".encode()).hexdigest())

    parts = prepare.split(built([(CODES[0], name, None) for name in names]), Split(seed=7))

    # Forty rows of one group: 80 % are 32, and 10 % four each.
    cuts = {"train": drawn[:32], "validation": drawn[32:36], "test": drawn[36:]}
    assert {name: sorted(part["title"]) for name, part in parts.items()} == {k: sorted(v) for k, v in cuts.items()}


def test_another_seed_draws_another_test(tables: Tables) -> None:
    frame = examples.build(tables)

    one, other = (set(prepare.split(frame, Split(seed=seed))["test"]["title"]) for seed in (1, 2))

    assert len(one & other) < len(one) / 2


def test_counted_rows_are_shared_out_as_asked_in_all_and_in_each_group(
    starter_splits: Mapping[str, pl.DataFrame],
) -> None:
    counted = pl.concat([part.with_columns(split=pl.lit(name)) for name, part in starter_splits.items()])
    counted = counted.filter(COUNTED).with_columns(group=pl.col("code").str.head(2))
    shares = counted["split"].value_counts(normalize=True)
    tests = counted.group_by("group").agg((pl.col("split") == "test").mean())

    assert dict(shares.iter_rows()) == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.01)
    assert tests.height == 23
    assert tests["split"].is_between(0.07, 0.13).all()  # smallest group: 100 titles, families of several rows


def test_headline_rows_stay_as_they_are_and_as_many_as_they_are(
    starter: Tables, starter_splits: Mapping[str, pl.DataFrame]
) -> None:
    identity = ("title", "code", "onet_code")
    kept = pl.concat(list(starter_splits.values())).filter(COUNTED)
    given_rows = starter.titles.select("title", pl.col("onet_code").str.head(7).alias("code"), "onet_code")
    missing = Counter(given_rows.iter_rows()) - Counter(kept.select(identity).iter_rows())

    assert Counter(kept.select(identity).iter_rows()) <= Counter(given_rows.iter_rows())
    assert missing.total() < 0.01 * given_rows.height
    held_out = set(starter_splits["validation"]["text"]) | set(starter_splits["test"]["text"])
    assert {normalise(title) for title, _, _ in missing} <= held_out


def test_repeated_rows_stay_and_repeated_derived_forms_go() -> None:
    rows = [(CODES[0], "Nurse", None), (CODES[0], "Nurse", None), (CODES[0], "Nurse (RN)", "RN"), (CODES[1], "RN", "-")]

    settled = prepare.settle(examples.with_codes(prepare.families(built(rows))))

    assert settled.select("code", "source", "title").rows() == [
        ("15-1252", "alternate", "RN"),
        ("29-1141", "alternate", "Nurse"),
        ("29-1141", "alternate", "Nurse"),
        ("29-1141", "alternate", "Nurse (RN)"),
        ("29-1141", "parenthesised", "RN"),
    ]


def test_form_that_is_left_out_as_a_repetition_is_still_named_as_listing_its_code() -> None:
    rows = [(CODES[0], "RN (Nurse)", "RN"), *((CODES[0], f"title{number}", None) for number in range(20))]

    whole = pl.concat(list(prepare.split(built(rows), Split()).values()))

    assert whole.filter(pl.col("text") == "rn")["listed_by"].to_list() == [["parenthesised+short"]]
    assert whole.columns == list(prepare.COLUMNS)


def test_same_words_in_another_spelling_are_left_out_of_the_looser_split() -> None:
    rows = [(CODES[0], f"{senior} title{number}", None) for number in range(40) for senior in ("Sr.", "Senior")]

    parts = prepare.split(built(rows), Split())

    left_out = 80 - sum(map(len, parts.values()))
    assert len(parts["test"]) == 8  # the test stays whole: a tenth of the rows
    assert left_out > 0
    assert in_two(parts, "text") == set()


def test_group_without_a_counted_row_goes_to_training() -> None:
    frame = built([(CODES[0], f"title{number}", None) for number in range(20)])
    added = frame.head(1).with_columns(
        title=pl.lit("Cashiers"), text=pl.lit("cashiers"), code=pl.lit("41-2011"), onet_code=pl.lit("41-2011.00")
    )
    added = added.with_columns(source=pl.lit("occupation"), row=pl.lit(99, added["row"].dtype))

    parts = prepare.split(pl.concat([frame, added]), Split())

    assert "41-2011" in parts["train"]["code"]
    assert len(parts["test"]) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_release_too_small_for_three_splits_is_refused(count: int) -> None:
    frame = built([(CODES[0], f"title{number}", None) for number in range(count)])

    with pytest.raises(DataError, match=f"found {count} examples, expected enough for a"):
        prepare.split(frame, Split())


def phrases(*words: str) -> pl.DataFrame:
    rows = [(each, normalise(each), "29-1141", "29-1141.00", "description") for each in words]
    return pl.DataFrame(rows, schema=["title", "text", "code", "onet_code", "source"], orient="row")


def test_phrases_join_training_unless_a_title_has_their_words(splits: Mapping[str, pl.DataFrame]) -> None:
    held_out, learned = splits["test"]["title"][0], splits["train"]["title"][0]
    backwards = " ".join(reversed(held_out.split()))

    described = prepare.with_phrases(splits, phrases("of zeppelins", held_out.upper(), backwards, learned))

    added = described["train"].tail(described["train"].height - splits["train"].height)
    assert added["title"].to_list() == ["of zeppelins"]
    assert added["codes"].to_list() == [["29-1141"]]
    assert prepare.titles(described["train"]).equals(splits["train"])
    assert described["test"].equals(splits["test"])
    assert described["validation"].equals(splits["validation"])
