"""Whatever a request claims, and in whatever bytes: it counts for no app its token does not name, and all else stays."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest

from pipelines.ingest.intake.claims import Claimed, Permit, Unclear, app_of, claimed
from pipelines.ingest.intake.limits import Refused
from pipelines.ingest.intake.receiver import _examined_for
from pipelines.ingest.intake.wire import ENDINGS, JSON, PROTOBUF, SIGNALS, framed
from pipelines.ingest.telemetry import load_object
from pipelines.ingest.telemetry.frames import Encoding, Signal, fields
from pipelines.ingest.telemetry.messages import count_records
from pipelines.ingest.telemetry.signals import READERS
from sql.warehouse import Warehouse
from tests.intake.hostile import GROUPS, Draw, field_of, without_apps
from tests.intake.otlp import REQUESTS
from tests.telemetry import otlp_messages

OURS = ["own-a", "own-b", "own-c"]
THEIRS = ["theirs-1", "theirs-2", "7", "unknown_service"]
ONE = Permit("one", frozenset({"own-a"}), "own-a")
SEVERAL = Permit("several", frozenset({"own-a", "own-b"}))
MESSAGES = 80


def as_sent(draw: Draw, request: Any, encoding: Encoding, is_tricky: bool) -> bytes:
    """The bytes of a request, plain or misleading."""
    if encoding == PROTOBUF:
        return draw.bytes_of(request) if is_tricky else bytes(request.SerializeToString())
    text = json.dumps(json.loads(otlp_messages.as_json(request, ids="hex")), separators=(",", ":")).encode()
    return draw.text_of(request, text) if is_tricky else text


class Loaded:
    """Payloads as the journal would hold them, loaded by the engine as one source of its own."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.folder = folder
        self.source = f"claims-{uuid.uuid4()}"
        self.now = datetime.now(UTC)

    def load(self, signal: Signal, encoding: Encoding, payloads: dict[bool, list[bytes]]) -> None:
        """Loads payloads, those that are suspect by themselves."""
        for is_suspect, messages in payloads.items():
            content = b"".join(framed(one, encoding) for one in messages)
            if not content:
                continue
            path = self.folder / f"{uuid.uuid4()}{ENDINGS[encoding]}"
            path.write_bytes(content)
            load_object(
                self.warehouse,
                source_name=self.source,
                object_name=path.name,
                path=path,
                sha256=sha256(content).hexdigest(),
                modified_at=self.now,
                signal=signal,
                encoding=encoding,
                received_at=self.now,
                is_suspect=is_suspect,
            )

    def apps(self, signal: Signal) -> Counter[str]:
        """Records by app, as every reader sees it."""
        found: Counter[str] = Counter()
        for target in READERS[signal].targets:
            frame = self.warehouse.frame_of(
                f"SELECT app_id, count() AS records FROM otel.{target.table} WHERE x_BatchId IN "
                "(SELECT batch_id FROM raw_deliveries WHERE source_name = {source:String} AND state = 'loaded') GROUP BY app_id",
                source=self.source,
            )
            found.update(dict(frame.iter_rows()))
        return found


def let_in(
    permit: Permit, message: bytes, signal: Signal, encoding: Encoding
) -> tuple[bytes, bool, int] | None:
    """What the intake keeps of a request, whether it is suspect, and records left out; None where it is refused."""
    try:
        found, left = _examined_for(permit, message, signal, encoding, datetime.now(UTC).timestamp())
    except Refused as refused:
        assert refused.status == 400
        return None
    return found.payload, found.is_suspect, sum(one.records for one in left)


QUICK = [(signal, encoding) for signal in ("traces", "logs") for encoding in (PROTOBUF, JSON)]
LONG = [pytest.param("metrics", encoding, marks=pytest.mark.slow) for encoding in (PROTOBUF, JSON)]
"""Metrics are read by five statements."""


