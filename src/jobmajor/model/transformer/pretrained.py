"""Open Hugging Face checkpoints, a user's or ours: weights as safetensors only, and never code from a checkpoint.

What can't be used is refused in one line before training begins, since the library would go on with a random head, an
empty vocabulary or a prompt for input.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as their_logging

from jobmajor.data.source import OFFLINE_VARIABLE
from jobmajor.errors import InputError, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.settings import Transformer

# What the libraries raise for a file that is missing, no JSON, of another form, or in need of code.
FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library within the block: its progress bars fill logs, and it warns of the new head that we want."""
    theirs: Any = their_logging  # its functions say no types
    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.CRITICAL)
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()


def read(checkpoint: str | Path, **config: Any) -> tuple[Any, Any, set[str]]:
    """Return network, tokenizer, and the names of weights that the checkpoint lacks, which are random now.

    `config` replaces values of its configuration. Every fault is raised as one of `FAULTS`.
    """
    is_local = Path(checkpoint).is_dir() or bool(os.environ.get(OFFLINE_VARIABLE))
    options = {"local_files_only": is_local, "trust_remote_code": False}
    with _quiet():
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, **options)
        network, found = AutoModelForSequenceClassification.from_pretrained(
            checkpoint, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options, **config
        )
    if found["error_msgs"]:
        raise ValueError(found["error_msgs"][0])
    return network, tokenizer, {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}


def write(folder: Path, network: Any, tokenizer: Any) -> None:
    """Write the three files that the libraries of Hugging Face read into `folder`."""
    with _quiet():
        network.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def open_base(settings: Transformer, codes: tuple[str, ...]) -> tuple[Any, Any]:
    """Return the network of the checkpoint with a head for `codes`, new if it has none of that size, and its tokenizer.

    Raises:
        InputError: There is no such checkpoint, it carries pickled weights only, or asks for its own code.
        SettingError: It takes fewer tokens than `max_length`.
    """
    name = settings.checkpoint
    labels = dict(enumerate(codes))
    try:
        network, tokenizer, _ = read(
            name,
            id2label=labels,
            label2id={code: index for index, code in labels.items()},
            ignore_mismatched_sizes=True,
        )
        _fit_together(network, tokenizer)
    except FAULTS as error:
        why = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(
            f"checkpoint {name!r} can't be used ({why}): name a folder with config.json, tokenizer.json and "
            "model.safetensors, or a name on the hub and be online; pickled weights and own code are refused"
        ) from error
    most = getattr(network.config, "max_position_embeddings", None)
    if most is not None and settings.max_length > most:
        raise SettingError("transformer.max_length", settings.max_length, f"at most {most}, as {name!r} takes")
    return network, tokenizer


def _fit_together(network: Any, tokenizer: Any) -> None:
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ValueError("its tokenizer has no vocabulary")
    if len(tokenizer) > network.config.vocab_size:
        raise ValueError(f"its tokenizer has {len(tokenizer)} pieces, its weights {network.config.vocab_size}")
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ValueError("its tokenizer has no padding and no end")
        tokenizer.pad_token = tokenizer.eos_token
    network.config.pad_token_id = tokenizer.pad_token_id  # some networks find a title's last token by it
