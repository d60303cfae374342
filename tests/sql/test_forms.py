"""What a form makes of a statement: its words, our functions as their expressions, an INSERT in its parts."""

from __future__ import annotations

import json
import random
import re

import pytest

from models.errors import MigrationError
from sql.catalog import split_statements, statement, statements
from sql.forms import (
    EMBEDDED,
    RECORDS,
    SINGLE_NODE,
    Form,
    Function,
    cloud,
    cluster,
    expanded,
    filled,
    functions,
    insertion,
    purpose_of,
    server,
)
from sql.migrate import migrations
from sql.tokens import tokens
from sql.warehouse import Warehouse

SERVER = server("fleet")
ALL = [*statements("queries"), *statements("statements")]


def test_a_server_is_asked_nothing_by_our_words_or_functions() -> None:
    texts = [SERVER.text(statement(name)) for name in ALL]
    texts += [
        SERVER.text(text)
        for name in statements("migrations")
        for text in split_statements(statement(name))
        if SERVER.creates(text)
    ]
    for text in texts:
        called = {one.text for one in tokens(text) if one.kind == "word"} & set(functions())
        assert not called, text[:200]
        assert "{{" not in text and "CREATE OR REPLACE FUNCTION" not in text
        named = "".join(one.text for one in tokens(text))
        assert "otel.otel_" not in named.replace("fleet_otel.otel_", "")


def test_the_embedded_warehouse_is_asked_as_the_files_say() -> None:
    for name in ALL:
        assert EMBEDDED.text(statement(name)) == filled(statement(name), SINGLE_NODE)


CALLS = {
    "otlp_app(r, a, s)": ("r", "a", "s"),
    "otlp_environment(r)": ("r",),
    "otlp_identity(s)": ("s",),
    "otlp_sender(r)": None,
    "otlp_series(r, s, s, a, a)": ("r", "a", "s"),
    "request_route(s, a)": ("a", "s"),
    "request_kind(k, s, a, '^/health$', 'Health', 'probe', ['OPTIONS'])": ("a", "s"),
    "request_error_class(k, k, a, [500, 599], [400, 499], ['2', '13'], ['UNKNOWN', 'INTERNAL'])": ("a",),
    "request_is(k) AND NOT request_is_server(k)": ("k",),
    "otlp_time_fault(1, 2, 3)": None,
}
KEYS = [
    "app_id",
    "service.name",
    "http.route",
    "http.request.method",
    "url.path",
    "http.response.status_code",
    "rpc.grpc.status_code",
    "k8s.pod.name",
    "k8s.deployment.name",
    "host.name",
    "deployment.environment.name",
    "user_agent.original",
    "process.command",
]
VALUES = [
    "",
    "a",
    " B ",
    "GET",
    "503",
    "404",
    "13",
    "/health",
    "shop-7d9f8b6c5-x2k9q",
    "unknown_service",
    "prod,'\"{}",
]


@pytest.mark.parametrize("call", [call for call, names in CALLS.items() if names])
def test_an_expression_in_the_place_of_a_function_gives_what_the_function_gives(
    fresh_warehouse: Warehouse, call: str
) -> None:
    chance = random.Random(call)
    rows = [
        {
            "r": {key: chance.choice(VALUES) for key in chance.sample(KEYS, 4)},
            "a": {key: chance.choice(VALUES) for key in chance.sample(KEYS, 6)},
            "s": chance.choice(VALUES),
            "k": chance.choice(["Server", "Consumer", "Client", "SPAN_KIND_SERVER", "Error", "Ok"]),
        }
        for _ in range(300)
    ]
    source = (
        "(SELECT JSONExtract(line, 'r', 'Map(String, String)') AS r, JSONExtract(line, 'a', 'Map(String, String)') AS a,"
        " JSONExtractString(line, 's') AS s, JSONExtractString(line, 'k') AS k"
        " FROM (SELECT arrayJoin({lines:Array(String)}) AS line))"
    )
    found = fresh_warehouse.frame_of(
        f"SELECT toString({call}) AS by_function, toString({expanded(call, functions())}) AS by_expression FROM {source}",
        lines=[json.dumps(row) for row in rows],
    )
    assert found["by_function"].to_list() == found["by_expression"].to_list()
    assert found["by_function"].n_unique() > 1