@pytest.mark.parametrize(("signal", "encoding"), [*QUICK, *LONG])
def test_no_bytes_count_for_an_app_the_token_does_not_name(
    warehouse: Warehouse, tmp_path: Path, signal: Signal, encoding: Encoding
) -> None:
    draw = Draw(len(signal) * 7 + len(encoding), signal, [*OURS[:2] * 4, OURS[2], *THEIRS])
    for permit in (ONE, SEVERAL):
        loaded = Loaded(warehouse, tmp_path)
        payloads: dict[bool, list[bytes]] = {False: [], True: []}
        for _ in range(MESSAGES):
            kept = let_in(permit, as_sent(draw, draw.tricky(), encoding, True), signal, encoding)
            if kept is not None and kept[0]:
                payloads[kept[1]].append(kept[0])
        assert len(payloads[False]) + len(payloads[True]) > MESSAGES // 8
        loaded.load(signal, encoding, payloads)
        found = loaded.apps(signal)
        assert set(found) <= set(permit.apps), found
        assert sum(found.values()) > MESSAGES // 8


@pytest.mark.parametrize(("signal", "encoding"), [*QUICK, *LONG])
def test_what_a_token_lets_in_is_what_the_engine_would_have_counted_for_its_apps(
    warehouse: Warehouse, tmp_path: Path, signal: Signal, encoding: Encoding
) -> None:
    """Plain requests: without a token the engine tells whose each record is; with one, its apps keep exactly theirs."""
    draw = Draw(len(signal) + len(encoding), signal, [*OURS, *THEIRS[:2]])
    sent = [as_sent(draw, draw.plain(), encoding, False) for _ in range(MESSAGES)]
    free = Loaded(warehouse, tmp_path)
    free.load(signal, encoding, {False: sent})
    whole = free.apps(signal)
    assert set(whole) == {*OURS, *THEIRS[:2]}
    for permit in (ONE, SEVERAL):
        held = Loaded(warehouse, tmp_path)
        kept = [let_in(permit, one, signal, encoding) for one in sent]
        assert all(kept)
        payloads = [(one[0], one[1]) for one in kept if one and one[0]]
        held.load(
            signal,
            encoding,
            {is_suspect: [p for p, s in payloads if s == is_suspect] for is_suspect in (False, True)},
        )
        if permit.pinned:
            expected = {permit.pinned: sum(whole.values())}
        else:
            expected = {app: count for app, count in whole.items() if app in permit.apps}
        assert held.apps(signal) == expected
        left = sum(one[2] for one in kept if one)
        assert left == sum(whole.values()) - sum(expected.values())


@pytest.mark.parametrize("signal", SIGNALS)
def test_all_else_of_a_request_stays(signal: Signal) -> None:
    draw = Draw(5, signal, OURS + THEIRS)
    for _ in range(60):
        request = draw.tricky()
        plain = request.SerializeToString()
        unknown = b"\xfa\x3f\x03abc"  # field 1023 of the request
        done = claimed(plain + unknown, signal, PROTOBUF, ONE)
        assert not done.left and done.message.endswith(unknown)
        told = REQUESTS[signal].FromString(done.message[: -len(unknown)])
        assert without_apps(told, signal) == without_apps(request, signal)
        for group in getattr(told, GROUPS[signal]):
            named = [one.value.string_value for one in group.resource.attributes if one.key == "app_id"]
            assert [app_of(one) for one in named] == ["own-a"]
        text = as_sent(draw, request, JSON, False)
        document = json.loads(text)
        document["of nobody"] = {"kept": [1.5, None, "\ud800"]}
        from_json = json.loads(claimed(json.dumps(document).encode(), signal, JSON, ONE).message)
        assert _without_apps(from_json) == _without_apps(document)


def _without_apps(document: dict[str, Any]) -> dict[str, Any]:
    for groups in document.values():
        for group in groups if isinstance(groups, list) else ():
            resource = group.setdefault("resource", {})
            listed = resource.get("attributes", [])
            resource["attributes"] = [one for one in listed if one.get("key") != "app_id"]
    return document


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_a_resource_that_names_its_app_as_it_should_stays_byte_for_byte(encoding: Encoding) -> None:
    draw = Draw(3, "traces", ["own-a"])
    request = draw.plain()
    for group in request.resource_spans:
        del group.resource.attributes[:]
        group.resource.attributes.add(key="app_id").value.string_value = " Own-A "
        group.resource.attributes.add(key="service.name").value.string_value = "anything"
    sent = as_sent(draw, request, encoding, False)
    for permit in (ONE, SEVERAL):
        assert claimed(sent, "traces", encoding, permit) == Claimed(sent)


