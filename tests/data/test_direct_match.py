"""The SOC's Direct Match titles: how the file is read, and which of its titles training may see."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from jobmajor.data import direct_match, prepare, releases
from jobmajor.errors import DataError, InputError
from jobmajor.titles import family_key

SHARED = Path(__file__).parents[3] / "shared" / "data" / "external" / "dmtf_2018.csv"
HEADER = "soc_code,soc_title,title,illustrative_example\n"


def file(folder: Path, *rows: str) -> Path:
    path = folder / "dmtf_2018.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def part(*titles: tuple[str, str]) -> pl.DataFrame:
    """A split that lists alternate titles under codes."""
    return pl.DataFrame(
        [
            (title, title.lower(), code, [code], ["alternate"], "alternate", "02", f"{code}.00", 1)
            for title, code in titles
        ],
        schema=dict(
            zip(prepare.COLUMNS, (*[pl.String] * 3, *[pl.List(pl.String)] * 2, *[pl.String] * 3, pl.Int64), strict=True)
        ),
        orient="row",
    )


def test_titles_are_read_with_their_codes_and_other_columns_are_ignored(tmp_path: Path) -> None:
    path = file(tmp_path, '11-1011,Chief Executives,"Officer, Chief",x', "29-1141,Registered Nurses,RN,")

    found = direct_match.read(path)

    assert found.rows() == [("11-1011", "Officer, Chief"), ("29-1141", "RN")]
    assert found.schema == direct_match.none().schema


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("29-1140,x,RN,", "'29-1140' of the title 'RN' in row 3.*expected a title with a detailed code"),
        ("29-9999,x,RN,", "'29-9999'"),
        ("29-1141,x,,", "the title '' in row 3"),
    ],
)
def test_row_that_can_not_be_used_is_refused_by_its_number(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        direct_match.read(file(tmp_path, "11-1011,x,CEO,", row))


def test_empty_file_and_file_without_a_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows below a header"):
        direct_match.read(file(tmp_path))
    (tmp_path / "dmtf_2018.csv").write_text("code,title\n11-1011,CEO\n")
    with pytest.raises(InputError, match="soc_code"):
        direct_match.read(tmp_path / "dmtf_2018.csv")


def test_title_with_the_words_of_a_held_out_one_is_held_out_as_a_derived_form() -> None:
    parts = {
        "train": part(("Cook", "35-2014")),
        "validation": part(("Nurse, Ward", "29-1141")),
        "test": part(("CEO", "11-1011")),
    }
    titles = pl.DataFrame(
        [("29-1141", "Ward Nurse"), ("11-1011", "ceo"), ("35-2014", "Cook"), ("47-2181", "Roofer")],
        schema=direct_match.none().schema,
        orient="row",
    )

    found = prepare.with_direct_match(parts, titles)

    added = found["train"].filter(pl.col("source") == "direct match")
    assert added.select("text", "code", "onet_code", "read_in").rows() == [
        ("cook", "35-2014", "35-2014.00", ""),
        ("roofer", "47-2181", "47-2181.00", ""),
    ]
    counted = pl.col("source") == "alternate"
    for name, text in (("validation", "ward nurse"), ("test", "ceo")):
        assert found[name].filter(counted).equals(parts[name])
        assert found[name].filter(~counted).select("text", "source").rows() == [(text, "direct match")]


def test_title_that_the_file_gives_several_codes_is_left_out() -> None:
    titles = pl.DataFrame(
        [("47-2071", "Road Grader"), ("47-2073", "road grader"), ("47-2181", "Roofer"), ("47-2181", "ROOFER")],
        schema=direct_match.none().schema,
        orient="row",
    )

    found = prepare.with_direct_match({"train": part(("Cook", "35-2014"))}, titles)

    assert found["train"]["text"].to_list() == ["cook", "roofer"]


@pytest.mark.skipif(not SHARED.is_file(), reason="needs the SOC's Direct Match Title File (shared/data/external)")
def test_real_file_has_its_titles_and_no_held_out_words_reach_training() -> None:
    titles = direct_match.read(SHARED)
    held_out = part(("Chief Executive Officer", "11-1011"), ("Nurse, Registered", "29-1141"))

    found = prepare.with_direct_match({"train": part(("Cook", "35-2014")), "validation": held_out}, titles)

    assert titles.height == 6_539
    keys = {family_key(title) for title in held_out["title"]}
    assert not keys & {family_key(title) for title in found["train"]["title"]}
    assert found["train"]["text"].is_unique().all()


def test_titles_that_can_not_be_fetched_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"save its titles as dmtf_2018\.csv .* name its folder with --data"):
        releases.find("dmtf-2018")
