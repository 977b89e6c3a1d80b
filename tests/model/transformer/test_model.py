from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'transformer'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'transformer'")

from safetensors.numpy import load_file, save_file  # noqa: E402 - after the skip

from jobmajor.errors import ArtifactError, InputError, SettingError  # noqa: E402 - after the skip
from jobmajor.model import transformer  # noqa: E402 - after the skip
from jobmajor.model.transformer import model  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jobmajor.model.transformer.model import TransformerModel
    from jobmajor.settings import Transformer

    Tables = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture
def folder(fitted: TransformerModel, tmp_path: Path) -> Path:
    """A saved model to damage."""
    saved = tmp_path / "model"
    saved.mkdir()
    fitted.save(saved)
    return saved


def figures(log: pytest.LogCaptureFixture, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf"\b{name}=([0-9.]+)", log.text)]


@pytest.mark.slow
@pytest.mark.long
def test_training_learns(titles: Tables, quick: Transformer, caplog: pytest.LogCaptureFixture) -> None:
    train, validation = titles
    caplog.set_level(logging.INFO)

    found = transformer.fit(train, validation, replace(quick, epochs=6, learning_rate=5e-3))

    losses = figures(caplog, "train_loss")
    assert losses[-1] < losses[0] - 1
    assert figures(caplog, "eval_f1")[-1] > figures(caplog, "eval_f1")[0]
    counted = validation.filter(pl.col("source") == "alternate")
    truth = counted["code"].str.head(2).to_list()
    groups = np.array([code[:2] for code in found.codes])
    shares = found.shares(counted["text"].to_list())
    every = np.unique(groups)
    majors = np.column_stack([shares[:, groups == group].sum(axis=1) for group in every])
    right = np.mean(every[majors.argmax(axis=1)] == np.array(truth))
    assert right > max(Counter(truth).values()) / len(truth) + 0.2


def test_shares_are_of_every_code_seen_in_training_and_sum_to_one(fitted: TransformerModel, few: Tables) -> None:
    texts = [*few[1]["text"], "", "word that nobody knows " * 30]

    found = fitted.shares(texts)

    assert fitted.codes == tuple(sorted(set(few[0]["code"])))
    assert found.shape == (len(texts), len(fitted.codes))
    assert found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-6)
    assert fitted.shares([]).shape == (0, len(fitted.codes))


def test_company_that_a_title_is_in_changes_its_shares_by_rounding_only(fitted: TransformerModel) -> None:
    texts = ["nurse", "lawyer", "driver of a very long truck on a very long road"]

    alone = np.concatenate([fitted.shares([text]) for text in texts])

    assert fitted.shares(texts) == pytest.approx(alone, abs=1e-6)


