"""Every step, `train` and `serve` on folders as SageMaker makes them: as root, and as a user who can't write there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from jobmajor.registry import artifact
from sagelocal.storage import archive

from ..test_steps import evaluation, release, training
from .conftest import OTHER, ROOT, Container, as_sagemaker_makes, processing_layout, refusal, training_layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(refusal() is not None, reason=refusal() or ""),
    pytest.mark.xdist_group("container"),
]
OUTPUTS = {
    "prepare": ("train", "validation", "test", "baseline"),
    "evaluate": ("evaluation", "prediction_baseline"),
    "refit": ("refitted_model", "agreement"),
    "score": ("scored",),
}


class Life:
    """A container whose /opt/ml becomes, one after the other, that of each job."""

    def __init__(self, container: Container, kept: Path) -> None:
        self.container, self.kept = container, kept

    def job(self, step: str, fill: Callable[[Path], object]) -> None:
        """Make the folders of a job, and fill in its inputs."""
        shutil.rmtree(self.container.ml)
        self.container.ml.mkdir()
        fill(self.container.ml)
        if step == "train":
            training_layout(self.container.ml)
        else:
            processing_layout(self.container.ml, *OUTPUTS[step])

    def keep(self, step: str) -> Path:
        shutil.copytree(self.container.ml, self.kept / step)
        return self.kept / step

    def refitting(self, root: Path) -> None:
        for name in ("train", "validation", "test"):
            shutil.copytree(self.kept / "prepare" / "processing" / "output" / name, root / "processing" / name)
        archive.pack(self.kept / "train" / "model", root / "processing" / "model" / artifact.MODEL)

    def scoring(self, root: Path) -> None:
        (root / "processing" / "parts").mkdir(parents=True)
        (root / "processing" / "parts" / "a.csv").write_text("title\nregistered nurse\ntruck driver\n", "ascii")
        archive.pack(self.kept / "train" / "model", root / "processing" / "model" / artifact.MODEL)

    def jobs(self) -> dict[str, tuple[tuple[str, ...], Callable[[Path], object]]]:
        """Return the program of each step in order, and what fills in its inputs."""
        kept = self.kept
        return {
            "prepare": (("step", "prepare"), lambda root: release(root / "processing" / "input")),
            "train": (("train",), lambda root: training(root, kept / "prepare", epochs="2")),
            "evaluate": (("step", "evaluate"), lambda root: evaluation(root, kept / "prepare", kept / "train")),
            "refit": (("step", "refit"), self.refitting),
            "score": (("step", "score", "--workers", "1"), self.scoring),
        }


def test_root_runs_every_step_and_another_user_is_told_what_it_can_t_write(
    container: Container, tmp_path: Path
) -> None:
    life = Life(container, tmp_path)

    for step, (program, fill) in life.jobs().items():
        life.job(step, fill)
        denied, log = container.run(OTHER, *program)
        assert denied == 1, log
        assert log[-1].startswith("ERROR jobmajor.steps: PermissionError: [Errno 13] Permission denied: ")
        assert log[-1].endswith(
            f"runs as user {OTHER}, and SageMaker's folders belong to root: build the image without --build-arg RUN_AS"
        )
        assert "can't write the reason to" in log[-2]

        status, log = container.run(ROOT, *program)
        assert status == 0, log
        life.keep(step)

    assert list((tmp_path / "train" / "model").iterdir())
    for step, names in OUTPUTS.items():
        assert [name for name in names if not any((tmp_path / step / "processing" / "output" / name).iterdir())] == []

    shutil.rmtree(container.ml)
    shutil.copytree(tmp_path / "train" / "model", container.ml / "model")
    as_sagemaker_makes(container.ml)
    for user in (ROOT, OTHER):
        for cache in ("empty", "warm"):
            served = container.serve(user)
            print(f"user {user}, {cache}: ping {served.ping_s:.1f} s, answer {served.answer_s:.1f} s")  # noqa: T201
            assert (served.code, served.status) == (200, 0), served.log
            assert served.answer["predictions"][0]
            assert list(container.temporary.iterdir()) == []
