"""List prices of Google's SKUs in a month, asked of the Cloud Billing Catalog API.

For exports that name no list price. Costs come from the export, never from here. Credentials are the environment's
(application default).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import billing_v1
from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogGrpcTransport

from models.billing_apis import months_before
from models.errors import ConfigurationError
from pipelines.ingest.sources.google_access import NO_CREDENTIALS
from pipelines.ingest.sources.google_accounts import TIMEOUT_SECONDS, code_of

_ZONE = ZoneInfo("America/Los_Angeles")
"""Where the API's months begin and end; a request is of one of them (ListSkusRequest)."""

_NANOS = 9
"""Places of the fraction of the API's Money, which is counted in billionths."""


@dataclass(frozen=True)
class ListPrice:
    """The list price of one unit of a SKU in one currency, the unit in words as the export has it too."""

    sku_id: str
    unit_price: Decimal
    unit: str
    currency: str


def cloud_catalog_client(emulator: str | None = None) -> billing_v1.CloudCatalogClient:
    """A client of the Cloud Billing Catalog API, or of an emulator at ``host:port`` without encryption.

    Raises:
        ConfigurationError: the environment has no credentials.
    """
    if emulator:
        transport = CloudCatalogGrpcTransport(channel=grpc.insecure_channel(emulator))
        return billing_v1.CloudCatalogClient(transport=transport)
    try:
        return billing_v1.CloudCatalogClient()
    except GoogleAuthError:
        raise ConfigurationError(NO_CREDENTIALS) from None


def list_prices(
    client: billing_v1.CloudCatalogClient, service_id: str, currency: str, month: date, now: datetime
) -> dict[str, ListPrice]:
    """List price by SKU of a service in a month, exact to the billionth, in an ISO 4217 currency (which Google converts to by
    its rate at the month's start).

    A SKU that had several prices in the month, or whose price depends on how much is used, has no single one, and is not in
    the answer: a free first tier is such.

    Raises:
        ConfigurationError: the API refuses the service or cannot be reached.
    """
    first, end = (datetime(one.year, one.month, 1, tzinfo=_ZONE) for one in (month, months_before(month, -1)))
    if first >= now:
        return {}
    request = billing_v1.ListSkusRequest(
        parent=f"services/{service_id}",
        currency_code=currency,
        start_time=first.astimezone(UTC),
        end_time=min(end, now).astimezone(UTC),
    )
    try:
        skus = list(client.list_skus(request=request, timeout=TIMEOUT_SECONDS, retry=None))
    except (GoogleAPICallError, GoogleAuthError) as error:
        raise ConfigurationError(
            f"the Cloud Billing Catalog API refuses service {service_id} ({code_of(error)}): "
            "check these credentials, or leave `list_prices` out"
        ) from None
    return {one.sku_id: one for sku in skus if (one := _single_price(sku)) is not None}


def _single_price(sku: billing_v1.Sku) -> ListPrice | None:
    prices = {_price(sku.sku_id, one.pricing_expression) for one in sku.pricing_info}
    return prices.pop() if len(prices) == 1 else None


def _price(sku_id: str, told: billing_v1.PricingExpression) -> ListPrice | None:
    if len(told.tiered_rates) != 1:
        return None
    money = told.tiered_rates[0].unit_price
    amount = Decimal(money.units) + Decimal(money.nanos).scaleb(-_NANOS)
    return ListPrice(sku_id, amount, told.usage_unit_description, money.currency_code)
