"""The catalog's list prices against a real gRPC service that speaks the API's own messages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import grpc
import pytest
from google.cloud import billing_v1
from google.type import money_pb2

from models.errors import ConfigurationError
from pipelines.ingest.sources.google_prices import cloud_catalog_client, list_prices

METHOD = "/google.cloud.billing.v1.CloudCatalog/ListSkus"
SERVICE = "6F81-5844-456A"


def sku(sku_id: str, *prices: tuple[int, list[tuple[int, int]]], currency: str = "USD") -> billing_v1.Sku:
    """A SKU; of each price the year it holds from, and units and billionths of each tier."""
    infos = [
        billing_v1.PricingInfo(
            effective_time=datetime(year, 1, 1, tzinfo=UTC),
            pricing_expression=billing_v1.PricingExpression(
                usage_unit="GiBy.h",
                tiered_rates=[
                    billing_v1.PricingExpression.TierRate(
                        start_usage_amount=100.0 * place,
                        unit_price=money_pb2.Money(currency_code=currency, units=units, nanos=nanos),
                    )
                    for place, (units, nanos) in enumerate(tiers)
                ],
            ),
        )
        for year, tiers in prices
    ]
    return billing_v1.Sku(sku_id=sku_id, pricing_info=infos)


class Service(grpc.GenericRpcHandler):
    """Two pages of SKUs of one service; every other service is refused."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.answer,
            request_deserializer=billing_v1.ListSkusRequest.deserialize,
            response_serializer=billing_v1.ListSkusResponse.serialize,
        )

    def answer(
        self, request: billing_v1.ListSkusRequest, context: grpc.ServicerContext
    ) -> billing_v1.ListSkusResponse:
        if request.parent != f"services/{SERVICE}":
            context.abort(grpc.StatusCode.NOT_FOUND, "no")
        currency = request.currency_code
        if not request.page_token:
            one = sku("plain", (2024, [(0, 4_237)]), currency=currency)
            two = sku("dearer", (2025, [(3, 999_999_999)]), (2023, [(2, 0)]), currency=currency)
            return billing_v1.ListSkusResponse(skus=[one, two], next_page_token="2")
        tiered = sku("tiered", (2024, [(0, 0), (1, 500_000_000)]), currency=currency)
        return billing_v1.ListSkusResponse(
            skus=[tiered, sku("priceless"), sku("credit", (2024, [(-1, -250_000_000)]))]
        )


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


def test_list_prices_are_exact_the_newest_and_only_those_of_one_tier(address: str) -> None:
    found = list_prices(cloud_catalog_client(address), SERVICE, "EUR")
    assert {one.sku_id: one.unit_price for one in found.values()} == {
        "plain": Decimal("0.000004237"),
        "dearer": Decimal("3.999999999"),
        "credit": Decimal("-1.25"),
    }
    plain = found["plain"]
    assert (plain.unit, plain.currency, plain.valid_from) == (
        "GiBy.h",
        "EUR",
        datetime(2024, 1, 1, tzinfo=UTC),
    )


def test_a_service_that_is_refused_is_one_sentence(address: str) -> None:
    with pytest.raises(ConfigurationError, match="refuses service other .NOT_FOUND."):
        list_prices(cloud_catalog_client(address), "other", "USD")
