"""An estimate agrees with sums by hand, names its source, and never calls an unknown price 0."""

from __future__ import annotations

import datetime
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws import price_table, prices
from jobmajor.aws.api.request import Call
from jobmajor.aws.price_table import Price, Table
from jobmajor.aws.prices import Cost
from jobmajor.errors import InputError
from jobmajor.pipeline import definition as pipeline
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/somebody"
HERE = "here"
TABLE = Table(
    "2020-01",
    "a test",
    {
        HERE: {
            "sagemaker/ml.m5.large": Price(0.5, "instance hour"),
            "sagemaker/ml.m5.xlarge": Price(2.0, "instance hour"),
            "sagemaker/ml.c5.xlarge": Price(3.0, "instance hour"),
            "sagemaker/serverless": Price(0.25, "GB second of answering"),
            "s3/put": Price(0.125, "request"),
            "s3/storage": Price(0.5, "GB month"),
            "cloudwatch/alarm": Price(0.75, "alarm month"),
            "kms/key": Price(1.0, "key month"),
            "codebuild/BUILD_GENERAL1_SMALL": Price(0.0625, "build minute"),
        }
    },
)


def costs(service: str, operation: str, region: str = HERE, **parameters: Any) -> tuple[Cost, ...]:
    return prices.estimate([Call(service, operation, parameters)], TABLE, region).costs


def variant(name: str = "v", **more: Any) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": "model", **more}


def test_endpoint_costs_its_instances_by_the_hour_shadows_included() -> None:
    found = costs(
        "sagemaker",
        "CreateEndpointConfig",
        EndpointConfigName="config",
        ProductionVariants=[variant("a", InstanceType="ml.m5.large", InitialInstanceCount=3)],
        ShadowProductionVariants=[variant("b", InstanceType="ml.m5.xlarge", InitialInstanceCount=1)],
    )

    assert [(cost.usd, cost.per) for cost in found] == [(1.5, "hour"), (2.0, "hour")]
    assert found[0].line() == (
        "endpoint variant a on 3 × ml.m5.large: 1.5 USD per hour (as long as an endpoint uses it)"
    )


@pytest.mark.parametrize(("least", "most", "usd", "most_usd"), [(1, 4, 0.5, 2.0), (0, 2, 0.0, 1.0), (3, 3, 1.5, None)])
def test_endpoint_that_scales_costs_from_its_least_to_its_most_instances(
    least: int, most: int, usd: float, most_usd: float | None
) -> None:
    fleet = variant("champion", InstanceType="ml.m5.large", InitialInstanceCount=max(1, least))
    target = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    requests = [
        Call("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [fleet]}),
        Call(
            "application-autoscaling",
            "RegisterScalableTarget",
            {**target, "ResourceId": "endpoint/x/variant/champion", "MinCapacity": least, "MaxCapacity": most},
        ),
    ]

    found = prices.estimate(requests, TABLE, HERE)

    (cost,) = found.costs
    assert (cost.usd, cost.most_usd, cost.per) == (usd, most_usd, "hour")
    (shown,) = found.to_dict()["costs"]
    assert shown.get("most_usd") == most_usd


def test_range_is_said_in_words_and_unknown_where_the_table_has_no_price() -> None:
    assert Cost("x", 0.5, "hour", "n", 2.0).line() == "x: 0.5 to 2 USD per hour (n)"
    assert Cost("x", None, "hour", "n", None).line() == "x: unknown per hour (n)"


def test_serverless_endpoint_costs_its_memory_by_the_second() -> None:
    size = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}

    (found,) = costs(
        "sagemaker",
        "CreateEndpointConfig",
        EndpointConfigName="config",
        ProductionVariants=[variant(ServerlessConfig=size)],
    )

    assert (found.usd, found.per) == (0.5, "second")


