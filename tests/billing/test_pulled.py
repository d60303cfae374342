"""Bills that are pulled over https, from the request to what is published: FOCUS as JSON lines, also where it lacks columns."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from models.billing_apis import months_before, pull_policy
from models.retries import retry_policy
from models.settings import BillingSource
from pipelines.ingest.billing import ingest_source
from pipelines.ingest.billing.recognition import likely_format
from pipelines.ingest.sources import https
from tests.billing.conftest import Bills
from tests.sources.billing_server import Asked, Provider, Reply, provider

TOKEN = "canary-token-4711"


def charge(day: str, cost: str, **more: object) -> dict[str, object]:
    """A charge as Vercel has it: no account, no billing period; a number with more digits than a double has."""
    return {
        "BilledCost": cost, "BillingCurrency": "USD", "ChargeCategory": "Usage", "ChargePeriodStart": f"{day}T00:00:00.000Z",
        "ChargePeriodEnd": f"{day}T23:59:59.999Z", "ConsumedQuantity": 1.5, "ConsumedUnit": "GB", "EffectiveCost": cost,
        "ServiceName": "Edge Requests", "ServiceProviderName": "Vercel", "Tags": {"ProjectName": "shop"}, **more,
    }  # fmt: skip


def as_lines(charges: list[dict[str, object]]) -> bytes:
    return "".join(
        json.dumps(one).replace(f'"{one["BilledCost"]}"', str(one["BilledCost"])) + "\n" for one in charges
    ).encode()


@pytest.fixture
def vercel(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    with provider(folder) as one:
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        monkeypatch.setenv("VERCEL_TOKEN", TOKEN)
        quick = replace(retry_policy().pull, first_wait_seconds=0.0, read_seconds=0.5)
        monkeypatch.setattr(https, "retry_policy", lambda: replace(retry_policy(), pull=quick))
        monkeypatch.setattr(https, "is_due", lambda *given: True)
        yield one


def source(one: Provider) -> BillingSource:
    return BillingSource(
        "vercel", "focus", one.url, api="vercel", token="VERCEL_TOKEN", parameters={"teamId": "t"}
    )


def test_a_pulled_month_is_published_restated_and_kept_where_a_reply_is_not_whole(
    bills: Bills, vercel: Provider
) -> None:
    month = months_before(date.today(), 1)  # noqa: DTZ011 (the provider's own clock)
    days = [f"{month:%Y-%m}-{day:02d}" for day in range(1, 11)]
    charges = [charge(day, f"{number}.1234567890123456789012") for number, day in enumerate(days, 1)]
    exact = sum((Decimal(str(one["BilledCost"])) for one in charges), Decimal(0))

    def answers(asked: Asked) -> Reply:
        mine = [
            one for one in charges if asked.query["from"] <= str(one["ChargePeriodStart"]) < asked.query["to"]
        ]
        return Reply(as_lines(mine), is_packed=True, in_chunks=True)

    vercel.answers = answers
    settings = replace(bills.settings, billing=(source(vercel),))
    first = ingest_source(bills.warehouse, settings, source(vercel))
    assert not first.refusals and [(one.period, one.state) for one in first.periods] == [(month, "published")]
    assert first.periods[0].sums["USD/BilledCost"] + first.periods[0].residues["USD/BilledCost"] == exact
    assert len(vercel.asked) == pull_policy().months_back + 1
    frame = bills.warehouse.frame_of(
        "SELECT DISTINCT BillingAccountId, toDate(BillingPeriodStart) AS starts, toDate(BillingPeriodEnd) AS ends, Tags,"
        " toString(ConsumedQuantity) AS quantity FROM raw_focus_costs_published"
    )
    assert [(*row[:3], dict(row[3]), row[4]) for row in frame.iter_rows()] == [
        ("Vercel", month, months_before(month, -1), {"ProjectName": "shop"}, "1.5")
    ]
    again = ingest_source(bills.warehouse, settings, source(vercel))
    assert [one.state for one in again.periods] == ["unchanged"]
    charges[0]["BilledCost"] = charges[0]["EffectiveCost"] = "9.5"
    charges.append(charge(days[-1], "1.0"))
    restated = ingest_source(bills.warehouse, settings, source(vercel))
    total = sum((Decimal(str(one["BilledCost"])) for one in charges), Decimal(0))
    assert [one.state for one in restated.periods] == ["published"]
    assert (
        restated.periods[0].sums["USD/BilledCost"] + restated.periods[0].residues["USD/BilledCost"] == total
    )
    published = bills.published()
    for reply in (
        Reply(as_lines(charges), cut_after=40),
        Reply(status=429),
        Reply(status=403),
        Reply(as_lines(charges)[:-9]),
    ):
        vercel.script(reply)
        bad = ingest_source(bills.warehouse, settings, source(vercel))
        assert bad.refusals and bills.published() == published
        assert TOKEN not in repr(bad)
    vercel.script(Reply())
    gone = ingest_source(bills.warehouse, settings, source(vercel))
    assert [one.state for one in gone.periods] == ["vanished"] and bills.published() == published
    for table in ("raw_deliveries", "raw_rejects", "raw_repairs"):
        assert TOKEN.encode() not in bills.warehouse.text(f"SELECT * FROM {table}", "JSONEachRow")


def test_a_token_that_is_not_there_fails_its_source_alone(
    bills: Bills, vercel: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VERCEL_TOKEN")
    outcome = ingest_source(bills.warehouse, bills.settings, source(vercel))
    assert "VERCEL_TOKEN is not set" in outcome.refusals[0].sentence and not vercel.asked


def test_json_lines_are_a_form_of_focus(bills: Bills, focus_csv: Callable[..., str]) -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(focus_csv({"BilledCost": "1.10"}, {"BilledCost": "6.266E-7"}, {"BilledCost": "-0.5"}))
        )
    )
    lines = [
        "{"
        + ", ".join(
            f"{json.dumps(name)}: {value if name.endswith('Cost') or name == 'Tags' else json.dumps(value)}"
            for name, value in row.items()
        )
        + "}"
        for row in rows
    ]
    del rows[1]["ListCost"]
    bills.put("a.jsonl.gz", gzip.compress("\n".join(lines).encode()))
    outcome = bills.ingest()
    assert not outcome.refusals
    assert sum(bills.published().values()) == Decimal("1.10") + Decimal("6.266E-7") - Decimal("0.5")
    assert likely_format([Path(bills.folder)]) == "focus"
    bills.put("a.csv", focus_csv({"BilledCost": "1.10"}, {"BilledCost": "6.266E-7"}, {"BilledCost": "-0.5"}))
    twice = bills.ingest()
    assert [one.state for one in twice.periods] == ["unchanged"] or all(
        one.state != "held" for one in twice.periods
    )
    assert sum(bills.published().values()) == Decimal("1.10") + Decimal("6.266E-7") - Decimal("0.5")
