"""The Cloud Billing client against a real gRPC service that speaks the API's own messages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.cloud import billing_v1

from models.errors import ConfigurationError
from models.settings import BillingSource, Settings
from pipelines.commands import checks
from pipelines.ingest.sources.google_accounts import cloud_billing_client, linked_projects
from sql.warehouse import Warehouse

ACCOUNT = "billingAccounts/012345-567890-ABCDEF"
METHOD = "/google.cloud.billing.v1.CloudBilling/ListProjectBillingInfo"


class Service(grpc.GenericRpcHandler):
    """Two pages of projects for one account; every other account is refused."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.answer,
            request_deserializer=billing_v1.ListProjectBillingInfoRequest.deserialize,
            response_serializer=billing_v1.ListProjectBillingInfoResponse.serialize,
        )

    def answer(
        self, request: billing_v1.ListProjectBillingInfoRequest, context: grpc.ServicerContext
    ) -> object:
        if request.name != ACCOUNT:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        if not request.page_token:
            infos = [
                billing_v1.ProjectBillingInfo(project_id="shop", billing_enabled=True),
                billing_v1.ProjectBillingInfo(project_id="closed", billing_enabled=False),
            ]
            return billing_v1.ListProjectBillingInfoResponse(project_billing_info=infos, next_page_token="2")
        infos = [billing_v1.ProjectBillingInfo(project_id="ledger", billing_enabled=True)]
        return billing_v1.ListProjectBillingInfoResponse(project_billing_info=infos)


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


def test_projects_of_all_pages_with_billing_enabled(address: str) -> None:
    assert linked_projects(cloud_billing_client(address), ACCOUNT) == ["ledger", "shop"]


def test_an_account_that_is_refused_is_one_sentence(address: str) -> None:
    with pytest.raises(ConfigurationError, match="refuses billingAccounts/other .PERMISSION_DENIED."):
        linked_projects(cloud_billing_client(address), "billingAccounts/other")


def test_doctor_names_projects_that_are_paid_and_not_billed(
    address: str, fresh_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUD_BILLING_EMULATOR_HOST", address)
    sources = (
        BillingSource("gcp", "focus", "bills", google_billing_account=ACCOUNT),
        BillingSource("aws", "focus", "bills"),
    )
    settings = Settings(tmp_path, tmp_path, tmp_path, billing=sources)
    found = checks.silent_projects(checks.Look(fresh_warehouse, settings, datetime.now(UTC)))
    assert [one.sentence for one in found] == [
        f"gcp: project {project} is paid by {ACCOUNT} but has no cost row" for project in ("ledger", "shop")
    ]
