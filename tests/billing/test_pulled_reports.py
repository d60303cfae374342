"""Bills of a provider that writes a report of each invoice first, as MongoDB Atlas documents it: listed, asked for, waited for,
fetched from a link that has its own right; slow, failing, cut, and answering what it should not."""

from __future__ import annotations

import base64
import csv
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.errors import InputRefused
from models.retries import PullRetries, retry_policy
from models.settings import BillingSource
from pipelines.commands.checks import Look, sources
from pipelines.ingest.billing import ingest_source
from pipelines.ingest.sources import https
from pipelines.ingest.sources.https import HttpsStore
from tests.billing.conftest import Bills
from tests.sources.billing_server import Asked, Provider, Reply, provider

SECRET = "mdb_sa_id_1:mdb_sa_sk_canary"
ACCESS = "access-canary-42"
ORG, ONE, TWO = "5e2211c17a3e5a48f5497de3", "32b6e34b3d91647abb20e7b8", "42b6e34b3d91647abb20e7b9"
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
QUICK = PullRetries(
    statuses=retry_policy().pull.statuses,
    attempts_more=1,
    first_wait_seconds=2,
    longest_wait_seconds=100,
    connect_seconds=5,
    read_seconds=2,
    reply_seconds=30,
)


@dataclass
class Atlas:
    """Answers as the API is documented; ``invoices`` by year and month, ``contents`` by invoice, what is ``odd`` by path's end."""

    url: str = ""
    invoices: dict[str, list[str]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    pending: int = 1
    odd: dict[str, Reply] = field(default_factory=dict)
    looked: dict[str, int] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Reply:
        for end, reply in self.odd.items():
            if asked.path.endswith(end):
                return reply
        if asked.path.startswith("/links/"):
            assert "Authorization" not in asked.headers and asked.query["right"] == "canary-link"
            return Reply(self.contents[asked.path.removeprefix("/links/")], in_chunks=True)
        if asked.path == "/api/oauth/token":
            pair = base64.b64encode(SECRET.encode()).decode()
            assert asked.method == "POST" and asked.headers["Authorization"] == f"Basic {pair}"
            assert asked.body == b"grant_type=client_credentials"
            return said({"access_token": ACCESS, "expires_in": 3600, "token_type": "Bearer"})
        assert asked.headers["Authorization"] == f"Bearer {ACCESS}"
        assert asked.headers["Accept"] == "application/vnd.atlas.2025-03-12+json"
        base = f"/api/atlas/v2/orgs/{ORG}"
        if asked.path == f"{base}/associatedInvoices":
            found = self.invoices.get(f"{asked.query['year']}-{asked.query['month']}", [])
            return said({"associatedInvoices": [{"invoiceId": one, "orgId": ORG} for one in found]})
        invoice, _, report = asked.path.removeprefix(f"{base}/invoices/").partition("/reports")
        told: dict[str, Any] = {"invoiceId": invoice, "reportId": f"r-{invoice}", "state": "PENDING"}
        if asked.method == "POST":
            assert json.loads(asked.body) == {
                "reportType": "FOCUS",
                "reportFormat": "CSV",
                "formatSpecVersion": "1.3",
            }
            self.looked[invoice] = 0
            return replace(said(told), status=201)
        assert report == f"/r-{invoice}"
        self.looked[invoice] += 1
        if self.looked[invoice] > self.pending:
            told |= {"state": "SUCCEEDED", "downloadUrl": f"{self.url}/links/{invoice}?right=canary-link"}
        return said(told)


def said(value: object) -> Reply:
    return Reply(json.dumps(value).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Path]]:
    folder = tmp_path_factory.mktemp("atlas")
    with provider(folder) as one:
        yield one, folder / "ca.pem"


@pytest.fixture
def atlas(server: tuple[Provider, Path], monkeypatch: pytest.MonkeyPatch) -> Atlas:
    told, authority = server
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("ATLAS_ACCOUNT", SECRET)
    told.asked.clear()
    one = Atlas(told.url)
    told.answers = one.answer
    return one


def source(one: Atlas) -> BillingSource:
    return BillingSource(
        "mongo",
        "focus",
        one.url,
        api="atlas",
        token="ATLAS_ACCOUNT",
        parameters={"orgId": ORG},
        since="2026-02",
    )


