"""A tiny checkpoint and few titles: torch and transformers are loaded by what asks for them only."""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from jobmajor.model import transformer
from jobmajor.settings import Transformer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.model.transformer.model import TransformerModel

    Tables = tuple[pl.DataFrame, pl.DataFrame]

_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_GROUPS = ("23", "29", "45", "53")  # law, health, farming, transport: far apart
_QUICK = Transformer(epochs=2, batch=16, learning_rate=3e-3, warmup_steps=5, seed=7)
# Importing torch takes four seconds in each process, and every test in these files is slow.
_ALL_SLOW = {"test_model.py", "test_processes.py", "test_life.py", "test_instances.py"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files whose tests are all slow where no slow tests are asked for, as in `make check`."""
    is_fast = "not slow" in config.getoption("markexpr")
    return True if is_fast and collection_path.name in _ALL_SLOW else None


@pytest.fixture(scope="session")
def titles(starter_splits: Mapping[str, pl.DataFrame]) -> Tables:
    """Starter titles of four major groups."""
    train, validation = (
        starter_splits[name].filter(pl.col("code").str.head(2).is_in(_GROUPS)) for name in ("train", "validation")
    )
    return train, validation


@pytest.fixture(scope="session")
def few(titles: Tables) -> Tables:
    """Each seventh of them: 190 rows, 12 batches of 16."""
    return titles[0].gather_every(7), titles[1].gather_every(2)


@pytest.fixture(scope="session")
def tiny(titles: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two layers that knows the starter titles' words, as Hugging Face's libraries save it."""
    import torch
    import transformers as theirs
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    transformers: Any = theirs  # not all of it says its types
    words = sorted({word for text in titles[0]["text"] for word in text.split()})
    vocabulary = {word: place for place, word in enumerate([*_MARKS, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), _MARKS, strict=True))
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=len(vocabulary), max_position_embeddings=40, **sizes)
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def quick(tiny: Path) -> Transformer:
    return replace(_QUICK, checkpoint=str(tiny))


@pytest.fixture(scope="session")
def fitted(few: Tables, quick: Transformer) -> TransformerModel:
    return transformer.fit(*few, quick, {"source": {"release": "starter"}})