TWICE = {
    "twice": Function(("x",), "x + x"),
    "of": Function(("m", "key"), "m[key]"),
    "none": Function((), "7"),
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT twice(3)", "SELECT ((3) + (3))"),
        ("SELECT twice(a * 2), 1", "SELECT ((a * 2) + (a * 2)), 1"),
        ("SELECT twice(twice(1))", "SELECT ((((1) + (1))) + (((1) + (1))))"),
        ("SELECT of(map('a, b', 1), 'twice(1)')", "SELECT ((map('a, b', 1))[('twice(1)')])"),
        ("SELECT none()", "SELECT (7)"),
        (
            "SELECT twice, t.twice(1) -- twice(2)\n, 'twice(3)'",
            "SELECT twice, t.twice(1) -- twice(2)\n, 'twice(3)'",
        ),
        ("SELECT twice({x:UInt8})", "SELECT (({x:UInt8}) + ({x:UInt8}))"),
        ("SELECT twice(f((1, 2), [3, 4]))", "SELECT ((f((1, 2), [3, 4])) + (f((1, 2), [3, 4])))"),
    ],
)
def test_a_call_becomes_its_expression_and_nothing_else_changes(text: str, wanted: str) -> None:
    assert expanded(text, TWICE) == wanted


@pytest.mark.parametrize("text", ["SELECT twice(1, 2)", "SELECT twice()", "SELECT twice(1"])
def test_a_call_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(MigrationError):
        expanded(text, TWICE)


LOADS = [name for name in statements("ingest") if "INSERT INTO" in statement(name)]


@pytest.mark.parametrize("name", LOADS)
def test_an_insert_is_cut_into_table_columns_and_select(name: str) -> None:
    parts = insertion(statement(name))
    assert len(set(parts.columns)) == len(parts.columns) > 5
    assert "INSERT" not in parts.select and "-- " not in parts.select
    assert parts.select.startswith(f"SELECT {', '.join(parts.columns)} FROM (SELECT ")
    fewer = insertion(statement(name), leave_out=parts.columns[:2])
    assert fewer.columns == parts.columns[2:]
    with pytest.raises(MigrationError, match="no column nothing"):
        insertion(statement(name), leave_out=["nothing"])


def test_columns_travel_under_the_names_of_the_table_by_their_place(fresh_warehouse: Warehouse) -> None:
    """Whatever the expressions are called: two of them even as each other's column."""
    fresh_warehouse.execute_text("CREATE TABLE placed (a String, b String, c UInt64) ENGINE = Memory")
    text = "-- why\nINSERT INTO placed (a, b, c)\nWITH 1 AS one SELECT 'x' AS b, 'y' AS a, one + number FROM numbers(2)"
    found = fresh_warehouse.frame_of(f"{insertion(text).select} ORDER BY c")
    assert found.rows(named=True) == [{"a": "x", "b": "y", "c": 1}, {"a": "x", "b": "y", "c": 2}]
    found = fresh_warehouse.frame_of(insertion(text, leave_out=["b"]).select)
    assert found.columns == ["a", "c"]
    fresh_warehouse.execute_text("DROP TABLE placed")


