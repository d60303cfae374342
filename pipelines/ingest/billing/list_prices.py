"""Google's billing export with the list prices it lacks: which ones is read from an object's rows, the catalogue is asked for them.

A price is taken where the catalogue has one for the row's SKU, currency, month and very unit; whatever is taken stands among
the row's repairs. Costs never come from here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from pipelines.ingest.billing.formats import BillFormat
from pipelines.ingest.sources.google_prices import ListPrice, cloud_catalog_client, list_prices

PricesOf = Callable[[str, str, date], Mapping[str, ListPrice]]
"""List prices by SKU of a service in a currency and month."""

_NOT_IN_UNITS = re.compile("[^a-z0-9/]")


def with_list_prices(bill: BillFormat) -> BillFormat:
    """The format, asking the catalogue once for each service, currency and month that lacks prices."""
    prices_of = cache(_asked)
    return replace(
        bill,
        survey="ingest/gcp_billing_unpriced",
        decided=lambda found: bound_prices(found["wanted"], prices_of),
        reading="with list prices of the Cloud Billing catalogue",
    )


def bound_prices(wanted: list[str], prices_of: PricesOf) -> dict[str, Any]:
    """What is bound of prices that rows lack (``ingest/gcp_billing_unpriced``): by SKU, unit, currency and month."""
    found = {"": ""}
    for one in wanted:
        service, sku, currency, month = one.split(" ")
        price = prices_of(service, currency, date.fromisoformat(f"{month}-01")).get(sku)
        if price is not None and price.currency == currency:
            found[f"{sku} {plain_unit(price.unit)} {currency} {month}"] = format(price.unit_price, "f")
    return {"catalogue_keys": list(found), "catalogue_prices": list(found.values())}


def plain_unit(unit: str) -> str:
    """A unit without what its spellings differ in: "gibi byte hour" is "gibibyte hour"."""
    return _NOT_IN_UNITS.sub("", unit.lower())


def _asked(service: str, currency: str, month: date) -> Mapping[str, ListPrice]:
    client = cloud_catalog_client(os.environ.get("CLOUD_BILLING_EMULATOR_HOST"))
    return list_prices(client, service, currency, month, datetime.now(UTC))
