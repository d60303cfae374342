"""What a sender is told, over gRPC and HTTP, when its request is good, bad, too large or comes at a bad time."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import psutil
import pytest
from backports import zstd
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from models.errors import ConfigurationError, LeaseHeld
from models.settings import IntakeSettings
from pipelines.ingest.intake import Intake, Limits
from tests.intake.conftest import patience
from tests.intake.otlp import METHODS, export, post, spans
from tests.telemetry import otlp_messages

BODY = spans(1).SerializeToString()
BODIES = {
    "traces": BODY,
    "metrics": otlp_messages.rich_metrics().SerializeToString(),
    "logs": otlp_messages.rich_logs().SerializeToString(),
}
JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_good_requests_are_answered_as_the_protocol_says(swallowing_intake: Intake, signal: str) -> None:
    addresses = swallowing_intake.addresses
    sent = BODIES[signal]
    for body, headers in (
        (sent, {}),
        (b"", {}),
        (gzip.compress(sent), {"Content-Encoding": "gzip"}),
        (zlib.compress(sent), {"Content-Encoding": "deflate"}),
        (zstd.compress(sent), {"Content-Encoding": "zstd"}),
    ):
        status, answer, _ = post(addresses.http, signal, body, headers)
        assert status == 200 and ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert export(addresses.grpc, signal, sent, compression) == b""
    assert export(addresses.grpc, signal, zstd.compress(sent)) == b""
    assert export(addresses.grpc, signal, b"") == b""


def test_json_is_taken_and_answered_in_json(swallowing_intake: Intake) -> None:
    status, answer, headers = post(swallowing_intake.addresses.http, "logs", b'{"resourceLogs": [{}]}', JSON)
    assert (status, answer, headers["Content-Type"]) == (200, b"{}", "application/json")
    status, answer, _ = post(swallowing_intake.addresses.http, "logs", b"{", JSON)
    assert status == 400 and "not JSON" in json.loads(answer)["message"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        (b"garbage", {}, 400, "not an OTLP request"),
        (BODY[: len(BODY) // 9], {}, 400, "breaks off"),
        (BODIES["metrics"], {}, 400, "it holds metrics, and this is where traces are taken"),
        (BODIES["logs"], {}, 400, "it holds logs, and this is where traces are taken"),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400, "not gzip"),
        (gzip.compress(BODY)[:-4], {"Content-Encoding": "gzip"}, 400, "ends early"),
        (BODY, {"Content-Encoding": "br"}, 415, "'br'"),
        (BODY, {"Content-Type": "text/plain"}, 415, "'text/plain'"),
        (b"x" * (20 * MIB + 1), {}, 413, "smaller batches"),
    ],
)
def test_bad_requests_are_named(
    swallowing_intake: Intake, body: bytes, headers: dict[str, str], status: int, sentence: str
) -> None:
    answered, answer, _ = post(swallowing_intake.addresses.http, "traces", body, headers)
    assert answered == status and sentence in Status.FromString(answer).message
    assert swallowing_intake.health()["refused_requests"] == {str(status): 1}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b'{"foo":1}', 400, "it holds no resourceSpans"),
        (b"", 400, "not JSON"),
        (b"[]", 400, "no JSON object"),
        (b'{"resourceSpans":1}', 400, "resourceSpans is no list"),
        (otlp_messages.as_json(otlp_messages.rich_metrics()), 400, "send it to /v1/metrics"),
        (b"{}", 200, ""),
        (b'{"resourceSpans":null}', 200, ""),
        (b'{"resourceSpans":[]}', 200, ""),
    ],
)
def test_json_without_a_known_member_is_named(
    swallowing_intake: Intake, body: bytes, status: int, sentence: str
) -> None:
    answered, answer, _ = post(swallowing_intake.addresses.http, "traces", body, JSON)
    assert (answered, sentence in json.loads(answer).get("message", "")) == (status, True)
    assert swallowing_intake.health()["accepted_bytes"] == 0


def test_what_is_not_kept_is_said_in_the_answer(swallowing_intake: Intake) -> None:
    request = spans(7, 5)
    sent = request.resource_spans[0].scope_spans[0].spans
    sent[0].trace_id = b""
    sent[1].start_time_unix_nano += 3600 * 10**9
    sent[2].span_id = bytes(8)
    addresses = swallowing_intake.addresses
    words = "3 of 5 spans are not kept: 1 invalid span id, 1 invalid trace id, 1 time later than its receipt"
    expected = ExportTraceServiceResponse()
    expected.partial_success.rejected_spans = 3
    expected.partial_success.error_message = words
    assert export(addresses.grpc, "traces", request.SerializeToString()) == expected.SerializeToString()
    status, answer, _ = post(addresses.http, "traces", request.SerializeToString())
    assert (status, answer) == (200, expected.SerializeToString())
    status, answer, _ = post(addresses.http, "traces", otlp_messages.as_json(request), JSON)
    assert (status, json.loads(answer)) == (
        200,
        {"partialSuccess": {"rejectedSpans": "3", "errorMessage": words}},
    )
    assert swallowing_intake.health()["rejected_records"] == 9


def test_browsers_of_listed_pages_may_send_and_no_others(tmp_path: Path) -> None:
    intake = Intake(
        tmp_path,
        None,
        0,
        0,
        open_warehouse=_away,
        settings=IntakeSettings(cors_origins=("https://shop.example",)),
    )
    intake.start()
    try:
        connection = http.client.HTTPConnection(urlsplit(intake.addresses.http).netloc)
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-team",
        }
        for origin, status in (("https://shop.example", 204), ("https://other.example", 403), ("null", 403)):
            connection.request("OPTIONS", "/v1/traces", headers={"Origin": origin, **asked})
            answer = connection.getresponse()
            answer.read()
            found = {key.lower(): value for key, value in answer.getheaders()}
            assert (answer.status, found.get("access-control-allow-origin")) == (
                status,
                origin if status == 204 else None,
            )
            if status == 204:
                assert found["access-control-allow-headers"] == "content-type,x-team"
                assert (found["access-control-allow-methods"], found["vary"]) == ("POST", "Origin")
            connection.request(
                "POST", "/v1/traces", BODY, {"Origin": origin, "Content-Type": "application/x-protobuf"}
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (200 if status == 204 else 403)
            assert (answer.getheader("Access-Control-Allow-Origin") == origin) == (status == 204)
        connection.close()
        assert intake.health()["accepted_requests"] == 1
    finally:
        intake.stop()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/traces"), ("OPTIONS", "/v1/traces"), ("GET", "/healthz"), ("GET", "/other")],
)
def test_a_foreign_host_is_refused(swallowing_intake: Intake, method: str, path: str) -> None:
    """A page whose name leads to this machine sends under its own name, without an Origin for its own pages."""
    address = urlsplit(swallowing_intake.addresses.http)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    for host, refused in (
        ("evil.example", True),
        (f"evil.example:{address.port}", True),
        ("localhost", False),
    ):
        headers = {"Host": host, "Content-Type": "application/x-protobuf"}
        connection.request(method, path, BODY if method == "POST" else None, headers)
        answer = connection.getresponse()
        said = answer.read()
        assert (answer.status == 403 and b"answers to 127.0.0.1 and localhost only" in said) == refused
        connection.close()


def test_other_paths_and_methods(swallowing_intake: Intake) -> None:
    connection = http.client.HTTPConnection(urlsplit(swallowing_intake.addresses.http).netloc)
    for method, path, status in (
        ("POST", "/v1/profiles", 404),
        ("PUT", "/v1/traces", 405),
        ("GET", "/healthz", 200),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()


def test_one_connection_carries_many_requests_and_chunked_bodies(swallowing_intake: Intake) -> None:
    connection = http.client.HTTPConnection(urlsplit(swallowing_intake.addresses.http).netloc)
    headers = {"Content-Type": "application/x-protobuf"}
    for _ in range(5):
        connection.request("POST", "/v1/traces", iter([BODY[:7], BODY[7:]]), headers, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()
    assert swallowing_intake.health()["accepted_bytes"] == 5 * len(BODY)


def test_a_sender_is_told_to_go_on(swallowing_intake: Intake) -> None:
    host, port = urlsplit(swallowing_intake.addresses.http).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as sender:
        sender.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        )
        assert sender.recv(100).startswith(b"HTTP/1.1 100")
        sender.sendall(BODY)
        assert sender.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_not_http_ends_the_connection(swallowing_intake: Intake, noise: bytes) -> None:
    host, port = urlsplit(swallowing_intake.addresses.http).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as sender:
        sender.sendall(noise + b"\r\n\r\n")
        received = b""
        while data := sender.recv(4096):
            received += data
        assert received.startswith(b"HTTP/1.1 4")
    assert post(swallowing_intake.addresses.http, "traces", BODY)[0] == 200


def test_grpc_errors_say_what_is_wrong(swallowing_intake: Intake) -> None:
    address = swallowing_intake.addresses.grpc
    with pytest.raises(grpc.RpcError) as error:
        export(address, "traces", b"garbage")
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "not an OTLP request" in error.value.details()
    with (
        grpc.insecure_channel(address.removeprefix("http://")) as channel,
        pytest.raises(grpc.RpcError) as error,
    ):
        channel.unary_unary("/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export")(b"")
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_bomb_is_refused_quickly_with_bounded_memory(swallowing_intake: Intake) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(300)) + packer.flush()
    process = psutil.Process()
    before = process.memory_info().rss
    begin = time.monotonic()
    status, _, _ = post(swallowing_intake.addresses.http, "traces", bomb, {"Content-Encoding": "gzip"})
    assert status == 413 and time.monotonic() - begin < patience(1)
    # gRPC: the bytes of a packed message, sent as they are, are what the server sees of one.
    begin = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        export(swallowing_intake.addresses.grpc, "traces", bomb)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and time.monotonic() - begin < patience(1)
    assert process.memory_info().rss - before < 100 * MIB
    assert post(swallowing_intake.addresses.http, "traces", BODY)[0] == 200


def test_while_nothing_can_be_kept_senders_are_told_to_come_back(
    deaf_intake: Callable[[Limits], Intake],
) -> None:
    intake = deaf_intake(Limits(waiting_bytes=2 * len(BODY)))
    assert post(intake.addresses.http, "traces", BODY)[0] == 200
    status, answer, headers = post(intake.addresses.http, "traces", BODY)
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "wait for the warehouse" in Status.FromString(answer).message
    with pytest.raises(grpc.RpcError) as error:
        export(intake.addresses.grpc, "traces", BODY)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(error.value.trailing_metadata())
    details = Status.FromString(trailers["grpc-status-details-bin"]).details
    retry = RetryInfo()
    assert details[0].Unpack(retry) and retry.retry_delay.seconds == 5


def test_more_requests_than_may_are_sent_away(deaf_intake: Callable[[Limits], Intake]) -> None:
    intake = deaf_intake(Limits(concurrent_requests=1))
    host, port = urlsplit(intake.addresses.http).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as slow:
        slow.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n"
        )
        time.sleep(0.2)
        status, _, headers = post(intake.addresses.http, "traces", BODY)
        assert (status, headers["Retry-After"]) == (503, "1")
    time.sleep(0.2)
    assert post(intake.addresses.http, "traces", BODY)[0] == 200


def test_slow_senders_are_let_go(deaf_intake: Callable[[Limits], Intake]) -> None:
    intake = deaf_intake(Limits(header_seconds=0.2, body_seconds=0.2))
    host, port = urlsplit(intake.addresses.http).netloc.split(":")
    start = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
    for sent, answered in ((start, b""), (start + b"Content-Length: 9\r\n\r\n", b"HTTP/1.1 408")):
        with socket.create_connection((host, int(port)), timeout=5) as slow:
            slow.sendall(sent)
            assert slow.recv(12) == answered


def test_only_loopback_is_listened_on(swallowing_intake: Intake) -> None:
    ports = {
        int(address.rsplit(":", 1)[1])
        for address in (swallowing_intake.addresses.grpc, swallowing_intake.addresses.http)
    }
    listening = [
        one.laddr
        for one in psutil.Process().net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr.port in ports
    ]
    assert len(listening) == 2 and all(one.ip.endswith("127.0.0.1") for one in listening)


@pytest.mark.parametrize("key", ["otlp_grpc", "otlp_http"])
def test_a_taken_port_is_one_sentence(tmp_path: Path, key: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = {"grpc_port": 0, "http_port": 0, key.removeprefix("otlp_") + "_port": taken}
        for _ in range(2):  # the second time: the first let go of the workspace
            with pytest.raises(ConfigurationError, match=f"port {taken} is taken.*ports.{key}"):
                Intake(tmp_path, None, **ports).start()


def test_a_workspace_has_one_intake(swallowing_intake: Intake, tmp_path: Path) -> None:
    with pytest.raises(LeaseHeld, match="intake"):
        Intake(tmp_path, None, 0, 0).start()


def test_stopping_takes_no_time_and_loses_nothing(tmp_path: Path) -> None:
    intake = Intake(tmp_path, Limits(seal_seconds=60), 0, 0, open_warehouse=_away)
    intake.start()
    with grpc.insecure_channel(intake.addresses.grpc.removeprefix("http://")) as idle:
        idle.unary_unary(METHODS["traces"])(BODY)
        begin = time.monotonic()
        intake.stop()
        assert time.monotonic() - begin < patience(3)
    (segment,) = (tmp_path / ".appfleet" / "segments").glob("[!.]*")
    assert segment.read_bytes().endswith(BODY)


def _away(_: Path) -> None:
    from models.errors import WarehouseError

    raise WarehouseError("away")
