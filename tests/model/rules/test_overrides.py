from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import soc
from jobmajor.errors import DataError, InputError
from jobmajor.model.rules import overrides
from jobmajor.model.rules.overrides import MODEL, OVERRIDE, Overrides
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

CODES = ("29-1021", "29-1022", "29-1141", "35-3031")  # two of the broad group 29-1020, one more of the major group 29
SHARES = np.array([[0.1, 0.3, 0.2, 0.4], [0.0, 0.0, 0.0, 1.0]], np.float32)


def _file(folder: Path, body: str | bytes, name: str = "titles.csv") -> Path:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


def _applied(codes: dict[str, float], texts: tuple[str, ...] = ("scrub", "waiter")) -> np.ndarray:
    return overrides.apply(Overrides({"scrub": codes}), texts, CODES, SHARES)[0]


@pytest.mark.parametrize(
    "body",
    [
        "title,code\nStaff Nurse,29-1141\nServer,35-3031\n",
        "title\tcode\nStaff Nurse\t29-1141\nServer\t35-3031\n",
        "\ufefftitle,code\r\nStaff Nurse,29-1141\r\nServer,35-3031\r\n",
        '"title","code"\n"Staff Nurse","29-1141"\n"Server","35-3031"',
        "Code, note,TITLE \n29-1141,ours,Staff Nurse\n\n , ,\n 35-3031 ,,Server\n",
        "title,code,share\nStaff Nurse,29-1141,\nServer,35-3031,7\n",
    ],
    ids=["commas", "tabs", "as a spreadsheet writes it", "quotes", "other columns and blank lines", "shares"],
)
def test_file_of_titles_and_codes_is_read_however_it_was_saved(tmp_path: Path, body: str) -> None:
    found = overrides.read(_file(tmp_path, body))

    assert found.codes == {"staff nurse": {"29-1141": 1.0}, "server": {"35-3031": 1.0}}


def test_title_that_is_no_job_has_no_code_and_abstains_at_every_level(tmp_path: Path, classifier: Classifier) -> None:
    mine = overrides.read(_file(tmp_path, "title,code\nregistered nurse,Not a job\nscrub,29-1141\n"))

    found = [classifier.answer(["Registered Nurse", "scrub"], level, overrides=mine) for level in soc.LEVELS]

    assert mine.find("registered nurse") == {}
    assert {(each[0].answers[0].label, each[0].reason, each[0].source) for each in found} == {
        ("", "not a title", "override")
    }
    assert [each[1].answers[0].label for each in found] == ["29-0000", "29-1000", "29-1140", "29-1141"]


def test_title_with_a_code_is_not_also_no_job(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'nurse' with a code and as 'not a job', in lines 2 and 3"):
        overrides.read(_file(tmp_path, "title,code\nnurse,29-1141\nNurse,not a job\n"))


def test_title_in_quotes_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    found = overrides.read(_file(tmp_path, 'title,code\n"Nurse, ""Float""\nPool",29-1141\n'))

    assert found.find("nurse float pool") == {"29-1141": 1.0}


def test_title_is_found_however_it_is_written_and_no_other_is(tmp_path: Path) -> None:
    found = overrides.read(_file(tmp_path, "title,code\nSr. R&D Engineer,17-2199\n"))

    assert found.find(normalise("SENIOR  r and d engineer")) == {"17-2199": 1.0}
    assert found.find(normalise("r&d engineer")) is None
    assert len(found) == 1


def test_title_of_several_rows_has_several_codes_with_equal_shares(tmp_path: Path) -> None:
    body = "title,code\nServer,35-3031\nserver,15-0000\nServer.,43-5011\nSERVER,11-1020\n"

    assert overrides.read(_file(tmp_path, body)).find("server") == {
        "35-3031": 0.25,
        "15-0000": 0.25,
        "43-5011": 0.25,
        "11-1020": 0.25,
    }


def test_shares_of_a_title_are_scaled_to_one_whatever_their_size(tmp_path: Path) -> None:
    body = "title,code,share\nServer,35-3031,3\nServer,15-1200,1\nHost,35-9031,1.5e308\nHost,27-0000,1.5e308\n"
    found = overrides.read(_file(tmp_path, body))

    assert found.find("server") == {"35-3031": 0.75, "15-1200": 0.25}
    assert found.find("host") == {"35-9031": 0.5, "27-0000": 0.5}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("", "an empty file, expected comma- or tab-separated text in UTF-8"),
        ("title,soc\nNurse,29-1141\n", "line 1: found the columns 'title', 'soc', expected a column 'code'"),
        ("title;code\nNurse;29-1141\n", "line 1: found the columns 'title;code', expected a column 'title'"),
        ("title,code,Title\nNurse,29-1141,x\n", "line 1: found the column 'title' twice"),
        ("title,code\n", "no rows below the header"),
        ("title,code\nNurse,29-1141\nHost,35\n", "line 3: found the code '35', expected a code of SOC 2018"),
        ("title,code\nNurse,29-1141.00\n", "line 2: found the code '29-1141.00'.*without O.NET's '.00'"),
        ("title,code\nNurse,\n", "line 2: found the code ''"),
        ("title,code\n ,29-1141\n", "line 2: found the title ' ', expected one with a letter or digit"),
        ('title,code\n"a\nb",29-1141\n\n?,29-1141\n', "line 5: found the title '[?]'"),
        (
            "title,code\nNurse,29-1141\nHost,35-9031\nNURSE,29-1141\n",
            "line 4: found 'nurse' with 29-1141 again, as in line 2, expected each code of a title once; remove one",
        ),
        ("title,code\nNurse, Float,29-1141\n", "line 2: found 3 fields, expected 2 as in the header; put a title that"),
        ('title,code\nHost,35-9031\n"Nurse,29-1141\n', "line 3: found unexpected end of data"),
        ("title,code,share\nNurse,29-1141,0\n", "line 2: found the share '0', expected a number above 0"),
        ("title,code,share\nNurse,29-1141,nan\n", "line 2: found the share 'nan'"),
        ("title,code,share\nNurse,29-1141,inf\n", "line 2: found the share 'inf'"),
        ("title,code,share\nNurse,29-1141,half\n", "line 2: found the share 'half'"),
        ("title,code,share\nA1,29-1141,1\nA1,29-1151,\n", "line 3: found 'a1' with and, in line 2, without a share"),
        (f"title,code\n{'x' * 1001},29-1141\n", "line 2: found a title of 1,001 characters, expected at most 1,000"),
        (b"title,code\nNurs\xe9,29-1141\n", "line 2: found byte 0xe9, no UTF-8"),
        (b"title,code\nHost,35-9031\nN\xed\xa0\x80,29-1141\n", "line 3: found byte 0xed, no UTF-8"),
        ("title,code\nNurse,29-1141\n".encode("utf-16"), "text in UTF-16"),
        (b"PK\x03\x04....", "a zip archive or workbook.*save it as CSV in UTF-8"),
    ],
)
def test_file_that_cant_be_used_is_refused_by_line_with_what_to_do(
    tmp_path: Path, body: str | bytes, found: str
) -> None:
    with pytest.raises(DataError, match=found) as error:
        overrides.read(_file(tmp_path, body))

    assert str(error.value).startswith(str(tmp_path / "titles.csv"))
    assert "\n" not in str(error.value)


