"""A model on disk: what is saved is what is loaded, and what is damaged is never loaded."""

from __future__ import annotations

import json
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from jobmajor import soc
from jobmajor.errors import ArtifactError
from jobmajor.model import classifier as classifiers
from jobmajor.model.linear.model import LinearModel
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import polars as pl

    from jobmajor.model.classifier import Classifier

FILES = ("answers.json", "answers.safetensors", "manifest.json", "model.json", "model.safetensors")
DROP = "drop this key"


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    copy: Path = shutil.copytree(model_folder, tmp_path / "model")
    return copy


def refusal(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        classifiers.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def remade(folder: Path, file: str = "model.json", /, **changes: object) -> Path:
    """The folder with other values in a description, and a manifest that says that all is well."""
    body = json.loads((folder / file).read_bytes()) | changes
    body = {name: value for name, value in body.items() if value is not DROP}
    (folder / file).write_text(json.dumps(body))
    manifest.write(folder)
    return folder


def test_saved_and_loaded_model_gives_identical_scores(
    classifier: Classifier, model_folder: Path, splits: Mapping[str, pl.DataFrame]
) -> None:
    again = classifiers.load(model_folder)

    for level in soc.LEVELS:
        titles = splits["test"]["title"].to_list()
        assert np.array_equal(again.predict_proba(titles, level), classifier.predict_proba(titles, level))
    assert isinstance(again.scorer, LinearModel)
    assert isinstance(classifier.scorer, LinearModel)
    assert again.scorer.blend == classifier.scorer.blend
    assert (again.codes, again.about) == (classifier.codes, classifier.about)


def test_model_saved_again_is_the_same_bytes(model_folder: Path, tmp_path: Path) -> None:
    again = classifiers.load(model_folder).save(tmp_path, code_version="test", source={"release": "starter"})

    assert again.digest == manifest.read(model_folder).digest
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (model_folder / name).read_bytes()


def test_model_is_arrays_and_json_and_nothing_else(model_folder: Path) -> None:
    assert sorted(path.name for path in model_folder.iterdir()) == list(FILES)
    assert json.loads((model_folder / "model.json").read_bytes())["format"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_any_changed_bit_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    rng = random.Random(name)  # noqa: S311 - places to damage, no secrets

    for place in (0, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(20))):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        assert "has sha256" in refusal(folder), place


@pytest.mark.slow
def test_changed_bit_of_the_manifest_is_refused_or_seen_in_its_digest(folder: Path) -> None:
    path = folder / "manifest.json"
    whole, known = path.read_bytes(), manifest.read(folder).digest
    rng = random.Random(1)  # noqa: S311 - as above
    refused = 0

    for place in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(7)
        path.write_bytes(damaged)
        try:
            digest = manifest.verify(folder).digest
        except ArtifactError:
            refused += 1
        else:
            assert digest != known or json.loads(damaged) == json.loads(whole), damaged
    assert refused > len(whole) / 10


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [0, 1, 0.5])
def test_truncated_file_is_refused(folder: Path, name: str, size: float) -> None:
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(size * len(whole)) if size == 0.5 else int(size)])

    refusal(folder)


@pytest.mark.parametrize("name", FILES)
def test_missing_renamed_and_linked_files_are_refused(folder: Path, name: str) -> None:
    path = folder / name
    kept = folder.parent / name
    path.rename(kept)
    said = [refusal(folder)]
    path.symlink_to(kept)
    said.append(refusal(folder))
    path.unlink()
    os.link(kept, folder / f"{name}.old")
    said.append(refusal(folder))
    (folder / f"{name}.old").unlink()
    path.mkdir()
    said.append(refusal(folder))

    assert all(name in each for each in said)


def test_extra_file_is_refused_by_name(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "more.py").write_text("")

    assert "sub/more.py is there but not recorded" in refusal(folder)


def test_pipe_in_place_of_a_file_is_refused_without_being_read(folder: Path) -> None:
    (folder / "model.json").unlink()
    os.mkfifo(folder / "model.json")

    assert "no regular file" in refusal(folder)


@pytest.mark.parametrize("found", [0, 1, 2, 4, "3", None])
def test_model_of_another_format_is_refused_by_number(folder: Path, found: object) -> None:
    said = refusal(remade(folder, format=found, codes=DROP))  # another format may say everything in another way

    assert f"format {found!r}, expected 3" in said