@pytest.mark.parametrize(("kind", "region"), [("ml.p5.48xlarge", HERE), ("ml.m5.large", "elsewhere")])
def test_what_the_table_lacks_is_unknown_and_not_free(kind: str, region: str) -> None:
    wanted = [variant(InstanceType=kind, InitialInstanceCount=1)]
    call = Call("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "config", "ProductionVariants": wanted})

    found = prices.estimate([call], TABLE, region)

    assert found.costs[0].usd is None
    assert ": unknown per hour" in list(found.lines())[1]
    assert found.to_dict()["costs"][0]["usd"] == "unknown"


def test_upload_costs_its_requests_once_and_its_bytes_each_month() -> None:
    calls = [
        Call("s3", "PutObject", {"Bucket": "bucket", "Key": key, "ContentLength": 10**9, "Body": b""}) for key in "ab"
    ]

    requests, storage = prices.estimate(calls, TABLE, HERE).costs

    assert (requests.usd, requests.per) == (0.25, "upload")
    assert (storage.usd, storage.per) == (1.0, "month")


def test_body_says_its_own_length_and_a_stream_none() -> None:
    short = Call("s3", "PutObject", {"Bucket": "bucket", "Key": "key", "Body": b"x" * 100})
    stream = Call("s3", "PutObject", {"Bucket": "bucket", "Key": "key", "Body": io.BytesIO(b"x")})

    found = [prices.estimate([call.without_bodies()], TABLE, HERE).costs[1].usd for call in (short, stream)]

    assert found == [pytest.approx(0.5 * 100 / 10**9), None]


def test_pipeline_costs_each_run_what_its_own_definition_asks_for() -> None:
    definition = pipeline.to_bytes(Settings()).decode()

    found = costs(
        "sagemaker",
        "CreatePipeline",
        PipelineName="one",
        PipelineDefinition=definition,
        RoleArn=ROLE,
        ClientRequestToken="t" * 32,
    )

    assert [(cost.what, cost.usd) for cost in found] == [
        ("each run, step preprocess-data on 1 × ml.c5.xlarge", 3.0),
        ("each run, step train on 1 × ml.m5.xlarge", 2.0),
        ("each run, step evaluate-model on 1 × ml.c5.xlarge", 3.0),
    ]
    assert found[1].note == "while it runs, 1 h at most"


def test_start_costs_what_its_parameters_change() -> None:
    values = {"TrainingInstanceType": "ml.m5.large", "ProcessingInstanceType": "ml.strange"}
    request = {
        "PipelineName": "one",
        "ClientRequestToken": "t" * 32,
        "PipelineParameters": [{"Name": name, "Value": value} for name, value in values.items()],
    }
    call = Call("sagemaker", "StartPipelineExecution", request)

    known = prices.estimate([call], TABLE, HERE, pipeline.build(Settings()))
    blind = prices.estimate([call], TABLE, HERE)

    assert [cost.usd for cost in known.costs] == [None, 0.5, None]
    assert [cost.usd for cost in blind.costs] == [None]


def test_stack_costs_its_keys_and_alarms_by_the_month() -> None:
    template = "Resources:\n" + "".join(
        f"  R{number}:\n    Type: AWS::{kind}\n"
        for number, kind in enumerate(["CloudWatch::Alarm", "KMS::Key", "CloudWatch::Alarm", "SNS::Topic"])
    )

    found = costs("cloudformation", "CreateStack", StackName="stack", TemplateBody=template)
    remote = costs("cloudformation", "CreateStack", StackName="stack", TemplateURL="https://x.example")

    assert [(cost.usd, cost.per) for cost in found] == [(1.0, "month"), (1.5, "month")]
    assert [cost.usd for cost in remote] == [None]


def test_jobs_alarms_and_builds_cost_by_the_hour_the_month_and_the_minute() -> None:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 4, "VolumeSizeInGB": 30}
    calls = [
        Call(
            "sagemaker",
            "CreateProcessingJob",
            {
                "ProcessingJobName": "job",
                "ProcessingResources": {"ClusterConfig": cluster},
                "AppSpecification": {"ImageUri": "image"},
                "RoleArn": ROLE,
            },
        ),
        Call(
            "cloudwatch",
            "PutMetricAlarm",
            {"AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold"},
        ),
        Call(
            "codebuild",
            "CreateProject",
            {
                "name": "one",
                "source": {"type": "S3"},
                "artifacts": {"type": "NO_ARTIFACTS"},
                "environment": {"type": "LINUX_CONTAINER", "image": "any", "computeType": "BUILD_GENERAL1_SMALL"},
                "serviceRole": ROLE,
            },
        ),
    ]

    found = prices.estimate(calls, TABLE, HERE).costs

    assert [(cost.usd, cost.per) for cost in found] == [(2.0, "hour"), (0.75, "month"), (0.0625, "minute")]


def test_requests_that_start_nothing_say_so() -> None:
    call = Call("sagemaker", "CreateModelPackageGroup", {"ModelPackageGroupName": "one"})

    assert list(prices.estimate([call], TABLE, HERE).lines()) == [
        "cost: nothing with a fixed price; storage, requests and logs are billed by use"
    ]


def test_estimate_says_of_when_and_from_where_its_prices_are() -> None:
    table = price_table.read()

    line = next(prices.estimate([Call("s3", "PutObject", {"Bucket": "b", "Key": "k"})], table, "us-east-1").lines())

    assert table.as_of in line
    assert "https://aws.amazon.com/sagemaker/pricing/" in line


def test_bundled_table_is_dated_and_has_what_the_pipeline_runs_on() -> None:
    table = price_table.read()

    assert datetime.datetime.strptime(table.as_of, "%Y-%m").replace(tzinfo=datetime.UTC).year >= 2024
    for kind in ("ml.c5.xlarge", "ml.m5.xlarge", "ml.m5.large", "ml.t2.medium"):
        assert (table.hourly("us-east-1", kind) or 0) > 0
    assert table.hourly("eu-west-1", "ml.m5.large") is None


def test_own_table_takes_precedence_price_by_price(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    regions = {
        "us-east-1": {"sagemaker/ml.m5.large": {"usd": 9, "per": "instance hour"}},
        "eu-west-1": {"sagemaker/ml.m5.large": {"usd": 8, "per": "instance hour"}},
    }
    path.write_text(json.dumps({"as_of": "2026-11", "source": "our contract", "regions": regions}))

    table = price_table.read(path)

    assert [table.hourly(region, "ml.m5.large") for region in ("us-east-1", "eu-west-1")] == [9, 8]
    assert table.hourly("us-east-1", "ml.m5.xlarge") == price_table.read().hourly("us-east-1", "ml.m5.xlarge")
    assert (table.as_of, table.source.startswith("our contract (")) == ("2026-11", True)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"as_of": 1, "source": 2, "regions": {"r": {"a": {"usd": -1, "per": "x"}}}}', "[" * 9999]
)
def test_file_that_is_no_table_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)

    with pytest.raises(InputError, match=r"mine\.json is not a price table") as caught:
        price_table.read(path)

    assert "\n" not in str(caught.value)


def test_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        price_table.read(tmp_path / "none.json")
