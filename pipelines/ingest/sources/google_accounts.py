"""Which projects a Google Cloud billing account pays for, asked of the Cloud Billing API.

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
        raise ConfigurationError(
            "no Google credentials are found: set GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud"
        ) from None


def linked_projects(client: billing_v1.CloudBillingClient, billing_account: str) -> list[str]:
    """Ids of the projects with billing enabled on ``billingAccounts/XXXXXX-XXXXXX-XXXXXX``, sorted.

    Raises:
        ConfigurationError: the API refuses the account or cannot be reached.
    """
    try:
        pages = client.list_project_billing_info(name=billing_account, timeout=TIMEOUT_SECONDS, retry=None)
        return sorted(info.project_id for info in pages if info.billing_enabled)
    except (GoogleAPICallError, GoogleAuthError) as error:
        reason = getattr(error, "grpc_status_code", None)
        raise ConfigurationError(
            f"the Cloud Billing API refuses {billing_account} ({reason.name if reason else type(error).__name__}): "
            "check the account id and that these credentials may view it"
        ) from None
