from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jobmajor.errors import DataError
from jobmajor.model.rules import prior
from jobmajor.model.rules.prior import Prior

if TYPE_CHECKING:
    from pathlib import Path

FARMS = Prior({"29-0000": 0.1, "45-0000": 0.9}, {"29-0000": 0.5, "45-0000": 0.5}, 200, 0)
BODY = {
    "format": 1,
    "mix": {"29-0000": 0.1, "45-0000": 0.9},
    "source": {"29-0000": 0.5, "45-0000": 0.5},
    "titles": 200,
    "labelled": 0,
}


def test_written_file_is_read_as_it_was_and_its_digest_tells_it_from_others(tmp_path: Path) -> None:
    FARMS.write(tmp_path / "prior.json")

    found = prior.read(tmp_path / "prior.json")

    assert (found, found.digest) == (FARMS, FARMS.digest)
    assert Prior(FARMS.mix, FARMS.source, 201, 0).digest != FARMS.digest


def test_ratio_is_damped_to_its_square_root_and_counts_for_each_code_of_a_group() -> None:
    weights = FARMS.weights(["29-1141", "29-1171", "45-2092", "11-1011"])

    assert weights.tolist() == pytest.approx([0.2**0.5, 0.2**0.5, 1.8**0.5, 1.0])


@given(
    arrays.arrays(np.float32, (5, 4), elements=st.floats(0.0625, 1, width=32)),
    arrays.arrays(np.float32, (4,), elements=st.floats(0.0625, 8, width=32)),
)
def test_moved_shares_sum_to_one_and_keep_their_order_within_a_group(shares: Any, weights: Any) -> None:
    weights[1] = weights[0]

    found = prior.moved(shares, weights)

    assert found.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert ((found[:, 0] >= found[:, 1]) == (shares[:, 0] >= shares[:, 1])).all()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("title\nnurse\n", "Expecting value"),
        ("[]", "object"),
        ({}, "no key 'format'"),
        ({**BODY, "format": 2}, "format 1"),
        ({**BODY, "mix": {"29-0000": 1.0}}, "different groups"),
        ({**BODY, "mix": {"29-0000": 0.5, "45-0000": 0.4}}, "sum to 1"),
        ({**BODY, "mix": {"29-0000": 0, "45-0000": 1}}, "above 0"),
        ({**BODY, "mix": {"29-0000": "a", "45-0000": 1}}, "above 0"),
        ({**BODY, "source": {"29-1141": 0.5, "45-0000": 0.5}}, "major groups"),
        ({**BODY, "titles": -1}, "counts"),
        ({**BODY, "labelled": True}, "counts"),
        ('{"format": 1, "mix": {"29-0000": NaN, "45-0000": 1}}', "above 0"),
    ],
)
def test_what_adapt_did_not_write_is_one_line(tmp_path: Path, body: Any, why: str) -> None:
    path = tmp_path / "prior.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body))

    with pytest.raises(DataError, match=why) as caught:
        prior.read(path)

    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"prior\.json: found No such file"):
        prior.read(tmp_path / "prior.json")
