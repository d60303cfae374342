"""The Cloud Billing Catalog on the loopback interface, over gRPC, in the API's own messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
from google.cloud import billing_v1
from google.type import money_pb2

METHOD = "/google.cloud.billing.v1.CloudCatalog/ListSkus"
SERVICE = "6F81-5844-456A"

Tiers = list[tuple[int, int]]
"""Units and billionths of the price of each tier."""


def sku(sku_id: str, *prices: Tiers, unit: str = "gibi byte hour", currency: str = "USD") -> billing_v1.Sku:
    """A SKU, with the tiers of each price it had in a month."""
    infos = [
        billing_v1.PricingInfo(
            effective_time=datetime(2024, 1, 1 + place, tzinfo=UTC),
            pricing_expression=billing_v1.PricingExpression(
                usage_unit="GiBy.h",
                usage_unit_description=unit,
                tiered_rates=[
                    billing_v1.PricingExpression.TierRate(
                        start_usage_amount=100.0 * number,
                        unit_price=money_pb2.Money(currency_code=currency, units=units, nanos=nanos),
                    )
                    for number, (units, nanos) in enumerate(tiers)
                ],
            ),
        )
        for place, tiers in enumerate(prices)
    ]
    return billing_v1.Sku(sku_id=sku_id, pricing_info=infos)


@dataclass
class Catalog(grpc.GenericRpcHandler):
    """Pages of SKUs by currency, of one service; every other service is refused. What was asked is kept."""

    pages: Mapping[str, Sequence[Sequence[billing_v1.Sku]]]
    asked: list[billing_v1.ListSkusRequest] = field(default_factory=list)

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
        self.asked.append(request)
        pages = self.pages.get(request.currency_code, [[]])
        number = int(request.page_token or 0)
        more = str(number + 1) if number + 1 < len(pages) else ""
        return billing_v1.ListSkusResponse(skus=pages[number], next_page_token=more)


@contextmanager
def serving(catalog: Catalog) -> Iterator[str]:
    """The address of a server with a catalog."""
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((catalog,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0)
