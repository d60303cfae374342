"""Objects in S3 or anything that speaks its interface, through boto3.

Secrets come from the environment or boto3's own chain, never from settings, and no message repeats one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

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

SCHEME = "s3://"
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"max_attempts": 3, "mode": "standard"},
    signature_version="s3v4",
)
_CHANGED = {"412", "PreconditionFailed"}
_GONE = {"404", "NoSuchKey"}
_FORBIDDEN = {"403", "AccessDenied", "Forbidden"}


class S3Store:
    """Objects of a bucket below a prefix whose relative name matches ``glob`` (all of them without one)."""

    def __init__(self, client: Any, bucket: str, prefix: str, glob: str | None = None) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self._pattern = name_pattern(glob) if glob else None
        self._single: bool | None = None

    @classmethod
    def at(cls, source: Location) -> S3Store:
        """The store of an ``s3://bucket/prefix`` location.

        Raises:
            ConfigurationError: no bucket in it, a refused endpoint, or an unknown profile.
        """
        bucket, _, path = source.location.removeprefix(SCHEME).partition("/")
        if not bucket:
            raise ConfigurationError(f"source {source.name}: {source.location} names no bucket")
        if source.endpoint_url:
            check_endpoint(source.name, source.endpoint_url)
        try:
            session = boto3.Session(profile_name=source.profile, region_name=source.region)
            client = session.client("s3", endpoint_url=source.endpoint_url, config=_CONFIG)
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"source {source.name}: {error}") from None
        prefix, glob = split_pattern(path)
        return cls(client, bucket, prefix.rstrip("/"), glob)

    def objects(self) -> list[SourceObject]:
        """Keys below the prefix, sorted by name; a key equal to the prefix is the only object."""
        found = []
        with self._named_errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    name = name_below(self._prefix, entry["Key"])
                    if name and (self._pattern is None or self._pattern.match(name)):
                        found.append(
                            SourceObject(name, entry["Size"], entry["LastModified"], entry["ETag"].strip('"'))
                        )
        return sorted(found, key=lambda item: item.name)

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Downloads the version that was listed; verifies size, S3's checksum and a plain MD5 ETag."""
        key = key_below(self._prefix, checked_name(item.name), self._is_single)
        try:
            answer = self._client.get_object(
                Bucket=self._bucket, Key=key, IfMatch=item.etag, ChecksumMode="ENABLED"
            )
            done = spool(item.name, answer["Body"].iter_chunks(CHUNK_BYTES), target, limits or SpoolLimits())
        except ClientError as error:
            raise ObjectRefused(item.name, _reason(error)) from None
        except BotoCoreError as error:
            raise ObjectRefused(
                item.name, f"it could not be read ({type(error).__name__}): run again"
            ) from None
        if done.bytes != item.size or (_is_md5(item.etag, answer) and done.md5 != item.etag):
            raise ObjectRefused(
                item.name, "its bytes are not those S3 announced: run again or deliver it again"
            )
        return SpooledObject(target, done.sha256, done.bytes, done.unpacked_bytes)

    def identity(self, item: SourceObject) -> str:
        """Store, bucket and key; all regions of AWS are one store, as a bucket's name is unique there."""
        endpoint = self._client.meta.endpoint_url
        store = "aws" if str(urlsplit(endpoint).hostname).endswith(".amazonaws.com") else endpoint
        return f"{SCHEME}{store}/{self._bucket}/{key_below(self._prefix, item.name, self._is_single)}"

    def name_of(self, reference: str, manifest: str) -> str:
        """A manifest in S3 names objects by URI or by key; both must be of this bucket and prefix."""
        key = reference
        if reference.startswith(SCHEME):
            bucket, _, key = reference.removeprefix(SCHEME).partition("/")
            if bucket != self._bucket:
                raise ObjectRefused(manifest, f"it names {reference} of another bucket: correct the manifest")
        name = name_below(self._prefix, key)
        if not name:
            raise ObjectRefused(manifest, f"it names {reference} outside of its source: correct the manifest")
        return checked_name(name)

    def _is_single(self) -> bool:
        """Whether the prefix is itself the key of an object; asked once.

        A store that keeps from us whether it is there (S3 answers 403 for a missing key to who may not list) is asked for
        what lies at the prefix instead.

        Raises:
            InputRefused: the store says neither; what an object is called must not hang on its mood.
        """
        if self._single is None:
            self._single = self._asked_single()
        return self._single

    def _asked_single(self) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket, Key=self._prefix)
            return True
        except ClientError as error:
            if _code(error) in _GONE:
                return False
            if _code(error) not in _FORBIDDEN:
                raise InputRefused(f"{self._where} cannot be looked at: {_reason(error)}") from None
        except BotoCoreError as error:
            raise InputRefused(
                f"{self._where} cannot be looked at ({type(error).__name__}): run again"
            ) from None
        with self._named_errors():
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        # keys come in their order, so that of the prefix itself is the first of those it begins
        return any(entry["Key"] == self._prefix for entry in answer.get("Contents", []))

    @property
    def _where(self) -> str:
        return f"{SCHEME}{self._bucket}/{self._prefix}"

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        where = self._where
        try:
            yield
        except ClientError as error:
            raise InputRefused(f"{where} cannot be listed: {_reason(error)}") from None
        except BotoCoreError as error:
            raise InputRefused(
                f"{where} cannot be listed ({type(error).__name__}): check endpoint, region and credentials"
            ) from None


def _is_md5(etag: str, answer: Any) -> bool:
    """Whether an ETag is the MD5 of the bytes: not for multipart uploads and KMS encryption."""
    return len(etag) == 32 and answer.get("ServerSideEncryption") in (None, "AES256")


def _reason(error: ClientError) -> str:
    code = _code(error)
    if code in _CHANGED:
        return "it changed while it was read: run again"
    if code in _GONE:
        return "it is gone since it was listed: deliver it again"
    return f"S3 answers {code}: check bucket, credentials and permissions"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
