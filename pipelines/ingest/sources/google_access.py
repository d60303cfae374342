"""How Google's services are reached: with the environment's credentials, or without any at an address of this machine.

No secret is ever a setting, and none is sent over plain http.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import DefaultCredentialsError

from models.errors import ConfigurationError
from models.loopback import is_loopback
from pipelines.ingest.sources.endpoints import check_endpoint
from pipelines.ingest.sources.objects import Location

NO_CREDENTIALS = "no Google credentials are found: set GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud"


def credentials_for(source: Location) -> Credentials:
    """The environment's credentials; none for an ``endpoint_url`` of this machine, where an emulator listens.

    Raises:
        ConfigurationError: there are none, or the endpoint is refused: no storage address, or http to another machine.
    """
    if source.endpoint_url:
        check_endpoint(source.name, source.endpoint_url)
        parts = urlsplit(source.endpoint_url)
        if is_loopback(parts.hostname or ""):
            return AnonymousCredentials()  # type: ignore[no-untyped-call]
        if parts.scheme != "https":
            raise ConfigurationError(
                f"source {source.name}: endpoint_url must begin with https://, as credentials are sent to it"
            )
    try:
        found: Credentials = google.auth.default()[0]
    except DefaultCredentialsError:
        raise ConfigurationError(f"source {source.name}: {NO_CREDENTIALS}") from None
    return found
