"""Scripts of SDK v2 and v3 compile unchanged, and their definitions run.

The SDKs are large and share a name, so each lives in an environment of its own: SAGELOCAL_SDK_V2 and SAGELOCAL_SDK_V3
name those folders. Without them, `test_script` and `run/test_functions` test our side with stand-ins.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sagelocal.compile import script
from sagelocal.compile.script import CompileOptions
from sagelocal.definition import parse
from sagelocal.jobs import environment, sandbox
from sagelocal.run import executor

TESTS = Path(__file__).parents[2]
SCRIPTS = TESTS / "sagelocal" / "scripts"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.conformance]


def sdk(version: str) -> Path:
    folder = Path(os.environ.get(f"SAGELOCAL_SDK_{version.upper()}", "/nowhere"))
    if not (folder / "bin" / "python").exists():
        pytest.skip(f"needs SAGELOCAL_SDK_{version.upper()}, an environment that has SageMaker's SDK {version}")
    return folder


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_script_with_every_kind_of_step_compiles_to_what_the_sdk_alone_emits(version: str, tmp_path: Path) -> None:
    path = TESTS / "conformance" / f"emit_{version}.py"
    options = CompileOptions(python=sdk(version), argv=[str(tmp_path / "own.json")])

    made = script.run(path, tmp_path / "home", options)

    stored = TESTS / "sagelocal" / "definitions" / f"sdk_{version}_wide.json"
    assert json.loads(made.definition) == json.loads(stored.read_bytes())
    assert made.refused == ()


def test_template_of_aws_compiles_with_its_code_and_is_valid(tmp_path: Path) -> None:
    options = CompileOptions(python=sdk("v2"), arguments={"pipeline_name": "own"})

    made = script.run(SCRIPTS / "pipelines" / "abalone" / "pipeline.py", tmp_path, options)

    definition = parse.parse(made.definition)
    values = executor.validate(definition, {})
    assert (made.name, len(definition.steps), values["ProcessingInstanceCount"]) == ("own", 4, 1)
    assert {uri.rpartition("/")[2] for uri in made.uploads} == {"preprocess.py", "evaluate.py"}
    for uri in made.uploads:
        assert (tmp_path / "s3" / uri.removeprefix("s3://")).is_file()


def test_script_that_starts_and_waits_is_taken_before_it_waits(tmp_path: Path) -> None:
    made = script.run(SCRIPTS / "upsert_v2.py", tmp_path, CompileOptions(python=sdk("v2")))

    assert (made.name, made.parameters) == ("fails", {"Why": "because"})
    assert made.refused == ()


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("fails", [False, True])
def test_three_functions_run_to_their_end_and_a_failure_is_one(
    version: str, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sandbox.refusal():
        pytest.skip("needs mount namespaces, which this machine refuses")
    folder = sdk(version)
    monkeypatch.setenv("FAILS", "1" if fails else "0")
    made = script.run(SCRIPTS / f"functions_{version}.py", tmp_path, CompileOptions(python=folder))
    options = executor.RunOptions(images={IMAGE: environment.at(folder)})

    execution = executor.run(parse.parse(made.definition), tmp_path, options)

    found = (tmp_path / "s3").glob("*/three/**/results/payload.pkl")  # the SDKs order the names of a step differently
    results = [path for path in found if {"report", execution.id} <= set(path.parts)]
    assert execution.failure == ("step 'total' failed: ValueError('no total')" if fails else None)
    assert len(results) == (0 if fails else 1)
