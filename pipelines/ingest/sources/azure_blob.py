"""Objects in Azure Blob Storage, through azure-storage-blob.

Secrets come from the environment, never from settings, and no message repeats one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient, StorageErrorCode

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from pipelines.ingest.sources.endpoints import check_endpoint
from pipelines.ingest.sources.objects import (
    Location,
    SourceObject,
    SpooledObject,
    checked_name,
    key_below,
    name_below,
    name_pattern,
    split_pattern,
)
from pipelines.ingest.sources.spool import CHUNK_BYTES, SpoolLimits, spool

SCHEME = "az://"

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
ACCOUNT = "AZURE_STORAGE_ACCOUNT"
KEY = "AZURE_STORAGE_KEY"
SAS_TOKEN = "AZURE_STORAGE_SAS_TOKEN"
"""Variables of the environment, by the names Azure's own command line gives them."""

_PUBLIC_CLOUD = "blob.core.windows.net"
_FOLDER_MARK = "hdi_isfolder"
"""Metadata of a folder, which accounts with a hierarchical namespace list among the blobs."""


class AzureBlobStore:
    """Blobs of a container below a prefix whose relative name matches ``glob`` (all of them without one)."""

    def __init__(self, client: ContainerClient, prefix: str, glob: str | None = None) -> None:
        self._client, self._prefix = client, prefix
        self._pattern = name_pattern(glob) if glob else None
        self._md5: dict[str, bytes] = {}

    @classmethod
    def at(cls, source: Location) -> AzureBlobStore:
        """The store of an ``az://container/prefix`` location.

        The account is that of ``endpoint_url``, else of the environment; the credential is a connection string, a key or a
        SAS token of the environment, and without any the container is asked as one that all may read.

        Raises:
            ConfigurationError: no container in it, no account, a refused endpoint, or a credential that is none.
        """
        container, _, path = source.location.removeprefix(SCHEME).partition("/")
        if not container:
            raise ConfigurationError(f"source {source.name}: {source.location} names no container")
        prefix, glob = split_pattern(path)
        return cls(_client(source, container), prefix.rstrip("/"), glob)

    def objects(self) -> list[SourceObject]:
        """Blobs below the prefix, sorted by name; a blob named as the prefix is the only object."""
        found = []
        with self._named_errors():
            for blob in self._client.list_blobs(name_starts_with=self._prefix or None, include=["metadata"]):
                name = "" if _is_folder(blob) else name_below(self._prefix, blob.name)
                if name and (self._pattern is None or self._pattern.match(name)):
                    found.append(SourceObject(name, blob.size, blob.last_modified, blob.etag.strip('"')))
                    if blob.content_settings.content_md5:
                        self._md5[name] = bytes(blob.content_settings.content_md5)
        return sorted(found, key=lambda item: item.name)

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Downloads the version that was listed; verifies its size, and its MD5 where Azure keeps one."""
        key = key_below(self._prefix, checked_name(item.name), self._is_single)
        try:
            answer = self._client.get_blob_client(key).download_blob(
                etag=item.etag, match_condition=MatchConditions.IfNotModified
            )
            done = spool(item.name, answer.chunks(), target, limits or SpoolLimits())
        except AzureError as error:
            raise ObjectRefused(item.name, _reason(error)) from None
        md5 = self._md5.get(item.name)
        if done.bytes != item.size or (md5 and done.md5 != md5.hex()):
            raise ObjectRefused(
                item.name, "its bytes are not those Azure announced: run again or deliver it again"
            )
        return SpooledObject(target, done.sha256, done.bytes, done.unpacked_bytes)

    def identity(self, item: SourceObject) -> str:
        """Account, container and blob."""
        parts = urlsplit(self._client.url)
        return f"{SCHEME}{parts.netloc}{parts.path}/{key_below(self._prefix, item.name, self._is_single)}"

    def name_of(self, reference: str, manifest: str) -> str:
        """A manifest of an export names blobs by their name in the container, or by address; both must be of this prefix."""
        key = reference
        if "://" in reference:
            parts, own = urlsplit(reference), urlsplit(self._client.url)
            if (parts.netloc, parts.path[: len(own.path) + 1]) != (own.netloc, f"{own.path}/"):
                raise ObjectRefused(
                    manifest,
                    f"it names {parts.netloc}{parts.path} of another container: correct the manifest",
                )
            key = unquote(parts.path[len(own.path) + 1 :])
        name = name_below(self._prefix, key)
        if not name:
            raise ObjectRefused(manifest, f"it names {key} outside of its source: correct the manifest")
        return checked_name(name)

    def _is_single(self) -> bool:
        """Whether the prefix is itself the name of a blob, and not that of a folder."""
        with self._named_errors():
            try:
                return not _is_folder(self._client.get_blob_client(self._prefix).get_blob_properties())
            except ResourceNotFoundError:
                return False

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        where = f"{SCHEME}{self._client.container_name}/{self._prefix}"
        try:
            yield
        except AzureError as error:
            raise InputRefused(f"{where} cannot be listed: {_reason(error)}") from None


def _client(source: Location, container: str) -> ContainerClient:
    given = {name: os.environ.get(name, "") for name in (CONNECTION_STRING, ACCOUNT, KEY, SAS_TOKEN)}
    url = source.endpoint_url or (f"https://{given[ACCOUNT]}.{_PUBLIC_CLOUD}" if given[ACCOUNT] else "")
    settings: dict[str, Any] = {
        "retry_total": 3,
        "initial_backoff": 0,  # seconds, and 2, 4 after it: Azure's own are 15, 18 and 24
        "increment_base": 2,
        "random_jitter_range": 1,
        "connection_timeout": 5,
        "read_timeout": 60,
        "max_single_get_size": CHUNK_BYTES,
        "max_chunk_get_size": 4 * CHUNK_BYTES,
    }
    try:
        if url:
            check_endpoint(source.name, url)
            return ContainerClient(url, container, _credential(url, given), **settings)
        if given[CONNECTION_STRING]:
            found = ContainerClient.from_connection_string(given[CONNECTION_STRING], container, **settings)
            check_endpoint(source.name, found.primary_endpoint)
            return found
    except (ValueError, KeyError):
        raise ConfigurationError(
            f"source {source.name}: the credential or address of the storage account is none of Azure's: check "
            f"endpoint_url, {CONNECTION_STRING}, {KEY} and {SAS_TOKEN}"
        ) from None
    raise ConfigurationError(
        f"source {source.name}: no storage account is named: give {ACCOUNT} or {CONNECTION_STRING} in the environment, or "
        "endpoint_url in appfleet.yaml"
    )


def _credential(url: str, given: dict[str, str]) -> dict[str, str] | str | None:
    """The credential of the environment for the account of an address."""
    if given[KEY]:
        parts = urlsplit(url)
        in_path = parts.path.strip(
            "/"
        )  # an emulator has the account in its path, Azure in the name of its host
        return {
            "account_name": given[ACCOUNT] or in_path or str(parts.hostname).partition(".")[0],
            "account_key": given[KEY],
        }
    return given[SAS_TOKEN] or None


def _is_folder(blob: BlobProperties) -> bool:
    return bool((blob.metadata or {}).get(_FOLDER_MARK) == "true")


def _reason(error: AzureError) -> str:
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status is None or status < HTTPStatus.BAD_REQUEST:
        return f"Azure could not be read to the end ({type(error).__name__}): check endpoint and network, and run again"
    if status == HTTPStatus.PRECONDITION_FAILED:
        return "it changed while it was read: run again"
    given = getattr(error, "error_code", None)
    code = str(getattr(given, "value", given) or status)
    if status == HTTPStatus.NOT_FOUND and code != StorageErrorCode.CONTAINER_NOT_FOUND.value:
        return "it is gone since it was listed: deliver it again"
    return f"Azure answers {code}: check account, container, credentials and permissions"