def test_file_that_isnt_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match=r"can't be read \(.+\), expected .+; name a file"):
            overrides.read(path)


def test_file_beyond_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path, "title,code\nNurse,29-1141\nHost,35-9031\nChef,35-1011\n")

    monkeypatch.setattr(overrides, "MAX_ROWS", 2)
    with pytest.raises(DataError, match="more than 2 rows"):
        overrides.read(path)
    monkeypatch.setattr(overrides, "MAX_BYTES", 40)
    with pytest.raises(DataError, match="more than 40 bytes"):
        overrides.read(path)


def test_override_at_the_detailed_level_takes_the_whole_answer_and_leaves_other_titles_alone() -> None:
    found, source = overrides.apply(Overrides({"scrub": {"29-1141": 1.0}}), ("scrub", "waiter"), CODES, SHARES)

    assert found.tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert source.tolist() == [OVERRIDE, MODEL]


def test_override_above_the_detailed_level_keeps_the_models_proportions_within_it() -> None:
    assert _applied({"29-1020": 1.0})[0] == pytest.approx([0.25, 0.75, 0, 0])  # 0.1 and 0.3, scaled to 1
    assert _applied({"29-0000": 1.0})[0] == pytest.approx([1 / 6, 1 / 2, 1 / 3, 0])  # 0.1, 0.3 and 0.2


def test_override_of_several_codes_splits_the_whole_by_their_shares() -> None:
    assert _applied({"29-1020": 0.6, "35-3031": 0.4})[0] == pytest.approx([0.15, 0.45, 0, 0.4])
    assert _applied({"29-0000": 0.5, "29-1141": 0.5})[0] == pytest.approx([1 / 12, 1 / 4, 2 / 3, 0])


def test_override_that_the_model_gives_no_share_at_all_splits_it_evenly() -> None:
    assert _applied({"29-1020": 1.0}, ("waiter", "scrub"))[1].tolist() == [0.5, 0.5, 0, 0]


def test_nothing_changes_without_an_override_of_these_titles_and_the_models_shares_never() -> None:
    before = SHARES.copy()
    found, source = overrides.apply(Overrides({"scrub": {"29-1141": 1.0}}), ("cook", "waiter"), CODES, SHARES)
    _applied({"29-0000": 1.0})

    assert found.tolist() == SHARES.tolist() == before.tolist()
    assert source.tolist() == [MODEL, MODEL]


def test_code_that_the_model_doesnt_answer_needs_a_column_and_gets_one() -> None:
    rare = Overrides({"dentist": {"29-1020": 1.0}, "monk": {"21-2090": 0.5, "55-1019": 0.5}})

    assert rare.columns(CODES) == ("21-2099", *CODES, "55-1019")
    with pytest.raises(InputError, match=r"an override names 21-2090, which has no column: widen"):
        overrides.apply(rare, ("monk", "waiter"), CODES, SHARES)


@given(st.dictionaries(st.sampled_from(sorted(soc.table())), st.floats(0.01, 1), min_size=1, max_size=4), st.data())
def test_overridden_shares_sum_to_one_and_give_each_code_at_least_its_part(
    wanted: dict[str, float], data: st.DataObject
) -> None:
    total = sum(wanted.values())
    known = Overrides({"x": {code: share / total for code, share in wanted.items()}})
    codes = known.columns(CODES)
    weights = data.draw(st.lists(st.floats(0, 1, width=32), min_size=len(codes), max_size=len(codes)))

    found, _ = overrides.apply(known, ["x"], codes, np.array([weights], np.float32))

    assert found.sum() == pytest.approx(1, abs=1e-5)
    for code, share in wanted.items():
        inside = [column in overrides.detailed_codes(code) for column in codes]
        assert found[0, inside].sum() >= share / total - 1e-5
