"""What a cleanup leaves: Studio's domains and spaces belong to the account, not to a project, and some cost money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.aws.api.errors import AwsError

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account

UNKNOWN = "Studio's domains and spaces could not be listed: look for them in SageMaker's console"


def remains(account: Account) -> tuple[str, ...]:
    """Return what stays in the region, each with its cost; a caller who may not list it is told where to look."""
    try:
        spaces = list(account.pages("sagemaker", "ListSpaces", "Spaces"))
        domains = list(account.pages("sagemaker", "ListDomains", "Domains"))
    except AwsError:
        return (UNKNOWN,)
    return (
        *(f"space {item['SpaceName']} ({item['Status']}): its disk, and its instance while it runs" for item in spaces),
        *(f"domain {item['DomainName']} ({item['DomainId']}): its file system" for item in domains),
    )
