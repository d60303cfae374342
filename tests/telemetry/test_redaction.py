"""What is named or shaped like a secret is hidden before it is stored, counted, and never shown as an example."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import ConfigurationError
from models.redaction import Redaction, has_luhn, redaction
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import TABLES, Load

SECRET = "s3cr3tvalue"
CARD = "4111 1111 1111 1111"
"""The networks' own test number: it has Luhn's check digit."""

CASES: list[tuple[str, str, str]] = [
    ("http.request.header.authorization", f"Bearer {SECRET}", "[redacted: credentials]"),
    ("Authorization", SECRET, "[redacted: credentials]"),
    ("http.request.header.x-api-key", f'["{SECRET}"]', "[redacted: credentials]"),
    ("db.password", SECRET, "[redacted: credentials]"),
    ("http.response.header.set-cookie", f"sid={SECRET}", "[redacted: cookies]"),
    ("cookie", SECRET, "[redacted: cookies]"),
    (
        "url.full",
        f"https://h/p?a=1&access_token={SECRET}&b=2",
        "https://h/p?a=1&access_token=[redacted: url_credentials]&b=2",
    ),
    ("url.query", f"X-Goog-Signature={SECRET}&a=1", "X-Goog-Signature=[redacted: url_credentials]&a=1"),
    ("url.query.2", f"?sig={SECRET}", "?sig=[redacted: url_credentials]"),
    ("db.connection_string", f"postgres://u:{SECRET}@h/db", "postgres://[redacted: url_credentials]h/db"),
    ("enduser", "mail jane.doe@example.org now", "mail [redacted: email] now"),
    ("note", f"paid with {CARD}.", "paid with [redacted: card]."),
    ("note.two", "378282246310005 and 4111111111111112", "[redacted: card] and 4111111111111112"),
    ("note.nested", '{"password":"x y","n":1}', '{"password":"[redacted: credentials_in_text]","n":1}'),
    ("order.id", "4111111111111112", "4111111111111112"),
    ("time_ns", "1767268800000000000", "1767268800000000000"),
    ("token_count", "17", "17"),
    ("gen_ai.usage.input_tokens", "17", "17"),
    ("handle", "@someone", "@someone"),
    ("url.path", "/key=1", "/key=1"),
]


def stored(warehouse: Warehouse) -> str:
    """Every cell of every table of telemetry, of the rejects and the repairs."""
    tables = [f"otel.{table}" for table in TABLES] + ["raw_rejects", "raw_repairs"]
    return "\n".join(warehouse.text(f"SELECT * FROM {table}", "JSONEachRow").decode() for table in tables)


@pytest.mark.parametrize(("key", "value", "want"), CASES)
def test_what_is_shown_of_a_message_hides_what_would_not_be_stored(key: str, value: str, want: str) -> None:
    shown = redaction({}).shown(f"{key} {value}")
    if want == value:
        assert shown == f"{key} {value}"
    elif shown.endswith(" [redacted]"):  # a word of a hidden key, and all that stands behind it
        assert not any(hidden in shown for hidden in (SECRET, "x y"))
    else:
        assert shown == f"{key} {want}"


def test_luhn_by_published_numbers() -> None:
    """Annex B's own 7992739871 with 3; test numbers of the networks."""
    assert has_luhn("79927398713")
    assert [has_luhn(f"7992739871{digit}") for digit in range(10)].count(True) == 1
    assert all(
        map(has_luhn, (CARD, "378282246310005", "6011111111111117", "3530111333300000", "30569309025904"))
    )


@pytest.mark.parametrize("encode", [otlp.as_json, otlp.delimited], ids=["json", "protobuf"])
def test_spans_events_links_and_resources(warehouse: Warehouse, load: Load, encode: Any) -> None:
    request = otlp.traces(2)
    resource = request.resource_spans[0]
    resource.resource.attributes.extend(otlp.pairs({"process.env.api_key": SECRET}))
    one = resource.scope_spans[0].spans[0]
    seen = {}
    for place in (
        one,
        one.events.add(time_unix_nano=otlp.NOON + 1),
        one.links.add(trace_id=b"\x01" * 16, span_id=b"\x01" * 8),
    ):
        seen = {key: text for key, _, text in CASES}
        place.attributes.extend(otlp.pairs({key: value for key, value, _ in CASES}))
    load(encode(request))
    found = warehouse.frame_of(
        "SELECT toString(pair.1), pair.2 FROM otel.otel_traces ARRAY JOIN"
        " CAST(arrayConcat([SpanAttributes], `Events.Attributes`, `Links.Attributes`), 'Array(Array(Tuple(String, String)))') AS pairs"
        " ARRAY JOIN pairs AS pair"
    ).rows()
    assert sorted(found) == sorted([*seen.items()] * 3)
    assert SECRET not in stored(warehouse)
    counted = dict(
        warehouse.frame_of(
            "SELECT concat(subject, ' ', reason), records FROM raw_repairs FINAL WHERE period = '2026-01-01' AND example = ''"
        ).rows()
    )
    assert counted == {
        "process.env.api_key hidden by rule credentials": 2,
        **{
            f"{key} hidden by rule {text.split('[redacted: ')[1].split(']')[0]}": 1
            for key, text in seen.items()
            if "[redacted: " in text
        },
    }


