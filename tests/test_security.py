from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_each_defence_names_tests_that_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| (?!attacker|---)", line)]

    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/\S+\.py)`", row[-1])
        assert len(row) == 5
        assert named
        assert [name for name in named if not (ROOT / name).is_file()] == []
