"""Who may send beyond this machine: tokens over HTTP and gRPC, their limits, their file, and what is told of them."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from models.errors import ConfigurationError
from models.sender_tokens import DIGITS, SenderToken, TokenKey, digest, key_id, token_text
from models.settings import IntakeSettings, SenderLimits, TlsSettings
from pipelines.ingest.intake import Intake, Limits, Senders
from pipelines.ingest.intake.catalogue import Catalogue, Described
from pipelines.ingest.intake.door import opened, refuse_unguarded
from pipelines.ingest.intake.gate import Bucket, Describing, Gate, GateOptions
from pipelines.ingest.intake.limits import Refused
from pipelines.ingest.intake.token_file import TokenFile
from pipelines.ingest.telemetry import ObjectLoad
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.intake.conftest import eventually, patience
from tests.intake.otlp import METHODS, PROTOBUF, spans

NOW = datetime.now(UTC)


def secret(seed: int) -> str:
    return token_text("".join(Random(seed).choices(DIGITS, k=51)))


def key(token: str, ends: datetime | None = None, revoked: datetime | None = None) -> TokenKey:
    return TokenKey(key_id(token), digest(token), NOW - timedelta(days=1), ends, revoked)


GOOD, SHARED, OLD, GONE = secret(1), secret(2), secret(3), secret(4)
TOKENS = (
    SenderToken("orders", ("orders",), (), (key(GOOD),)),
    SenderToken("shop", ("orders",), ("Shop",), (key(SHARED),)),
    SenderToken("old", ("orders",), (), (key(OLD, ends=NOW - timedelta(seconds=1)),)),
    SenderToken("gone", ("orders",), (), (key(GONE, revoked=NOW),)),
)


@pytest.fixture
def tls(tmp_path: Path) -> TlsSettings:
    return certificate(tmp_path)


def certificate(folder: Path) -> TlsSettings:
    """A certificate of 127.0.0.1 and its key, written to a folder."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "intake")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return TlsSettings(folder / "cert.pem", folder / "key.pem")


Start = Callable[..., Intake]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts intakes with a file of tokens, in front of a warehouse or of nothing."""
    started: list[Intake] = []

    def begin(
        settings: IntakeSettings,
        warehouse: Warehouse | None = None,
        tokens: tuple[SenderToken, ...] = TOKENS,
        limits: Limits | None = None,
        catalogue: Describing | None = None,
    ) -> Intake:
        file = TokenFile(tmp_path / "tokens.json")
        file.change(lambda _: tokens)
        more: dict[str, Any] = {} if warehouse else {"load_object": lambda *_, **__: ObjectLoad("loaded")}
        running = Intake(
            tmp_path,
            limits or Limits(heartbeat_seconds=0.1),
            0,
            0,
            open_warehouse=lambda _: nullcontext(warehouse),  # type: ignore[arg-type]
            settings=settings,
            senders=Senders(
                file,
                opened(settings, file, NOW),
                catalogue or (lambda: Described({"shop": frozenset({"orders", "carts"})})),
            ),
            **more,
        )
        running.start()
        started.append(running)
        return running

    yield begin
    for one in started:
        one.stop()


def post(
    address: str, body: bytes, token: str | None = None, tls: TlsSettings | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of the answer to a POST of traces."""
    place = urlsplit(address)
    if tls:
        context = ssl.create_default_context(cafile=tls.certificate)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            place.netloc, context=context, timeout=30
        )
    else:
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
    shown = {"Authorization": token} if token is not None else {}
    connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF, **shown, **headers})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.headers)


