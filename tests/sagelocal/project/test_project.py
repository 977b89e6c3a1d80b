"""A project's sagelocal.toml replaces options, and what a run would miss is named before anything runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal import cli
from sagelocal.errors import InputError
from sagelocal.project import recipes, toml_file
from sagelocal.project.images import Images

if TYPE_CHECKING:
    from pathlib import Path

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
SKLEARN = f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3"


def write(folder: Path, text: str) -> None:
    (folder / toml_file.NAME).write_text(text)


def test_profile_stands_above_the_project(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        python = "envs/sdk/bin/python"
        [images]
        "*/own:*" = "envs/own"
        "*" = { recipe = "xgboost" }
        [handlers]
        notify = "handlers:notify"
        [parameters]
        Rows = 1000
        Url = "s3://bkt/rows"
        [account]
        "ssm:/ml/role" = "arn:aws:iam::000000000000:role/ml"
        [profiles.small.parameters]
        Rows = 10
        [profiles.small.store]
        endpoint = "http://127.0.0.1:9000"
        """,
    )

    plain, small = toml_file.load(tmp_path), toml_file.load(tmp_path, "small")

    assert plain.python == tmp_path / "envs" / "sdk" / "bin" / "python"
    assert plain.images == {"*/own:*": str(tmp_path / "envs" / "own"), "*": "recipe:xgboost"}
    assert (plain.parameters, plain.endpoint) == ({"Rows": 1000, "Url": "s3://bkt/rows"}, None)
    assert plain.account == {"ssm:/ml/role": "arn:aws:iam::000000000000:role/ml"}
    assert small.parameters == {"Rows": 10, "Url": "s3://bkt/rows"}
    assert (small.endpoint, small.handlers) == ("http://127.0.0.1:9000", {"notify": "handlers:notify"})
    assert toml_file.load(tmp_path / "elsewhere") == toml_file.Project()


@pytest.mark.parametrize(
    ("text", "profile", "said"),
    [
        ("imges = {}", None, "imges is no setting, did you mean 'images'?"),
        ("images = 3", None, "images is 3, expected a table"),
        ("[images]\na = 3", None, "images.a is 3, expected a folder, {environment} or {recipe}"),
        ("[parameters]\na = [1]", None, "parameters.a is [1], expected text, a number, true or false"),
        ("[handlers]\na = 1", None, "handlers.a is 1, expected text"),
        ("[profiles.a]\npython = 'x'", None, "profiles.a.python is no setting"),
        ("[account]\nrole = 'x'", None, "account.role is no setting, expected ssm:NAME or secretsmanager:NAME"),
        ("[store]\nbucket = 'x'", None, "store.bucket is no setting"),
        ("[profiles.small]", "smal", "has none of that name, did you mean 'small'?"),
        ("a = ", None, "correct it"),
    ],
)
def test_setting_that_is_none_is_refused_by_name(text: str, profile: str | None, said: str, tmp_path: Path) -> None:
    write(tmp_path, text)

    with pytest.raises(InputError) as caught:
        toml_file.load(tmp_path, profile)

    assert said in str(caught.value)


def environment(folder: Path, *programs: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    for name in programs:
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


def test_exact_address_then_longest_pattern_then_made_recipe_stands_for_an_image(tmp_path: Path) -> None:
    for name in ("all", "own", "exact"):
        environment(tmp_path / name)
    patterns = {"*": str(tmp_path / "all"), "*/own:*": str(tmp_path / "own"), f"{ECR}/own:1": str(tmp_path / "exact")}
    images = Images(tmp_path, patterns)

    found = [images[image].prefix.name for image in (f"{ECR}/own:1", f"{ECR}/own:2", SKLEARN)]

    assert found == ["exact", "own", "all"]
    assert Images(tmp_path, {}).get(SKLEARN) is None
    with pytest.raises(InputError, match="isn't made: sagelocal environment xgboost"):
        Images(tmp_path, {"*": "recipe:xgboost"})[SKLEARN]
    made = environment(recipes.folder(tmp_path, "scikit-learn"))
    assert Images(tmp_path, {}).get(SKLEARN) is None  # half an environment is none
    (made / "sagelocal-recipe.txt").touch()
    assert Images(tmp_path, {})[SKLEARN].prefix == made
    with pytest.raises(InputError, match="no recipe 'xgbost', did you mean 'xgboost'"):
        recipes.folder(tmp_path, "xgbost")


def definition() -> dict[str, Any]:
    """A processing job by a script, a training by its image's program, and a function of the account."""
    resources = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}
    role = "arn:aws:iam::000000000000:role/sagelocal"
    training = {
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": f"{ECR}/own:1", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/out"},
        "ResourceConfig": resources,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    processing = {
        "RoleArn": role,
        "AppSpecification": {"ImageUri": SKLEARN, "ContainerEntrypoint": ["no-such-program", "x.py"]},
        "ProcessingResources": {"ClusterConfig": resources},
    }
    arn = "arn:aws:lambda:us-east-1:000000000000:function:notify"
    steps = [
        {"Name": "prepare", "Type": "Processing", "Arguments": processing},
        {"Name": "train", "Type": "Training", "Arguments": training},
        {"Name": "notify", "Type": "Lambda", "FunctionArn": arn, "Arguments": {}},
    ]
    return {"Version": "2020-12-01", "Steps": steps}


def test_validate_names_all_that_a_run_would_miss_and_a_run_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.json").write_text(json.dumps(definition()))
    environment(tmp_path / "own")
    write(tmp_path, f'[images]\n"*/own:*" = "own"\n"{ECR}/*learn*" = "gone"\n[handlers]\nnotify = "nowhere:notify"\n')

    assert cli.main(["validate", "pipeline.json"]) == 2
    first = capsys.readouterr().out.splitlines()
    assert cli.main(["run", "pipeline.json"]) == 2

    assert len(first) == 3
    assert first[0].startswith("steps[prepare].Arguments.AppSpecification.ImageUri: ")
    assert "gone is no environment" in first[0]
    assert "the image's own program 'train' is to run" in first[1]
    assert first[2].startswith("notify: handler 'nowhere:notify'")
    assert not (tmp_path / ".sagelocal").exists()


def test_project_without_options_validates_and_says_what_stands_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    body = definition()
    body["Steps"][0]["Arguments"]["AppSpecification"]["ContainerEntrypoint"] = ["prepare"]
    (tmp_path / "pipeline.json").write_text(json.dumps(body))
    (tmp_path / "answers_of_tests.py").write_text("def notify(event, context):\n    return {}\n")
    environment(tmp_path / "own", "train", "prepare")
    write(tmp_path, '[images]\n"*" = "own"\n[handlers]\nnotify = "answers_of_tests:notify"\n')

    assert cli.main(["validate", "pipeline.json", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["images"] == {f"{ECR}/own:1": str(tmp_path / "own"), SKLEARN: str(tmp_path / "own")}
