from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.errors import DataError, InputError, MissingExtra
from jobmajor.model import transformer
from jobmajor.model.transformer import calibrate, launch, targets
from jobmajor.model.transformer.calibrate import Temperatures
from jobmajor.settings import Transformer

if TYPE_CHECKING:
    from pathlib import Path

NURSE, SURGEON, TRUCK, BUS = "29-1141", "29-1249", "53-3032", "53-3052"
CODES = (NURSE, SURGEON, TRUCK, BUS)


def rows(*pairs: tuple[str, str], source: str = "alternate") -> pl.DataFrame:
    return pl.DataFrame({"text": [pair[0] for pair in pairs], "code": [pair[1] for pair in pairs], "source": source})


TITLES = rows(("nurse", NURSE), ("driver", TRUCK), ("driver", TRUCK), ("driver", BUS), ("surgeon", SURGEON))


def test_title_under_several_codes_is_one_example_shared_by_the_rows_that_list_it() -> None:
    found = targets.lessons(TITLES)

    assert found.texts == ("driver", "nurse", "surgeon")
    assert found.codes == CODES
    assert found.shares.toarray() == pytest.approx(np.array([[0, 0, 2 / 3, 1 / 3], [1, 0, 0, 0], [0, 1, 0, 0]]))


def test_titles_of_one_code_are_refused() -> None:
    with pytest.raises(DataError, match="found 1 codes, expected two or more"):
        targets.lessons(rows(("nurse", NURSE), ("rn", NURSE)))


def test_only_counted_rows_judge_and_what_training_never_saw_stands_past_the_last_column() -> None:
    table = pl.concat(
        [rows(("b", "53-3033"), ("a", TRUCK), ("a", BUS), ("c", "11-1011")), rows(("x", NURSE), source="short")]
    )

    found = targets.trial(table, CODES)

    assert found.texts == ("a", "b", "c")
    order = sorted([(BUS, 3), (TRUCK, 2)])  # rows come by text, then by code
    assert found.row_text.tolist() == [0, 0, 1, 2]
    assert found.truth.tolist() == [*(column for _, column in order), 4, 4]
    assert found.major.tolist() == [1, 1, 1, 2]


def test_validation_without_a_counted_row_is_refused() -> None:
    with pytest.raises(DataError, match="no row to count"):
        targets.trial(rows(("a", NURSE), source="short"), CODES)


def test_codes_of_a_group_stand_side_by_side() -> None:
    every = tuple(sorted(soc.detailed_codes()))
    sizes = targets.group_sizes(every)

    owners = [soc.ancestor(code, "major") for code in every]
    assert owners == [major for major, size in zip(targets.majors(every), sizes, strict=True) for _ in range(size)]


def test_data_has_one_digest_in_any_order_and_another_when_a_row_changes() -> None:
    def digest(train: pl.DataFrame, validation: pl.DataFrame) -> str:
        return targets.digest(targets.lessons(train), targets.trial(validation, CODES))

    others = [
        digest(pl.concat([TITLES, rows(("driver", BUS))]), TITLES),
        digest(TITLES, TITLES.slice(1)),
        digest(TITLES, TITLES.with_columns(code=pl.lit(BUS))),
    ]

    assert digest(TITLES.reverse(), TITLES) == digest(TITLES, TITLES)
    assert len({digest(TITLES, TITLES), *others}) == 4


def test_shares_of_a_title_are_coherent_and_sum_to_one() -> None:
    logits = np.log(np.array([[1, 2, 3, 4]], np.float32))

    plain = calibrate.shares(logits, [2, 2], Temperatures())
    # Groups have 3 and 7 of 10; a temperature of 1/2 squares what it is for: 9 and 49, and 1 and 4, 9 and 16.
    across = calibrate.shares(logits, [2, 2], Temperatures(across=0.5))
    within = calibrate.shares(logits, [2, 2], Temperatures(within=0.5))

    assert plain[0] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert across[0] == pytest.approx([9 / 58 / 3, 9 / 58 * 2 / 3, 49 / 58 * 3 / 7, 49 / 58 * 4 / 7])
    assert within[0] == pytest.approx([0.3 / 5, 0.3 * 4 / 5, 0.7 * 9 / 25, 0.7 * 16 / 25])
    assert plain.dtype == np.float32


def test_scores_that_are_far_apart_neither_overflow_nor_lose_their_sum() -> None:
    found = calibrate.shares(np.array([[1000, -1000, 0, 3]], np.float32), [2, 2], Temperatures(0.05, 20.0))

    assert found.sum() == pytest.approx(1)
    assert np.isfinite(found).all()


def test_temperatures_are_those_that_make_shares_come_true() -> None:
    # Of four titles, all scored 4 to 0 for the first group and 2 to 0 for its first code, three are of that group
    # and two of those of that code: shares of 3/4 and 2/3 need differences of log 3 and log 2 (of the group's total,
    # log(e**4 + e**2), against log 2 of the other's).
    logits = np.tile(np.array([[4.0, 2.0, 0.0, 0.0]], np.float32), (4, 1))

    found = calibrate.fit(logits, [2, 2], np.array([0, 0, 1, 2]))

    assert found.across == pytest.approx((np.log(np.exp(4) + np.exp(2)) - np.log(2)) / np.log(3), rel=1e-3)
    assert calibrate.shares(logits[:1], [2, 2], found)[0, :2].sum() == pytest.approx(0.75, abs=1e-3)
    assert found.within == pytest.approx(2 / np.log(2), rel=1e-3)  # the fourth title's codes are alike at any