def get(address: str, path: str, tls: TlsSettings | None = None) -> tuple[int, dict[str, Any]]:
    place = urlsplit(address)
    context = ssl.create_default_context(cafile=tls.certificate) if tls else None
    connection = (
        http.client.HTTPSConnection(place.netloc, context=context, timeout=30)
        if context
        else http.client.HTTPConnection(place.netloc, timeout=30)
    )
    connection.request("GET", path, headers={"Host": "intake.example"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def export(
    address: str, body: bytes, token: str | None, tls: TlsSettings | None = None, method: str = ""
) -> bytes:
    target = urlsplit(address).netloc
    if tls:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(tls.certificate.read_bytes()))
    else:
        channel = grpc.insecure_channel(target)
    with channel:
        shown = (("authorization", token),) if token is not None else ()
        answer: bytes = channel.unary_unary(method or METHODS["traces"])(body, metadata=shown, timeout=30)
        return answer


def test_a_token_lets_its_apps_in_over_both_protocols_and_names_who_is_not(
    start: Start, tls: TlsSettings, warehouse: Warehouse
) -> None:
    intake = start(IntakeSettings(listen="0.0.0.0", tls=tls, name="e2e"), warehouse)
    http_at = intake.addresses.http.replace("0.0.0.0", "127.0.0.1")
    grpc_at = intake.addresses.grpc.replace("0.0.0.0", "127.0.0.1")
    assert intake.addresses.http.startswith("https://0.0.0.0:")
    theirs, carts = spans(601, 3, "theirs-tokens"), spans(602, 4, "carts")
    assert post(http_at, theirs.SerializeToString(), f"Bearer {GOOD}", tls)[:2] == (200, b"")
    both = theirs.SerializeToString() + carts.SerializeToString()
    answer = ExportTraceServiceResponse.FromString(export(grpc_at, both, f"bearer {SHARED}", tls))
    said = answer.partial_success
    assert said.rejected_spans == 3
    assert said.error_message == "3 token shop does not name the app ('theirs-tokens') are not kept"
    assert SHARED not in str(answer)

    def rows(text: str) -> list[tuple[Any, ...]]:
        return list(warehouse.frame_of(text).iter_rows())

    eventually(
        lambda: rows("SELECT count() FROM otel.otel_traces_current WHERE app_id = 'carts'") == [(4,)],
        patience(20),
    )
    eventually(
        lambda: rows(
            "SELECT reason, detail, records FROM raw_rejects FINAL WHERE reason LIKE 'token %'"
        ) == [("token shop does not name the app", "3 record(s) of traces claim 'theirs-tokens'", 3)],
        patience(20),
    )  # fmt: skip
    assert rows("SELECT app_id, count() FROM otel.otel_traces WHERE TraceId IN ("
                + ",".join(f"'{span.trace_id.hex()}'" for span in theirs.resource_spans[0].scope_spans[0].spans)
                + ") GROUP BY app_id") == [("orders", 3)]  # fmt: skip
    assert rows(
        "SELECT signal, sum(rejected) FROM raw_deliveries WHERE object_name LIKE 'left-%' GROUP BY signal"
    ) == [("traces", 3)]
    size = len(both)
    eventually(
        lambda: rows(
            "SELECT token, requests, bytes, rejected_records, limited, refused FROM raw_intake_token_uses FINAL "
            "WHERE intake = 'e2e' AND requests > 0 ORDER BY token"
        ) == [("orders", 1, len(theirs.SerializeToString()), 0, 0, 0), ("shop", 1, size, 3, 0, 0)],
        patience(20),
    )  # fmt: skip


WRONG = {
    "none": None,
    "empty": "",
    "no scheme": GOOD,
    "another scheme": f"Basic {GOOD}",
    "a slip": f"Bearer {GOOD[:-1]}{'0' if GOOD[-1] != '0' else '1'}",
    "unknown": f"Bearer {secret(99)}",
    "another secret of a known key": "Bearer " + token_text(key_id(GOOD) + secret(98)[17:60]),
    "expired": f"Bearer {OLD}",
    "revoked": f"Bearer {GONE}",
    "far too long": "Bearer " + "x" * 4000,
}


def test_whoever_has_no_valid_token_is_told_that_and_no_more(start: Start) -> None:
    intake = start(IntakeSettings(behind_proxy=True))
    at = intake.addresses
    answers = set()
    for shown in WRONG.values():
        status, body, headers = post(at.http, b"not even OTLP", shown)
        answers.add((status, body, headers.get("WWW-Authenticate"), headers.get("Retry-After")))
        with pytest.raises(grpc.RpcError) as failed:
            export(at.grpc, b"not even OTLP", shown)
        assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
        answers.add(failed.value.details())
    message = "a valid bearer token is needed: Authorization: Bearer ..."
    assert answers == {(401, Status(message=message).SerializeToString(), "Bearer", None), message}
    uses = {name: use.refused for (_, name), use in intake._gate.uses().items()}
    assert uses == {"": 2 * (len(WRONG) - 2), "old": 2, "gone": 2}
    assert intake.health()["accepted_requests"] == 0


def test_what_a_token_may_send_is_bounded_and_said_when_to_come_again(start: Start) -> None:
    limits = SenderLimits(
        requests_per_second=1,
        requests_burst=3,
        bytes_per_second=1000,
        bytes_burst=20_000,
        request_bytes=10_000,
    )
    intake = start(IntakeSettings(behind_proxy=True, limits=limits))
    at, body = intake.addresses, spans(1, 3, "orders").SerializeToString()
    large = spans(2, 70, "orders").SerializeToString()
    assert 5_000 < len(large) < 10_000
    assert post(at.http, spans(2, 200, "orders").SerializeToString(), f"Bearer {GOOD}")[0] == 413
    for _ in range(2):
        assert post(at.http, body, f"Bearer {GOOD}")[0] == 200
    status, content, headers = post(at.http, body, f"Bearer {GOOD}")
    assert (status, headers["Retry-After"]) == (429, "1")
    assert Status.FromString(content).message == "token orders sends more requests than it may"
    with pytest.raises(grpc.RpcError) as failed:
        export(at.grpc, body, f"Bearer {GOOD}")
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status_of = Status.FromString(dict(failed.value.trailing_metadata())["grpc-status-details-bin"])
    retry = RetryInfo()
    assert status_of.details[0].Unpack(retry) and retry.retry_delay.seconds == 1
    # Another token has its own.
    for count in range(3):
        assert (post(at.http, large, f"Bearer {SHARED}")[0] == 200) == (count < 2 or len(large) * 3 < 20_000)
    uses = {name: (use.requests, use.limited) for (_, name), use in intake._gate.uses().items()}
    assert uses["orders"] == (2, 2)
    assert intake.health()["tokens"]["orders"]["limited"] == 2


def test_a_bucket_lets_through_its_burst_and_then_its_rate() -> None:
    numbers, clock = Random(3), [100.0]
    bucket = Bucket(10.0, 25.0, lambda: clock[0])
    let_through, first, waited = 0.0, clock[0], False
    for _ in range(3000):
        clock[0] += numbers.expovariate(2.0)
        amount = numbers.uniform(0, 25)
        seconds = bucket.wait(amount)
        if seconds:
            waited = True
            clock[0] += seconds * 0.999
            assert bucket.wait(amount) > 0
            clock[0] += seconds * 0.002
            assert bucket.wait(amount) == 0
        let_through += amount
        assert let_through <= 25.0 + (clock[0] - first) * 10.0 + 1e-6
    assert waited


def test_a_changed_file_counts_at_once_and_a_broken_one_changes_nothing(start: Start, tmp_path: Path) -> None:
    intake = start(IntakeSettings(behind_proxy=True))
    file, body = TokenFile(tmp_path / "tokens.json"), spans(1, 1, "orders").SerializeToString()
    assert post(intake.addresses.http, body, f"Bearer {GOOD}")[0] == 200
    assert oct(file.path.stat().st_mode)[-3:] == "600"
    new = secret(7)
    made = key(new)
    file.change(
        lambda old: tuple(
            one.rotated(made, timedelta(hours=12)) if one.name == "orders" else one for one in old
        )
    )

    def answer(token: str) -> int:
        return post(intake.addresses.http, body, f"Bearer {token}")[0]

    eventually(lambda: answer(new) == 200, 5)
    assert answer(GOOD) == 401  # made a day ago, good for twelve hours after
    file.path.write_text("{")
    time.sleep(1.1)
    assert answer(new) == 200 and "is not a file of tokens" in intake.health()["last_problem"]
    file.path.write_text('{"version": 1}')
    eventually(lambda: answer(new) == 401, 5)
    assert answer("") == 401, "without any token the intake does not open again"


def test_apps_of_a_team_are_those_the_catalogue_says_now(tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "teams.yaml").write_text("teams: [{team: Shop}]\n")
    (tmp_path / "appfleet.yaml").write_text("warehouse: embedded\n")

    def own(app: str, team: str) -> None:
        (tmp_path / "catalog" / f"{app}.yaml").write_text(
            f"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {app}}}\nspec: {{owner: {team}}}\n"
        )

    own("orders", "Shop")
    own("carts", "other")
    file = TokenFile(tmp_path / "tokens.json")
    file.change(lambda _: TOKENS[:1])
    gate = Gate(file, GateOptions(is_exposed=True), Catalogue(load_settings(tmp_path)))
    gate.start()
    shop = SenderToken("shop", ("ledger",), ("SHOP",), (key(SHARED),))
    file.change(lambda old: (*old, shop))

    def apps() -> set[str]:
        bearer = gate.sender(f"Bearer {SHARED}")
        assert bearer is not None
        return set(bearer.permit.apps)

    def asked() -> bool:
        try:
            apps()
        except Refused as refused:
            return refused.status == 503 and gate.wants_catalogue.is_set()
        return False

    # A token for a team nobody asked about yet waits for the catalogue, and is not refused for good.
    eventually(asked, 5)
    gate.look_at_catalogue()
    assert apps() == {"ledger", "orders"}
    own("carts", "shop")
    gate.look_at_catalogue()
    assert apps() == {"ledger", "orders", "carts"}


def test_nothing_is_let_in_for_an_app_that_retires_until_it_runs_again(
    start: Start, warehouse: Warehouse, tmp_path: Path
) -> None:
    """Over both protocols, for a token of one app and for one of a team; who else the token names goes on, and what is left
    out is counted, listed by its reason and told to who sent it."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / "teams.yaml").write_text("teams: [{team: Shop}]\n")
    (tmp_path / "appfleet.yaml").write_text("warehouse: embedded\n")

    def describe(**lifecycles: str) -> None:
        (tmp_path / "catalog" / "apps.yaml").write_text(
            "---\n".join(
                f"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {app}}}\n"
                f"spec: {{owner: Shop, lifecycle: {lifecycle}}}\n"
                for app, lifecycle in lifecycles.items()
            )
        )

    describe(orders="production", carts="production")
    tokens = (TOKENS[0], SenderToken("shop", (), ("Shop",), (key(SHARED),)))
    intake = start(
        IntakeSettings(behind_proxy=True, name="retires"), warehouse, tokens,
        catalogue=Catalogue(load_settings(tmp_path)),
    )  # fmt: skip
    http_at, grpc_at, gate = intake.addresses.http, intake.addresses.grpc, intake._gate
    orders, carts = spans(611, 3, "orders"), spans(612, 4, "carts")
    both = orders.SerializeToString() + carts.SerializeToString()

    def left(answer: bytes) -> tuple[int, str]:
        said = ExportTraceServiceResponse.FromString(answer).partial_success
        return said.rejected_spans, said.error_message

    for lifecycle, is_gone in (("production", False), (" End-of-Life ", True), ("deprecated", False)):
        describe(orders=f"'{lifecycle}'", carts="production")
        gate.look_at_catalogue()
        status, body, _ = post(http_at, spans(613, 2, "anything").SerializeToString(), f"Bearer {GOOD}")
        why = "sends for an app that the catalogue calls end-of-life ('orders') are not kept"
        assert status == 200 and left(body) == ((2, f"2 token orders {why}") if is_gone else (0, ""))
        answer = export(grpc_at, both, f"Bearer {SHARED}")
        assert left(answer) == ((3, f"3 token shop {why}") if is_gone else (0, ""))

    def rows(text: str) -> list[tuple[Any, ...]]:
        return list(warehouse.frame_of(text).iter_rows())

    trace_ids = {
        app: ",".join(f"'{span.trace_id.hex()}'" for span in sent.resource_spans[0].scope_spans[0].spans)
        for app, sent in (("orders", orders), ("carts", carts))
    }
    listed = "SELECT reason, detail, records FROM raw_rejects FINAL WHERE reason LIKE '%catalogue calls%' ORDER BY reason"
    eventually(
        lambda: rows(listed) == [
            (f"token {name} sends for an app that the catalogue calls end-of-life", f"{n} record(s) of traces claim 'orders'", n)
            for name, n in (("orders", 2), ("shop", 3))
        ],
        patience(20),
    )  # fmt: skip
    for app, times in (("orders", 2), ("carts", 3)):
        counted = (
            f"SELECT count() FROM otel.otel_traces WHERE app_id = '{app}' AND TraceId IN ({trace_ids[app]})"
        )
        sent = len(trace_ids[app].split(",")) * times
        eventually(lambda counted=counted, sent=sent: rows(counted) == [(sent,)], patience(20))  # type: ignore[misc]
    uses = "SELECT token, rejected_records FROM raw_intake_token_uses FINAL WHERE intake = 'retires' AND requests > 0"
    eventually(lambda: sorted(rows(uses)) == [("orders", 2), ("shop", 3)], patience(20))


def test_an_intake_starts_while_the_catalogue_cannot_be_read_unless_a_token_needs_a_team(
    tmp_path: Path,
) -> None:
    (tmp_path / "teams.yaml").write_text("teams: {}\n")
    (tmp_path / "appfleet.yaml").write_text("warehouse: embedded\n")
    file = TokenFile(tmp_path / "tokens.json")
    gate = Gate(file, GateOptions(is_exposed=True), Catalogue(load_settings(tmp_path)))
    file.change(lambda _: TOKENS[:1])
    gate.start()
    bearer = gate.sender(f"Bearer {GOOD}")
    assert bearer is not None and bearer.permit.apps == {"orders"}
    file.change(lambda _: (SenderToken("shop", (), ("Shop",), (key(SHARED),)),))
    with pytest.raises(ConfigurationError, match="teams.yaml"):
        gate.start()


def test_on_loopback_nobody_is_asked_until_there_is_a_token(start: Start, tmp_path: Path) -> None:
    intake = start(IntakeSettings(), tokens=())
    file, body = TokenFile(tmp_path / "tokens.json"), spans(1, 1, "anything").SerializeToString()
    assert post(intake.addresses.http, body)[:2] == (200, b"")
    assert post(intake.addresses.http, body, "Bearer whatever")[:2] == (200, b"")
    assert "tokens" not in intake.health()
    assert post(intake.addresses.http, body, Host="elsewhere.example")[0] == 403
    file.change(lambda _: TOKENS)
    eventually(lambda: post(intake.addresses.http, body)[0] == 401, 5)
    assert post(intake.addresses.http, body, f"Bearer {GOOD}")[0] == 200


def test_health_is_told_to_anybody_and_says_nothing_of_what_comes(
    start: Start, tls: TlsSettings, warehouse: Warehouse, tmp_path: Path
) -> None:
    intake = start(IntakeSettings(listen="0.0.0.0", tls=tls), warehouse)
    http_at = intake.addresses.http.replace("0.0.0.0", "127.0.0.1")
    grpc_at = intake.addresses.grpc.replace("0.0.0.0", "127.0.0.1")
    assert get(http_at, "/healthz", tls) == (200, {"alive": True})
    eventually(lambda: get(http_at, "/readyz", tls) == (200, {"ready": True}), patience(10))
    assert export(grpc_at, b"", None, tls, "/grpc.health.v1.Health/Check") == b"\x08\x01"
    # A new certificate in the same files counts for the connections that come, as soon as it fits its key.
    tls.key.rename(tmp_path / "away.pem")
    assert get(http_at, "/healthz", tls)[0] == 200
    fresh = certificate(tmp_path)
    assert get(http_at, "/healthz", fresh)[0] == 200
    assert export(grpc_at, b"", None, fresh, "/grpc.health.v1.Health/Check") == b"\x08\x01"


def test_an_intake_that_cannot_keep_or_load_is_not_ready(tmp_path: Path) -> None:
    def away(_: Path) -> Any:
        raise ConfigurationError("the warehouse is away")

    intake = Intake(tmp_path, Limits(waiting_bytes=10), 0, 0, open_warehouse=away)
    intake.start()
    try:
        place = urlsplit(intake.addresses.http)
        for lacks in ({"warehouse": "not reached"}, {"journal": "not writable", "warehouse": "not reached"}):
            connection = http.client.HTTPConnection(place.netloc, timeout=30)
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())) == (503, {"ready": False, **lacks})
            folder = tmp_path / ".appfleet" / "segments"
            if folder.exists():
                folder.rename(tmp_path / "elsewhere")
            time.sleep(1.1)
        (tmp_path / "elsewhere").rename(folder)
        assert export(intake.addresses.grpc, b"", None, method="/grpc.health.v1.Health/Check") == b"\x08\x02"
    finally:
        intake.stop()


@pytest.mark.parametrize(
    ("settings", "tokens", "sentence"),
    [
        ({"listen": "0.0.0.0"}, (), "0.0.0.0, beyond this machine, and there is no valid token"),
        ({"listen": "intake.example"}, TOKENS[2:], "no valid token"),
        ({"listen": "::"}, TOKENS, "tokens would travel in clear"),
        ({"behind_proxy": True}, (), "others reach the intake, and there is no valid token"),
        ({"listen": "10.0.0.1", "behind_proxy": True}, TOKENS, ""),
        ({"listen": "::1"}, (), ""),
        ({"listen": "localhost"}, (), ""),
        ({"listen": "127.8.8.8"}, (), ""),
    ],
)
def test_nobody_listens_to_others_unguarded(
    tmp_path: Path, settings: dict[str, Any], tokens: tuple[SenderToken, ...], sentence: str
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.change(lambda _: tokens)
    with pytest.raises(ConfigurationError, match=sentence) if sentence else nullcontext():
        refuse_unguarded(IntakeSettings(**settings), file, NOW)


def test_files_that_are_no_certificate_are_named(tmp_path: Path, tls: TlsSettings) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.change(lambda _: TOKENS)
    cases = [
        (TlsSettings(tmp_path / "none.pem", tls.key), "none.pem cannot be read: No such file"),
        (TlsSettings(tls.key, tls.certificate), "are no certificate and its key"),
    ]
    for files, sentence in cases:
        with pytest.raises(ConfigurationError, match=sentence):
            opened(IntakeSettings(listen="0.0.0.0", tls=files), file, NOW)