def test_statements_are_told_by_what_they_are_for() -> None:
    found = {name: purpose_of(statement(name)) for name in ALL}
    assert {found[name] for name in statements("queries")} == {"read"}
    for name in statements("statements"):
        first = next(tokens(statement(name))).text
        assert (found[name] in ("load", "record")) == (first == "INSERT"), name
        assert (found[name] == "delete") == (first == "DELETE"), name
    assert EMBEDDED.settings("load") == {}
    assert SERVER.settings("load")["input_format_skip_unknown_fields"] == 0
    assert all(
        SERVER.settings(one)["session_timezone"] == "UTC" for one in ("migrate", "load", "read", "delete")
    )
    for form in (SERVER, cloud("fleet"), REPLICAS, SHARDS):
        relayed = form.settings("relay")
        assert relayed.pop("min_insert_block_size_bytes") == 67_108_864
        assert relayed == form.settings("load"), "rows that come as a stream are written like all others"


REPLICAS, SHARDS = cluster("fleet", "main", 1), cluster("fleet", "main", 3)
MADE = [text for one in migrations() for text in split_statements(one.text)]
CHANGES = [name for name in statements("statements") if not name.startswith("statements/renewal")]


@pytest.mark.parametrize("form", [SERVER, cloud("fleet"), REPLICAS, SHARDS], ids=lambda form: form.name)
def test_every_statement_of_every_form_is_sql(fresh_warehouse: Warehouse, form: Form) -> None:
    """Parsed by the engine; the form of one node is executed in ``tests/server``."""
    texts = [text for one in migrations() for text in one.statements(form)]
    texts += [text for name in (*CHANGES, *statements("queries")) for text in form.texts(statement(name))]
    assert len(texts) > 200
    for text in texts:
        unbound = re.sub(r"\{(\w+)\s*:\s*Identifier\}", r"\1", text)
        parsed = fresh_warehouse.frame_of(
            "SELECT formatQueryOrNull({asked:String}) AS parsed", asked=unbound
        )["parsed"].item()
        assert parsed, text


def test_on_a_cluster_everything_is_made_on_every_node_and_replicated() -> None:
    for form in (REPLICAS, SHARDS):
        for text in [text for one in migrations() for text in one.statements(form)]:
            assert " ON CLUSTER `main`" in text, text[:200]
            if "CREATE TABLE" in text and "Distributed(" not in text:
                assert re.search(r"ENGINE = Replicated\w*MergeTree\('/clickhouse/tables/", text), text[:200]
    for text in [text for one in migrations() for text in one.statements(SERVER)]:
        assert "CLUSTER" not in text and "Replicated" not in text


def test_only_what_is_large_is_cut_and_goes_where_its_app_or_batch_is() -> None:
    made = {}
    for text in [text for one in migrations() for text in one.statements(SHARDS)]:
        table = re.search(r"CREATE TABLE IF NOT EXISTS (?:\w+\.)?(\w+)", text)
        if table:
            made[table[1]] = text
    cut = {table.removesuffix("_shard") for table in made if table.endswith("_shard")}
    assert cut == {
        "raw_focus_costs",
        *(table for table in made if table.startswith("otel_") and "_shard" not in table),
    }
    for table, text in made.items():
        if table in cut:
            assert f"AS {'fleet_otel.' if table.startswith('otel') else ''}{table}_shard" in text.replace(
                "`", ""
            )
            assert "Distributed(`main`, fleet" in text and "cityHash64(" in text
            assert ("x_BatchId" in text) == (table == "raw_focus_costs")
        elif table.endswith("_shard"):
            assert "'/clickhouse/tables/{uuid}/{shard}', '{replica}'" in text
        else:
            assert "'/clickhouse/tables/{uuid}/all', '{shard}-{replica}'" in text
    for text in [text for one in migrations() for text in one.statements(REPLICAS)]:
        assert "_shard" not in text.replace("{shard}", "") and "Distributed" not in text


