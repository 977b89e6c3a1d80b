"""Start the pipeline automatically: on a schedule, or when a release is uploaded.

This file is also the source of the Lambda function, so it uses nothing but the standard library and boto3.
EventBridge could start a pipeline directly, but only with fixed values: it can't build an address from an event's
bucket and key, nor look up the champion, so a candidate would be compared with an outdated one.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MANIFEST = "manifest.json"  # the last object of an upload: a release with it is complete
NO_CHAMPION = "champion/none"


def newest_folder(objects: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the folder, as a key, of the newest manifest among S3's objects; None if there is none."""
    found = [item for item in objects if item["Key"].endswith(f"/{MANIFEST}")]
    newest = max(found, key=lambda item: (item["LastModified"], item["Key"]), default=None)
    return newest["Key"].rpartition("/")[0] if newest else None


def handler(event: Mapping[str, Any], _context: object, clients: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Start the pipeline for an S3 event's release, or else the newest one; a repeated event starts nothing twice."""
    about = json.loads(os.environ["JOBMAJOR_START"])
    make = clients or _clients
    folder = _folder(event) or _newest(make("s3"), about)
    if folder is None:
        return {"started": None, "reason": "no data below the input's prefix yet"}
    sagemaker, place = make("sagemaker"), f"s3://{about['bucket']}"
    values = {
        **about["parameters"],
        "InputDataUrl": f"{place}/{folder}",
        "ChampionModelUrl": _champion(sagemaker, about["group"]) or f"{place}/{about['prefix']}/{NO_CHAMPION}",
    }
    answer = sagemaker.start_pipeline_execution(
        PipelineName=about["pipeline"],
        PipelineParameters=[{"Name": name, "Value": value} for name, value in values.items()],
        # EventBridge may deliver an event twice, with the same id.
        ClientRequestToken=f"jobmajor-start-{event['id']}"[:128],
    )
    return {"started": answer["PipelineExecutionArn"], "parameters": values}


def _clients(service: str) -> Any:
    import boto3  # noqa: PLC0415 - only where something is sent

    return boto3.client(service)


def _folder(event: Mapping[str, Any]) -> str | None:
    key = event.get("detail", {}).get("object", {}).get("key")
    return key.rpartition("/")[0] if key else None


def _newest(s3: Any, about: Mapping[str, Any]) -> str | None:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=about["bucket"], Prefix=f"{about['prefix']}/input/")
    return newest_folder(item for page in pages for item in page.get("Contents", ()))


def judged_model(package: Mapping[str, Any]) -> str:
    """Return the address of the model that a version's gate judged: its own, unless it was refitted on all rows."""
    served = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    return str(package.get("CustomerMetadataProperties", {}).get("JudgedModelUrl") or served)


def _champion(sagemaker: Any, group: str) -> str | None:
    """Return the address of the newest approved version's model; None if there is none."""
    found = sagemaker.list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    if not found:
        return None
    described = sagemaker.describe_model_package(ModelPackageName=found[0]["ModelPackageArn"])
    return judged_model(described)
