"""`--encoding` and `--sheet` mean the same in all commands that read a table of titles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from openpyxl import Workbook

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path

NURSES = [
    (f"{kind} {place} nurse", "29-1141") for kind in ("night", "staff", "head") for place in ("icu", "er", "ward")
]
ROWS = [
    ("régisseur", "27-2012"),
    ("operator", "51-0000"),
    *NURSES,
    *((f"nurse {chr(97 + n)}", "29-1141") for n in range(26)),
]
HEAD = ("job title", "code")


@pytest.fixture
def in_mac_roman(tmp_path: Path) -> Path:
    path = tmp_path / "mac.csv"
    path.write_bytes("\n".join(map(",".join, [HEAD, *ROWS])).encode("mac_roman"))
    return path


@pytest.fixture
def on_second_sheet(tmp_path: Path) -> Path:
    path, book = tmp_path / "book.xlsx", Workbook()
    book.active.append(("nothing", "here"))
    sheet = book.create_sheet("Staff")
    for row in (HEAD, *ROWS):
        sheet.append(row)
    book.save(path)
    return path


def words_of(command: str, path: Path, model: Path, how: list[str]) -> list[str]:
    folder = path.parent
    of_command = {
        "adapt": ["adapt", str(path), "--code", "code", "--output", str(folder / "prior.json")],
        "summarise": ["summarise", str(path)],
        "evaluate": ["evaluate", "--titles", str(path)],
        "review": ["review", str(path), "--level", "detailed", "--overrides", str(folder / "o.csv")],
    }
    return [*of_command[command], "--model", str(model), "--json", *how]


def seen(command: str, path: Path, model: Path, how: list[str], capsys: pytest.CaptureFixture[str]) -> object:
    """Return what a command found of the file, whatever the file is called."""
    assert main.main(words_of(command, path, model, how)) == 0
    found = json.loads(capsys.readouterr().out)
    return {key: value for key, value in found.items() if key != "file"} if isinstance(found, dict) else found


@pytest.mark.parametrize("command", ["adapt", "summarise", "evaluate", "review"])
def test_named_encoding_and_sheet_give_what_plain_text_gives(
    command: str, in_mac_roman: Path, on_second_sheet: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = in_mac_roman.with_name("plain.csv")
    plain.write_text("\n".join(map(",".join, [HEAD, *ROWS])), "utf-8")
    expected = seen(command, plain, model_folder, [], capsys)

    by_encoding = seen(command, in_mac_roman, model_folder, ["--encoding", "mac_roman"], capsys)
    by_sheet = seen(command, on_second_sheet, model_folder, ["--sheet", "Staff"], capsys)

    assert by_encoding == expected
    assert by_sheet == expected
    assert command != "review" or "régisseur" in [each["title"] for each in expected]  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["adapt", "summarise", "evaluate", "review"])
def test_sheet_of_a_file_that_is_no_workbook_is_one_line(
    command: str, in_mac_roman: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words_of(command, in_mac_roman, model_folder, ["--sheet", "Staff"])) == 2

    assert "leave --sheet out" in capsys.readouterr().err


def test_mix_of_the_input_is_that_of_the_named_sheet(
    on_second_sheet: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", "--input", str(on_second_sheet), "--sheet", "Staff", "--output", str(tmp_path / "out.csv")]

    status = main.main([*words, "--adapt", "--model", str(model_folder)])

    assert status in {1, 2}
    assert "found 37 distinct titles" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["adapt", "summarise", "evaluate", "review", "monitor", "queue"])
def test_guess_about_a_file_is_said_beside_the_result(
    command: str, tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "staff.csv"
    path.write_bytes("\n".join(map(",".join, [HEAD, *ROWS])).encode("cp1252"))
    of_traffic = {
        "monitor": ["monitor", "baseline", str(path), "--output", str(tmp_path / "reference.json")],
        "queue": ["queue", "add", str(path), "--home", str(tmp_path)],
    }
    words = of_traffic.get(command)

    status = main.main([*words, "--model", str(model_folder)] if words else words_of(command, path, model_folder, []))

    said = capsys.readouterr().err.splitlines()
    assert status == 0
    assert sorted(said) == [
        f"note: {path}: {each}" for each in ("read as Windows-1252", "titles are in column 'job title'")
    ]