@pytest.mark.parametrize(
    "change",
    [
        {"codes": DROP},
        {"codes": []},
        {"codes": None},
        {"codes": "29-1141"},
        {"codes": [["29-1141"]]},
        {"codes": ["29-1141", "11-1011"]},
        {"codes": ["29-1141", "29-1141"]},
        {"codes": ["29-0000"]},
        {"codes": ["99-9999"]},
        {"blend": DROP},
        {"blend": {}},
        {"blend": []},
        {"blend": {"linear": 1, "shift": 0, "counts": 0, "across": 1}},
        {"blend": {"linear": 1, "shift": 0, "counts": 0, "across": 1, "within": None}},
        {"blend": {"linear": 1, "shift": 0, "counts": 0, "across": 1, "within": float("nan")}},
        {"blend": {"linear": 1, "shift": 0, "counts": 0, "across": 1, "within": 1, "more": 1}},
        {"recipe": DROP},
    ],
    ids=str,
)
def test_description_that_no_model_has_is_refused(folder: Path, change: dict[str, object]) -> None:
    assert "is no model" in refusal(remade(folder, **change))


@pytest.mark.parametrize(("counts", "network"), [(0.6, 0.5), (-0.1, 0.5), (0.2, -0.01), (1.5, 0)])
def test_blend_whose_shares_are_negative_or_whose_sum_is_above_1_is_refused(
    folder: Path, counts: float, network: float
) -> None:
    blend = json.loads((folder / "model.json").read_bytes())["blend"]

    said = refusal(remade(folder, blend={**blend, "counts_share": counts, "network_share": network}))

    assert f"the counts and the network {counts:g} and {network:g}" in said
    assert "sum is 1 at most" in said


@pytest.mark.parametrize("recipe", ["forest", None, 5, ["linear"]])
def test_model_of_an_unknown_recipe_is_refused_by_name(folder: Path, recipe: object) -> None:
    said = refusal(remade(folder, recipe=recipe))

    assert f"its recipe is {recipe!r}, expected 'linear' or 'transformer'" in said


@pytest.mark.parametrize(
    "change",
    [
        {"about": DROP},
        {"about": 5},
        {"about": "text"},
        {"thresholds": DROP},
        {"thresholds": []},
        {"thresholds": {"major": 0.5}},
        {"thresholds": dict.fromkeys(soc.LEVELS, -1)},
        {"thresholds": dict.fromkeys(soc.LEVELS, float("nan"))},
        {"thresholds": dict.fromkeys(soc.LEVELS, None)},
    ],
    ids=str,
)
def test_answers_that_no_model_has_are_refused(folder: Path, change: dict[str, object]) -> None:
    assert "is no model" in refusal(remade(folder, "answers.json", **change))


@pytest.mark.parametrize("file", ["model.json", "answers.json"])
@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_description_that_is_no_object_is_refused(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    manifest.write(folder)

    assert "is no model" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("weights", lambda array: array.astype(np.float64)),
        ("weights", lambda array: array[:, :-1].copy()),
        ("bias", lambda array: array[:-1].copy()),
        ("buckets", lambda array: array[::-1].copy()),
        ("entry_codes", lambda array: array + np.int16(1000)),
        ("entry_starts", lambda array: array + np.int32(1)),
        ("gains", lambda array: array * np.float32("nan")),
        ("code_totals", lambda array: array.reshape(-1, 1)),
    ],
)
def test_arrays_that_no_model_has_are_refused(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = folder / "model.safetensors"
    arrays = load_arrays(path.read_bytes())
    path.write_bytes(save_arrays({**arrays, name: np.ascontiguousarray(change(arrays[name]))}))
    manifest.write(folder)

    assert f"'{name}'" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"\x80\x05K\x01.", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0{}"])
@pytest.mark.parametrize("file", ["model.safetensors", "answers.safetensors"])
def test_arrays_in_another_format_are_refused(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    manifest.write(folder)

    refusal(folder)


def test_model_for_other_codes_than_its_arrays_is_refused(folder: Path) -> None:
    codes = json.loads((folder / "model.json").read_bytes())["codes"]

    assert "entry_codes" in refusal(remade(folder, codes=codes[:-1]))
    assert "weights" in refusal(remade(folder, codes=sorted(soc.detailed_codes())[-len(codes) :]))
