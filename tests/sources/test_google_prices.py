"""The catalog's list prices against a real gRPC service that speaks the API's own messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from models.errors import ConfigurationError
from pipelines.ingest.sources.google_prices import cloud_catalog_client, list_prices
from tests.sources.google_catalog import SERVICE, Catalog, serving, sku

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def catalog() -> Catalog:
    first = [sku("plain", [(0, 4_237)], currency="EUR"), sku("same", [(2, 0)], [(2, 0)], currency="EUR")]
    second = [
        sku("tiered", [(0, 0), (1, 500_000_000)]),
        sku("changed", [(2, 0)], [(3, 999_999_999)]),
        sku("priceless"),
        sku("credit", [(-1, -250_000_000)]),
    ]
    return Catalog({"EUR": [first, second]})


@pytest.fixture
def address(catalog: Catalog) -> Iterator[str]:
    with serving(catalog) as found:
        yield found


def test_list_prices_are_exact_and_only_those_of_one_tier_that_held_all_month(
    address: str, catalog: Catalog
) -> None:
    client = cloud_catalog_client(address)
    found = list_prices(client, SERVICE, "EUR", date(2026, 2, 1), NOW)
    assert {one.sku_id: one.unit_price for one in found.values()} == {
        "plain": Decimal("0.000004237"),
        "same": Decimal(2),
        "credit": Decimal("-1.25"),
    }
    assert (found["plain"].unit, found["plain"].currency) == ("gibi byte hour", "EUR")
    # months are those of the API: Pacific time, never beyond now
    list_prices(client, SERVICE, "EUR", date(2026, 3, 1), NOW)
    spans = [(one.start_time, one.end_time) for one in catalog.asked if not one.page_token]
    assert spans == [
        (datetime(2026, 2, 1, 8, tzinfo=UTC), datetime(2026, 3, 1, 8, tzinfo=UTC)),
        (datetime(2026, 3, 1, 8, tzinfo=UTC), NOW),
    ]
    assert list_prices(client, SERVICE, "EUR", date(2026, 4, 1), NOW) == {} and len(catalog.asked) == 4


def test_a_service_that_is_refused_is_one_sentence(address: str) -> None:
    with pytest.raises(
        ConfigurationError, match="refuses service other .NOT_FOUND.: .* leave `list_prices` out"
    ):
        list_prices(cloud_catalog_client(address), "other", "USD", date(2026, 2, 1), NOW)