def test_who_claims_another_app_two_or_none_is_left_out_and_named() -> None:
    app, service = "app_id", "service.name"
    cases: list[tuple[list[tuple[str, Any]], str]] = [
        ([(app, "theirs")], "theirs"),
        ([(service, "theirs")], "theirs"),
        ([(app, "theirs"), (service, "own-a")], "theirs"),
        ([(app, ""), (service, "theirs")], "theirs"),
        ([(app, 7), (service, "own-a")], "(no text)"),
        ([(app, "own-a"), (app, "theirs")], "own-a and theirs"),
        ([(app, "own-a"), (app, "own-b")], "own-a and own-b"),
        ([(service, "own-a"), (service, 7)], "own-a and (no text)"),
        ([], ""),
        ([("host.name", "own-a")], ""),
        ([(app, "own-a2")], "own-a2"),
    ]
    for attributes, claim in cases:
        request = REQUESTS["logs"]()
        group = request.resource_logs.add()
        for key, value in attributes:
            made = group.resource.attributes.add(key=key).value
            if isinstance(value, int):
                made.int_value = value
            else:
                made.string_value = value
        group.scope_logs.add().log_records.add()
        group.scope_logs[0].log_records.add()
        for encoding in (PROTOBUF, JSON):
            sent = as_sent(Draw(0, "logs", []), request, encoding, False)
            done = claimed(sent, "logs", encoding, SEVERAL)
            assert done.message == b""
            assert [(one.records, one.reason, one.claim) for one in done.left] == [
                (2, "token several does not name the app", claim)
            ]


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize("signal", SIGNALS)
def test_an_app_that_is_gone_is_left_out_and_the_others_stay(signal: Signal, encoding: Encoding) -> None:
    """Whatever is sent: a permit by which one app is gone keeps what a permit that does not name it keeps, of the rest."""
    draw = Draw(11, signal, [*OURS[:2], *THEIRS[:1]])
    gone, without = (
        Permit("several", frozenset({"own-a", "own-b"}), retired={"own-b": "retired"}),
        Permit("several", frozenset({"own-a"})),
    )
    seen = 0
    for _ in range(20):
        sent = as_sent(draw, draw.plain(), encoding, False)
        found, other = (claimed(sent, signal, encoding, permit) for permit in (gone, without))
        assert found.message == other.message
        assert [(one.records, one.claim) for one in found.left] == [
            (one.records, one.claim) for one in other.left
        ]
        reasons = {one.claim: one.reason for one in found.left}
        assert (
            reasons.pop("own-b", why := "token several sends for an app that the catalogue calls retired")
            == why
        )
        assert set(reasons.values()) <= {"token several does not name the app"}
        seen += sum(one.reason == why for one in found.left)
        pinned = claimed(
            sent, signal, encoding, Permit("one", frozenset({"own-b"}), "own-b", {"own-b": "retired"})
        )
        assert pinned.message == b"" and {one.claim for one in pinned.left} == {"own-b"}
    assert seen


def test_what_cannot_be_walked_is_let_in_by_nobody() -> None:
    named = Draw(1, "traces", ["theirs"]).plain().SerializeToString()
    group = b"\x9b\x06\x9c\x06"
    for sent in (group + named, b"\xff" + named, b"\x07", b"garbage"):
        with pytest.raises(Unclear):
            claimed(sent, "traces", PROTOBUF, ONE)
        assert let_in(ONE, sent, "traces", PROTOBUF) is None
    for text in (b"[]", b"{", b'{"resourceSpans":[]} {}', b"\xff", b"1", b"[" * 100_000):
        with pytest.raises(Unclear):
            claimed(text, "traces", JSON, ONE)
        assert let_in(ONE, text, "traces", JSON) is None
    # A resource nobody can be sure of is left out with its records, not passed by.
    (body,) = [named[one.start : one.end] for one in list(fields(named))[:1]]
    records = _examined_records(field_of(1, body))
    for odd in (group + body, body + group, b"\x08\x01" + body, body + field_of(1, b"\x0a\xff")):
        done = claimed(field_of(1, odd), "traces", PROTOBUF, ONE)
        assert done.message == b""
        assert [(one.reason, one.records in (1, records)) for one in done.left] == [
            ("unreadable resource", True)
        ]
    # What stands before the part that cannot be read is kept.
    own = Draw(1, "traces", ["own-a"]).plain().SerializeToString()
    done = claimed(own + group + named, "traces", PROTOBUF, SEVERAL)
    assert done.message and [one.reason for one in done.left] == ["unreadable resource"]


