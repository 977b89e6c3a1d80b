"""Find the parameters of an execution on AWS: bucket, role, image, data and champion.

The definition's defaults are for the local machine. An execution without these parameters would fail, or compare its
candidate with nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobmajor.aws.api.errors import AwsInputError, NotFound
from jobmajor.aws.executions import starter
from jobmajor.pipeline import definition, requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_NOTES = {
    definition.NO_CHAMPION: b"No champion yet: nothing to compare with.\n",
    definition.NO_REVIEWS: b"No reviewed titles.\n",
}
_REVIEWED = "ReviewedDataUrl"


def parameters(account: Account, names: Names, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that differ between accounts, each looked up unless `given` contains it.

    Raises:
        AwsInputError: There is no data or no image yet.
    """
    found: dict[str, Any] = {**fixed_parameters(account, names, given), **given}
    if "InputDataUrl" not in found:
        found["InputDataUrl"] = newest(account, names, "input")
    if _REVIEWED not in given:
        write_note(account, names, definition.NO_REVIEWS)
    if "ChampionModelUrl" not in found:
        found["ChampionModelUrl"] = champion(account, names)
    return found


def fixed_parameters(account: Account, names: Names, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that new data and approvals don't change: bucket, role, image, reviews and checkpoint."""
    image = given.get("ImageUri") or newest_image(account, names)
    found = {"Bucket": names.bucket, "RoleArn": names.roles["job"], "ImageUri": image}
    found[_REVIEWED] = given.get(_REVIEWED) or f"s3://{names.bucket}/{names.key(definition.NO_REVIEWS)}"
    if requests.is_transformer(names.settings):
        found["CheckpointUrl"] = given.get("CheckpointUrl") or newest(account, names, requests.CHECKPOINT)
    return found


def newest_image(account: Account, names: Names) -> str:
    """Return the address, with digest, of the image that was pushed last.

    Raises:
        AwsInputError: The repository is empty or doesn't exist.
    """
    if account.dry:
        return f"{names.image_repository}@<ImageDigest>"
    try:
        images = list(account.pages("ecr", "DescribeImages", "imageDetails", repositoryName=names.repository))
    except NotFound:
        images = []
    newest = max(images, key=lambda image: image["imagePushedAt"], default=None)
    if newest is None:
        raise AwsInputError(
            f"{names.image_repository} holds no image: run `jobmajor aws image` first, or name one with -p ImageUri=…"
        )
    return f"{names.image_repository}@{newest['imageDigest']}"


def newest(account: Account, names: Names, kind: str) -> str:
    """Return the address of the last complete upload of a kind, `input` or `checkpoint`.

    Raises:
        AwsInputError: There is none.
    """
    if account.dry:
        return names.url(kind, "<Digest>")
    prefix = names.key(kind, "")
    try:
        objects = account.pages("s3", "ListObjectsV2", "Contents", Bucket=names.bucket, Prefix=prefix)
        folder = starter.newest_folder(objects)
    except NotFound as error:
        raise AwsInputError(f"there is no bucket {names.bucket}: run `jobmajor aws bootstrap` first") from error
    if folder is None:
        raise AwsInputError(f"s3://{names.bucket}/{prefix} holds nothing yet: run `jobmajor aws upload` first")
    return f"s3://{names.bucket}/{folder}"


def champion(account: Account, names: Names) -> str:
    """Return the address of the newest approved version's model, or of a note that there is none.

    The note must exist: a job whose input has no object fails.
    """
    model_url = _approved_model(account, names)
    if model_url is not None:
        return model_url
    write_note(account, names, definition.NO_CHAMPION)
    return f"s3://{names.bucket}/{names.key(definition.NO_CHAMPION)}"


def write_note(account: Account, names: Names, what: str) -> None:
    """Write the note that there is no champion (`NO_CHAMPION`) or no review (`NO_REVIEWS`), unless it exists."""
    place = {"Bucket": names.bucket, "Key": names.key(what, "none.txt")}
    if account.find("s3", "HeadObject", **place) is None:
        account.change("s3", "PutObject", Body=_NOTES[what], ContentType="text/plain", **place)


def _approved_model(account: Account, names: Names) -> str | None:
    wanted = {"ModelPackageGroupName": names.group, "ModelApprovalStatus": "Approved"}
    try:
        found = list(account.pages("sagemaker", "ListModelPackages", "ModelPackageSummaryList", **wanted))
    except NotFound:
        return None
    newest = max(found, key=lambda item: int(item["ModelPackageVersion"]), default=None)
    if newest is None:
        return None
    described = account.read("sagemaker", "DescribeModelPackage", ModelPackageName=newest["ModelPackageArn"])
    return starter.judged_model(described)
