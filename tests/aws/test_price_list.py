"""Prices are read from AWS's price list, in the format that AWS documents, into a dated file for the region."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws import price_list, price_table
from jobmajor.cli.main import main
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

HOUR = {"unit": "Hrs"}


def listed(*products: tuple[str, float, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a price list; each product is its usage type, its price in US dollars, and what differs."""
    found: dict[str, Any] = {
        "formatVersion": "v1.0",
        "disclaimer": "made for a test; no real prices",
        "offerCode": "AmazonSageMaker",
        "version": "20261120000000",
        "publicationDate": "2026-11-20T01:02:03Z",
        "products": {},
        "terms": {"OnDemand": {}, "SavingsPlan": {}},
        **more,
    }
    for number, (usage, usd, differs) in enumerate(products):
        sku = f"SKU{number}"
        attributes = {"servicecode": "AmazonSageMaker", "usagetype": usage, "regionCode": "us-east-1"}
        attributes |= differs.get("attributes", {})
        found["products"][sku] = {"sku": sku, "productFamily": "ML Instance", "attributes": attributes}
        dimension = {
            "rateCode": f"{sku}.T.R",
            "description": "by the hour",
            "beginRange": "0",
            "endRange": "Inf",
            "unit": differs.get("unit", "Hrs"),
            "pricePerUnit": differs.get("price", {"USD": f"{usd:.10f}"}),
            "appliesTo": [],
        }
        term = {"offerTermCode": "T", "sku": sku, "effectiveDate": "2026-11-01T00:00:00Z", "termAttributes": {}}
        found["terms"]["OnDemand"][sku] = {f"{sku}.T": {**term, "priceDimensions": {f"{sku}.T.R": dimension}}}
    return found


def prices_of(body: dict[str, Any], region: str = "us-east-1") -> dict[str, float]:
    table = price_list.table(body, region, "list.json")
    return {what: price["usd"] for what, price in table["regions"][region].items()}


def test_hourly_prices_of_instances_are_read_and_nothing_else() -> None:
    body = listed(
        ("USE1-Host:ml.m5.large", 0.5, {}),
        ("Train:ml.c5.9xlarge", 2.0, {}),
        ("USE1-Notebk:ml.t3.medium", 9.0, {}),
        ("USE1-Host:VolumeUsage.gp3", 0.14, {"unit": "GB-Mo"}),
        ("USE1-Host:ml.g5.xlarge", 3.0, {"unit": "seconds"}),
        ("USE1-Host:ml.p3.2xlarge", 4.0, {"price": {"CNY": "4.0"}}),
        ("EU-Host:ml.m5.xlarge", 7.0, {"attributes": {"regionCode": "eu-west-1"}}),
        ("USE1-Host:ml.m5.2xlarge", 0.0, {}),
    )

    assert prices_of(body) == {"sagemaker/ml.m5.large": 0.5, "sagemaker/ml.c5.9xlarge": 2.0}


def test_dearest_use_counts_so_that_no_estimate_is_too_low() -> None:
    body = listed(("USE1-Host:ml.m5.large", 0.5, {}), ("USE1-Train:ml.m5.large", 0.75, {}))

    assert prices_of(body) == {"sagemaker/ml.m5.large": 0.75}


