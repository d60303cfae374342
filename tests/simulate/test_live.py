"""Live traffic is what it says: one version of one app fails on one route, for so long, and all of it reaches an intake."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent import futures
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan

from models.errors import AppfleetError, ConfigurationError
from pipelines.commands.live import ENDPOINT, play_fleet
from pipelines.simulate import simulate
from pipelines.simulate.live import LiveTraffic, fleet_of, play

END = date(2026, 3, 31)
NOW = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
SECONDS = 300.0


class Receiver(services.TraceServiceServicer):
    """Takes what is exported and keeps it."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], list[Span]]] = []

    def Export(self, request, context):  # type: ignore[no-untyped-def]  # noqa: ARG002, N802 (the service's own names)
        for resource in request.resource_spans:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.taken.append((attributes, list(scope.spans)))
        return messages.ExportTraceServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    held = Receiver()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    services.add_TraceServiceServicer_to_server(held, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield held, f"http://127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("live") / "w"
    simulate(root, apps=30, days=35, seed=3, end=END)
    return root


def played(workspace: Path, seconds: float) -> tuple[LiveTraffic, list[ReadableSpan]]:
    """Everything sent in so long, by a clock that jumps where anybody sleeps."""
    clock = [NOW]
    sent: list[ReadableSpan] = []
    traffic = LiveTraffic(fleet_of(workspace), NOW, seconds)

    def sleep(for_seconds: float) -> None:
        clock[0] += timedelta(seconds=for_seconds)

    def send(spans: Sequence[ReadableSpan]) -> bool:
        assert all(NOW <= at(one) < clock[0] for one in spans), "of a second that is not over"
        sent.extend(spans)
        return True

    play(traffic, send, seconds, lambda: clock[0], sleep)
    assert clock[0] == NOW + timedelta(seconds=seconds)
    return traffic, sent


def at(span: ReadableSpan) -> datetime:
    assert span.start_time
    return datetime.fromtimestamp(span.start_time / 1e9, UTC)


def test_one_version_fails_on_one_route_and_nothing_else_does(workspace: Path) -> None:
    traffic, sent = played(workspace, SECONDS)
    planted = traffic.incident
    assert NOW < planted.begins < planted.ends <= NOW + timedelta(seconds=SECONDS)
    bad = [one for one in sent if (one.attributes or {}).get("http.response.status_code") == 500]
    resources = {(one.resource.attributes["service.version"], one.name) for one in bad}
    assert resources == {(planted.version, planted.route)}
    assert len({tuple(sorted(one.resource.attributes.items())) for one in bad}) == 1
    assert all(planted.begins <= at(one) < planted.ends and one.events[0].name == "exception" for one in bad)
    assert len(bad) == traffic.counts.bad and len(sent) == traffic.counts.requests
    # two requests a second, most of them by the new version, a third of these on the route: more than a few
    assert len(bad) > 20
    routes = Counter(
        one.name for one in sent if one.resource.attributes["service.version"] == planted.version
    )
    assert len(routes) == 3, "the version answers what others answer too"
    assert len({one.context.trace_id for one in sent}) == len(sent)


@pytest.mark.parametrize("takes", [range(0), range(0, 300, 5), range(4, 300, 5)])
def test_who_takes_nothing_is_left_alone(workspace: Path, takes: range) -> None:
    """It ends where five in a row are not taken; one that is taken now and then is played to its end."""
    clock = [NOW]
    sent: list[int] = []

    def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)

    def send(spans: Sequence[ReadableSpan]) -> bool:
        sent.append(len(spans))
        return len(sent) - 1 in takes

    counts = play(LiveTraffic(fleet_of(workspace), NOW, 60), send, 60, lambda: clock[0], sleep)
    assert len(sent) == (60 if len(takes) else 5)
    assert counts.refused_spans == sum(count for place, count in enumerate(sent) if place not in takes)


def test_the_same_moment_gives_the_same_traffic(workspace: Path) -> None:
    first, second = (
        [(at(one), one.name, one.end_time) for one in played(workspace, 20)[1]] for _ in range(2)
    )
    assert first == second and first


def test_it_is_sent_where_the_environment_says_and_every_span_once(
    workspace: Path, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, endpoint = receiver
    monkeypatch.setenv(ENDPOINT, endpoint)
    said: list[str] = []
    play_fleet(workspace, 2, said.append)
    spans = [span for _, ones in held.taken for span in ones]
    assert said[1].startswith(f"played {len(spans)} requests") and spans
    assert len({span.span_id for span in spans}) == len(spans)
    assert all(
        "service.name" in attributes and "service.version" in attributes for attributes, _ in held.taken
    )


def test_nobody_there_and_no_simulated_folder_are_one_sentence(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="is no simulated workspace"):
        play_fleet(tmp_path, 1, print)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setattr("pipelines.commands.live.SEND_SECONDS", 0.5)
    done = threading.Event()
    with pytest.raises(
        AppfleetError, match=r"\d+ spans were not taken at http://127.0.0.1:9: is `appfleet up`"
    ):
        play_fleet(workspace, 1, lambda _: done.set())
    assert done.is_set()