def test_logs_metrics_and_what_is_set_aside(warehouse: Warehouse, load: Load) -> None:
    logs = otlp.rich_logs()
    records = logs.resource_logs[0].scope_logs[0].log_records
    records[0].body.string_value = f"GET /a?token={SECRET} for jane@example.org"
    records[1].attributes.extend(otlp.pairs({"cookie": SECRET}))
    records.add(time_unix_nano=7, body=otlp.any_value(f"Bearer {SECRET} of jane@example.org"))
    load(otlp.delimited(logs))
    metrics = otlp.rich_metrics()
    for metric in metrics.resource_metrics[0].scope_metrics[0].metrics:
        kind = getattr(metric, metric.WhichOneof("data"))
        kind.data_points[0].attributes.extend(otlp.pairs({"password": SECRET}))
    sums = next(
        one for one in metrics.resource_metrics[0].scope_metrics[0].metrics if one.WhichOneof("data") == "sum"
    )
    sums.sum.data_points[0].exemplars[0].filtered_attributes.extend(otlp.pairs({"authorization": SECRET}))
    load(otlp.as_json(metrics))
    load(otlp.as_json(otlp.traces(1, trace_id=b"", name=f"GET /?sig={SECRET}")))
    load(
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"password","value":{"stringValue":"%s'
        % SECRET.encode()
    )
    text = stored(warehouse)
    assert SECRET not in text
    assert "jane@example.org" not in text
    subjects = warehouse.frame_of(
        "SELECT DISTINCT subject FROM raw_repairs WHERE reason LIKE 'hidden%' ORDER BY 1"
    )
    assert subjects.to_series().to_list() == ["authorization", "body", "cookie", "password"]
    assert warehouse.frame_of("SELECT count() FROM raw_rejects").item() >= 2


def test_a_rule_can_be_switched_off_by_its_name(warehouse: Warehouse, load: Load) -> None:
    request = otlp.traces(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(otlp.pairs({"cookie": "c", "mail": "jane@example.org", "card": CARD}))
    load(otlp.delimited(request), hide=redaction({"email": False, "card": False}))
    found = warehouse.frame_of(
        "SELECT SpanAttributes['mail'], SpanAttributes['card'], SpanAttributes['cookie'] FROM otel.otel_traces"
    )
    assert found.rows() == [("jane@example.org", CARD, "[redacted: cookies]")]
    with pytest.raises(ConfigurationError, match="there is no rule e-mail"):
        redaction({"e-mail": False})
    assert redaction(
        dict.fromkeys(
            ("credentials", "cookies", "credentials_in_text", "url_credentials", "email", "card"), False
        )
    ) == Redaction((), (), (), (), (), "[redacted: card]")


def test_what_a_collector_inserts_unhidden_is_counted(warehouse: Warehouse, load: Load) -> None:
    """Rows without a batch are the collector's own; what its redaction processor masked is not named."""
    insert = "INSERT INTO otel.{} (Timestamp, ResourceAttributes, {}) VALUES ('2026-01-01', {}, {})"
    for table, column in (("otel_traces", "SpanAttributes"), ("otel_logs", "LogAttributes")):
        for value in (SECRET, SECRET + "2", "****", "[redacted: credentials]", ""):
            given = f"map('Authorization', '{value}', 'token_count', '17')"
            warehouse.execute_text(insert.format(table, column, "map('db.password', '****')", given))
    warehouse.execute_text(
        "INSERT INTO otel.otel_metrics_gauge (TimeUnix, Attributes) VALUES ('2026-01-01', map('Cookie', 'a=b'))"
    )
    load(otlp.delimited(otlp.traces(1)))
    found = warehouse.frame("queries/doctor/unhidden", hidden_keys=redaction().bound()["hidden_keys"])
    assert found.rows() == [
        ("logs", "Authorization", 2),
        ("traces", "Authorization", 2),
        ("metrics", "Cookie", 1),
    ]
    off = redaction({"credentials": False, "cookies": False}).bound()["hidden_keys"]
    assert warehouse.frame("queries/doctor/unhidden", hidden_keys=off).is_empty()