def test_what_is_removed_is_removed_where_it_lies() -> None:
    text = statement("statements/collect_billing")
    assert "DELETE FROM raw_focus_costs_shard ON CLUSTER `main`" in SHARDS.text(text)
    assert "DELETE FROM raw_focus_costs\n" in REPLICAS.text(text)
    text = statement("statements/collect_telemetry")
    assert "DELETE FROM fleet_otel.{table:Identifier} ON CLUSTER `main`" in SHARDS.text(text)
    assert "CLUSTER" not in REPLICAS.text(text)
    assert SHARDS.stored("otel_logs") == "otel_logs_shard" and SHARDS.stored("core_apps") == "core_apps"
    assert REPLICAS.stored("otel_logs") == SERVER.stored("otel_logs") == "otel_logs"
    text = statement("statements/drop_telemetry_partition")
    assert "ALTER TABLE fleet_otel.{table:Identifier} ON CLUSTER `main` DROP PARTITION" in SHARDS.text(text)
    assert "ON CLUSTER `main` DROP PARTITION" in REPLICAS.text(text) and "CLUSTER" not in SERVER.text(text)
    text = statement("statements/telemetry_hide_batch")
    assert "CLUSTER" not in SHARDS.text(text) and "CLUSTER" not in REPLICAS.text(text)


def test_only_the_ledger_is_written_with_a_quorum() -> None:
    asked = {name: purpose_of(statement(name)) for name in statements("statements")}
    records = {name for name, purpose in asked.items() if purpose == "record"}
    assert {"statements/publish", "statements/publish_periods", "statements/telemetry_delivery"} <= records
    assert asked["statements/core_request_slices"] == "load"
    for form in (REPLICAS, SHARDS):
        assert form.settings("record")["insert_quorum_parallel"] == 0
        assert "insert_quorum" not in form.settings("load") and "insert_quorum" not in form.settings("read")
        assert form.settings("read")["select_sequential_consistency"] == 1
        assert form.settings("read")["distributed_product_mode"] == "global"
    assert "insert_quorum" not in cloud("fleet").settings("record")
    assert cloud("fleet").settings("read")["select_sequential_consistency"] == 1
    tables = {found[1] for text in MADE if (found := re.search(r"CREATE TABLE IF NOT EXISTS (\w+)", text))}
    assert RECORDS - {"schema_migrations"} <= tables


def test_no_statement_deletes_by_a_subquery() -> None:
    """A replicated table refuses it."""
    for name in statements("statements"):
        if purpose_of(statement(name)) == "delete":
            assert statement(name).upper().count("SELECT") == 0, name


def test_an_insert_without_columns_is_no_load() -> None:
    with pytest.raises(MigrationError, match=r"must be INSERT INTO table \(columns\) SELECT"):
        insertion("INSERT INTO t SELECT 1")


_ON_CLUSTER = re.compile(r" ON CLUSTER `main`")
_REPLICATED = re.compile(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, ([^()]*))?\)")


def on_one_node(text: str) -> str:
    """What a statement of a cluster is where nothing is replicated and nothing cut; empty for a table over shards."""
    if "ENGINE = Distributed(" in text:
        return ""
    engine = _REPLICATED.sub(lambda found: found[1] + (f"({found[2]})" if found[2] else ""), text)
    return re.sub(r"(?<=\w)_shard\b", "", _ON_CLUSTER.sub("", engine)).replace("MergeTree()", "MergeTree")


@pytest.mark.parametrize("form", [cloud("fleet"), REPLICAS, SHARDS], ids=lambda form: form.name)
def test_a_statement_differs_from_that_of_one_node_in_where_it_runs_alone(form: Form) -> None:
    """The one of one node is executed in ``tests/server``, which says of a cluster's what a single machine can."""
    asked = [(text, one.name) for one in migrations() for text in split_statements(one.text)]
    asked += [(statement(name), name) for name in (*CHANGES, *statements("queries"))]
    for text, name in asked:
        if SERVER.creates(text):
            found = {on_one_node(one) for one in form.texts(text)} - {""}
            assert found == {one.replace("MergeTree()", "MergeTree") for one in SERVER.texts(text)}, name
