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
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from models.errors import ConfigurationError, LeaseHeld
from pipelines.ingest.intake import Intake, Limits
from tests.intake.conftest import patience
from tests.intake.otlp import METHODS, export, post, spans

BODY = spans(1).SerializeToString()
JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_good_requests_are_answered_as_the_protocol_says(swallowing_intake: Intake, signal: str) -> None:
    addresses = swallowing_intake.addresses
    for body, headers in (
        (BODY, {}),
        (b"", {}),
        (gzip.compress(BODY), {"Content-Encoding": "gzip"}),
        (zlib.compress(BODY), {"Content-Encoding": "deflate"}),
    ):
        status, answer, _ = post(addresses.http, signal, body, headers)
        assert status == 200 and ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert export(addresses.grpc, signal, BODY, compression) == b""
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
        (BODY[:-1], {}, 400, "breaks off"),
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
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
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
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n"
        )
        time.sleep(0.2)
        status, _, headers = post(intake.addresses.http, "traces", BODY)
        assert (status, headers["Retry-After"]) == (503, "1")
    time.sleep(0.2)
    assert post(intake.addresses.http, "traces", BODY)[0] == 200


def test_slow_senders_are_let_go(deaf_intake: Callable[[Limits], Intake]) -> None:
    intake = deaf_intake(Limits(header_seconds=0.2, body_seconds=0.2))
    host, port = urlsplit(intake.addresses.http).netloc.split(":")
    start = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
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
    (segment,) = (tmp_path / ".appfleet" / "segments").iterdir()
    assert segment.read_bytes().endswith(BODY)


def _away(_: Path) -> None:
    from models.errors import WarehouseError

    raise WarehouseError("away")