def _examined_records(message: bytes) -> int:
    return count_records(REQUESTS["traces"].FromString(message))


def test_resources_that_stand_twice_are_one_and_what_reads_differently_is_written_anew() -> None:
    def pair(key: bytes, value: bytes) -> bytes:
        return field_of(1, field_of(1, key) + field_of(2, field_of(1, value)))

    twice = field_of(1, pair(b"app_id", b"own-a")) + field_of(1, pair(b"host.name", b"h"))
    two_keys = field_of(
        1, field_of(1, field_of(1, b"app_id") + field_of(1, b"x") + field_of(2, field_of(1, b"theirs")))
    )
    last_key = field_of(
        1, field_of(1, field_of(1, b"x") + field_of(1, b"app_id") + field_of(2, field_of(1, b"own-a")))
    )
    cases: list[tuple[bytes, list[str]]] = [
        (twice, ["host.name"]),
        (field_of(1, pair(b"app_id", b"own-a")) + two_keys, ["x"]),
        (last_key, []),
    ]
    for group, others in cases:
        for permit in (ONE, SEVERAL):
            told = REQUESTS["traces"].FromString(
                claimed(field_of(1, group), "traces", PROTOBUF, permit).message
            )
            (resource,) = [one.resource for one in told.resource_spans]
            assert [one.key for one in resource.attributes] == ["app_id", *others]
            assert resource.attributes[0].value.string_value == "own-a"
            assert told.SerializeToString() == claimed(field_of(1, group), "traces", PROTOBUF, permit).message


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": "own-a", "string_value": "theirs"},
        {"intValue": "3", "stringValue": "own-a"},
        {"stringValue": ["own-a"]},
        {"stringValue": 7},
        "own-a",
        None,
    ],
)
def test_of_a_value_that_can_be_read_in_two_ways_none_is_believed(value: object) -> None:
    document = {"resourceSpans": [{"resource": {"attributes": [{"key": "app_id", "value": value}]}}]}
    sent = json.dumps(document).encode()
    assert claimed(sent, "traces", JSON, SEVERAL).left
    told = json.loads(claimed(sent, "traces", JSON, ONE).message)
    attributes = told["resourceSpans"][0]["resource"]["attributes"]
    assert attributes == [{"key": "app_id", "value": {"stringValue": "own-a"}}]


def test_requests_of_other_signals_in_the_same_text_are_not_kept() -> None:
    other = {"resourceLogs": [{"resource": {}}], "resource_metrics": [], "resourceSpans": [], "mine": 1}
    assert json.loads(claimed(json.dumps(other).encode(), "traces", JSON, ONE).message) == {
        "resourceSpans": [],
        "mine": 1,
    }


def test_apps_are_compared_as_the_engine_compares_them(warehouse: Warehouse) -> None:
    numbers = random.Random(2)
    texts = ["".join(numbers.choices("aB \t\n\r\f\v\xa0\u2003É", k=6)) for _ in range(200)]
    frame = warehouse.frame_of(
        "SELECT arrayMap(t -> otlp_identity(t), {texts:Array(String)}) AS found", texts=texts
    )
    assert frame["found"][0].to_list() == [app_of(one) for one in texts]


def test_encodings_are_those_of_the_journal() -> None:
    assert {PROTOBUF, JSON} <= set(get_args(Encoding))
