"""`jobmajor init` as a user calls it: what can't be used is one line and status 2, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobmajor import soc
from jobmajor.cli import main

TEXTS = "text,label\n" + "".join(f"text {number},{'xy'[number % 2]}\n" for number in range(20))
GIVEN = "--text", "text", "--label", "label"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "texts.csv").write_text(TEXTS, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the line that a call is refused with, after checking that there is nothing else."""
    before = sorted(Path().rglob("*"))

    status = main.main(["init", *words])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sorted(Path().rglob("*")) == before
    assert soc.current() == soc.chosen.SOC_2018
    return err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("\udcff", r"name: found the classification's name '\udcff', expected one line of 1 to 200 characters"),
        ("a\nb", r"name: found the classification's name 'a\nb', expected one line of 1 to 200 characters"),
        ("   ", "name: found the classification's name ' ', expected one line of 1 to 200 characters"),
        ("x" * 201, "expected one line of 1 to 200 characters"),
        ("SOC 2018", "name: found the name 'SOC 2018', expected a name of its own"),
    ],
)
def test_name_that_messages_can_not_hold_is_refused(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in refused(capsys, "new", "--input", "texts.csv", *GIVEN, "--name", name)


def test_folder_below_a_file_is_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "file").write_bytes(b"")

    assert "file is no folder" in refused(capsys, "file/p", "--input", "texts.csv", *GIVEN)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ("text,label\n", "texts.csv: found no label, expected two at least"),
        ("text,label\na,x\nb,x\n", "texts.csv: found one label, 'x', expected two at least"),
        ("", "texts.csv"),
    ],
)
def test_table_without_two_labels_is_refused(
    texts: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "texts.csv").write_text(texts, "utf-8")

    assert says in refused(capsys, "new", "--input", "texts.csv", *GIVEN)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("tree.csv", 'code,name\nx,"a\nb"\ny,c\n', r"found the name 'a\nb' of 'x', expected one line of text"),
        ("tree.jsonl", r'{"code":"x","name":"a\nb"}' + '\n{"code":"y"}\n', r"found the name 'a\nb' of 'x'"),
        ("tree.jsonl", r'{"code":"x","name":"a"}' + "\n" + r'{"code":"y","name":"\ud800"}' + "\n", "1 of 2 rows"),
        ("tree.jsonl", r'{"code":"\ud800"}' + '\n{"code":"x"}\n{"code":"y"}\n', "found 1 of 3 rows that can't be read"),
        ("tree.csv", "code\n", "found no label, expected two at least"),
        ("tree.csv", "name\nx\n", "expected a column 'code'"),
    ],
)
def test_table_of_labels_that_can_not_be_used_is_refused(
    file: str, content: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / file).write_text(content, "utf-8")

    assert says in refused(capsys, "new", "--input", "texts.csv", *GIVEN, "--classes", file)


def test_label_with_a_joiner_of_letters_is_accepted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "texts.csv").write_text(TEXTS.replace(",x", ",क्\u200dष"), "utf-8")

    status = main.main(["init", "new", "--input", "texts.csv", *GIVEN])

    assert (status, "20 texts; 2 labels" in capsys.readouterr().out) == (0, True)
