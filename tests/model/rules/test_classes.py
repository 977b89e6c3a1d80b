from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor import soc
from jobmajor.errors import DataError, InputError
from jobmajor.model.rules import classes
from jobmajor.model.rules.classes import Class, Classes

if TYPE_CHECKING:
    from pathlib import Path

BODY = """code,name,description
47-2999,"Heat Pump Fitters","Install, test and repair heat pumps."
15-9901,Data Annotators and Labelers,
15-9902,Prompt Writers,Write prompts.
"""


def _file(folder: Path, body: str) -> Path:
    path = folder / "classes.csv"
    path.write_text(body, "utf-8")
    return path


def test_classes_are_read_in_the_order_of_their_codes_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    found = classes.read(_file(tmp_path, BODY))
    turned = classes.read(_file(tmp_path, "Name\tx\tCODE\nData  Annotators and Labelers\t1\t15-9901\n"))

    assert found.codes == ("15-9901", "15-9902", "47-2999")
    assert found.entries[2] == Class("47-2999", "Heat Pump Fitters", "Install, test and repair heat pumps.")
    assert turned.entries == found.entries[:1]
    assert turned.digest != found.digest == Classes(found.entries).digest


def test_group_that_soc_2018_lacks_is_called_by_its_classes(tmp_path: Path) -> None:
    names = classes.read(_file(tmp_path, BODY)).names

    assert names["15-9900"] == names["15-9000"] == "Data Annotators and Labelers; Prompt Writers"
    assert names["47-2990"] == "Heat Pump Fitters"
    assert "47-2000" not in names


def test_every_code_of_soc_2018_has_its_own_groups() -> None:
    for code in soc.codes("detailed"):
        assert [soc.place(code, level) for level in soc.LEVELS] == [soc.ancestor(code, level) for level in soc.LEVELS]
        assert not soc.is_new(code)


@pytest.mark.parametrize("code", ["15-1201", "15-0001", "15-9001", "00-1011", "15-9900", "15-99011", "x"])
def test_code_that_would_share_the_code_of_another_group_is_not_new(code: str) -> None:
    assert not soc.is_new(code)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("", "an empty file, expected comma- or tab-separated text in UTF-8 with the columns 'code' and 'name'"),
        ("code,title\n15-9901,A\n", "line 1: found the columns 'code', 'title', expected a column 'name'"),
        ("code,name\n", "no rows below the header, expected a row for every class"),
        ("code,name\nDS-1,A\n", "line 2: found the code 'DS-1', expected a detailed code such as '15-9901'"),
        ("code,name\n15-0000,A\n", "line 2: found the code '15-0000'"),
        ("code,name\n15-9901,A\n15-9901,B\n", "line 3: found the code 15-9901 again, as in line 2"),
        ("code,name\n15-9901,?\n", "line 2: found the name '[?]', expected one with a letter or digit"),
        ("code,name\n15-9901,A, B\n", "line 2: found 3 fields.*put a class that has commas between quotes"),
    ],
)
def test_file_that_cant_be_used_is_refused_by_line(tmp_path: Path, body: str, found: str) -> None:
    with pytest.raises(DataError, match=found):
        classes.read(_file(tmp_path, body))


def test_code_that_the_model_answers_is_refused() -> None:
    mine = Classes((Class("15-9901", "Data Annotators"), Class("29-1141", "Nurses")))

    with pytest.raises(InputError, match="have 29-1141, which the model answers already"):
        mine.check(["29-1141", "29-1171"])

    assert mine.check(["29-1171"]) is mine
