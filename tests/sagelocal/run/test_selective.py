"""Some steps run, the others' outputs are those of an earlier run; what can't be so is refused before anything is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal import cli
from sagelocal.definition import parse as definitions
from sagelocal.errors import InputError
from sagelocal.jobs import sandbox
from sagelocal.run import executor, records, selective
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"
ML = "/opt/ml/processing"
# Adds its own name to what it reads.
ADD = (
    "import sys; from pathlib import Path; files = Path('/opt/ml/processing').glob('in*/word.txt'); "
    "text = '+'.join(sorted(file.read_text() for file in files)); "
    "Path('/opt/ml/processing/out/word.txt').write_text(f'({text}){sys.argv[1]}')"
)
needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def step(name: str, *after: str) -> dict[str, Any]:
    """A Processing step that reads what the steps before it wrote."""
    outputs = {name: f"Steps.{name}.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri" for name in after}
    where = {"Std:Join": {"On": "/", "Values": ["s3://bkt", {"Get": "Execution.PipelineExecutionId"}, name]}}
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
            },
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", f"{ML}/code/add.py"],
                "ContainerArguments": [name],
            },
            "RoleArn": "arn:aws:iam::123456789012:role/sm",
            "ProcessingInputs": [
                {"InputName": name, "S3Input": {**FILE, "S3Uri": uri, "LocalPath": f"{ML}/{folder}"}}
                for name, uri, folder in [
                    ("code", "s3://bkt/code/add.py", "code"),
                    *((name, {"Get": path}, f"in-{name}") for name, path in outputs.items()),
                ]
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "out",
                        "S3Output": {"S3Uri": where, "LocalPath": f"{ML}/out", "S3UploadMode": "EndOfJob"},
                    }
                ]
            },
        },
    }


FILE = {"S3DataType": "S3Prefix", "S3InputMode": "File"}


def pipeline() -> definitions.Definition:
    """prepare → left, right → join → a choice between two ends."""
    condition = {"Type": "Equals", "LeftValue": {"Get": "Parameters.Fair"}, "RightValue": True}
    body = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Fair", "Type": "Boolean", "DefaultValue": True}],
        "Steps": [
            step("prepare"),
            step("left", "prepare"),
            step("right", "prepare"),
            step("join", "left", "right"),
            {
                "Name": "check",
                "Type": "Condition",
                "DependsOn": ["join"],
                "Arguments": {
                    "Conditions": [condition],
                    "IfSteps": [step("publish", "join")],
                    "ElseSteps": [{"Name": "unfair", "Type": "Fail", "Arguments": {"ErrorMessage": "unfair"}}],
                },
            },
        ],
    }
    return definitions.parse(json.dumps(body).encode())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    code = tmp_path / "home" / "s3" / "bkt" / "code"
    code.mkdir(parents=True)
    (code / "add.py").write_text(ADD)
    return tmp_path / "home"


def word(home: Path, execution: executor.Execution, name: str) -> str:
    return (home / "s3" / "bkt" / execution.id / name / "word.txt").read_text()


@needs_namespaces
def test_selected_steps_run_on_what_an_earlier_run_left(home: Path) -> None:
    first = executor.run(pipeline(), home)

    execution = executor.run(pipeline(), home, RunOptions(only=["left", "join"]))

    assert execution.failure is None
    assert {record.name: record.taken_from for record in execution.steps} == {
        "prepare": first.id,
        "left": None,
        "right": first.id,
        "join": None,
    }
    assert word(home, execution, "join") == word(home, first, "join") == "((()prepare)left+(()prepare)right)join"
    assert sorted(path.name for path in (home / "s3" / "bkt" / execution.id).iterdir()) == ["join", "left"]
    assert list(execution.selected) == ["left", "join"]
    assert records.find(home, execution.id).as_dict() == json.loads(json.dumps(execution.as_dict()))


@needs_namespaces
def test_run_from_a_step_runs_all_that_waits_for_it_branches_included(home: Path) -> None:
    executor.run(pipeline(), home)

    execution = executor.run(pipeline(), home, RunOptions(only=selective.after(pipeline(), "join")))

    ran = [record.name for record in execution.steps if record.taken_from is None]
    assert ran == ["join", "check", "unfair", "publish"]
    assert execution.step("unfair").status == "Skipped"


@needs_namespaces
def test_failed_run_is_a_source_for_what_it_finished_and_the_newest_counts(home: Path) -> None:
    whole = executor.run(pipeline(), home, RunOptions(now=lambda: 1.0))
    failed = executor.run(pipeline(), home, RunOptions(now=lambda: 2.0, parameters={"Fair": False}))
    executor.run(pipeline(), home, RunOptions(now=lambda: 3.0, pipeline_name="other"))

    newest = executor.run(pipeline(), home, RunOptions(only=["join"]))
    named = executor.run(pipeline(), home, RunOptions(only=["join"], source=whole.id))
    of_a_selection = executor.run(pipeline(), home, RunOptions(only=["join"], source=named.id))

    assert failed.status == "Failed"
    assert [run.step("left").taken_from for run in (newest, named, of_a_selection)] == [failed.id, whole.id, whole.id]


def test_step_without_an_earlier_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no earlier run of 'pipeline' in .* has the outputs of 'left', 'right'"):
        executor.run(pipeline(), tmp_path / "home", RunOptions(only=["join"]))

    assert list(tmp_path.iterdir()) == []


@needs_namespaces
def test_run_that_was_named_and_has_not_what_is_needed_is_refused_by_step(home: Path) -> None:
    source = executor.run(pipeline(), home, RunOptions(only=["prepare"]))

    with pytest.raises(InputError, match=f"run {source.id} has no outputs of step 'left'"):
        executor.run(pipeline(), home, RunOptions(only=["join"], source=source.id))
    with pytest.raises(InputError, match="no run 'nothing'"):
        executor.run(pipeline(), home, RunOptions(only=["join"], source="nothing"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["prepare", "join"], "step 'left' lies between selected steps"),
        (["joint"], "no step 'joint' to select, did you mean 'join'?"),
        (["publish"], "step 'publish' stands in a branch of 'check': select 'check'"),
    ],
)
def test_selection_that_makes_no_sense_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        selective.choose(pipeline(), names)

    assert said in str(caught.value)


def test_choice_is_selected_with_its_branches_and_order_is_the_definitions() -> None:
    assert selective.choose(pipeline(), ["check", "join"]) == ("join", "check", "publish", "unfair")
    assert selective.after(pipeline(), "left") == ("left", "join", "check", "publish", "unfair")
    assert selective.after(pipeline(), "check") == ("check", "publish", "unfair")


def test_source_without_a_selection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every step is to run: select some"):
        executor.run(pipeline(), tmp_path / "home", RunOptions(source="x"))


@needs_namespaces
def test_command_line_selects_and_says_whose_outputs_were_taken(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pipeline.json"
    path.write_bytes(pipeline().data)
    first = executor.run(pipeline(), home)

    status = cli.main(["run", str(path), "--home", str(home), "--only", "left,join", "--source", first.id])
    out = capsys.readouterr().out
    begun = cli.main(["run", str(path), "--home", str(home), "--from", "join", "--json", "--jobs", "2"])
    selected = json.loads(capsys.readouterr().out)["selected"]
    both = cli.main(["run", str(path), "--home", str(home), "--from", "join", "--only", "left"])

    assert (status, begun, both) == (0, 0, 2)
    assert f"Succeeded (of {first.id})" in out
    assert selected == ["join", "check", "publish", "unfair"]
    assert capsys.readouterr().err == "error: --from and --only both say what runs: leave one of the two out\n"
