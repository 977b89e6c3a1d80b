"""Definitions as SDKs emit them run here unchanged, with small scripts in the places that they name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.jobs import sandbox
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITIONS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "definitions"
NAMES = ("sdk_v2", "sdk_v3_plain", "sdk_v3_stable")
PREPROCESS = """
import shutil
for name in ("train", "test"):
    shutil.copy("/opt/ml/processing/input/rows.txt", f"/opt/ml/processing/output/{name}/rows.txt")
"""
TRAIN = """
from pathlib import Path
rows = Path("/opt/ml/input/data/train/rows.txt").read_text()
Path("/opt/ml/model/model").write_text(rows)
print("{'eval_f1': 0.75}")
"""
EVALUATE = """
import json, tarfile
tarfile.open("/opt/ml/processing/model/model.tar.gz").extractfile("model").read()
open("/opt/ml/processing/test/rows.txt").read()
report = {"classification_metrics": {"test_f1": 0.8}}
open("/opt/ml/processing/evaluation/evaluation.json", "w").write(json.dumps(report))
"""
CONTENT = {
    "input": ("rows.txt", "a b c"),
    "runproc.sh": ("", 'cd /opt/ml/processing/input/code && python3 preprocess.py "$@"\n'),
    "preprocess.py": ("", PREPROCESS),
    "source": ("preprocess.py", PREPROCESS),
    "evaluate.py": ("", EVALUATE),
    "code": ("train.py", TRAIN),
    "sm_drivers": ("sm_train.sh", "#!/bin/sh\npython3 /opt/ml/input/data/code/train.py\n"),
    # The real one is an archive that its runproc.sh unpacks.
    "sourcedir.tar.gz": ("", ""),
}

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def addresses(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "S3Uri" and isinstance(item, str):
                yield item
            elif name not in {"ProcessingOutputConfig", "IfSteps"}:
                yield from addresses(item)
    elif isinstance(value, list):
        for item in value:
            yield from addresses(item)


def fill(home: Path, raw: dict[str, Any]) -> None:
    """Put something small wherever the definition reads from."""
    for uri in {"s3://bkt/job-major-clf/input/", *addresses(raw)}:
        path = home / "s3" / uri.removeprefix("s3://").rstrip("/")
        inner, text = CONTENT[path.name]
        target = path / inner if inner else path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def image(root: Path) -> executor.Environment:
    """An environment with the `train` program that an image brings, and this Python."""
    programs = {"python3": f'exec {sys.executable} "$@"', "train": "exec python3 /opt/own/train.py"}
    programs["train"] = f"exec python3 {root / 'train.py'}"
    (root / "bin").mkdir(parents=True)
    (root / "train.py").write_text(TRAIN)
    for name, line in programs.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (root / "bin" / name).chmod(0o755)
    return executor.Environment(root, "digest")


@pytest.mark.parametrize("name", NAMES)
def test_definition_of_an_sdk_runs_unchanged_and_a_second_time_from_the_cache(tmp_path: Path, name: str) -> None:
    if not DEFINITIONS.is_dir():
        pytest.skip("needs ../shared/data: the definitions that SDKs emit")
    definition = definitions.parse((DEFINITIONS / f"{name}.json").read_bytes())
    fill(tmp_path / "home", json.loads(definition.data))
    if name == "sdk_v2":  # its runproc.sh unpacks an archive; ours stands beside it
        code = tmp_path / "home/s3/bkt/job-major-clf/input/code"
        code.mkdir()
        (code / "preprocess.py").write_text(PREPROCESS)
    options = RunOptions(environment=image(tmp_path / "image"))

    first = executor.run(definition, tmp_path / "home", options)
    second = executor.run(definition, tmp_path / "home", options)

    assert first.failure is None
    assert first.step("train").metrics == {"eval_f1": 0.75}
    assert [step.cached for step in second.steps] == [True, True, True, False, False, False]
    missed = executor.run(
        definition, tmp_path / "home", RunOptions({"TestScoreThreshold": 0.8}, environment=options.environment)
    )
    assert missed.status == "Failed"
    assert str(missed.step("fail").reason).endswith("<= 0.8")
