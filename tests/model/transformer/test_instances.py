"""The pipeline's transformer training on two instances of one machine: torchrun joins them, one writes the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'transformer'")
pytest.importorskip("transformers", reason="needs the extra 'transformer'")

from jobmajor.data.source import STARTER_FOLDER
from sagelocal.jobs import sandbox
from sagelocal.run import records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.settings import Transformer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.xdist_group("transformer"),
    pytest.mark.skipif(sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"),
]
_GROUPS = ("23", "29", "45", "53")  # as the checkpoint's words


def test_pipeline_trains_a_transformer_on_two_instances(
    tmp_path: Path, quick: Transformer, command: Callable[..., Any]
) -> None:
    titles = tmp_path / "titles"
    titles.mkdir()
    for name, most in (("Alternate Titles.txt", 60), ("Occupation Data.txt", 1000)):
        head, *lines = (STARTER_FOLDER / name).read_text("utf-8").splitlines()
        kept = [line for group in _GROUPS for line in [line for line in lines if line.startswith(group)][:most]]
        (titles / name).write_text("\n".join([head, *kept, ""]), "utf-8")
    settings = {"checkpoint": quick.checkpoint, "epochs": 1, "batch": 16, "learning_rate": 0.003, "warmup_steps": 5}
    lines = [
        '[train]\nrecipe = "transformer"\n[transformer]',
        *(f"{name} = {json.dumps(settings[name])}" for name in settings),
    ]
    (tmp_path / "settings.toml").write_text("\n".join(lines), "utf-8")
    place = ("--home", tmp_path / "home", "--settings", tmp_path / "settings.toml", "--data", titles)

    done = command("run", *place, "--threshold", "0.01", "-p", "TrainingInstanceCount=2", "--json")

    assert done.returncode == 0, done.stderr.decode()
    (run,) = records.every(tmp_path / "home")
    folder = run.folder / "steps" / "train"
    assert sorted(path.name for path in folder.iterdir()) == ["log-algo-2.txt", "log.txt"]
    assert run.step("train").properties["ResourceConfig"]["InstanceCount"] == 2
