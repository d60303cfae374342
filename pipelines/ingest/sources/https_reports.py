"""Charges of a provider that has them written first: the invoices of a month are listed, a report of each is asked for,
waited for, and fetched from the link it names. Where things stand in its answers is data (``models.billing_apis``).

The token goes to the provider alone; a link has its own right in it and is sent none, and is in no sentence.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models.billing_apis import BillingApi, Range, listing_of, report_of
from models.text import visible
from pipelines.ingest.sources.https_requests import Asker, BillingRequest

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ReportsOfMonths:
    """What a provider writes of a source's months; ``secret`` is what its variable holds."""

    def __init__(
        self,
        asker: Asker,
        api: BillingApi,
        location: str,
        parameters: Mapping[str, str],
        secret: str,
        sleep: Callable[[float], None],
    ) -> None:
        assert api.reports is not None
        self._asker, self._api, self._reports = asker, api, api.reports
        self._location, self._parameters, self._secret = location, parameters, secret
        self._sleep = sleep

    def fetched(self, asked: Range, folder: Path) -> dict[str, Path]:
        """Name -> file of each invoice of a month, in ``folder``.

        Raises:
            Passes: something of it is not to be had now, and may be later.
            InputRefused: the provider does not answer this, or could not write a report.
        """
        headers = self._headers(asked.name)
        address, query = listing_of(self._api, self._location, self._parameters, asked)
        found = self._json(asked.name, BillingRequest(address, query, headers, secret=self._secret))
        listed = found.get(self._reports.listed)
        if not isinstance(listed, list):
            raise self._asker.refused(
                asked.name, f"it names no {self._reports.listed}: check location and api"
            )
        ids = [self._id(asked.name, one, self._reports.invoice) for one in listed]
        return {
            name: self._fetched(name, invoice, headers, folder / name)
            for invoice in sorted(set(ids))
            for name in [f"{asked.name.partition('.')[0]}.{invoice}.{self._api.form}"]
        }

    def _fetched(self, name: str, invoice: str, headers: Mapping[str, str], target: Path) -> Path:
        address = report_of(self._api, self._location, self._parameters, invoice)
        body = json.dumps(dict(self._reports.asks)).encode()
        posted = {**headers, "Content-Type": "application/json"}
        told = self._json(name, BillingRequest(address, {}, posted, "POST", body, self._secret))
        report = self._id(name, told, self._reports.report)
        waited, wait = 0.0, self._reports.poll_seconds
        while told.get(self._reports.state) in self._reports.waiting:
            if waited + wait > self._asker.retries.reply_seconds:
                raise self._asker.refused(
                    name, f"its report is not written after {waited:.0f} s: run again later"
                )
            self._sleep(wait)
            waited, wait = waited + wait, min(2 * wait, self._asker.retries.longest_wait_seconds)
            told = self._json(name, BillingRequest(f"{address}/{report}", {}, headers, secret=self._secret))
        if told.get(self._reports.state) != self._reports.ready:
            why = visible(str(told.get(self._reports.reason) or told.get(self._reports.state)))[:100]
            raise self._asker.refused(name, f"it could not write its report ({why})")
        link = str(told.get(self._reports.link) or "")
        if urlsplit(link).scheme != "https" or not urlsplit(link).hostname:
            raise self._asker.refused(name, "its report has no link over https")
        return self._asker.answered(name, BillingRequest(link), self._asker.into(name, target))

    def _headers(self, what: str) -> dict[str, str]:
        """Headers of a request, with a token that the secret was changed for where the provider has it so."""
        token = self._secret
        if self._reports.token_path:
            pair = base64.b64encode(self._secret.encode()).decode()
            told = self._json(
                what,
                BillingRequest(
                    self._location.rstrip("/") + self._reports.token_path,
                    headers={
                        "Authorization": f"Basic {pair}",
                        "Accept": "application/json",
                        "Content-Type": "application/x-www-form-urlencoded",
                    },
                    method="POST",
                    body=b"grant_type=client_credentials",
                    secret=self._secret,
                ),
            )
            token = str(told.get("access_token") or "")
            if not token.isascii() or not token.isprintable() or not token:
                raise self._asker.refused(what, "it gives no access token")
        return {"Authorization": f"Bearer {token}", "Accept": self._api.accept}

    def _json(self, what: str, request: BillingRequest) -> dict[str, Any]:
        found = self._asker.answered(what, request, self._asker.json(what))
        if not isinstance(found, dict):
            raise self._asker.refused(
                what, "it answers another thing than it documents: check location and api"
            )
        return found

    def _id(self, what: str, told: Any, name: str) -> str:
        found = told.get(name) if isinstance(told, dict) else None
        if not isinstance(found, str) or not _ID.fullmatch(found):
            raise self._asker.refused(what, f"it names no {name} that is one: check location and api")
        return found
