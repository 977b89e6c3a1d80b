"""What in the account carries the project's tag, asked of each service itself.

The account-wide tag search lags behind and leaves out some kinds; what it doesn't name would stay on the bill.
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
class Thing:
    """Something in the account that is the project's.

    Attributes:
        kind: In words.
        name: Its name, or the id by which requests know it.
        detail: What goes with it, or happens to it.
        arn: Its ARN, "" where none is needed.
    """

    kind: str
    name: str
    detail: str = ""
    arn: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """How things of one kind are found, and taken away; a thing that is gone meanwhile counts as taken away.

    `empty` does what CloudFormation can't before it takes away one that it made.
    """

    name: str
    find: Callable[[Account, Names], Iterable[Thing]]
    remove: Callable[[Account, Thing], None]
    empty: Callable[[Account, Thing], None] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A service's list of things: the request, and where in its answer things, names and ARNs are."""

    service: str
    operation: str
    member: str
    name: str
    arn: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def items(self, account: Account) -> Iterator[dict[str, Any]]:
        """Everything in the account, whoever's."""
        return account.pages(self.service, self.operation, self.member, **self.parameters)

    def tagged(self, account: Account, names: Names) -> Iterator[tuple[str, str]]:
        """Name and ARN of what carries the tag."""
        for item in self.items(account):
            arn = item[self.arn].removesuffix(":*")  # which log groups have at the end
            if is_ours(account, names, self.service, arn):
                yield item[self.name], arn


# How each service is asked for tags: operation, parameter, member of the answer.
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
    """Whether what has that ARN carries the project's tag."""
    operation, parameter, member = _TAGS[service]
    found = account.find(service, operation, **{parameter: arn}) or {}
    return carries(found.get(member), names)


def carries(tags: Any, names: Names) -> bool:
    """Whether the project's tag is among tags, in whichever form the service has them.

    None is no tags.
    """
    if isinstance(tags, dict):
        return tags.get(TAG) == names.project
    pairs = ((item.get("Key", item.get("key")), item.get("Value", item.get("value"))) for item in tags or ())
    return (TAG, names.project) in pairs


def plain(kind: str, listing: Listing, delete: str, parameter: str = "", **more: Any) -> Kind:
    """A kind whose things one request lists and one takes away.

    Args:
        kind: In words.
        listing: Of its service.
        delete: The request.
        parameter: In which it takes the name; the listing's when empty, a list where it ends in `[]`.
        more: Further parameters of it.
    """

    def find(account: Account, names: Names) -> Iterator[Thing]:
        detail = "stopped" if delete.startswith("Stop") else ""
        for name, arn in listing.tagged(account, names):
            yield Thing(kind, name, detail, arn)

    def remove(account: Account, thing: Thing) -> None:
        wanted = parameter or listing.name
        value = [thing.name] if wanted.endswith("[]") else thing.name
        account.change(listing.service, delete, **{wanted.removesuffix("[]"): value}, **more)

    return Kind(kind, find, remove)


def sagemaker(thing: str, member: str, **parameters: Any) -> Listing:
    """SageMaker's list of things; `thing` as in ListEndpoints, DescribeEndpoint."""
    return Listing("sagemaker", f"List{thing}s", member, f"{thing}Name", f"{thing}Arn", parameters)


def job(thing: str, kind: str) -> Kind:
    """Jobs that run. What ended costs nothing, and SageMaker keeps it as a record."""
    listing = sagemaker(thing, f"{thing}Summaries", StatusEquals="InProgress")
    return plain(kind, listing, f"Stop{thing}")
