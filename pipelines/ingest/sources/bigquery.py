"""A table of Google's billing export in BigQuery, through google-cloud-bigquery: each month of an invoice is an object.

Rows come as Arrow and are written to Parquet as they come, so that what reads files reads them; no row is looked at here.
Rows come in no order, so an object's digest is of what the listing said of its month, and not of its bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from pipelines.ingest.sources.google_access import credentials_for
from pipelines.ingest.sources.objects import Location, SourceObject, SpooledObject, checked_name
from pipelines.ingest.sources.spool import SpoolLimits, disk_has_room
from sql.catalog import statement
from sql.forms import filled

SCHEME = "bigquery://"
_TABLE = re.compile(
    r"(?P<project>[a-z][a-z0-9.:-]*[a-z0-9])[/.](?P<dataset>\w{1,1024})[/.](?P<table>[\w-]{1,1024})", re.A
)
_NAME = re.compile(r"invoice_month=(?P<month>[^/]*)\.parquet")
_PAGE_ROWS = 20_000
_SECONDS = 600.0
_NO_ROW = datetime(1970, 1, 1, tzinfo=UTC)
_ERRORS = (GoogleAPICallError, RetryError, GoogleAuthError, requests.RequestException)


@dataclass(frozen=True)
class _Month:
    """What the table says of a month."""

    rows: int
    newest: datetime
    cost: str


class BigQueryStore:
    """The months of one table. An object's ``size`` is its rows; its ``etag`` changes whenever rows were appended."""

    def __init__(self, client: bigquery.Client, table: str) -> None:
        self._client, self._table = client, table

    @classmethod
    def at(cls, source: Location) -> BigQueryStore:
        """The store of a ``bigquery://project/dataset/table`` location.

        Raises:
            ConfigurationError: it names no table, a refused endpoint, or no credentials.
        """
        found = _TABLE.fullmatch(source.location.removeprefix(SCHEME))
        if found is None:
            raise ConfigurationError(
                f"source {source.name}: {source.location} names no table: write {SCHEME}project/dataset/table"
            )
        options = {"api_endpoint": source.endpoint_url} if source.endpoint_url else None
        client = bigquery.Client(
            project=found["project"], credentials=credentials_for(source), client_options=options
        )
        return cls(client, f"{found['project']}.{found['dataset']}.{found['table']}")

    def objects(self) -> list[SourceObject]:
        """One object for each month that rows are of; rows of no month are one too, which no bill can be."""
        return [
            SourceObject(
                f"invoice_month={name or 'none'}.parquet",
                month.rows,
                month.newest,
                f"{month.rows}-{month.newest:%Y%m%dT%H%M%S.%f}-{month.cost}",
            )
            for name, month in sorted(self._months().items())
        ]

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Writes the rows that were listed to Parquet; rows appended since are left for the next time."""
        found = _NAME.fullmatch(checked_name(item.name))
        month = found["month"].replace("none", "") if found else item.name
        most = (limits or SpoolLimits()).unpacked_bytes
        rows = 0
        try:
            answer = self._answer("bigquery/billing_rows", {"month": month, "newest": item.modified_at})
            batches = answer.to_arrow_iterable(bqstorage_client=None)
            with disk_has_room(target), target.open("wb") as file:
                writer = None
                for batch in batches:
                    writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
                    writer.write_batch(batch)
                    rows += batch.num_rows
                    if file.tell() > most:
                        raise ObjectRefused(
                            item.name, f"it is larger than the limit of {most} bytes: split it"
                        )
                if writer:
                    writer.close()
        except _ERRORS as error:
            raise ObjectRefused(item.name, _reason(error)) from None
        except pa.ArrowException as error:
            raise ObjectRefused(item.name, f"its rows cannot be written ({error}): run again") from None
        if rows != item.size:
            raise ObjectRefused(item.name, "it changed while it was read: run again")
        digest = hashlib.sha256(f"{self._table}\n{item.name}\n{item.etag}".encode()).hexdigest()
        size = target.stat().st_size
        return SpooledObject(target, digest, size, size)

    def identity(self, item: SourceObject) -> str:
        """Table and month."""
        return f"{SCHEME}{self._table}/{item.name}"

    def name_of(self, reference: str, manifest: str) -> str:
        """A table has no manifests."""
        raise ObjectRefused(manifest, f"it names {reference}, and a table has no files")

    def _months(self) -> dict[str, _Month]:
        months = {}
        with self._named_errors():
            for row in self._answer("bigquery/billing_months", {}):
                months[str(row["month"])] = _Month(row["row_count"], row["newest"] or _NO_ROW, row["cost"])
        return months

    def _answer(self, name: str, values: Mapping[str, Any]) -> Any:
        kinds = {str: "STRING", datetime: "TIMESTAMP"}
        bound = [
            bigquery.ScalarQueryParameter(key, kinds[type(value)], value) for key, value in values.items()
        ]
        retry = DEFAULT_RETRY.with_timeout(60.0)
        job = self._client.query(
            filled(statement(name), {"table": f"`{self._table}`"}),
            job_config=bigquery.QueryJobConfig(query_parameters=bound),
            retry=retry,
            timeout=60.0,
        )
        return job.result(page_size=_PAGE_ROWS, timeout=_SECONDS, retry=retry)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise InputRefused(f"{SCHEME}{self._table} cannot be listed: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, NotFound):
        return "there is no such table: check project, dataset and table"
    if isinstance(error, BadRequest):
        said = str(error.message).splitlines()[0][:200]
        return f"it is no table of Google's billing export ({said})"
    if isinstance(error, GoogleAPICallError):
        return f"Google answers {error.code}: check table, credentials and permissions"
    if isinstance(error, GoogleAuthError):
        return "Google takes none of these credentials: log in again, or check GOOGLE_APPLICATION_CREDENTIALS"
    return f"Google cannot be reached ({type(error).__name__}): check endpoint and network, and run again"