def test_list_of_all_regions_gives_those_of_one() -> None:
    body = listed(
        ("USE1-Host:ml.m5.large", 0.5, {}),
        ("EU-Host:ml.m5.large", 0.6, {"attributes": {"regionCode": "eu-west-1"}}),
    )

    assert prices_of(body, "eu-west-1") == {"sagemaker/ml.m5.large": 0.6}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (listed(("USE1-Host:ml.m5.large", 1, {}), offerCode="AmazonEC2"), "found the offer 'AmazonEC2', expected"),
        ({"products": {}}, "found the offer None, expected AmazonSageMaker"),
        (listed(), "has no price in US dollars for us-east-1"),
    ],
)
def test_other_list_is_refused_in_one_line(body: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as refused:
        price_list.table(body, "us-east-1", "list.json")

    assert "\n" not in str(refused.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(listed(("USE1-Host:ml.m5.large", 0.5, {}))), "utf-8")
    return path


def test_refreshed_prices_are_dated_and_stand_above_our_table(file: Path, tmp_path: Path) -> None:
    bundled = price_table.read()

    price_list.refresh(tmp_path / "prices", "us-east-1", file)

    found = price_table.read(None, price_list.file_of(tmp_path / "prices", "us-east-1"))
    assert found.as_of == "2026-11-20"
    assert found.hourly("us-east-1", "ml.m5.large") == 0.5
    assert found.hourly("us-east-1", "ml.m5.xlarge") == bundled.hourly("us-east-1", "ml.m5.xlarge")
    assert f"prices missing there: {bundled.source}" in found.source
    assert found.hourly("us-east-1", "ml.never.heard") is None


def test_user_s_own_table_stands_above_all(file: Path, tmp_path: Path) -> None:
    price_list.refresh(tmp_path / "prices", "us-east-1", file)
    own = tmp_path / "own.json"
    prices = {"us-east-1": {"sagemaker/ml.m5.large": {"usd": 0.25, "per": "instance hour"}}}
    own.write_text(json.dumps({"as_of": "2027", "source": "my contract", "regions": prices}), "utf-8")

    found = price_table.read(own, price_list.file_of(tmp_path / "prices", "us-east-1"))

    assert (found.as_of, found.hourly("us-east-1", "ml.m5.large")) == ("2027", 0.25)


def test_prices_that_were_never_refreshed_are_our_table_s(tmp_path: Path) -> None:
    assert price_table.read(None, tmp_path / "us-east-1.json") == price_table.read()


def test_command_writes_into_the_workspace_and_estimates_use_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBMAJOR_HOME", str(tmp_path / "home"))
    words = ["aws", "prices", "refresh", "--input", str(file), "--region", "us-east-1", "--json"]

    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert main(["aws", "deploy", "1", "--max-instances", "3", "--dry-run", "--json", "--region", "us-east-1"]) == 0
    estimate = json.loads(capsys.readouterr().out)["estimate"]

    assert said == {
        "region": "us-east-1",
        "as_of": "2026-11-20",
        "prices": 1,
        "file": str(tmp_path / "home" / "prices" / "us-east-1.json"),
    }
    (cost,) = (cost for cost in estimate["costs"] if "ml.m5.large" in cost["what"])
    assert estimate["as_of"] == "2026-11-20"
    assert (cost["usd"], cost["most_usd"]) == (0.5, 1.5)


def test_dry_run_says_what_it_would_read_and_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBMAJOR_HOME", str(tmp_path / "home"))

    assert main(["aws", "prices", "refresh", "--region", "eu-west-1", "--dry-run"]) == 0

    out = capsys.readouterr().out
    assert "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonSageMaker/current/eu-west-1/index.json" in out
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("content", "fault"), [("{", "is no price list"), ("[]", "found list, expected an object"), (None, "can't be read")]
)
def test_file_that_is_no_price_list_is_one_line_and_status_2(
    content: str | None, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.json"
    if content is not None:
        path.write_text(content, "ascii")

    assert main(["aws", "prices", "refresh", "--input", str(path), "--region", "us-east-1"]) == 2

    err = capsys.readouterr().err
    assert fault in err
    assert err.count("\n") == 1


def test_nothing_is_fetched_where_the_network_is_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBMAJOR_OFFLINE", "1")
    monkeypatch.setenv("JOBMAJOR_HOME", str(tmp_path))

    assert main(["aws", "prices", "refresh", "--region", "us-east-1"]) == 2
    assert "JOBMAJOR_OFFLINE is set" in capsys.readouterr().err
