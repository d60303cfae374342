"""Which projects a Google Cloud billing account pays for, and who pays for a project, asked of the Cloud Billing API.

Used to say which projects a delivered bill is silent about; costs themselves come from the export, never from here.
Credentials are the environment's (application default credentials).
"""

from __future__ import annotations

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import billing_v1
from google.cloud.billing_v1.services.cloud_billing.transports import CloudBillingGrpcTransport

from models.errors import ConfigurationError
from pipelines.ingest.sources.google_access import NO_CREDENTIALS

TIMEOUT_SECONDS = 20.0


def cloud_billing_client(emulator: str | None = None) -> billing_v1.CloudBillingClient:
    """A client of the Cloud Billing API, or of an emulator at ``host:port`` without encryption.

    Raises:
        ConfigurationError: the environment has no credentials.
    """
    if emulator:
        transport = CloudBillingGrpcTransport(channel=grpc.insecure_channel(emulator))
        return billing_v1.CloudBillingClient(transport=transport)
    try:
        return billing_v1.CloudBillingClient()
    except GoogleAuthError:
        raise ConfigurationError(NO_CREDENTIALS) from None


def linked_projects(client: billing_v1.CloudBillingClient, billing_account: str) -> list[str]:
    """Ids of the projects with billing enabled on ``billingAccounts/XXXXXX-XXXXXX-XXXXXX``, sorted.

    Raises:
        ConfigurationError: the API refuses the account or cannot be reached.
    """
    try:
        pages = client.list_project_billing_info(name=billing_account, timeout=TIMEOUT_SECONDS, retry=None)
        return sorted(info.project_id for info in pages if info.billing_enabled)
    except (GoogleAPICallError, GoogleAuthError) as error:
        raise ConfigurationError(
            f"the Cloud Billing API refuses {billing_account} ({code_of(error)}): "
            "check the account id and that these credentials may view it"
        ) from None


def code_of(error: Exception) -> str:
    """What the API answered, by its name in gRPC, or what kept it from answering."""
    reason = getattr(error, "grpc_status_code", None)
    return str(reason.name) if reason else type(error).__name__
