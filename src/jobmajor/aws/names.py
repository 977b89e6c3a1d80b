"""What everything in the account is called, in one table: the tutorial's constants, and ours beside them.

A name that two places make up by themselves will differ in one of them some day; then a cleanup leaves things running.
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

TAG: Final = "jobmajor:project"  # what carries it is ours: the bill and the cleanup go by it
ROLES: Final = ("pipeline", "job", "endpoint", "ci")
# Below the prefix: the tutorial's, whose names are the folders, then ours.
URLS: Final = ("input", "train", "validation", "test", "baseline", "evaluation", "prediction_baseline", "output")
_OWN_URLS: Final = ("runs", "champion", "checkpoint", "checkpoints", "capture", "batch", "async")
_PARTITIONS: Final = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))
_LONGEST_BUCKET: Final = 63
_LONGEST_ROLE: Final = 64
# As the stack's own parameters have them.
_PROJECT: Final = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*[A-Za-z0-9]")
_DIGEST: Final = 8  # hex digits: among a project's few hundred names two alike are a one in 10^5 chance
_STEM: Final = 63 - len("-v999999999-") - _DIGEST  # the service takes 63 characters
_SHORT: Final = 6


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one project in one account and region."""

    settings: Settings
    region: str
    account_id: str

    @classmethod
    def of(cls, settings: Settings, region: str, account_id: str) -> Names:
        """The table.

        Raises:
            SettingError: AWS takes no such name, or one that follows from the project's is longer than AWS takes.
        """
        names = cls(settings, region, account_id)
        if not _PROJECT.fullmatch(names.project):
            raise SettingError("names.project", names.project, "small letters and digits, with single hyphens between")
        if not _PREFIX.fullmatch(names.prefix):
            raise SettingError("names.prefix", names.prefix, "letters, digits, '-', '_', '.' and '/', no '/' at an end")
        long = [name for name in names.role_names.values() if len(name) > _LONGEST_ROLE]
        if long or len(names.bucket) > _LONGEST_BUCKET:
            made = long[0] if long else names.bucket
            raise SettingError("names.project", names.project, f"a shorter one: AWS takes no name as long as {made}")
        return names

    @property
    def project(self) -> str:
        """The project's name."""
        return self.settings.names.project

    @property
    def prefix(self) -> str:
        """Of every object's key."""
        return self.settings.names.prefix

    @property
    def partition(self) -> str:
        """The first part of an ARN: aws, or that of a part of the world with its own."""
        return next((name for start, name in _PARTITIONS if self.region.startswith(start)), "aws")

    @property
    def bucket(self) -> str:
        """The bucket's name; unique in the world by account and region."""
        return self.settings.aws.bucket or f"{self.project}-{self.account_id}-{self.region}"

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return self.settings.names.pipeline

    @property
    def group(self) -> str:
        """The model package group's name."""
        return self.settings.names.group

    @property
    def model(self) -> str:
        """What a Model's name begins with."""
        return f"{self.project}-model"

    @property
    def endpoint_config(self) -> str:
        """What an endpoint configuration's name begins with."""
        return f"{self.project}-endpoint-config"

    @property
    def endpoint(self) -> str:
        """The endpoint's name."""
        return f"{self.project}-endpoint"

    @property
    def stack(self) -> str:
        """The CloudFormation stack's name."""
        return f"{self.project}-stack"

    @property
    def repository(self) -> str:
        """The image repository's name."""
        return self.project

    @property
    def image_repository(self) -> str:
        """Its address, without a tag or digest."""
        suffix = ".cn" if self.partition == "aws-cn" else ""
        return f"{self.account_id}.dkr.ecr.{self.region}.amazonaws.com{suffix}/{self.repository}"

    @property
    def role_names(self) -> Mapping[str, str]:
        """The name of each of `ROLES`; IAM is one for all regions, so the stack's say theirs."""
        return {role: arn.rpartition("/")[2] for role, arn in self.roles.items()}

    @property
    def roles(self) -> Mapping[str, str]:
        """The ARN of each of `ROLES`."""
        return {role: self._role(role) for role in ROLES}

    def _role(self, role: str) -> str:
        chosen = getattr(self.settings.aws, f"{role}_role") or f"{self.project}-{role}-{self.region}"
        return chosen if chosen.startswith("arn:") else f"arn:{self.partition}:iam::{self.account_id}:role/{chosen}"

    def url(self, name: str, *parts: str) -> str:
        """The S3 address of a folder below the prefix, or of something in it."""
        return "/".join((f"s3://{self.bucket}", self.prefix, name, *parts))

    def key(self, *parts: str) -> str:
        """The key of an object below the prefix."""
        return "/".join((self.prefix, *parts))

    @property
    def urls(self) -> Mapping[str, str]:
        """The tutorial's S3 addresses; what the pipeline leaves there stands below an execution's id, in `runs`."""
        return {name: self.url(name) for name in URLS}

    @property
    def tags(self) -> list[dict[str, str]]:
        """As most requests take them."""
        return [{"Key": key, "Value": value} for key, value in self.tag_map.items()]

    @property
    def small_tags(self) -> list[dict[str, str]]:
        """As those services take them whose members begin with a small letter."""
        return [{"key": key, "value": value} for key, value in self.tag_map.items()]

    @property
    def tag_map(self) -> dict[str, str]:
        """As a mapping.

        Raises:
            SettingError: One of `aws.tags` is no KEY=VALUE.
        """
        found = {TAG: self.project}
        for text in self.settings.aws.tags:
            key, sign, value = text.partition("=")
            if not (sign and key) or key in found:
                raise SettingError("aws.tags", text, f"KEY=VALUE, each key once, and {TAG} is taken")
            found[key] = value
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything, as `jobmajor aws show` prints it."""
        single = (
            *("region", "account_id", "project", "bucket", "prefix", "pipeline", "model", "group"),
            *("endpoint_config", "endpoint", "stack", "repository", "image_repository"),
        )
        return {
            **{name: getattr(self, name) for name in single},
            "urls": {name: self.url(name) for name in (*URLS, *_OWN_URLS)},
            "roles": dict(self.roles),
            "tags": self.tag_map,
        }


def derived_name(base: str, version: int, content: Mapping[str, Any]) -> str:
    """The name of a version's thing with this content: `stem-vN-digest`.

    >>> derived_name("test-model", 3, {"a": 1})
    'test-model-v3-015abd7f'
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{name_stem(base)}-v{version}-{_hash(text)[:_DIGEST]}"


def name_stem(base: str) -> str:
    """What all names that are derived from `base` begin with; one that is too long is cut, and kept apart by a hash.

    >>> name_stem("test-model"), len(name_stem("x" * 60))
    ('test-model', 43)
    """
    return base if len(base) <= _STEM else f"{base[: _STEM - _SHORT - 1].rstrip('-')}-{_hash(base)[:_SHORT]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
