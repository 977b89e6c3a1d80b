"""Find the resources that carry the project's tag, service by service.

AWS's search by tag over the whole account lags behind and leaves out some kinds; what it misses would keep costing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.names import TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names


@dataclass(frozen=True, slots=True)
class Resource:
    """One of the project's resources in the account.

    Attributes:
        kind: Its kind, in words.
        name: Its name or id, as requests take it.
        detail: What is deleted with it, or what happens to it.
        arn: Its ARN, or "" if none is needed.
    """

    kind: str
    name: str
    detail: str = ""
    arn: str = ""


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """How resources of one kind are found and deleted; one that is gone meanwhile counts as deleted.

    `empty` removes the content that keeps CloudFormation from deleting a resource.
    """

    name: str
    find: Callable[[Account, Names], Iterable[Resource]]
    remove: Callable[[Account, Resource], None]
    empty: Callable[[Account, Resource], None] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list operation, and the members of its answer that hold the items, their names and their ARNs."""

    service: str
    operation: str
    member: str
    name: str
    arn: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def items(self, account: Account) -> Iterator[dict[str, Any]]:
        """Yield every item in the account, tagged or not."""
        return account.pages(self.service, self.operation, self.member, **self.parameters)

    def tagged(self, account: Account, names: Names) -> Iterator[tuple[str, str]]:
        """Yield name and ARN of the items that carry the project's tag."""
        for item in self.items(account):
            arn = item[self.arn].removesuffix(":*")  # the end of a log group's ARN
            if is_ours(account, names, self.service, arn):
                yield item[self.name], arn


# How to read tags from each service: operation, parameter, member of the answer.
_TAGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "cloudwatch": ("ListTagsForResource", "ResourceARN", "Tags"),
    "codepipeline": ("ListTagsForResource", "resourceArn", "tags"),
    "ecr": ("ListTagsForResource", "resourceArn", "tags"),
    "events": ("ListTagsForResource", "ResourceARN", "Tags"),
    "lambda": ("ListTags", "Resource", "Tags"),
    "logs": ("ListTagsForResource", "resourceArn", "tags"),
    "sagemaker": ("ListTags", "ResourceArn", "Tags"),
    "scheduler": ("ListTagsForResource", "ResourceArn", "Tags"),
    "sns": ("ListTagsForResource", "ResourceArn", "Tags"),
}


def is_ours(account: Account, names: Names, service: str, arn: str) -> bool:
    """Return whether the resource with that ARN carries the project's tag."""
    operation, parameter, member = _TAGS[service]
    found = account.find(service, operation, **{parameter: arn}) or {}
    return carries(found.get(member), names)


def carries(tags: Any, names: Names) -> bool:
    """Return whether `tags`, in any service's form, contain the project's tag; None means no tags."""
    if isinstance(tags, dict):
        return tags.get(TAG) == names.project
    pairs = ((item.get("Key", item.get("key")), item.get("Value", item.get("value"))) for item in tags or ())
    return (TAG, names.project) in pairs


def plain(kind: str, listing: Listing, delete: str, parameter: str = "", **more: Any) -> ResourceKind:
    """Return a kind whose resources one operation lists and one deletes.

    Args:
        kind: The kind, in words.
        listing: How to list its resources.
        delete: The operation that deletes one.
        parameter: The member that takes the name; the listing's when empty, a list if it ends in `[]`.
        more: Further members of the deleting request.
    """

    def find(account: Account, names: Names) -> Iterator[Resource]:
        detail = "stopped" if delete.startswith("Stop") else ""
        for name, arn in listing.tagged(account, names):
            yield Resource(kind, name, detail, arn)

    def remove(account: Account, resource: Resource) -> None:
        wanted = parameter or listing.name
        value = [resource.name] if wanted.endswith("[]") else resource.name
        account.change(listing.service, delete, **{wanted.removesuffix("[]"): value}, **more)

    return ResourceKind(kind, find, remove)


def sagemaker(noun: str, member: str, **parameters: Any) -> Listing:
    """Return the listing of a SageMaker resource type such as Endpoint, which has ListEndpoints."""
    return Listing("sagemaker", f"List{noun}s", member, f"{noun}Name", f"{noun}Arn", parameters)


def job(noun: str, kind: str) -> ResourceKind:
    """Return the kind of running jobs; ended ones cost nothing, and SageMaker keeps them as a record."""
    listing = sagemaker(noun, f"{noun}Summaries", StatusEquals="InProgress")
    return plain(kind, listing, f"Stop{noun}")
