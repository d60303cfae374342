"""Requests that claim apps in every place a reader might look at, plain ones and such as are written to be misread."""

from __future__ import annotations

import json
import random
import time
from typing import Any

from google.protobuf.message import Message

from tests.intake.otlp import REQUESTS

GROUPS = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}
SCOPES = {"traces": "scope_spans", "metrics": "scope_metrics", "logs": "scope_logs"}


class Draw:
    """Draws requests of a signal that claim any of ``claims``."""

    def __init__(self, seed: int, signal: str, claims: list[str]) -> None:
        self.numbers = random.Random(seed)
        self.signal = signal
        self.claims = claims

    def claim(self) -> str:
        """A claimed app, spelled in some way."""
        app = self.numbers.choice(self.claims)
        return self.numbers.choice([app, app, app, f" {app}\t", app.upper(), ""])

    def chance(self, share: float = 0.3) -> bool:
        """True as often as that."""
        return self.numbers.random() < share

    def plain(self) -> Any:
        """A request whose resources name one app in the usual way."""
        request = REQUESTS[self.signal]()
        for _ in range(self.numbers.randint(1, 3)):
            group = getattr(request, GROUPS[self.signal]).add()
            app = self.numbers.choice(self.claims)
            for key in self.numbers.choice([("app_id", "service.name"), ("service.name",), ("app_id",)]):
                group.resource.attributes.add(key=key).value.string_value = app
            self._records(group, ())
        return request

    def tricky(self) -> Any:
        """A request that claims apps all over."""
        request = REQUESTS[self.signal]()
        for _ in range(self.numbers.randint(1, 3)):
            group = getattr(request, GROUPS[self.signal]).add()
            if self.chance(0.4):
                group.resource.attributes.add(key="app_id").value.string_value = self.numbers.choice(
                    self.claims
                )
            elif self.chance(0.9):
                self._claim_in(group.resource.attributes, ("app_id", "service.name", "app_id", "APP_ID"))
            if self.chance():
                self._claim_in(group.resource.attributes, ("app_id", "service.name"))
            group.resource.attributes.add(key="host.name").value.string_value = "h"
            self._records(group, ("app_id", "service.name", "x_AppId"))
        return request

    def _claim_in(self, attributes: Any, keys: tuple[str, ...]) -> None:
        for key in keys:
            if self.chance(0.5):
                value = attributes.add(key=key).value
                kind = self.numbers.randrange(8)
                if kind < 4:
                    value.string_value = self.claim()
                elif kind == 4:
                    value.int_value = 7
                elif kind == 5:
                    value.array_value.values.add().string_value = self.claim()
                elif kind == 6:
                    value.kvlist_value.values.add(key="app_id").value.string_value = self.claim()

    def _records(self, group: Any, keys: tuple[str, ...]) -> None:
        scope = getattr(group, SCOPES[self.signal]).add()
        self._claim_in(scope.scope.attributes, keys)
        now = time.time_ns()
        for _ in range(self.numbers.randint(1, 3)):
            if self.signal == "traces":
                record: Any = scope.spans.add(
                    trace_id=self.numbers.randbytes(16),
                    span_id=self.numbers.randbytes(8),
                    name="GET /",
                    kind=2,
                    start_time_unix_nano=now,
                    end_time_unix_nano=now + 1000,
                )
                self._claim_in(record.events.add(name="e", time_unix_nano=now).attributes, keys)
                self._claim_in(record.links.add(trace_id=bytes(16), span_id=bytes(8)).attributes, keys)
            elif self.signal == "logs":
                record = scope.log_records.add(time_unix_nano=now, severity_text="INFO")
                record.body.string_value = str(self.numbers.random())
            else:
                metric = scope.metrics.add(name=f"m{self.numbers.randrange(10**9)}")
                kind = self.numbers.choice(("gauge", "sum", "histogram", "exponential_histogram", "summary"))
                record = getattr(metric, kind).data_points.add(time_unix_nano=now)
            self._claim_in(record.attributes, keys)

    def bytes_of(self, request: Any) -> bytes:
        """The request in Protobuf, with what a writer of bytes can do to mislead a reader."""
        out = b""
        for group in getattr(request, GROUPS[self.signal]):
            body = group.SerializeToString()
            for _ in range(2):
                more = self._misleading(type(group.resource)())
                body = body + more if self.chance(0.5) else more + body
            out += field_of(1, body)
        if self.chance(0.1):
            out = self.numbers.choice([_GROUP, b"\x78\x01", field_of(5, b"x")]) + out
        if self.chance(0.1):
            out += self.numbers.choice(
                [
                    _GROUP
                    + field_of(
                        1,
                        field_of(
                            1,
                            field_of(
                                1, field_of(1, b"app_id") + field_of(2, field_of(1, self.claim().encode()))
                            ),
                        ),
                    ),
                    out[: len(out) // 2],
                    b"\xff",
                ]
            )
        return out

    def _misleading(self, resource: Any) -> bytes:
        """What may stand before or after the fields of a resource and its records."""
        if self.chance(0.75):
            return b""
        resource.attributes.add(key="app_id").value.string_value = self.claim()
        named = resource.SerializeToString()
        text = self.claim().encode()
        key, twice = field_of(1, b"app_id"), field_of(1, b"a") + field_of(1, b"app_id")
        value = field_of(2, field_of(1, text))
        many = field_of(2, field_of(1, b"a") + b"\x18\x07" + field_of(1, text))
        return self.numbers.choice(
            [
                field_of(1, named),
                field_of(1, field_of(1, twice + value)),
                field_of(1, field_of(1, key + many)),
                field_of(1, field_of(1, key + value + value) + field_of(1, key)),
                field_of(1, named[:-1]),
                _GROUP + field_of(1, named),
                b"\x08\x01" + field_of(1, named),
                field_of(1000, b""),
                field_of(77, named),
            ]
        )

    def text_of(self, request: Any, as_json: bytes) -> bytes:
        """The same in JSON, with what a writer of text can do to mislead a reader."""
        text = as_json.decode()
        claim = json.dumps(self.claim())
        named = f'{{"attributes":[{{"key":"app_id","value":{{"stringValue":{claim}}}}}]}}'
        group = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}[self.signal]
        tricks = [
            ('"resource":', f'"resource":{named},"resource":'),
            ('"key":"app_id"', '"key":"a","key":"app_id"'),
            ('"key":"app_id"', '"key":"app\\u005fid"'),
            ('"attributes":[', f'"attributes":[{{"key":"app_id","value":{{"string_value":{claim}}}}},'),
            (
                '"attributes":[',
                f'"attributes":[],"Attributes":[],"attributes":[{{"KEY":"app_id","value":{claim}}},null,',
            ),
            ('"stringValue":', f'"intValue":"3","string_value":{claim},"stringValue":'),
            ('"stringValue":', '"stringValue":"\\ud800","stringValue":'),
            (f'"{group}":', f'"{group[:8]}_{group[8:].lower()}":'),
            (f'"{group}":', f'"{group}":[{{"resource":{named}}}],"{group}":'),
            ('"resource":', f'"Resource":{named},"entity":1e999,"resource":'),
            (
                f'{{"{group}":',
                f'{{"resourceLogs":[{{"resource":{named},"scopeLogs":[{{"logRecords":[{{}}]}}]}}],"{group}":',
            ),
        ]
        for before, after in self.numbers.sample(tricks, 2):
            if self.chance(0.5):
                text = text.replace(before, after, self.numbers.choice([1, -1]))
        return text.encode()


_GROUP = b"\x9b\x06\x9c\x06"
"""Field 99 as a group, empty: every reader of Protobuf skips it."""


def field_of(number: int, body: bytes) -> bytes:
    """A length-delimited field of Protobuf."""
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def without_apps(request: Message, signal: str) -> Any:
    """A copy of a request whose resources name no app, to compare all else."""
    copy = type(request)()
    copy.CopyFrom(request)
    for group in getattr(copy, GROUPS[signal]):
        others = [one for one in group.resource.attributes if one.key != "app_id"]
        del group.resource.attributes[:]
        group.resource.attributes.extend(others)
    return copy