@dataclass
class Pulled:
    """A store of that source, its moment and what was waited."""

    one: Atlas
    root: Path
    now: datetime = NOW
    waited: list[float] = field(default_factory=list)

    def contents(self) -> dict[str, bytes]:
        store = HttpsStore.at(source(self.one), self.root)
        store._retries, store._now, store._sleep = QUICK, lambda: self.now, self.waited.append
        return {
            item.name: store.fetch(item, self.root / "spooled").path.read_bytes() for item in store.objects()
        }


def test_a_report_of_each_invoice_is_waited_for_and_is_an_object(
    atlas: Atlas, server: tuple[Provider, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pulled = Pulled(atlas, tmp_path)
    atlas.invoices = {"2026-2": [TWO, ONE], "2026-3": []}
    atlas.contents = {ONE: b"a\n1\n", TWO: b"a\n2\n"}
    with caplog.at_level(logging.DEBUG):
        assert pulled.contents() == {f"2026-02.{ONE}.csv": b"a\n1\n", f"2026-02.{TWO}.csv": b"a\n2\n"}
    assert pulled.waited == [5, 10, 5, 10], "pending when asked for, and once more when looked for"
    asked = len(server[0].asked)
    assert pulled.contents() and len(server[0].asked) == asked, "not asked again before it is due"
    # an invoice that is listed no more counts no more; another takes its place
    pulled.now += timedelta(hours=1)
    atlas.invoices = {"2026-2": [ONE], "2026-3": [TWO]}
    assert pulled.contents() == {f"2026-02.{ONE}.csv": b"a\n1\n", f"2026-03.{TWO}.csv": b"a\n2\n"}
    kept = caplog.text + "".join(
        one.read_text(errors="replace") for one in tmp_path.rglob("*") if one.is_file()
    )
    assert not any(canary in kept for canary in ("mdb_sa_sk", ACCESS, "canary-link"))


LIST, REPORT, STATE, TOKEN = "/associatedInvoices", "/reports", f"/reports/r-{ONE}", "/api/oauth/token"
ODD = {
    "no right": (TOKEN, Reply(status=401), "2026-02.csv of MongoDB Atlas: it does not take the token of ATLAS_ACCOUNT (401)"),
    "no token": (TOKEN, said({"expires_in": 1}), "it gives no access token"),
    "no list": (LIST, said({"results": []}), "it names no associatedInvoices"),
    "no JSON": (LIST, Reply(b"<html>"), "it answers what is no JSON"),
    "a list": (LIST, said([1]), "it answers another thing than it documents"),
    "a name that is a path": (LIST, said({"associatedInvoices": [{"invoiceId": "../x"}]}), "it names no invoiceId that is one"),
    "no report": (REPORT, said({"state": "PENDING"}), "it names no reportId that is one"),
    "failed": (STATE, said({"state": "FAILED", "failureReason": "too\x1b large"}), "it could not write its report (too"),
    "a state nobody knows": (STATE, said({"state": "ASLEEP"}), "it could not write its report (ASLEEP)"),
    "never ready": (STATE, said({"state": "RUNNING"}), "its report is not written after 15 s: run again later"),
    "no link": (STATE, said({"state": "SUCCEEDED"}), "its report has no link over https"),
    "a link in the clear": (STATE, said({"state": "SUCCEEDED", "downloadUrl": "http://x/y"}), "its report has no link over https"),
    "a link that is gone": (f"/links/{ONE}", Reply(status=403), "it answers 403"),
    "a link elsewhere": (f"/links/{ONE}", Reply(status=302, headers=(("Location", "https://else.example/x"),)), "to else.example"),
    "cut": (f"/links/{ONE}", Reply(b"a\n1\n", cut_after=1), "its reply is cut, 2 times: run again later"),
    "too many requests": (STATE, Reply(status=429), "it answers 429, 2 times: run again later"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_what_is_not_as_documented_is_one_sentence_and_keeps_what_was_there(
    atlas: Atlas, tmp_path: Path, kind: str
) -> None:
    end, reply, sentence = ODD[kind]
    pulled = Pulled(atlas, tmp_path)
    atlas.invoices, atlas.contents = {"2026-2": [ONE]}, {ONE: b"a\n1\n"}
    before = pulled.contents()
    atlas.odd = {end: reply}
    pulled.now += timedelta(hours=1)
    with pytest.raises(InputRefused) as told:
        pulled.contents()
    assert sentence in str(told.value), str(told.value)
    assert not any(canary in str(told.value) for canary in ("mdb_sa_sk", ACCESS, "canary-link"))
    pulled.now -= timedelta(hours=1)
    assert pulled.contents() == before


def test_a_link_to_what_tells_a_machine_about_itself_is_not_followed(atlas: Atlas, tmp_path: Path) -> None:
    atlas.invoices = {"2026-2": [ONE]}
    atlas.odd = {STATE: said({"state": "SUCCEEDED", "downloadUrl": "https://169.254.169.254/latest"})}
    with pytest.raises(Exception, match="is not a storage address"):
        Pulled(atlas, tmp_path).contents()


COLUMNS = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractApplied",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "HostProviderName",
    "InvoiceIssuer",
    "ListCost",
    "ListUnitPrice",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "RegionId",
    "RegionName",
    "ResourceName",
    "ServiceCategory",
    "ServiceName",
    "ServiceProviderName",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_AtlasSku",
    "x_BilledDateEnd",
    "x_BilledDateStart",
    "x_PricingCurrencyRate",
    "x_SkuCategory",
]
"""The columns of a report, as they are documented."""


def report(month: date, *costs: str) -> bytes:
    following = (month + timedelta(days=31)).replace(day=1)
    known = {
        "BillingAccountId": ORG,
        "BillingCurrency": "USD",
        "BillingPeriodStart": f"{month}T00:00:00Z",
        "BillingPeriodEnd": f"{following}T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargePeriodStart": f"{month}T00:00:00Z",
        "ChargePeriodEnd": f"{month + timedelta(days=1)}T00:00:00Z",
        "HostProviderName": "AWS",
        "InvoiceIssuer": "MongoDB",
        "PricingCurrency": "Atlas Credits",
        "ResourceName": "Cluster0",
        "ServiceCategory": "Databases",
        "ServiceName": "MongoDB Atlas",
        "ServiceProviderName": "MongoDB",
        "SubAccountId": "p1",
        "Tags": '{"application": "shop"}',
        "x_AtlasSku": "ATLAS_AWS_INSTANCE_M10",
    }
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for cost in costs:
        writer.writerow(
            known | {"BilledCost": cost, "EffectiveCost": cost, "ListCost": cost, "ContractedCost": cost}
        )
    return out.getvalue().encode()


def test_its_reports_are_a_bill(bills: Bills, atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(QUICK, first_wait_seconds=0.0)
    monkeypatch.setattr(https, "retry_policy", lambda: replace(retry_policy(), pull=quick))
    monkeypatch.setattr(https.time, "sleep", lambda _: None)
    this = datetime.now(UTC).date().replace(day=1)
    month = (this - timedelta(days=1)).replace(day=1)
    atlas.invoices, atlas.pending = {f"{month.year}-{month.month}": [ONE, TWO]}, 0
    atlas.contents = {ONE: report(month, "1.1234567890123456789", "0.1"), TWO: report(month, "-0.000001")}
    mine = replace(source(atlas), since=f"{month:%Y-%m}")
    settings = replace(bills.settings, billing=(mine,))
    outcome = ingest_source(bills.warehouse, settings, mine)
    assert not outcome.refusals and [(one.period, one.state) for one in outcome.periods] == [
        (month, "published")
    ]
    exact = outcome.periods[0].sums["USD/BilledCost"] + outcome.periods[0].residues["USD/BilledCost"]
    assert exact == Decimal("1.1234567890123456789") + Decimal("0.1") - Decimal("0.000001")
    rows = bills.warehouse.frame_of(
        "SELECT DISTINCT toString(InvoiceIssuerName) AS issuer, ResourceName, toString(SubAccountId) AS project, Tags['application'] AS app"
        " FROM raw_focus_costs_published"
    ).rows()
    assert rows == [("MongoDB", "Cluster0", "p1", "shop")]
    said_of_it = [one.sentence for one in sources(Look(bills.warehouse, settings, datetime.now(UTC)))]
    assert said_of_it == [
        "mongo: MongoDB Atlas leaves out tax, adjustments, refunds and what is billed for unmet commitments: its total is not that "
        "of its invoice"
    ]
