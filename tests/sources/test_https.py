"""Bills pulled over https from a provider on this machine that answers whole, cut, slow, packed, redirected and not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from models.errors import ConfigurationError, InputRefused
from models.retries import PullRetries, retry_policy
from models.settings import BillingSource
from pipelines.ingest.sources import https_requests, open_store, refuse_shared_objects
from pipelines.ingest.sources.endpoints import check_endpoint
from pipelines.ingest.sources.https import HttpsStore
from tests.sources.billing_server import Provider, Reply, provider

TOKEN = "canary-token-4711"
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
QUICK = PullRetries(
    statuses=retry_policy().pull.statuses,
    attempts_more=2,
    first_wait_seconds=2,
    longest_wait_seconds=100,
    connect_seconds=5,
    read_seconds=0.3,
    reply_seconds=30,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Path]]:
    folder = tmp_path_factory.mktemp("provider")
    with provider(folder) as one:
        yield one, folder / "ca.pem"


@dataclass
class Pulled:
    """A source at that provider, at a time that stands still until it is moved, with the seconds that were waited."""

    provider: Provider
    source: BillingSource
    root: Path
    now: datetime
    waited: list[float]

    def store(self, retries: PullRetries = QUICK) -> HttpsStore:
        one = HttpsStore.at(self.source, self.root)
        one._retries, one._now, one._sleep = retries, lambda: self.now, self.waited.append
        return one

    def contents(self) -> dict[str, bytes]:
        """What is listed, by name, each fetched as a load fetches it."""
        store = self.store()
        return {
            item.name: store.fetch(item, self.root / "spooled").path.read_bytes() for item in store.objects()
        }


@pytest.fixture
def pulled(server: tuple[Provider, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulled:
    one, authority = server
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("VERCEL_TOKEN", TOKEN)
    one.asked.clear()
    source = BillingSource(
        "vercel",
        "focus",
        one.url,
        api="vercel",
        token="VERCEL_TOKEN",
        parameters={"teamId": "team_1"},
        since="2026-02",
    )
    return Pulled(one, source, tmp_path, NOW, [])


def lines(*amounts: str) -> bytes:
    return "".join(json.dumps({"BilledCost": one}) + "\n" for one in amounts).encode()


def test_a_month_is_asked_for_with_token_and_range_and_not_again_before_it_is_due(pulled: Pulled) -> None:
    pulled.provider.answers = lambda asked: Reply(lines(asked.query["from"]), is_packed=True, in_chunks=True)
    found = pulled.contents()
    assert found == {
        "2026-02.jsonl": lines("2026-02-01T00:00:00.000Z"),
        "2026-03.jsonl": lines("2026-03-01T00:00:00.000Z"),
    }
    assert [one.path for one in pulled.provider.asked] == ["/v1/billing/charges"] * 2
    assert pulled.provider.asked[1].query == {
        "teamId": "team_1", "from": "2026-03-01T00:00:00.000Z", "to": "2026-03-03T00:00:00.000Z",
    }  # fmt: skip
    headers = pulled.provider.asked[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}" and headers["Accept-Encoding"] == "gzip"
    assert (
        headers["Host"] == pulled.provider.url.removeprefix("https://")
        and headers["Accept"] == "application/jsonl"
    )
    assert pulled.contents() == found and len(pulled.provider.asked) == 2
    refuse_shared_objects([pulled.source, replace(pulled.source, name="other")], pulled.root)
    assert len(pulled.provider.asked) == 2
    pulled.now += timedelta(hours=1)
    before = {item.name: item.etag for item in pulled.store().objects()}
    assert len(pulled.provider.asked) == 4
    pulled.provider.answers = lambda asked: Reply(
        lines("2") if "03" in asked.query["from"][5:7] else lines("2026-02-01T00:00:00.000Z")
    )
    pulled.now += timedelta(hours=1)
    after = {item.name: item.etag for item in pulled.store().objects()}
    assert (
        after["2026-02.jsonl"] == before["2026-02.jsonl"]
        and after["2026-03.jsonl"] != before["2026-03.jsonl"]
    )
    assert pulled.contents()["2026-03.jsonl"] == lines("2")


def test_grafana_cloud_gives_all_it_has_as_one_csv(pulled: Pulled) -> None:
    pulled.source = replace(pulled.source, api="grafana-cloud", parameters={"org": "acme"}, since=None)
    sent_as = (("Content-Type", "text/csv"), ("Content-Disposition", "attachment; filename=7_focus.csv"))
    pulled.provider.script(Reply(b"BilledCost\n1.5\n", headers=sent_as))
    assert pulled.contents() == {"charges.csv": b"BilledCost\n1.5\n"}
    [asked] = pulled.provider.asked
    assert (asked.path, asked.query) == ("/api/orgs/acme/focus", {})
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}" and asked.headers["Accept"] == "text/csv"


WHOLE = Reply(lines("1", "2"))
PASSES = {
    "cut": (replace(WHOLE, cut_after=9), "its reply is cut"),
    "cut in chunks": (replace(WHOLE, in_chunks=True, cut_after=20), "its reply is cut"),
    "slow": (replace(WHOLE, waits=0.6), "it says nothing for 0.3 s"),
    "too many requests": (Reply(status=429), "it answers 429"),
    "unavailable": (Reply(status=503), "it answers 503"),
}


@pytest.mark.parametrize("kind", PASSES)
def test_what_passes_is_asked_again_and_given_up_with_one_sentence(pulled: Pulled, kind: str) -> None:
    reply, reason = PASSES[kind]
    pulled.source = replace(pulled.source, since="2026-03")
    pulled.provider.script(reply, reply, WHOLE)
    assert pulled.contents() == {"2026-03.jsonl": WHOLE.body}
    assert pulled.waited == [2, 4] and len(pulled.provider.asked) == 3
    pulled.now += timedelta(days=1)
    pulled.provider.script(reply)
    with pytest.raises(InputRefused) as told:
        pulled.store().objects()
    assert str(told.value) == f"source vercel, 2026-03.jsonl of Vercel: {reason}, 3 times: run again later"
    pulled.provider.script(WHOLE)
    assert pulled.contents() == {"2026-03.jsonl": WHOLE.body}


@pytest.mark.parametrize(
    ("says", "waits"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=40), usegmt=True), 40.0),
        ("soon", 2.0),
    ],
)
def test_the_provider_says_how_long_to_wait(pulled: Pulled, says: str, waits: float) -> None:
    pulled.source = replace(pulled.source, since="2026-03")
    pulled.provider.script(Reply(status=429, headers=(("Retry-After", says),)), WHOLE)
    assert pulled.contents() and pulled.waited == [waits]
    pulled.now += timedelta(days=1)
    pulled.provider.script(Reply(status=429, headers=(("Retry-After", "101"),)))
    with pytest.raises(InputRefused, match="it answers 429 and asks to wait 101 s: run again later"):
        pulled.store().objects()
    assert pulled.waited == [waits]


REFUSED = {
    "no right": (Reply(status=401), "it does not take the token of VERCEL_TOKEN (401)"),
    "no right to this": (Reply(TOKEN.encode(), status=403), "it does not take the token of VERCEL_TOKEN (403)"),
    "elsewhere": (Reply(status=302, headers=(("Location", "https://elsewhere.example/x"),)), "to elsewhere.example, where the token may not go"),
    "told": (Reply(status=308, headers=(("Location", f"https://{TOKEN}.example/"),)), "it sends elsewhere"),
    "wrong": (Reply(TOKEN.encode(), status=400), "it answers 400: check location, api and parameters"),
    "nowhere": (Reply(status=404), "it answers 404"),
    "endless": (Reply(lines("1"), says=None), "does not say where it ends"),
    "odd packing": (Reply(lines("1"), headers=(("Content-Encoding", "br"),)), "is packed as br"),
    "cut gzip": (Reply(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b"), "its gzip is truncated"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_pass_is_one_sentence_and_keeps_what_was_there(
    pulled: Pulled, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply, sentence = REFUSED[kind]
    pulled.source = replace(pulled.source, since="2026-03")
    pulled.provider.script(WHOLE)
    assert pulled.contents() == {"2026-03.jsonl": WHOLE.body}
    pulled.provider.script(reply)
    pulled.now, asked = pulled.now + timedelta(days=1), len(pulled.provider.asked)
    with caplog.at_level(logging.DEBUG), pytest.raises(InputRefused) as told:
        pulled.store().objects()
    assert sentence in str(told.value) and TOKEN not in str(told.value) and TOKEN not in caplog.text
    assert len(pulled.provider.asked) == asked + 1 and not pulled.waited
    pulled.now -= timedelta(days=1)
    assert pulled.contents() == {"2026-03.jsonl": WHOLE.body}
    kept = "".join(one.read_text(errors="replace") for one in pulled.root.rglob("*") if one.is_file())
    assert TOKEN not in kept


@pytest.mark.parametrize("reply", [Reply(), Reply(status=204), Reply(b"[]\n"), Reply(is_packed=True)])
def test_a_month_without_charges_is_no_object(pulled: Pulled, reply: Reply) -> None:
    pulled.provider.answers = lambda asked: WHOLE if "-02-" in asked.query["from"] else reply
    assert list(pulled.contents()) == ["2026-02.jsonl"]
    assert len(pulled.provider.asked) == 2 and list(pulled.contents()) == ["2026-02.jsonl"]
    assert len(pulled.provider.asked) == 2


def test_another_authority_is_sent_nothing(
    pulled: Pulled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(InputRefused, match="the certificate of localhost does not hold"):
        pulled.store().objects()
    assert not pulled.provider.asked


@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.169.254", "https://[fe80::1]", "https://[::ffff:169.254.169.254]", "https://[fd00:ec2::254]",
        "https://168.63.129.16", "https://100.100.100.200", "https://0.0.0.0", "https://192.0.0.192",
    ],
)  # fmt: skip
def test_addresses_that_tell_a_machine_about_itself_are_not_asked(pulled: Pulled, address: str) -> None:
    with pytest.raises(ConfigurationError, match="location .* is not a storage address"):
        open_store(replace(pulled.source, location=address), pulled.root)
    with pytest.raises(ConfigurationError, match="endpoint_url .* is not a storage address"):
        check_endpoint("s", address)


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "ü"])
def test_a_token_that_is_none_is_told_by_its_variable(
    pulled: Pulled, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("VERCEL_TOKEN", token)
    with pytest.raises(ConfigurationError, match="source vercel: VERCEL_TOKEN") as told:
        open_store(pulled.source, pulled.root)
    assert not token.strip() or token not in str(told.value)


def test_a_name_that_leads_elsewhere_a_moment_later_is_not_followed(
    pulled: Pulled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was looked at is the address that is asked."""
    monkeypatch.setattr(https_requests, "check_endpoint", lambda *given: [])
    with pytest.raises(InputRefused, match="localhost is not known, 3 times"):
        pulled.store().objects()
    assert not pulled.provider.asked
