"""What a cleanup leaves and names: what is the account's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.aws.cleanup import remains

if TYPE_CHECKING:
    from tests.aws.conftest import Stubbed


def test_spaces_and_domains_are_named_with_what_they_cost(stubbed: Stubbed) -> None:
    spaces = [{"SpaceName": "ann", "Status": "InService", "DomainId": "d-1"}]
    stubbed.expect("sagemaker", "ListSpaces", {"Spaces": spaces})
    stubbed.expect("sagemaker", "ListDomains", {"Domains": [{"DomainName": "studio", "DomainId": "d-1"}]})

    assert remains.remains(stubbed) == (
        "space ann (InService): its disk, and its instance while it runs",
        "domain studio (d-1): its file system",
    )


def test_account_without_studio_has_nothing_to_name(stubbed: Stubbed) -> None:
    stubbed.expect("sagemaker", "ListSpaces", {"Spaces": []})
    stubbed.expect("sagemaker", "ListDomains", {"Domains": []})

    assert remains.remains(stubbed) == ()


def test_caller_who_may_not_list_them_is_told_where_to_look(stubbed: Stubbed) -> None:
    stubbed.refuse("sagemaker", "ListSpaces", "AccessDeniedException", "no")

    assert remains.remains(stubbed) == (remains.UNKNOWN,)
