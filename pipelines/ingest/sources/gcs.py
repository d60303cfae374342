"""Objects in Google Cloud Storage, through google-cloud-storage.

Credentials are the environment's (application default credentials), never settings, and no message repeats one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from pipelines.ingest.sources.google_access import credentials_for
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
from pipelines.ingest.sources.spool import SpoolLimits, spool

SCHEME = "gs://"
_TIMEOUT = (5.0, 60.0)
_RETRY = DEFAULT_RETRY.with_timeout(60.0)
_BLOCK_BYTES = 8 << 20
"""Asked for at a time: a multiple of 256 KiB, as the library has it."""
_ERRORS = (GoogleAPICallError, GoogleAuthError, requests.RequestException)


class GcsStore:
    """Objects of a bucket below a prefix whose relative name matches ``glob`` (all of them without one).

    An object's ``etag`` is its generation, which no two contents of a name share.
    """

    def __init__(self, client: storage.Client, bucket: str, prefix: str, glob: str | None = None) -> None:
        self._client, self._bucket, self._prefix = client, client.bucket(bucket), prefix
        self._pattern = name_pattern(glob) if glob else None

    @classmethod
    def at(cls, source: Location) -> GcsStore:
        """The store of a ``gs://bucket/prefix`` location.

        Raises:
            ConfigurationError: no bucket in it, a refused endpoint, or no credentials.
        """
        bucket, _, path = source.location.removeprefix(SCHEME).partition("/")
        if not bucket:
            raise ConfigurationError(f"source {source.name}: {source.location} names no bucket")
        options = {"api_endpoint": source.endpoint_url} if source.endpoint_url else None
        # A project is needed to make buckets only.
        client = storage.Client(project="", credentials=credentials_for(source), client_options=options)
        prefix, glob = split_pattern(path)
        return cls(client, bucket, prefix.rstrip("/"), glob)

    def objects(self) -> list[SourceObject]:
        """Objects below the prefix, sorted by name; one named as the prefix is the only object."""
        found = []
        with self._named_errors():
            for blob in self._client.list_blobs(
                self._bucket, prefix=self._prefix or None, timeout=_TIMEOUT, retry=_RETRY
            ):
                name = name_below(self._prefix, blob.name)
                if name and (self._pattern is None or self._pattern.match(name)):
                    found.append(SourceObject(name, blob.size, blob.updated, str(blob.generation)))
        return sorted(found, key=lambda item: item.name)

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Downloads the generation that was listed, as it is stored; verifies its size, and its MD5 where Google keeps one."""
        blob = self._bucket.blob(
            key_below(self._prefix, checked_name(item.name), self._is_single), generation=int(item.etag)
        )
        try:
            blob.reload(timeout=_TIMEOUT, retry=_RETRY)
            done = spool(item.name, _blocks(blob, item.size), target, limits or SpoolLimits())
        except _ERRORS as error:
            raise ObjectRefused(item.name, _reason(error)) from None
        md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else ""
        if done.bytes != item.size or (md5 and done.md5 != md5):
            raise ObjectRefused(
                item.name, "its bytes are not those Google announced: run again or deliver it again"
            )
        return SpooledObject(target, done.sha256, done.bytes, done.unpacked_bytes)

    def identity(self, item: SourceObject) -> str:
        """Store, bucket and object."""
        return f"{SCHEME}{self._client.api_endpoint}/{self._bucket.name}/{key_below(self._prefix, item.name, self._is_single)}"

    def name_of(self, reference: str, manifest: str) -> str:
        """A manifest names objects by URI or by name; both must be of this bucket and prefix."""
        key = reference
        if reference.startswith(SCHEME):
            bucket, _, key = reference.removeprefix(SCHEME).partition("/")
            if bucket != self._bucket.name:
                raise ObjectRefused(manifest, f"it names {reference} of another bucket: correct the manifest")
        name = name_below(self._prefix, key)
        if not name:
            raise ObjectRefused(manifest, f"it names {reference} outside of its source: correct the manifest")
        return checked_name(name)

    def _is_single(self) -> bool:
        """Whether the prefix is itself the name of an object."""
        with self._named_errors():
            return bool(self._bucket.blob(self._prefix).exists(timeout=_TIMEOUT, retry=_RETRY))

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            where = f"{SCHEME}{self._bucket.name}/{self._prefix}"
            raise InputRefused(f"{where} cannot be listed: {_reason(error)}") from None


def _blocks(blob: storage.Blob, size: int) -> Iterator[bytes]:
    """The bytes as they are stored: Google would unpack those that are said to be gzip."""
    for start in range(0, size, _BLOCK_BYTES):
        yield blob.download_as_bytes(
            start=start,
            end=min(size, start + _BLOCK_BYTES) - 1,
            raw_download=True,
            if_generation_match=blob.generation,
            checksum=None,  # which is of the whole: it is held to the MD5 when all of it is there
            timeout=_TIMEOUT,
            retry=_RETRY,
        )


def _reason(error: Exception) -> str:
    if isinstance(error, PreconditionFailed):
        return "it changed while it was read: run again"
    if isinstance(error, NotFound):
        return "it or its bucket is gone or was replaced: check the bucket, and run again"
    if isinstance(error, GoogleAPICallError):
        return f"Google answers {error.code}: check bucket, credentials and permissions"
    if isinstance(error, GoogleAuthError):
        return "Google takes none of these credentials: log in again, or check GOOGLE_APPLICATION_CREDENTIALS"
    return f"Google cannot be reached ({type(error).__name__}): check endpoint and network, and run again"