@pytest.mark.long  # whole trainings
def test_no_better_epoch_ends_training_and_the_best_one_is_taken(
    few: Tables, quick: Transformer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    # At this rate no weight moves far enough to change an answer, so no epoch is better than the first.
    longer = transformer.fit(*few, replace(quick, epochs=9, patience=2, learning_rate=1e-8))
    epochs = figures(caplog, "epoch")
    shorter = transformer.fit(*few, replace(quick, epochs=9, patience=1, learning_rate=1e-8))

    assert epochs == [1, 2, 3]
    assert "epoch 1 of 3 was the best" in caplog.text
    assert "epoch 1 of 2 was the best" in caplog.text
    for one, other in zip(longer.network.parameters(), shorter.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.long  # whole trainings
def test_state_is_kept_as_often_as_asked(
    few: Tables, quick: Transformer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    transformer.fit(*few, replace(quick, epochs=1, checkpoint_minutes=0.0), checkpoints=tmp_path / "often")
    often = caplog.text.count("kept step")
    transformer.fit(*few, replace(quick, epochs=1), checkpoints=tmp_path / "rarely")

    # 187 titles are 12 batches, and the end of an epoch is kept in any case.
    assert (often, caplog.text.count("kept step") - often) == (13, 1)


@pytest.mark.long  # whole trainings
def test_same_seed_gives_the_same_model_and_leaves_the_callers_generator_alone(
    few: Tables, quick: Transformer, fitted: TransformerModel
) -> None:
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    again = transformer.fit(few[0].reverse(), few[1].reverse(), quick)
    drawn = torch.rand(3)
    other = transformer.fit(*few, replace(quick, seed=8))

    texts = few[1]["text"].to_list()
    assert torch.equal(drawn, expected)
    assert np.array_equal(again.shares(texts), fitted.shares(texts))
    assert not np.array_equal(other.shares(texts), fitted.shares(texts))
    assert not torch.are_deterministic_algorithms_enabled()


def test_saved_model_gives_the_same_shares(fitted: TransformerModel, folder: Path, few: Tables) -> None:
    texts = few[1]["text"].to_list()

    again = transformer.load(folder)

    assert np.array_equal(again.shares(texts), fitted.shares(texts))
    assert again.description == fitted.description
    assert again.about["recipe"] == "transformer"
    assert again.about["source"] == {"release": "starter"}
    assert sorted(path.name for path in folder.iterdir()) == sorted(model.FILES)


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_saved_model_is_one_that_hugging_faces_pipeline_reads(fitted: TransformerModel, folder: Path) -> None:
    classify = transformers.pipeline("text-classification", str(folder))

    answers = classify(["registered nurse"], top_k=None)[0]

    assert {answer["label"] for answer in answers} == set(fitted.codes)
    with torch.inference_mode():
        logits = fitted.network(**fitted.tokenizer(["registered nurse"], return_tensors="pt")).logits[0]
    assert answers[0]["label"] == fitted.codes[int(logits.argmax())]
    assert answers[0]["score"] == pytest.approx(float(logits.softmax(0).max()), abs=1e-5)


def _without_head(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    del arrays["classifier.weight"]
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})


def _described(folder: Path, **changes: object) -> None:
    body = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**body, **changes}))


_DAMAGE: Mapping[str, Callable[[Path], object]] = {
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "cut weights": lambda folder: os.truncate(folder / "model.safetensors", 100),
    "no head": _without_head,
    "no description": lambda folder: (folder / "model.json").unlink(),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "other format": lambda folder: _described(folder, format="elsewhere"),
    "other codes": lambda folder: _described(folder, codes=["11-1011"]),
    "no codes": lambda folder: _described(folder, codes=["x"]),
    "no temperature": lambda folder: _described(folder, temperatures={"across": -1, "within": 1}),
    "no length": lambda folder: _described(folder, max_length="long"),
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_damaged_model_is_refused_in_one_line(folder: Path, damage: str) -> None:
    _DAMAGE[damage](folder)

    with pytest.raises(ArtifactError, match="train it again") as caught:
        transformer.load(folder)

    assert "\n" not in str(caught.value)


def _pickled(folder: Path) -> None:
    torch.save(torch.nn.Linear(1, 1).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": own}))
    (folder / "own.py").write_text("raise SystemExit('their code ran')")


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


_REFUSED: Mapping[str, Callable[[Path], object]] = {
    "no file named model.safetensors": _pickled,
    "contains custom code": _with_code,
    "its tokenizer has no vocabulary": _without_tokenizer,
    "not a valid JSON": lambda folder: (folder / "config.json").write_text("{"),
    "can't be used": shutil.rmtree,
}


@pytest.mark.parametrize("why", _REFUSED)
def test_checkpoint_that_can_not_be_used_is_refused_in_one_line(
    quick: Transformer, tmp_path: Path, few: Tables, why: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(quick.checkpoint, broken)
    _REFUSED[why](broken)

    with pytest.raises(InputError, match=re.escape(why)) as caught:
        transformer.fit(*few, replace(quick, checkpoint=str(broken)))

    assert "\n" not in str(caught.value)
    assert "pickled weights and own code are refused" in str(caught.value)


def test_titles_longer_than_the_checkpoint_takes_are_refused_by_the_settings_name(
    few: Tables, quick: Transformer
) -> None:
    with pytest.raises(SettingError, match=r"'transformer.max_length': found 41, expected at most 40"):
        transformer.fit(*few, replace(quick, max_length=41))
