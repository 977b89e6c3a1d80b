"""The helpers of the notebook: what they say when something is missing, and plots that draw what they are given."""

from __future__ import annotations

import io
import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from jobmajor import tutorial
from jobmajor.errors import InputError
from jobmajor.evaluation.judged import Judged

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("there", [[], ["titles-a", "titles-b"]])
def test_repository_that_is_missing_or_not_the_only_one_is_a_sentence(there: list[str]) -> None:
    account: Any = SimpleNamespace(pages=lambda *_: iter([{"repositoryName": name} for name in ["other", *there]]))
    names: Any = SimpleNamespace(project="titles")

    with pytest.raises(InputError, match=f"found {', '.join(there) or 'none'}, expected one: set aws.github"):
        tutorial.repository(account, names, "")


def test_repository_on_github_is_not_looked_for() -> None:
    nobody: Any = None

    assert tutorial.repository(nobody, nobody, "ann/titles") == "https://github.com/ann/titles.git"


def test_service_that_ends_before_it_listens_is_a_sentence_with_its_last_line() -> None:
    listening = json.dumps({"event": "listening", "url": "http://127.0.0.1:1"})

    assert tutorial.address_of(SimpleNamespace(stderr=io.StringIO(f"x\n{listening}\n"))) == "http://127.0.0.1:1"
    with pytest.raises(InputError, match="the last it said: error: no model"):
        tutorial.address_of(SimpleNamespace(stderr=io.StringIO("x\nerror: no model\n")))


def test_simulated_aws_is_the_only_one_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("moto.server", reason="AWS is simulated by moto's server")
    kept = dict(os.environ)
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    monkeypatch.setattr("sagelocal.extras.require", lambda *_: None)  # an environment made before the extra was

    simulated = tutorial.simulate_aws()
    try:
        assert simulated.address.startswith("http://127.0.0.1:")
        assert os.environ["AWS_ENDPOINT_URL"] == simulated.address
        assert "AWS_PROFILE" not in os.environ
        assert simulated.end() == 0
    finally:
        for name in {name for name in os.environ if name.startswith("AWS_")} - set(kept):
            del os.environ[name]


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MPLBACKEND", "agg")
    plt = pytest.importorskip("matplotlib.pyplot", reason="the extra tutorial brings it")
    yield plt
    plt.close("all")


def test_bars_stand_in_order_with_the_names_of_their_codes(plots: Any) -> None:
    tutorial.bars({"29-0000": 3, "51-0000": 9}, "titles")

    axes = plots.gca()
    assert [bar.get_width() for bar in axes.patches] == [3, 9]
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "Production  51"


def test_plots_of_a_model_show_its_shares(plots: Any) -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], np.float32)
    truth = np.array([0, 1, 1, 0])
    judged = Judged(pl.DataFrame({"row": range(4)}), ("29-0000", "51-0000"), scores, truth, scores.argmax(axis=1))

    tutorial.confusion(judged)
    shares = plots.gca().images[0].get_array()
    tutorial.coverage(judged)
    accepted, right = plots.gca().lines
    tutorial.reliability(judged)

    assert shares.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert accepted.get_ydata()[0] == 1.0
    assert right.get_ydata()[0] == 0.75
    assert len(plots.gca().lines) == 2
