"""List prices of Google's SKUs, asked of the Cloud Billing Catalog API.

For exports that name no list price; no command asks yet: the catalogue tells the newest price alone, and its units are not
those of the export. Costs come from the export, never from here. Credentials are the environment's (application default).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import billing_v1
from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogGrpcTransport

from models.errors import ConfigurationError
from pipelines.ingest.sources.google_access import NO_CREDENTIALS
from pipelines.ingest.sources.google_accounts import TIMEOUT_SECONDS, code_of

_NANOS = 9
"""Places of the fraction of the API's Money, which is counted in billionths."""


@dataclass(frozen=True)
class ListPrice:
    """The list price of one unit of a SKU in one currency; ``valid_from`` is the first moment it holds."""

    sku_id: str
    unit_price: Decimal
    unit: str
    currency: str
    valid_from: datetime


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
    client: billing_v1.CloudCatalogClient, service_id: str, currency: str
) -> dict[str, ListPrice]:
    """Newest list price by SKU of a service, exact to the billionth, in an ISO 4217 currency.

    A SKU whose price depends on how much is used has no single one, and is not in the answer: a free first tier is such.

    Raises:
        ConfigurationError: the API refuses the service or cannot be reached.
    """
    request = billing_v1.ListSkusRequest(parent=f"services/{service_id}", currency_code=currency)
    try:
        skus = list(client.list_skus(request=request, timeout=TIMEOUT_SECONDS, retry=None))
    except (GoogleAPICallError, GoogleAuthError) as error:
        raise ConfigurationError(
            f"the Cloud Billing Catalog API refuses service {service_id} ({code_of(error)}): "
            "check the service and these credentials"
        ) from None
    found = {}
    for sku in skus:
        if (price := _single_price(sku)) is not None:
            found[price.sku_id] = price
    return found


def _single_price(sku: billing_v1.Sku) -> ListPrice | None:
    infos = sorted(sku.pricing_info, key=lambda info: info.effective_time)
    if not infos:
        return None
    newest = infos[-1]
    rates = newest.pricing_expression.tiered_rates
    if len(rates) != 1:
        return None
    money = rates[0].unit_price
    return ListPrice(
        sku.sku_id,
        Decimal(money.units) + Decimal(money.nanos).scaleb(-_NANOS),
        newest.pricing_expression.usage_unit,
        money.currency_code,
        newest.effective_time,
    )