def test_no_title_to_fit_on_leaves_the_scores_as_they_are() -> None:
    assert calibrate.fit(np.empty((0, 4), np.float32), [2, 2], np.empty(0, np.int64)) == Temperatures()


def test_log_losses_are_of_the_code_and_of_its_group() -> None:
    logits = np.log(np.array([[1, 2, 3, 4]], np.float32))

    found = calibrate.log_losses(logits, [2, 2], np.array([3]))

    assert found == pytest.approx(-np.log([0.4 * 0.7]))


def resources(root: Path, body: Any) -> Path:
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "config" / "resourceconfig.json").write_text(json.dumps(body))
    return root


def test_machines_are_those_that_the_service_names(tmp_path: Path) -> None:
    body = {"current_host": "algo-2", "hosts": ["algo-2", "algo-1"], "network_interface_name": "eth0"}

    found = launch.cluster(resources(tmp_path, body))

    assert found == launch.Cluster(("algo-1", "algo-2"), "algo-2", "eth0")


def test_step_outside_of_a_container_is_one_machine(tmp_path: Path) -> None:
    assert len(launch.cluster(tmp_path).hosts) == 1


@pytest.mark.parametrize("body", [{}, {"hosts": ["a"]}, {"hosts": ["a"], "current_host": "b"}, [], {"hosts": 5}])
def test_unreadable_list_of_machines_is_refused_in_one_line(tmp_path: Path, body: Any) -> None:
    with pytest.raises(InputError, match="expected hosts and current_host among them") as caught:
        launch.cluster(resources(tmp_path, body))

    assert "\n" not in str(caught.value)


def test_one_process_per_gpu_of_every_machine_meets_at_the_first_one() -> None:
    machines = launch.Cluster(("algo-1", "algo-2"), "algo-2", "eth0")

    found = launch.torchrun(machines, ["-m", "somewhere"], gpus=4)

    assert found is not None
    assert found.words == (
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", "1"),
        *("--nproc-per-node", "4", "--master-addr", "algo-1", "--master-port", "29500", "-m", "somewhere"),
    )
    assert found.variables["GLOO_SOCKET_IFNAME"] == found.variables["NCCL_SOCKET_IFNAME"] == "eth0"


@pytest.mark.parametrize(("gpus", "starts"), [(0, False), (1, False), (2, True)])
def test_single_machine_needs_torchrun_only_for_several_gpus(gpus: int, starts: bool) -> None:
    assert (launch.torchrun(launch.Cluster(), ["x"], gpus=gpus) is not None) == starts


def test_process_that_torchrun_started_does_the_work_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources(tmp_path, {"current_host": "a", "hosts": ["a", "b"]})
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("RANK", "1")

    assert launch.run(tmp_path, ["x"]) is None
    assert not launch.is_first()


def test_missing_extra_is_one_line_with_the_way_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(MissingExtra, match=r"needs the extra 'transformer': .*pip install .*\[transformer\]'$"):
        transformer.fit(TITLES, TITLES, Transformer())
    with pytest.raises(MissingExtra):
        transformer.load(tmp_path)


def test_defaults_are_the_tutorials() -> None:
    found = Transformer()

    assert (found.checkpoint, found.epochs, found.batch) == ("distilbert-base-uncased", 5, 32)
    assert (found.learning_rate, found.warmup_steps, found.weight_decay, found.patience) == (2e-5, 50, 0.01, 3)


def test_loss_of_a_network_is_the_log_loss_of_codes_and_groups() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra 'transformer'")
    from jobmajor.model.transformer.loss import title_losses  # noqa: PLC0415 - needs torch

    logits = torch.log(torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]))
    truth = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.5, 0.0]])

    found = title_losses(logits, truth, [2, 2])

    # The second title is half of each group: half the log loss of .1 and .3, and of the groups' .3 and .7.
    assert found.tolist() == pytest.approx([-np.log(0.4 * 0.7), -0.5 * np.log(0.1 * 0.3 * 0.3 * 0.7)])


@pytest.fixture
def states(tmp_path: Path) -> Path:
    """Three states kept one after the other."""
    torch = pytest.importorskip("torch", reason="needs the extra 'transformer'")
    from jobmajor.model.transformer import checkpoint  # noqa: PLC0415 - needs torch

    for step in (1, 2, 3):
        checkpoint.save(tmp_path, "key", checkpoint.Position(step=step), {"a": torch.full((2,), float(step))})
    return tmp_path


def test_newest_state_counts_and_one_more_is_kept(states: Path) -> None:
    from jobmajor.model.transformer import checkpoint  # noqa: PLC0415 - needs torch

    found = checkpoint.newest(states, "key")

    assert found is not None
    assert (found[0].step, found[1]["a"].tolist()) == (3, [3.0, 3.0])
    assert sorted(path.name for path in states.iterdir()) == ["key-00000002-0000", "key-00000003-0000"]
    assert checkpoint.newest(states, "other") is None


@pytest.mark.parametrize("damage", ["cut", "gone", "no manifest"])
def test_state_that_came_back_damaged_gives_way_to_the_one_before(states: Path, damage: str) -> None:
    from jobmajor.model.transformer import checkpoint  # noqa: PLC0415 - needs torch

    newest = states / "key-00000003-0000"
    if damage == "cut":
        os.truncate(newest / "state.safetensors", 20)
    else:
        (newest / ("position.json" if damage == "gone" else "manifest.json")).unlink()

    found = checkpoint.newest(states, "key")

    assert found is not None
    assert found[0].step == 2
    assert not newest.exists()
