"""Service Catalog, from which the tutorial creates its project: turn it on, and find out what a template asks for.

Which templates an account offers changes over time. So everything is read from the account, and what it answers is
reported as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AwsInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.aws.api.account import Account

PRODUCT: Final = "MLOps template for model building and training"
PROVIDER: Final = "Amazon SageMaker"
_PRINCIPAL: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user|group)/[\w+=,.@/-]{1,512}", re.ASCII)
# What SageMaker itself gives to every template. Source: AWS, SageMaker guide, "Create custom project templates".
_GIVEN: Final = ("SageMakerProjectName", "SageMakerProjectId")
# The role that creates a product's resources, and the role of what was created. Source: AWS, SageMaker developer guide,
# "AWS managed policies for SageMaker projects and JumpStart".
_ROLES: Final = tuple(f"AmazonSageMakerServiceCatalogProducts{name}Role" for name in ("Launch", "Use"))


@dataclass(frozen=True, slots=True)
class Catalog:
    """A Service Catalog product, by its exact name and provider; `values` are those of its template's parameters."""

    product: str = PRODUCT
    provider: str = PROVIDER
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What an administrator's set-up found and changed.

    Attributes:
        was_enabled: Whether SageMaker's templates were turned on before.
        portfolios: The names of the portfolios that the role may use now.
        missing_roles: The roles that products need and that the account doesn't have.
    """

    was_enabled: bool
    portfolios: tuple[str, ...]
    missing_roles: tuple[str, ...]


def enable(account: Account, role: str) -> Offer:
    """Turn on SageMaker's project templates, and let a role use them; call it again at any time.

    Args:
        account: The account of an administrator.
        role: The ARN of the role that creates projects, such as a notebook's.

    Raises:
        AwsInputError: The ARN is none, or the account has no portfolio of SageMaker's.
    """
    if not _PRINCIPAL.fullmatch(role):
        raise AwsInputError(f"--role: found {role!r}, expected an ARN such as arn:aws:iam::123456789012:role/notebook")
    found = account.read("sagemaker", "GetSagemakerServicecatalogPortfolioStatus")
    was_enabled = found.get("Status") == "Enabled"
    if not was_enabled:
        account.change("sagemaker", "EnableSagemakerServicecatalogPortfolio")
    shares = account.pages("servicecatalog", "ListAcceptedPortfolioShares", "PortfolioDetails")
    portfolios = [item for item in shares if item.get("ProviderName", "").startswith(PROVIDER)]
    if not portfolios and not account.dry:
        raise AwsInputError(
            f"Service Catalog lists no portfolio of {PROVIDER!r} in {account.region}: run the same command again in a "
            "minute; if there is still none, use our own template (`jobmajor aws project create` without --catalog)"
        )
    for item in portfolios or [{"Id": "<PortfolioId>"}]:
        wanted = {"PrincipalARN": role, "PrincipalType": "IAM"}
        account.change("servicecatalog", "AssociatePrincipalWithPortfolio", PortfolioId=item["Id"], **wanted)
    missing = [name for name in _ROLES if account.find("iam", "GetRole", RoleName=name) is None]
    names = tuple(item.get("DisplayName", item["Id"]) for item in portfolios)
    return Offer(was_enabled, names, () if account.dry else tuple(missing))


def provisioning(account: Account, catalog: Catalog) -> dict[str, Any]:
    """Return the part of CreateProject's request that names a product, with its parameters.

    Raises:
        AwsInputError: Not exactly one product matches; it has several launch paths; a parameter is missing or unknown.
    """
    product = "<ProductId>" if account.dry else _product(account, catalog)
    path = _path(account, product)
    artifact = "<ProvisioningArtifactId>" if account.dry else _newest(account, product, catalog)
    found = account.read(
        "servicecatalog", "DescribeProvisioningParameters", ProductId=product, ProvisioningArtifactId=artifact, **path
    )
    if not account.dry:
        _check(found.get("ProvisioningArtifactParameters", ()), catalog)
    values = [{"Key": key, "Value": value} for key, value in catalog.values]
    details = {"ProductId": product, "ProvisioningArtifactId": artifact, **path}
    return {"ServiceCatalogProvisioningDetails": {**details, **({"ProvisioningParameters": values} if values else {})}}


def _product(account: Account, catalog: Catalog) -> str:
    filters = {"FullTextSearch": [catalog.product]}
    items = list(account.pages("servicecatalog", "SearchProducts", "ProductViewSummaries", Filters=filters))
    named = [item for item in items if item.get("Name", "").strip() == catalog.product]
    ids = sorted({item["ProductId"] for item in named if item.get("Owner", "").strip() == catalog.provider})
    if len(ids) == 1:
        return str(ids[0])
    what = f"Service Catalog product {catalog.product!r} of {catalog.provider!r}"
    if ids:
        raise AwsInputError(f"{what}: found {len(ids)} ({', '.join(ids)}), expected one: hide the others")
    owners = ", ".join(sorted({repr(item.get("Owner", "")) for item in named}))
    if owners:
        raise AwsInputError(f"{what}: found it of {owners} only: name the provider with --provider")
    offered = ", ".join(sorted({repr(item.get("Name", "")) for item in items})[:5])
    raise AwsInputError(
        f"{what}: found none{f', but {offered}' if offered else ''}: ask an administrator to run `jobmajor aws project "
        "catalog`, name another product with --product and --provider, or leave out --catalog to use our own template"
    )


def _path(account: Account, product: str) -> dict[str, str]:
    """Return the launch path, which is needed if there are several: each portfolio with the product makes one."""
    paths = list(account.pages("servicecatalog", "ListLaunchPaths", "LaunchPathSummaries", ProductId=product))
    if len(paths) <= 1:
        return {}
    ours = [item for item in paths if item.get("Name", "").startswith(PROVIDER)]
    if len(ours) == 1:
        return {"PathId": str(ours[0]["Id"])}
    names = ", ".join(f"{item['Id']} ({item.get('Name', '')})" for item in paths)
    raise AwsInputError(
        f"product {product} is in {len(paths)} portfolios ({names}), expected one: ask an administrator to leave your "
        "role one of them"
    )


def _newest(account: Account, product: str, catalog: Catalog) -> str:
    """Return the id of the newest artifact that is offered."""
    answer = account.read("servicecatalog", "ListProvisioningArtifacts", ProductId=product)
    offered = [
        item
        for item in answer["ProvisioningArtifactDetails"]
        if item.get("Guidance") == "DEFAULT" and item.get("Active", True)
    ]
    newest = max(offered, key=lambda item: item["CreatedTime"], default=None)
    if newest is None:
        raise AwsInputError(
            f"{catalog.product!r} ({product}) has no active version with guidance DEFAULT: name another --product"
        )
    return str(newest["Id"])


def _check(asked: Sequence[Mapping[str, Any]], catalog: Catalog) -> None:
    """Raise AwsInputError for a parameter that the template requires and nobody gave, or that it doesn't have."""
    values = dict(catalog.values)
    own = [item for item in asked if item["ParameterKey"] not in _GIVEN]
    missing = [item for item in own if "DefaultValue" not in item and item["ParameterKey"] not in values]
    if missing:
        told = "; ".join(f"{item['ParameterKey']}: {item.get('Description', 'no description')}" for item in missing)
        raise AwsInputError(
            f"the template of {catalog.product!r} requires {len(missing)} more ({told}): give each with -p NAME=VALUE"
        )
    names = [item["ParameterKey"] for item in own]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise AwsInputError(
            f"-p {unknown[0]}: the template of {catalog.product!r} has {', '.join(names) or 'no parameters'}"
        )
    for item in own:
        allowed = item.get("ParameterConstraints", {}).get("AllowedValues")
        value = values.get(item["ParameterKey"])
        if allowed and value is not None and value not in allowed:
            raise AwsInputError(f"-p {item['ParameterKey']}={value}: expected one of {', '.join(allowed)}")
