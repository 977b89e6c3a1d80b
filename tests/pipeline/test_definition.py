from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.errors import DefinitionError, SettingError
from jobmajor.pipeline import definition as pipeline
from jobmajor.pipeline import requests, tune
from jobmajor.settings import RECIPES, Data, Jobs, Settings, Train, Transformer
from sagelocal.definition import graph, properties
from sagelocal.definition import parse as definitions
from sagelocal.definition.expressions import references
from sagelocal.definition.language import Scope, holds, resolve
from sagelocal.run import executor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCES = Path(pipeline.__file__).parents[2]
EXECUTION = {
    "PipelineName": "p",
    "PipelineArn": "arn:p",
    "PipelineExecutionId": "abc123def456",
    "PipelineExecutionArn": "arn:p/execution/abc123def456",
    "StartDateTime": "2024-01-01T00:00:00+00:00",
    "CurrentDateTime": "2024-01-01T00:00:00+00:00",
}
SHARED = {item.name for item in dataclasses.fields(Settings)} - set(RECIPES)
IN_VPC = Jobs(subnets=("subnet-0a1b2c3d",), security_groups=("sg-0a1b2c3d",))
SECURED = replace(
    IN_VPC, kms_key="alias/own", volume_kms_key="1234abcd-12ab-34cd-56ef-1234567890ab", spot_wait_minutes=60
)
DETAILS = {  # the parameters of the architecture, with the tutorial's defaults where it has them
    "ProcessingInstanceType": ("String", "ml.c5.xlarge"),
    "TrainingInstanceType": ("String", "ml.m5.xlarge"),
    "TrainingInstanceCount": ("Integer", 1),
    "ModelApprovalStatus": ("String", "PendingManualApproval"),
    "TestScoreThreshold": ("Float", 0.75),
    "InputDataUrl": ("String", "s3://jobmajor-local/job-major-clf/input"),
}


