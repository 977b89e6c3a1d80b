"""Read SageMaker's prices from AWS's public price list, and keep them in the workspace: one dated file for each region.

The price list is a public file that needs no account. Sources: AWS Billing User Guide, "Getting price list files
manually" (the address) and "Reading the service price list file for an AWS service" (the format). That the names of
usage begin with `Host:`, `Train:`, … is from the file itself and not documented.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final

import urllib3

from jobmajor.aws import price_table
from jobmajor.data.source import OFFLINE_VARIABLE
from jobmajor.errors import InputError
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_ADDRESS: Final = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonSageMaker/current/{region}/index.json"
_CODE: Final = "AmazonSageMaker"
_MOST_BYTES: Final = 512 * 2**20
_TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)
# Such as USE1-Host:ml.m5.large; regions other than us-east-1 have a prefix, and us-east-1 has one at times.
_USAGE: Final = re.compile(r"(?:[A-Z0-9]+-)?(?P<use>[A-Za-z]+):(?P<type>ml\.[a-z0-9-]+\.[a-z0-9]+)")
_USES: Final = ("host", "train", "processing", "tsform", "batchtransform", "async")  # what our commands start
_HOURS: Final = ("hrs", "hours", "hour")


def address(region: str) -> str:
    """Return the public address of a region's prices."""
    return _ADDRESS.format(region=region)


def file_of(folder: Path, region: str) -> Path:
    """Return where a region's prices are kept, in the workspace's folder of prices."""
    return folder / f"{region}.json"


def refresh(folder: Path, region: str, file: Path | None = None) -> price_table.Table:
    """Read a region's prices, write them into `folder`, and return them.

    Args:
        folder: The workspace's folder of prices.
        region: Such as us-east-1.
        file: A price list that was downloaded before; None downloads it.

    Raises:
        InputError: The file can't be read or downloaded, is no price list of SageMaker, or has no price of the region.
    """
    where = str(file) if file else address(region)
    body = table(_parsed(file.read_bytes() if file else _download(where), where), region, where)
    target = file_of(folder, region)
    target.parent.mkdir(parents=True, exist_ok=True)
    publish.write_file(target, (json.dumps(body, indent=1) + "\n").encode())
    return price_table.read_alone(target)


def table(price_list: Mapping[str, Any], region: str, where: str) -> dict[str, Any]:
    """Return a region's prices in the format of jobmajor's price table.

    Args:
        price_list: The price list's content, of one region or of all.
        region: Such as us-east-1.
        where: The list's address or path, for the table's source.

    Raises:
        InputError: It isn't SageMaker's list, or has no price in US dollars for the region.
    """
    if price_list.get("offerCode") != _CODE:
        raise InputError(f"{where}: found the offer {price_list.get('offerCode')!r}, expected {_CODE}: name its list")
    found: dict[str, float] = {}
    for kind, usd in _hourly(price_list, region):
        found[kind] = max(usd, found.get(kind, 0.0))  # where uses differ, an estimate isn't too low
    if not found:
        raise InputError(f"{where} has no price in US dollars for {region}: name that region's list")
    listed = {f"sagemaker/{kind}": {"usd": usd, "per": "instance hour"} for kind, usd in sorted(found.items())}
    source = f"AWS Price List, {where}" if "://" in where else "AWS Price List, from a file"
    return {
        "as_of": str(price_list.get("publicationDate", "unknown"))[:10],
        "source": source,
        "currency": "USD",
        "regions": {region: listed},
    }


def _hourly(price_list: Mapping[str, Any], region: str) -> Iterator[tuple[str, float]]:
    """Yield type and US dollars per hour of each instance on demand."""
    terms = price_list.get("terms", {}).get("OnDemand", {})
    for sku, product in price_list.get("products", {}).items():
        attributes = product.get("attributes", {})
        usage = _USAGE.fullmatch(str(attributes.get("usagetype", "")))
        if usage is None or usage["use"].lower() not in _USES or attributes.get("regionCode", region) != region:
            continue
        for term in terms.get(sku, {}).values():
            for dimension in term.get("priceDimensions", {}).values():
                usd = float(dimension.get("pricePerUnit", {}).get("USD", 0))
                if usd > 0 and str(dimension.get("unit", "")).lower() in _HOURS:
                    yield usage["type"], usd


def _parsed(body: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no price list ({error}): expected AWS's JSON file") from error
    if not isinstance(found, dict):
        raise InputError(f"{where} is no price list: found {type(found).__name__}, expected an object")
    return found


def _download(url: str) -> bytes:
    if os.environ.get(OFFLINE_VARIABLE):
        raise InputError(f"{OFFLINE_VARIABLE} is set, so {url} isn't fetched: download it elsewhere, and use --input")
    try:
        answer = urllib3.request("GET", url, timeout=_TIMEOUT, preload_content=False)
        body = answer.read(_MOST_BYTES + 1)
    except urllib3.exceptions.HTTPError as error:
        raise InputError(f"{url} can't be fetched ({error}): download it elsewhere, and use --input") from error
    if answer.status != 200:
        raise InputError(f"{url} answered {answer.status}: check --region, or download the list and use --input")
    if len(body) > _MOST_BYTES:
        raise InputError(f"{url} has more than {_MOST_BYTES:,} bytes: download it, and use --input")
    return body
