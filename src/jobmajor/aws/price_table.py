"""Prices by region and item, with date and source: jobmajor's own table, and files that take precedence over it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE: Final = Path(__file__).parent / "prices.json"


@dataclass(frozen=True, slots=True)
class Price:
    """A price in US dollars for one unit, `per`."""

    usd: float
    per: str


@dataclass(frozen=True, slots=True)
class Table:
    """Prices by region and item, such as `sagemaker/ml.m5.xlarge`, with their date and source."""

    as_of: str
    source: str
    regions: Mapping[str, Mapping[str, Price]]

    def find(self, region: str, what: str) -> Price | None:
        """Return a price, or None if the table has none for this region; other regions' prices aren't used."""
        return self.regions.get(region, {}).get(what)

    def hourly(self, region: str, instance_type: str) -> float | None:
        """Return the US dollars per hour of one SageMaker instance; None if the table has no price."""
        price = self.find(region, f"sagemaker/{instance_type}")
        return price.usd if price else None


def read(extra: Path | None = None, refreshed: Path | None = None) -> Table:
    """Read the bundled price table; prices from `refreshed` take precedence over it, and those from `extra` over both.

    Args:
        extra: A price table of the user's, or None.
        refreshed: A region's prices as `prices refresh` keeps them; need not exist.

    Raises:
        InputError: A file doesn't exist or isn't a price table.
    """
    found = read_alone(TABLE)
    for path in (refreshed if refreshed and refreshed.is_file() else None, extra):
        found = _over(found, path) if path else found
    return found


def _over(below: Table, path: Path) -> Table:
    """Return a table whose prices are a file's, and those of the table `below` where the file has none."""
    above = read_alone(path)
    regions = {
        region: {**below.regions.get(region, {}), **above.regions.get(region, {})}
        for region in below.regions.keys() | above.regions.keys()
    }
    source = f"{above.source} ({path}); prices missing there: {below.source} ({below.as_of})"
    return Table(above.as_of, source, regions)


def read_alone(path: Path) -> Table:
    """Read one price table, without those below it.

    Raises:
        InputError: It doesn't exist or isn't a price table.
    """
    try:
        body = json.loads(path.read_bytes())
        regions = {
            region: {what: _price(price) for what, price in prices.items()}
            for region, prices in body["regions"].items()
        }
        return Table(str(body["as_of"]), str(body["source"]), regions)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): name a file with prices") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a price table ({type(error).__name__}: {error}): expected as_of, source and regions, as in "
            "jobmajor/aws/prices.json"
        ) from error


def _price(body: Mapping[str, Any]) -> Price:
    usd = float(body["usd"])
    if not 0 <= usd < 1e6:
        raise ValueError(f"found {usd} USD, expected 0 or more")
    return Price(usd, str(body["per"]))
