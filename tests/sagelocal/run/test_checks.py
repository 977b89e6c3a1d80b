"""QualityCheck and ClarifyCheck: a skipped check gives the addresses of its baselines, the rest is refused by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.errors import DefinitionError
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = "s3://bkt/check"
DOCUMENTS = {"QualityCheck": ("Statistics", "Constraints"), "ClarifyCheck": ("Constraints",)}
FILES = {"QualityCheck": ("statistics.json", "constraints.json"), "ClarifyCheck": ("analysis.json",)}
KINDS = {"QualityCheck": "DATA_QUALITY", "ClarifyCheck": "DATA_BIAS"}


def pipeline(kind: str, **members: Any) -> dict[str, Any]:
    """A check as an SDK writes it, and a Lambda step that reads its properties."""
    target = {"S3Uri": OUTPUT, "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    check = {
        "Name": "check",
        "Type": kind,
        "Arguments": {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "r", "S3Output": target}]}},
        "CheckType": KINDS[kind],
        "ModelPackageGroupName": "own",
        "SkipCheck": {"Get": "Parameters.Skip"},
        "FailOnViolation": True,
        "RegisterNewBaseline": False,
        "SuppliedBaselineConstraints": None,
        "CacheConfig": {"Enabled": True, "ExpireAfter": "30d"},
        **members,
    }
    names = [f"{what}{document}" for document in DOCUMENTS[kind] for what in ("CalculatedBaseline",)]
    if members:
        names += [f"BaselineUsedForDriftCheck{document}" for document in DOCUMENTS[kind]]
    asked = {name: {"Get": f"Steps.check.{name}"} for name in names}
    reader = {"Name": "read", "Type": "Lambda", "FunctionArn": "arn", "Arguments": asked}
    parameter = {"Name": "Skip", "Type": "Boolean", "DefaultValue": True}
    return {"Version": "2020-12-01", "Parameters": [parameter], "Steps": [check, reader]}


def run(body: dict[str, Any], home: Path, **parameters: Any) -> tuple[executor.Execution, dict[str, Any]]:
    told: dict[str, Any] = {}
    definition = definitions.parse(json.dumps(body).encode())
    options = RunOptions(parameters, handlers={"read": lambda event, _context: told.update(event)})
    return executor.run(definition, home, options), told


@pytest.mark.parametrize("kind", KINDS)
def test_skipped_check_gives_the_addresses_of_its_baselines(kind: str, tmp_path: Path) -> None:
    supplied = {f"SuppliedBaseline{document}": f"s3://bkt/old/{document}" for document in DOCUMENTS[kind]}
    calculated = {
        f"CalculatedBaseline{document}": f"{OUTPUT}/{name}"
        for document, name in zip(DOCUMENTS[kind], FILES[kind], strict=True)
    }

    execution, old = run(pipeline(kind, **supplied), tmp_path)
    _, new = run(pipeline(kind, RegisterNewBaseline=True), tmp_path)

    used = {f"BaselineUsedForDriftCheck{document}": document for document in DOCUMENTS[kind]}
    assert execution.failure is None
    assert old == {**calculated, **{name: f"s3://bkt/old/{document}" for name, document in used.items()}}
    assert new == {**calculated, **{name: calculated[f"CalculatedBaseline{used[name]}"] for name in used}}


@pytest.mark.parametrize("kind", KINDS)
def test_check_that_is_not_skipped_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    for body, parameters, fault in (
        (pipeline(kind), {"Skip": False}, "set SkipCheck to true, or take the step out"),
        (pipeline(kind, SkipCheck={"Get": "Steps.read.OutputParameters['x']"}), {}, "and only true, or a parameter"),
    ):
        if not parameters:
            body["Steps"][1] |= {"OutputParameters": [{"OutputName": "x"}], "Arguments": {}}
        with pytest.raises(DefinitionError, match=f"{kind} steps don't run here, .*{fault}"):
            run(body, tmp_path, **parameters)

    assert not list(tmp_path.iterdir())


def test_baseline_that_only_a_registry_could_give_is_refused(tmp_path: Path) -> None:
    body = pipeline("QualityCheck", SuppliedBaselineStatistics="s3://bkt/old/s")

    with pytest.raises(DefinitionError) as caught:
        run(body, tmp_path)

    name = "BaselineUsedForDriftCheckConstraints"
    fault = f"the skipped check 'check' has no {name}: give the step its SuppliedBaseline…"
    assert caught.value.problems == (f"steps[read].Arguments.{name}: {fault}",)


def test_skipped_check_is_told() -> None:
    definition = definitions.parse(json.dumps(pipeline("ClarifyCheck")).encode())

    assert executor.warnings(definition, {"Skip": True}) == (
        "step 'check' skips its check: the addresses of its calculated baseline have no objects here",
    )


@pytest.mark.parametrize("kind", ["EMR", "EMRServerless", "AutoML", "ForEach"])
def test_step_that_the_account_alone_runs_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    body = pipeline("ClarifyCheck")
    body["Steps"].append({"Name": "own", "Type": kind, "Arguments": {}, "ClusterId": "j-1"})

    with pytest.raises(DefinitionError, match=rf"steps\[own\].Type: {kind} steps don't run here, "):
        run(body, tmp_path)