def leaves(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every single setting."""
    for item in dataclasses.fields(value):
        inner = getattr(value, item.name)
        path = (*place, item.name)
        if dataclasses.is_dataclass(inner):
            yield from leaves(inner, path)
        else:
            yield path


def changed(settings: Settings, section: str, name: str) -> Settings:
    """The settings with one value that differs and is still allowed."""
    part = getattr(settings, section)
    value = getattr(part, name)
    other: Any = f"{value}-2" if isinstance(value, str) else value + 1 if isinstance(value, int) else None
    if isinstance(value, float):
        other = value * 0.9
    if isinstance(value, bool):
        other = not value
    if (section, name) == ("train", "recipe"):
        other = "transformer" if value == "linear" else "linear"
    if isinstance(value, tuple):
        other = (*value, "another")
    return dataclasses.replace(settings, **{section: dataclasses.replace(part, **{name: other})})


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def parsed(settings: Settings | None = None) -> definitions.Definition:
    return definitions.parse(pipeline.to_bytes(settings or Settings()))


def steps(settings: Settings | None = None) -> dict[str, Any]:
    return {step.name: step for step, _ in graph.flatten(parsed(settings).steps)}


def scope(evaluation: Mapping[str, Any] | None = None) -> Scope:
    """As after `evaluate-model`, whose report is `evaluation`."""
    return Scope(
        parameters=definitions.bind(parsed().parameters, {}),
        execution=EXECUTION,
        properties={},
        property_file=lambda step, name: {("evaluate-model", "EvaluationReport"): evaluation}[step, name],
    )


def report(test_f1: float, *, passed: bool) -> dict[str, Any]:
    return {
        "classification_metrics": {"test_f1": test_f1},
        "gate": {"passed": passed, "summary": "all passed" if passed else "calibration: bad"},
    }


def test_same_settings_give_the_same_bytes_in_a_fresh_process() -> None:
    code = (
        "import sys, jobmajor.pipeline.definition as p, jobmajor.settings as s;"
        "sys.stdout.buffer.write(p.to_bytes(s.Settings()))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={"PYTHONPATH": str(SOURCES), "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]

    here = pipeline.to_bytes(Settings())
    assert [done.stdout for done in runs] == [here, here]
    assert parsed().digest == hashlib.sha256(here).hexdigest()


def test_definition_is_taken_by_the_parser_the_service_s_shapes_and_this_machine() -> None:
    definition = parsed()

    values = executor.validate(definition, {})

    assert values["TestScoreThreshold"] == 0.75
    assert set(values) == set(definition.parameters)


def test_definition_is_plain_text_that_reads_back_as_what_was_built() -> None:
    data = pipeline.to_bytes(Settings())

    assert data.isascii()
    assert data.endswith(b"}\n")
    assert json.loads(data) == pipeline.build(Settings())
    assert json.loads(data)["Version"] == "2020-12-01"


def test_three_steps_a_choice_a_refit_and_their_ends_stand_in_this_order() -> None:
    definition = parsed()

    assert {name: step.type for name, step in steps().items()} == {
        "preprocess-data": "Processing",
        "train": "Training",
        "evaluate-model": "Processing",
        "check-test-score": "Condition",
        "refit": "Processing",
        "check-refit": "Condition",
        "register": "RegisterModel",
        "fail-refit": "Fail",
        "fail": "Fail",
    }
    assert list(graph.order(definition)) == [
        *("preprocess-data", "train", "evaluate-model", "check-test-score"),
        *("refit", "check-refit", "register", "fail-refit", "fail"),
    ]


def test_choice_refits_and_registers_if_it_holds_and_fails_else() -> None:
    found = steps()

    assert [step.name for step in found["check-test-score"].if_steps] == ["refit", "check-refit"]
    assert [step.name for step in found["check-test-score"].else_steps] == ["fail"]
    assert [step.name for step in found["check-refit"].if_steps] == ["register"]
    assert [step.name for step in found["check-refit"].else_steps] == ["fail-refit"]


@pytest.mark.parametrize("train", [Train(refit=False), Train(recipe="transformer")])
def test_without_a_refit_the_judged_model_is_registered(train: Train) -> None:
    found = steps(Settings(train=train))

    assert [step.name for step in found["check-test-score"].if_steps] == ["register"]
    assert "refit" not in found
    assert "JudgedModelUrl" not in found["register"].arguments["CustomerMetadataProperties"]
    assert "--refit" not in found["evaluate-model"].arguments["AppSpecification"]["ContainerArguments"]


def test_refitted_model_is_registered_with_the_address_of_the_judged_one() -> None:
    arguments = steps()["register"].arguments
    (container,) = arguments["InferenceSpecification"]["Containers"]
    refitted = {"Get": "Steps.refit.ProcessingOutputConfig.Outputs['refitted-model'].S3Output.S3Uri"}
    judged = {"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}

    assert container["ModelDataUrl"] == {"Std:Join": {"On": "", "Values": [refitted, "/model.tar.gz"]}}
    assert arguments["CustomerMetadataProperties"]["JudgedModelUrl"] == judged
    assert next(item["S3Input"]["S3Uri"] for item in steps()["refit"].arguments["ProcessingInputs"]) == judged


def test_parameters_of_the_architecture_come_first_with_their_types_and_defaults() -> None:
    found = parsed().parameters

    assert {name: (found[name].type, found[name].default) for name in DETAILS} == DETAILS
    assert list(found)[: len(DETAILS)] == list(DETAILS)
    assert all(parameter.has_default for parameter in found.values())
    assert found["ModelApprovalStatus"].enum == ("PendingManualApproval", "Approved", "Rejected")


@pytest.mark.parametrize(
    ("test_f1", "passed", "holds_both"),
    [(0.76, True, True), (0.75, True, False), (0.74, True, False), (0.76, False, False)],
)
def test_choice_asks_for_more_than_the_threshold_and_for_a_passed_gate(
    test_f1: float, passed: bool, holds_both: bool
) -> None:
    conditions = steps()["check-test-score"].conditions

    outcomes = [holds(condition, scope(report(test_f1, passed=passed))) for condition in conditions]

    assert [outcome.passed for outcome in outcomes] == [test_f1 > 0.75, passed]
    assert all(outcome.passed for outcome in outcomes) is holds_both


def test_choice_is_the_tutorial_s_condition_and_the_gate_s_answer() -> None:
    first, second = steps()["check-test-score"].conditions

    place = {"Get": "Steps.evaluate-model.PropertyFiles.EvaluationReport"}
    score = {"Std:JsonGet": {"PropertyFile": place, "Path": "classification_metrics.test_f1"}}
    gate = {"Std:JsonGet": {"PropertyFile": place, "Path": "gate.passed"}}
    assert first == {"Type": "GreaterThan", "LeftValue": score, "RightValue": {"Get": "Parameters.TestScoreThreshold"}}
    assert second == {"Type": "Equals", "LeftValue": gate, "RightValue": True}


def test_failure_says_both_figures_and_what_else_was_wrong() -> None:
    message = resolve(steps()["fail"].arguments["ErrorMessage"], scope(report(0.5, passed=False)))

    assert message == (
        "Execution failed due to the gate: weighted F1 0.5 (more than 0.75 is asked), other checks: calibration: bad"
    )


def test_threshold_is_no_input_of_a_job_so_changing_it_runs_none_again() -> None:
    for name in ("preprocess-data", "train", "evaluate-model"):
        text = json.dumps(steps()[name].arguments)
        assert "TestScoreThreshold" not in text
        assert "ModelApprovalStatus" not in text


def test_champion_is_an_input_of_the_evaluation_and_of_nothing_before_it() -> None:
    inputs = {item["InputName"]: item for item in steps()["evaluate-model"].arguments["ProcessingInputs"]}

    assert inputs["champion"]["S3Input"]["S3Uri"] == {"Get": "Parameters.ChampionModelUrl"}
    assert "ChampionModelUrl" not in json.dumps([steps()[name].arguments for name in ("preprocess-data", "train")])


def test_every_output_stands_below_the_execution_s_own_id() -> None:
    found = steps()
    addresses = [
        item["S3Output"]["S3Uri"]
        for name in ("preprocess-data", "evaluate-model")
        for item in found[name].arguments["ProcessingOutputConfig"]["Outputs"]
    ]
    addresses.append(found["train"].arguments["OutputDataConfig"]["S3OutputPath"])

    uris = [resolve(address, scope()) for address in addresses]

    assert len(set(uris)) == 7
    own = "s3://jobmajor-local/job-major-clf/runs/abc123def456/"
    assert [uri for uri in uris if not uri.startswith(own)] == []


def test_evaluation_reads_the_test_and_the_model_and_training_never_the_test() -> None:
    found = steps()

    channels = [item["ChannelName"] for item in found["train"].arguments["InputDataConfig"]]

    assert channels == ["train", "validation"]
    assert references(found["evaluate-model"].arguments) == {"preprocess-data", "train"}


@pytest.mark.parametrize("path", list(leaves(Settings())), ids=".".join)
def test_every_setting_that_changes_the_work_changes_the_bytes(path: tuple[str, str]) -> None:
    data = Data("texts") if path == ("thresholds", "own") else Data()  # it is the threshold of a project's own texts
    before = {recipe: Settings(train=Train(recipe), jobs=IN_VPC, data=data) for recipe in RECIPES}

    differs = {name: pipeline.to_bytes(one) != pipeline.to_bytes(changed(one, *path)) for name, one in before.items()}

    # The starter titles' own threshold comes with a run, as the value of TestScoreThreshold, and so does all that is
    # the account's; the settings of a recipe change the work of that one alone.
    own = path != ("thresholds", "starter") and path[0] != "aws"
    counts = {"linear"} if path == ("train", "refit") else set(RECIPES)  # only the linear recipe refits
    assert differs == {recipe: own and recipe in counts and path[0] in {recipe, *SHARED} for recipe in RECIPES}


def test_split_reaches_the_step_as_arguments_and_the_recipe_as_hyperparameters() -> None:
    found = steps()

    words = found["preprocess-data"].arguments["AppSpecification"]["ContainerArguments"]
    assert words == ["--seed", "2140", "--validation", "0.1", "--test", "0.1"]
    recipe = {"recipe": "linear", **dataclasses.asdict(Settings().linear)}
    assert found["train"].arguments["HyperParameters"] == {name: str(value) for name, value in recipe.items()}


def test_no_path_of_this_machine_and_no_credential_is_in_it() -> None:
    texts = list(strings(pipeline.build(Settings())))

    rooted = {text for text in texts if text.startswith("/") and not text.startswith("/opt/ml/processing/")}
    # Only the joints of addresses.
    assert rooted == {"/", "/evaluation.json", "/statistics.json", "/constraints.json", "/model.tar.gz"}
    joined = "\n".join(texts)
    assert str(Path.home()) not in joined
    assert not re.search(r"AKIA|ASIA|secret|token|password|credential", joined, re.IGNORECASE)
    assert set(re.findall(r"\d{12}", joined)) == {"000000000000"}


def test_local_address_is_below_the_prefix_in_the_local_bucket() -> None:
    assert pipeline.local_uri(Settings(), "a", "b") == "s3://jobmajor-local/job-major-clf/a/b"


TRANSFORMER = Settings(train=Train("transformer"))
SEARCH = requests.Tuning(tune.parameter_ranges(), trials=12, parallel=3, seed=5)


def training(settings: Settings) -> Any:
    return pipeline.build(settings)["Steps"][1]["Arguments"]


def test_linear_definition_asks_for_nothing_of_a_transformer() -> None:
    text = pipeline.to_bytes(Settings()).decode()

    assert "heckpoint" not in text
    assert "eval_f1" not in text


def test_transformer_s_definition_is_taken_and_brings_its_checkpoint_as_a_channel() -> None:
    definition = definitions.parse(pipeline.to_bytes(TRANSFORMER))

    values = executor.validate(definition, {})

    arguments = training(TRANSFORMER)
    assert values["CheckpointUrl"] == "s3://jobmajor-local/job-major-clf/checkpoint"
    channels = {
        item["ChannelName"]: item["DataSource"]["S3DataSource"]["S3Uri"] for item in arguments["InputDataConfig"]
    }
    assert list(channels) == ["train", "validation", "checkpoint"]
    assert channels["checkpoint"] == {"Get": "Parameters.CheckpointUrl"}
    recipe = {"recipe": "transformer", **dataclasses.asdict(TRANSFORMER.transformer)}
    assert arguments["HyperParameters"] == {name: str(value) for name, value in recipe.items()}
    assert arguments["StoppingCondition"]["MaxRuntimeInSeconds"] > 3600
    assert arguments["EnableNetworkIsolation"] is True


def test_metrics_of_a_transformer_are_found_in_a_line_of_its_log() -> None:
    line = (
        "INFO jobmajor.model.transformer.loop: epoch=3 train_loss=1.500000 eval_loss=2.250000 eval_accuracy=0.700000 "
        "eval_f1=0.690000 eval_runtime=0.125 eval_samples_per_second=4400.0"
    )
    wanted = training(TRANSFORMER)["AlgorithmSpecification"]["MetricDefinitions"]

    found = {item["Name"]: re.findall(item["Regex"], line) for item in wanted}

    assert {name: values for name, values in found.items() if values} == {
        "epoch": ["3"],
        "train_loss": ["1.500000"],
        "eval_loss": ["2.250000"],
        "eval_accuracy": ["0.700000"],
        "eval_f1": ["0.690000"],
        "eval_runtime": ["0.125"],
        "eval_samples_per_second": ["4400.0"],
    }


def test_state_of_a_training_outlives_its_execution_and_is_no_other_training_s() -> None:
    def place(settings: Settings) -> str:
        uri = training(settings)["CheckpointConfig"]["S3Uri"]
        assert "Execution." not in json.dumps(uri)
        return str(resolve(uri, scope()))

    other = dataclasses.replace(TRANSFORMER, transformer=Transformer(epochs=6))

    assert place(TRANSFORMER).startswith("s3://jobmajor-local/job-major-clf/checkpoints/")
    assert place(TRANSFORMER) != place(other)


def jobs_of(settings: Settings, tuning: requests.Tuning | None = None) -> dict[str, Any]:
    """The request of each job, by its step."""
    built = pipeline.build(settings, tuning)["Steps"]
    return {step["Name"]: step["Arguments"] for step in built if step["Type"] in {"Processing", "Training", "Tuning"}}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("chosen", [Jobs(), IN_VPC, SECURED], ids=["plain", "vpc", "all"])
def test_definition_is_taken_with_every_choice_of_network_keys_and_spot(recipe: str, chosen: Jobs) -> None:
    definition = definitions.parse(pipeline.to_bytes(Settings(train=Train(recipe), jobs=chosen)))

    assert executor.validate(definition, {}).keys() == definition.parameters.keys()


def test_jobs_are_cut_off_encrypted_between_each_other_and_tagged_whatever_is_chosen() -> None:
    for arguments in jobs_of(Settings()).values():
        network = arguments.get("NetworkConfig", arguments)
        assert network["EnableNetworkIsolation"] is True
        assert network["EnableInterContainerTrafficEncryption"] is True
        assert "VpcConfig" not in network
        assert arguments["Tags"] == [{"Key": "jobmajor:project", "Value": "test-job-major-clf"}]
    assert "Kms" not in pipeline.to_bytes(Settings()).decode()
    assert "Spot" not in pipeline.to_bytes(Settings()).decode()


def test_vpc_and_keys_reach_every_job_of_a_pipeline_and_of_a_search() -> None:
    vpc = {"SecurityGroupIds": [*SECURED.security_groups], "Subnets": [*SECURED.subnets]}
    secured = Settings(jobs=SECURED)

    for arguments in (*jobs_of(secured).values(), *jobs_of(secured, SEARCH).values()):
        one = arguments.get("TrainingJobDefinition", arguments)
        disks = one.get("ResourceConfig") or one["ProcessingResources"]["ClusterConfig"]
        left = one.get("OutputDataConfig") or one["ProcessingOutputConfig"]
        assert one.get("NetworkConfig", one)["VpcConfig"] == vpc
        assert (disks["VolumeKmsKeyId"], left["KmsKeyId"]) == (SECURED.volume_kms_key, SECURED.kms_key)


@pytest.mark.parametrize("name", ["subnets", "security_groups"])
def test_half_of_a_vpc_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingError, match=rf"'jobs\.{name}': found \[\]"):
        pipeline.build(Settings(jobs=replace(IN_VPC, **{name: ()})))  # type: ignore[arg-type]  # by its name


@pytest.mark.parametrize(
    ("recipe", "limit_s", "has_checkpoint"), [("linear", 3600, False), ("transformer", 86400, True)]
)
def test_spot_training_may_wait_on_top_of_its_limit_and_goes_on_from_its_checkpoint(
    recipe: str, limit_s: int, has_checkpoint: bool
) -> None:
    found = jobs_of(Settings(train=Train(recipe), jobs=Jobs(spot_wait_minutes=30)))["train"]

    assert found["EnableManagedSpotTraining"] is True
    assert found["StoppingCondition"] == {"MaxRuntimeInSeconds": limit_s, "MaxWaitTimeInSeconds": limit_s + 1800}
    assert ("CheckpointConfig" in found) is has_checkpoint


def test_each_kind_of_step_is_tried_again_after_what_its_kind_may_meet() -> None:
    def exceptions(built: dict[str, Any]) -> dict[str, list[str]]:
        check = built["Steps"][3]["Arguments"]
        again = check["IfSteps"][1]["Arguments"]
        return {
            step["Type"]: [name for policy in step.get("RetryPolicies", ()) for name in policy["ExceptionType"]]
            for step in (
                *built["Steps"],
                *check["IfSteps"],
                *check["ElseSteps"],
                *again["IfSteps"],
                *again["ElseSteps"],
            )
        }

    calls = ["Step.SERVICE_FAULT", "Step.THROTTLING"]
    scarce = ["SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"]
    jobs_ = [*calls, "SageMaker.JOB_INTERNAL_ERROR", *scarce]
    rest = {"Condition": [], "RegisterModel": calls, "Fail": []}
    assert exceptions(pipeline.build(Settings())) == {"Processing": jobs_, "Training": jobs_, **rest}
    assert exceptions(pipeline.build(Settings(), SEARCH))["Tuning"] == [*calls, *scarce]


def test_quota_that_another_job_holds_is_waited_for_an_hour_and_capacity_for_a_night() -> None:
    for step in pipeline.build(Settings())["Steps"]:
        ends = {
            name: policy["ExpireAfterMin"]
            for policy in step.get("RetryPolicies", ())
            for name in policy["ExceptionType"]
            if "ExpireAfterMin" in policy
        }
        wanted = {"SageMaker.CAPACITY_ERROR": 480, "SageMaker.RESOURCE_LIMIT": 60}
        assert ends == (wanted if step["Type"] in ("Processing", "Training") else {})


def test_each_retry_policy_ends_by_attempts_or_by_time() -> None:
    for step in pipeline.build(Settings())["Steps"]:
        for policy in step.get("RetryPolicies", ()):
            assert ("MaxAttempts" in policy) != ("ExpireAfterMin" in policy)


def searching() -> definitions.Definition:
    return definitions.parse(pipeline.to_bytes(Settings(), SEARCH))


def test_search_as_a_step_is_taken_by_the_service_s_shapes_and_this_machine() -> None:
    definition = searching()

    assert executor.validate(definition, {}).keys() == definition.parameters.keys()


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("TrainingJobDefinition",), None, "TrainingJobDefinition"),
        (("TrainingJobDefinition", "ResourceConfig"), None, "TrainingJobDefinition.ResourceConfig: is missing"),
        (("HyperParameterTuningJobConfig", "Strategy"), "Guess", "Strategy"),
        (("HyperParameterTuningJobConfig", "ResourceLimits", "MaxParallelTrainingJobs"), 0, "MaxParallelTrainingJobs"),
        (("TrainingJobDefinition", "AlgorithmSpecification", "ContainerEntrypoint"), ["a"], "ContainerEntrypoint"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else None,
)
def test_search_that_the_service_would_refuse_is_refused(path: tuple[str, ...], value: Any, fault: str) -> None:
    raw = pipeline.build(Settings(), SEARCH)
    here = raw["Steps"][1]["Arguments"]
    for part in path[:-1]:
        here = here[part]
    if value is None:
        del here[path[-1]]
    else:
        here[path[-1]] = value
    definition = definitions.parse(json.dumps(raw).encode())

    with pytest.raises(DefinitionError) as caught:
        definitions.check(definition, definitions.bind(definition.parameters, {}))

    assert any(fault in problem and problem.startswith("steps[train]") for problem in caught.value.problems)


def test_search_tries_the_space_and_keeps_the_other_settings_as_they_are() -> None:
    arguments = pipeline.build(Settings(), SEARCH)["Steps"][1]["Arguments"]

    tried = {item["Name"] for ranges in tune.parameter_ranges().values() for item in ranges}
    fixed = arguments["TrainingJobDefinition"]["StaticHyperParameters"]
    assert tried | fixed.keys() == {"recipe", *dataclasses.asdict(Settings().linear)}
    assert not tried & fixed.keys()
    config = arguments["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": 3}
    metrics = arguments["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert config["HyperParameterTuningJobObjective"]["MetricName"] in {item["Name"] for item in metrics}


def test_best_model_of_a_search_is_evaluated_and_refitted() -> None:
    found = {step.name: step for step, _ in graph.flatten(searching().steps)}
    evaluated = found["evaluate-model"].arguments["ProcessingInputs"][0]["S3Input"]["S3Uri"]
    refitted = found["refit"].arguments["ProcessingInputs"][0]["S3Input"]["S3Uri"]

    done = {"train": {"BestTrainingJob": {"TrainingJobName": "abc-007"}}}
    here = dataclasses.replace(scope(), properties=done)

    place = "s3://jobmajor-local/job-major-clf/runs/abc123def456/output/abc-007/output/model.tar.gz"
    judged = found["register"].arguments["CustomerMetadataProperties"]["JudgedModelUrl"]
    assert resolve(evaluated, here) == resolve(refitted, here) == resolve(judged, here) == place


def test_jobs_of_a_search_may_be_referred_to_by_their_place() -> None:
    raw = pipeline.build(Settings(), SEARCH)
    name = raw["Steps"][2]["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"]["Std:Join"]["Values"][-2]

    def faults(path: str) -> list[str]:
        name["Get"] = path
        return list(properties.faults(definitions.parse(json.dumps(raw).encode())))

    assert faults("Steps.train.TrainingJobSummaries[0].TrainingJobName") == []
    assert (
        len(faults("Steps.train.BestTrainingJobs.TrainingJobName")) == 3
    )  # where it is evaluated, refitted and registered


def test_search_for_another_recipe_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match=r"'train\.recipe': found 'transformer'"):
        pipeline.build(TRANSFORMER, SEARCH)
