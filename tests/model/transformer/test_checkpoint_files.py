"""A checkpoint's files are found without torch, and nothing else is taken of its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import InputError
from jobmajor.model.transformer import checkpoint_files

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")


def folder(path: Path, *names: str) -> str:
    for name in names:
        (path / name).touch()
    return str(path)


def test_configuration_weights_and_words_are_taken_and_no_pickle_code_or_folder(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    name = folder(tmp_path, *WHOLE, "pytorch_model.bin", "modeling.py", "README.md", ".gitattributes")

    assert [path.name for path in checkpoint_files.files(name)] == list(WHOLE)


@pytest.mark.parametrize("missing", WHOLE[:2])
def test_folder_without_what_a_checkpoint_needs_is_refused_in_one_line(tmp_path: Path, missing: str) -> None:
    name = folder(tmp_path, *(set(WHOLE) - {missing}), "pytorch_model.bin")

    with pytest.raises(InputError, match=r"expected config.json, tokenizer.json and model.safetensors") as caught:
        checkpoint_files.files(name)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody/nothing-of-this-name", "a b c", "nobody/nothing/at/all"])
def test_name_that_the_hub_does_not_give_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the extra 'transformer'")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError, match="is no folder, and the hub did not give it") as caught:
        checkpoint_files.files(name)

    assert "\n" not in str(caught.value)
