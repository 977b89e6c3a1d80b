"""The commonest titles, as a plain count has them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.monitor.commonest import Commonest
from jobmajor.tables.packed import Packed

BLOCKS = st.lists(st.lists(st.tuples(st.sampled_from(["", "a", "b", "ä", "aa"]), st.integers(1, 5))), max_size=4)


@given(BLOCKS)
def test_titles_are_counted_over_all_blocks(blocks: list[list[tuple[str, int]]]) -> None:
    found, expected = Commonest(), Counter[str]()
    for block in blocks:
        titles, rows = [title for title, _ in block], np.array([count for _, count in block], np.int64)
        found.add(Packed.of(titles), rows, np.array([len(title) for title in titles], np.int64))
        for title, count in block:
            expected[title] += count

    order = sorted(expected.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert found.most(3) == [(title, count, len(title)) for title, count in order]


def test_common_title_is_not_forgotten_among_very_many_rare_ones() -> None:
    found = Commonest()
    for first in range(0, 400_000, 40_000):
        titles = [f"rare {number}" for number in range(first, first + 40_000)] + ["common"] * 50
        found.add(Packed.of(titles), np.ones(len(titles), np.int64), np.zeros(len(titles), np.int64))

    assert found.most(1) == [("common", 500, 0)]
