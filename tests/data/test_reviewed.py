"""Reviewed titles as a source of training: what is learned, what is withheld, and what says too little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor.data import reviewed
from jobmajor.data.labelled import TitleFile
from jobmajor.data.prepare import COLUMNS
from jobmajor.data.reviewed import Used
from jobmajor.errors import ArtifactError, InputError
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from pathlib import Path

NURSE, COOK, DRIVER = "29-1141", "35-2014", "53-3032"


def split(*rows: tuple[str, str]) -> pl.DataFrame:
    """A split of these titles with their codes."""
    found = [
        {
            "title": title,
            "text": normalise(title),
            "code": code,
            "codes": [code],
            "listed_by": ["alternate"],
            "source": "alternate",
            "read_in": "8",
            "onet_code": f"{code}.00",
            "family": number,
        }
        for number, (title, code) in enumerate(rows)
    ]
    return pl.DataFrame(found, schema_overrides={"family": pl.Int64}).select(COLUMNS)


@pytest.fixture
def parts() -> dict[str, pl.DataFrame]:
    return {
        "train": split(("nurse", NURSE), ("line cook", COOK)),
        "validation": split(("charge nurse", NURSE)),
        "test": split(("Senior Chef", COOK)),
    }


def titles(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["title", "code"], orient="row")


def test_titles_are_learned_under_all_their_codes(parts: dict[str, pl.DataFrame]) -> None:
    found, used = reviewed.add(parts, titles(("bike wizard", COOK), ("bike wizard", NURSE), ("zorp", COOK)))

    new = found["train"].filter(pl.col("source") == "reviewed")
    assert used == Used(trained=2)
    assert new.select("title", "text", "code", "onet_code", "family").rows() == [
        ("bike wizard", "bike wizard", COOK, f"{COOK}.00", -1),
        ("bike wizard", "bike wizard", NURSE, f"{NURSE}.00", -1),
        ("zorp", "zorp", COOK, f"{COOK}.00", -1),
    ]
    assert new["codes"].to_list() == [[COOK, NURSE], [COOK, NURSE], [COOK]]
    assert new["listed_by"].to_list() == [["reviewed"] * 2, ["reviewed"] * 2, ["reviewed"]]
    assert found["train"].columns == [*COLUMNS]
    assert found["validation"].equals(parts["validation"])
    assert found["test"].equals(parts["test"])


@pytest.mark.parametrize("title", ["nurse, charge", "charge nurse", "CHARGE NURSE", "senior chef", "Sr. Chef"])
def test_title_with_the_words_of_one_held_out_is_withheld(parts: dict[str, pl.DataFrame], title: str) -> None:
    found, used = reviewed.add(parts, titles((normalise(title), NURSE), ("zorp", COOK)))

    assert used == Used(trained=1, withheld=1)
    assert found["train"]["title"].to_list() == ["nurse", "line cook", "zorp"]


def test_codes_that_say_too_little_or_that_the_release_has_not_are_counted(parts: dict[str, pl.DataFrame]) -> None:
    rows = titles(("zorp", "35-0000"), ("bike wizard", "29-1140"), ("bike wizard", NURSE), ("hauler", DRIVER))

    found, used = reviewed.add(parts, rows)

    assert used == Used(trained=1, coarse=1, strange=1)
    assert found["train"]["title"].to_list()[2:] == ["bike wizard"]


def test_without_titles_nothing_changes(parts: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    reviewed.write_none(tmp_path)

    found, used = reviewed.add(parts, reviewed.read(tmp_path))

    assert used == Used()
    assert all(found[name].equals(parts[name]) for name in parts)


def test_table_of_any_order_and_writing_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.tsv"
    one.write_text("title,code\nZorp,35-2014\nvacant,not a job\nBike Wizard,29-1141\n", "utf-8")
    other.write_text("code\tid\ttitle\n291141.00\t1\tbike  WIZARD\n35-2014\t2\tzorp\n", "utf-8")

    counts = [reviewed.write(TitleFile(path), tmp_path / path.stem) for path in (one, other)]

    files = [(tmp_path / name / reviewed.FILE).read_text("utf-8") for name in ("one", "other")]
    assert counts == [2, 2]
    assert files[0] == files[1] == "title,code\nbike wizard,29-1141\nzorp,35-2014\n"
    assert reviewed.read(tmp_path / "one").rows() == [("bike wizard", NURSE), ("zorp", COOK)]


def test_table_without_a_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text("title,code\nvacant,not a job\n", "utf-8")

    with pytest.raises(InputError, match="no row to judge by"):
        reviewed.write(TitleFile(tmp_path / "ours.csv"), tmp_path)


@pytest.mark.parametrize("content", ["title,code\nnurse,99-9999\n", "title,code\nnurse\n", "\0", "title\nnurse\n"])
def test_damaged_file_is_told_from_reviewed_titles(tmp_path: Path, content: str) -> None:
    (tmp_path / reviewed.FILE).write_text(content, "utf-8")

    with pytest.raises(ArtifactError, match=r"reviewed\.csv"):
        reviewed.read(tmp_path)


def test_own_test_is_chosen_by_words_alone_and_only_grows() -> None:
    few = titles(*((f"clerk {chr(97 + place)}", COOK) for place in range(13)))
    many = titles(
        *((f"{chr(97 + place)} CLERK", COOK) for place in range(26)), *((f"desk {n}", NURSE) for n in range(500))
    )

    learned, tested = reviewed.hold_out(few)
    more, larger = reviewed.hold_out(many)

    assert set(learned["title"]) | set(tested["title"]) == set(few["title"])
    assert {title[-1] for title in tested["title"]} == {
        title[0] for title in larger["title"] if title.endswith("CLERK") and title[0] <= "m"
    }
    assert 0.15 < len(larger) / len(many) < 0.25
    assert not set(more["title"]) & set(larger["title"])


def test_without_reviewed_titles_there_is_no_test_of_them() -> None:
    learned, tested = reviewed.hold_out(titles())

    assert (len(learned), len(tested)) == (0, 0)
