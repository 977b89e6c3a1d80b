"""Whatever a command writes, it makes the folders above it, and says where it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLES = "title,code\nregistered nurse,29-1141\nzorp blib,35-2014\n"


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "--input", "ROWS", "--output", "OUT", "--model", "MODEL"),
        ("review", "ROWS", "--export", "OUT", "--model", "MODEL"),
        ("review", "--import", "ROWS", "--overrides", "OUT"),
        ("monitor", "baseline", "ROWS", "--output", "OUT", "--model", "MODEL"),
        ("queue", "export", "OUT", "--reviewer", "ann"),
        ("queue", "import", "ROWS", "--reviewer", "ann", "--queue", "OUT"),
    ],
)
def test_folders_above_what_is_written_are_made(
    words: Sequence[str],
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JOBMAJOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(TITLES, "utf-8")
    places = {"ROWS": "rows.csv", "OUT": "new/folder/out.csv", "MODEL": str(model_folder)}

    status = main.main([places.get(word, word) for word in words])

    said = capsys.readouterr().out
    assert (status, Path("new/folder/out.csv").is_file()) == (0, True)
    assert "--queue" in words or "out.csv" in said
