"""The name of every resource in the account: the tutorial's names, and ours.

Two modules that build the same name separately will differ some day; then a cleanup leaves resources running.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.settings import Settings

TAG: Final = "jobmajor:project"  # marks a resource as ours, for the bill and for cleanup
ROLES: Final = ("pipeline", "job", "endpoint", "ci")
# Folders below the prefix: the tutorial's, then ours.
URLS: Final = ("input", "train", "validation", "test", "baseline", "evaluation", "prediction_baseline", "output")
_OWN_URLS: Final = ("runs", "champion", "checkpoint", "checkpoints", "capture", "batch", "async", "images")
_PARTITIONS: Final = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))
_LONGEST_BUCKET: Final = 63
_LONGEST_ROLE: Final = 64
# The same patterns as the stack's parameters have.
_PROJECT: Final = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*[A-Za-z0-9]")
_DIGEST: Final = 8  # hex digits: among a few hundred names, two are equal with a chance of 1 in 10^5
_STEM: Final = 63 - len("-v999999999-") - _DIGEST  # SageMaker takes 63 characters
_SHORT: Final = 6


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one project's resources in one account and region."""

    settings: Settings
    region: str
    account_id: str

    @classmethod
    def of(cls, settings: Settings, region: str, account_id: str) -> Names:
        """Return the names, checked.

        Raises:
            SettingError: AWS doesn't accept a name, or a name derived from the project's is too long.
        """
        names = cls(settings, region, account_id)
        if not _PROJECT.fullmatch(names.project):
            raise SettingError("names.project", names.project, "small letters and digits, with single hyphens between")
        if not _PREFIX.fullmatch(names.prefix):
            raise SettingError(
                "names.prefix", names.prefix, "letters, digits, '-', '_', '.' and '/', but no '/' at an end"
            )
        long = [name for name in names.role_names.values() if len(name) > _LONGEST_ROLE]
        if long or len(names.bucket) > _LONGEST_BUCKET:
            made = long[0] if long else names.bucket
            raise SettingError("names.project", names.project, f"a shorter name: AWS refuses {made} as too long")
        return names

    @property
    def project(self) -> str:
        """Return the project's name."""
        return self.settings.names.project

    @property
    def prefix(self) -> str:
        """Return the prefix of every object's key."""
        return self.settings.names.prefix

    @property
    def partition(self) -> str:
        """Return the region's AWS partition: aws, aws-cn or aws-us-gov."""
        return next((name for start, name in _PARTITIONS if self.region.startswith(start)), "aws")

    @property
    def bucket(self) -> str:
        """Return the bucket's name, which account and region make globally unique."""
        return self.settings.aws.bucket or f"{self.project}-{self.account_id}-{self.region}"

    @property
    def pipeline(self) -> str:
        """Return the pipeline's name."""
        return self.settings.names.pipeline

    @property
    def group(self) -> str:
        """Return the model package group's name."""
        return self.settings.names.group

    @property
    def model(self) -> str:
        """Return the prefix of Model names."""
        return f"{self.project}-model"

    @property
    def endpoint_config(self) -> str:
        """Return the prefix of endpoint configuration names."""
        return f"{self.project}-endpoint-config"

    @property
    def endpoint(self) -> str:
        """Return the production endpoint's name."""
        return f"{self.project}-endpoint"

    @property
    def stack(self) -> str:
        """Return the CloudFormation stack's name."""
        return f"{self.project}-stack"

    @property
    def repository(self) -> str:
        """Return the image repository's name."""
        return self.project

    @property
    def image_build(self) -> str:
        """Return the name of the CodeBuild project that builds the image."""
        return f"{self.project}-image"

    @property
    def image_repository(self) -> str:
        """Return the image repository's address, without a tag or digest."""
        suffix = ".cn" if self.partition == "aws-cn" else ""
        return f"{self.account_id}.dkr.ecr.{self.region}.amazonaws.com{suffix}/{self.repository}"

    @property
    def role_names(self) -> Mapping[str, str]:
        """Return the name of each of `ROLES`; IAM is global, so the stack's role names contain the region."""
        return {role: arn.rpartition("/")[2] for role, arn in self.roles.items()}

    @property
    def roles(self) -> Mapping[str, str]:
        """Return the ARN of each of `ROLES`."""
        return {role: self._role(role) for role in ROLES}

    def _role(self, role: str) -> str:
        chosen = getattr(self.settings.aws, f"{role}_role") or f"{self.project}-{role}-{self.region}"
        return chosen if chosen.startswith("arn:") else f"arn:{self.partition}:iam::{self.account_id}:role/{chosen}"

    def url(self, name: str, *parts: str) -> str:
        """Return the S3 address of a folder below the prefix, or of something in it."""
        return "/".join((f"s3://{self.bucket}", self.prefix, name, *parts))

    def key(self, *parts: str) -> str:
        """Return the key of an object below the prefix."""
        return "/".join((self.prefix, *parts))

    @property
    def urls(self) -> Mapping[str, str]:
        """Return the tutorial's S3 addresses; each execution writes to `runs/<execution id>`."""
        return {name: self.url(name) for name in URLS}

    @property
    def tags(self) -> list[dict[str, str]]:
        """Return the tags in the form of most services, with `Key` and `Value`."""
        return [{"Key": key, "Value": value} for key, value in self.tag_map.items()]

    @property
    def lowercase_tags(self) -> list[dict[str, str]]:
        """Return the tags in the form of the services that use `key` and `value`."""
        return [{"key": key, "value": value} for key, value in self.tag_map.items()]

    @property
    def tag_map(self) -> dict[str, str]:
        """Return the tags as a mapping.

        Raises:
            SettingError: One of `aws.tags` isn't KEY=VALUE, or repeats a key.
        """
        found = {TAG: self.project}
        for text in self.settings.aws.tags:
            key, sign, value = text.partition("=")
            if not (sign and key) or key in found:
                raise SettingError("aws.tags", text, f"KEY=VALUE, each key once, and {TAG} is taken")
            found[key] = value
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return all names, as `jobmajor aws show` prints them."""
        single = (
            *("region", "account_id", "project", "bucket", "prefix", "pipeline", "model", "group"),
            *("endpoint_config", "endpoint", "stack", "repository", "image_repository", "image_build"),
        )
        return {
            **{name: getattr(self, name) for name in single},
            "urls": {name: self.url(name) for name in (*URLS, *_OWN_URLS)},
            "roles": dict(self.roles),
            "tags": self.tag_map,
        }


def derived_name(base: str, version: int, content: Mapping[str, Any]) -> str:
    """Return the name of a version's resource with this content: `stem-vN-digest`.

    Creating a Model, an endpoint configuration or a job takes no idempotency token. A name that follows from the
    content replaces it: after a kill or a lost reply, the next run finds the resource under the same name.

    >>> derived_name("test-model", 3, {"a": 1})
    'test-model-v3-015abd7f'
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{name_stem(base)}-v{version}-{_hash(text)[:_DIGEST]}"


def name_stem(base: str) -> str:
    """Return the prefix of all names derived from `base`; a long one is cut and gets a hash of the whole.

    >>> name_stem("test-model"), len(name_stem("x" * 60))
    ('test-model', 43)
    """
    return base if len(base) <= _STEM else f"{base[: _STEM - _SHORT - 1].rstrip('-')}-{_hash(base)[:_SHORT]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
