"""The local warehouse speaks ClickHouse's HTTP interface: what clients rely on, and what it must never do."""

from __future__ import annotations

import gzip
import io
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import lz4.frame
import polars as pl
import pyarrow as pa
import pytest

from models.errors import WarehouseError
from sql.local_warehouse.ownership import Place
from sql.local_warehouse.process import open_warehouse
from sql.warehouse import Warehouse


@pytest.fixture
def table(warehouse: Warehouse) -> str:
    warehouse.execute_text("CREATE OR REPLACE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    return "t"


def test_ping_needs_no_password(ask) -> None:
    answer = ask(method="GET", path="/ping", headers={"Authorization": ""})
    assert (answer.status, answer.body) == (200, b"Ok.\n")


@pytest.mark.parametrize("header", ["", "Basic eDp5", "Basic !!!", "Bearer x", "Basic d3JpdGVyOg=="])
def test_a_wrong_password_is_refused_with_clickhouse_s_code(ask, header: str) -> None:
    answer = ask("SELECT 1", headers={"Authorization": header})
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_the_reader_s_password_does_not_open_the_writer(ask, workspace: Path) -> None:
    answer = ask(
        "SELECT 1",
        headers={
            "Authorization": "",
            "X-ClickHouse-User": "writer",
            "X-ClickHouse-Key": Place(workspace).password("reader"),
        },
    )
    assert answer.status == 403


def test_credentials_are_files_of_the_user_alone(warehouse, workspace: Path) -> None:
    passwords = {Place(workspace).password(role) for role in ("writer", "reader")}
    assert len(passwords) == 2
    assert all(len(one) >= 40 for one in passwords)
    for role in ("writer", "reader"):
        assert (workspace / ".appfleet/credentials" / role).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_is_refused(ask, host: str) -> None:
    assert ask("SELECT 1", headers={"Host": host}).status == 403


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8123", "LOCALHOST"])
def test_names_of_this_machine_are_served(ask, host: str) -> None:
    assert ask("SELECT 1", headers={"Host": host}).body == b"1\n"


def test_it_listens_on_loopback_only(warehouse, workspace: Path) -> None:
    owner = Place(workspace).owner()
    assert owner
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    assert f"0100007F:{owner.port:04X}" in listening
    assert f"00000000:{owner.port:04X}" not in listening


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("SELECT nosuch", 404, "47"),
        ("SELEC 1", 400, "62"),
        ("SELECT 1; SELECT 2", 400, "62"),
        ("", 400, "62"),
        ("SELECT * FROM nosuch", 404, "60"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SELECT {x:UInt8}", 400, "456"),
    ],
)
def test_errors_have_clickhouse_s_code(ask, text: str, status: int, code: str) -> None:
    answer = ask(text)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert b"Stack trace" not in answer.body


def test_the_connection_serves_on_after_an_error(workspace: Path, warehouse: Warehouse) -> None:
    for _ in range(3):
        with pytest.raises(WarehouseError):
            warehouse.frame_of("SELECT nosuch")
        assert warehouse.frame_of("SELECT 1 AS a")["a"].to_list() == [1]


def test_get_reads_and_does_not_write(ask, table: str) -> None:
    assert ask(method="GET", query="SELECT 1").body == b"1\n"
    assert (
        ask(method="GET", query="INSERT INTO t VALUES (1, 'x')").headers["X-ClickHouse-Exception-Code"]
        == "164"
    )


def test_a_late_error_is_never_data(ask) -> None:
    text = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_block_size = 65536 FORMAT {}"
    for output in ("TSV", "CSV", "Native", "RowBinary"):
        answer = ask(text.format(output))
        assert answer.status == -1, f"{output}: the chunks must break off"
        assert b"__exception__" in answer.body[-2000:]


def test_a_late_error_reaches_the_client_as_an_error(warehouse: Warehouse) -> None:
    text = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000)"
    with pytest.raises(WarehouseError):
        warehouse.text(text, "TSV", {"max_block_size": 65536})
    with pytest.raises(WarehouseError):
        warehouse.frame_of(text, {"max_block_size": 65536})


def test_parameters_keep_every_character(warehouse: Warehouse) -> None:
    for value in (
        "a'b",
        'a"b',
        "a\\b",
        "a\tb\nc\rd",
        "\\N",
        "",
        "{x:String}",
        "é—✓",
        "'); DROP TABLE t --",
        "%s",
    ):
        frame = warehouse.frame_of("SELECT {x:String} AS x, {y:Array(String)} AS y", x=value, y=[value, "z"])
        assert frame.row(0) == (value, [value, "z"])


def test_parameters_of_many_megabytes(warehouse: Warehouse) -> None:
    frame = warehouse.frame_of(
        "SELECT length({x:String}) AS n, length({y:Array(String)}) AS m",
        x="z" * 3_000_000,
        y=["abc"] * 200_000,
    )
    assert frame.row(0) == (3_000_000, 200_000)
    warehouse.execute_text("CREATE OR REPLACE TABLE long (n UInt64) ENGINE = Memory")
    warehouse.execute_text("INSERT INTO long SELECT length({x:String})", x="z" * 3_000_000)
    assert warehouse.frame_of("SELECT n FROM long")["n"].to_list() == [3_000_000]


def test_a_file_is_loaded_by_bound_parameters(warehouse: Warehouse, table: str, tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    pl.DataFrame({"a": ["1", "2"], "b": ["x", "y"]}).write_parquet(path)
    warehouse.execute_text(
        "INSERT INTO t SELECT toUInt64(a), b FROM file({path:String}, 'Parquet', {structure:String})",
        path=path,
        structure="a Nullable(String), b Nullable(String)",
    )
    assert warehouse.frame_of("SELECT * FROM t ORDER BY a").rows() == [(1, "x"), (2, "y")]


def test_values_come_back_exactly(warehouse: Warehouse) -> None:
    warehouse.execute_text(
        "CREATE OR REPLACE TABLE exact (d Decimal(38, 18), t DateTime64(9, 'UTC'), n Nullable(Float64), m Map(String, String),"
        " l Array(String), b Bool, u UInt64) ENGINE = MergeTree ORDER BY t"
    )
    cost = Decimal("-12345678901234567890.123456789012345678")
    moment = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    sent = pl.DataFrame(
        {"d": [cost], "t": [moment], "n": [None], "l": [["x", "é"]], "b": [True], "u": [2**64 - 1]},
        schema={
            "d": pl.Decimal(38, 18),
            "t": pl.Datetime("ns", "UTC"),
            "n": pl.Float64,
            "l": pl.List(pl.String),
            "b": pl.Boolean,
            "u": pl.UInt64,
        },
    )
    warehouse.insert("exact", sent)
    row = warehouse.frame_of("SELECT * FROM exact").row(0, named=True)
    assert (row["d"], row["n"], row["l"], row["b"], row["u"]) == (cost, None, ["x", "é"], True, 2**64 - 1)
    assert row["t"] == moment
    assert row["t"].utcoffset().total_seconds() == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd", ""])
@pytest.mark.parametrize("chunked", [True, False])
def test_inserts_of_every_encoding(
    ask, warehouse: Warehouse, table: str, encoding: str, chunked: bool
) -> None:
    rows = b"".join(b"%d,x\n" % number for number in range(50_000))
    body = {
        "gzip": lambda: gzip.compress(rows),
        "deflate": lambda: zlib.compress(rows),
        "lz4": lambda: lz4.frame.compress(rows),
        "zstd": lambda: _zstd(rows),
        "": lambda: rows,
    }[encoding]()
    headers = {"Content-Encoding": encoding} if encoding else {}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in _cut(body, 10_007)) + b"0\r\n\r\n"
    answer = ask(body, headers=headers, query="INSERT INTO t FORMAT CSV")
    assert answer.status == 200, answer.body
    assert '"written_rows": "50000"' in answer.headers["X-ClickHouse-Summary"]
    assert warehouse.frame_of("SELECT sum(a) AS s FROM t")["s"].to_list() == [sum(range(50_000))]


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_a_body_cut_short_inserts_nothing(ask, warehouse: Warehouse, table: str, encoding: str) -> None:
    packed = gzip.compress(b"1,x\n" * 1000) if encoding == "gzip" else lz4.frame.compress(b"1,x\n" * 1000)
    answer = ask(packed[:-9], headers={"Content-Encoding": encoding}, query="INSERT INTO t FORMAT CSV")
    assert answer.status == 400
    assert warehouse.frame_of("SELECT count() AS n FROM t")["n"].to_list() == [0]


def test_a_bad_row_is_an_error_and_inserts_nothing(ask, warehouse: Warehouse, table: str) -> None:
    answer = ask(b"INSERT INTO t FORMAT CSV\n1,x\nnope,y\n")
    assert answer.status == 500
    assert warehouse.frame_of("SELECT count() AS n FROM t")["n"].to_list() == [0]


def test_an_insert_takes_values_formats_and_params(ask, warehouse: Warehouse, table: str) -> None:
    assert ask("INSERT INTO t (a, b) VALUES (1, 'a;b'), (2, 'FORMAT CSV')").status == 200
    assert ask("INSERT INTO t (b, a) FORMAT TSV\nq\t3\n").status == 200
    assert ask("INSERT INTO t SELECT {a:UInt64}, 'x'", param_a="4").status == 200
    many = "INSERT INTO t VALUES " + ", ".join(f"({number}, 'x')" for number in range(10, 40_010))
    assert ask(many).status == 200
    frame = warehouse.frame_of(
        "SELECT count() AS n, groupArrayIf(b, a < 4) AS b FROM (SELECT * FROM t ORDER BY a)"
    )
    assert frame.row(0) == (40_004, ["a;b", "FORMAT CSV", "q"])


@pytest.mark.parametrize(
    "output", ["Arrow", "ArrowStream", "Parquet", "JSON", "CSVWithNames", "Native", "Pretty"]
)
def test_an_answer_is_one_document_whatever_its_blocks(ask, output: str) -> None:
    answer = ask(f"SELECT number FROM numbers(300000) FORMAT {output}", max_block_size="1000")
    assert answer.status == 200
    assert answer.headers["X-ClickHouse-Format"] == output
    if output == "Arrow":
        assert pa.ipc.open_file(pa.BufferReader(answer.body)).read_all().num_rows == 300_000
    if output == "ArrowStream":
        assert pa.ipc.open_stream(pa.BufferReader(answer.body)).read_all().num_rows == 300_000
    if output == "Parquet":
        assert pl.read_parquet(io.BytesIO(answer.body)).height == 300_000
    if output == "CSVWithNames":
        assert answer.body.count(b"\n") == 300_001


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_answers_are_packed_when_asked(ask, encoding: str) -> None:
    for rows in (3, 400_000):
        answer = ask(
            f"SELECT number FROM numbers({rows})",
            headers={"Accept-Encoding": encoding},
            enable_http_compression="1",
        )
        unpack = gzip.decompress if encoding == "gzip" else lz4.frame.decompress
        assert answer.headers["Content-Encoding"] == encoding
        assert unpack(answer.body) == b"".join(b"%d\n" % number for number in range(rows))


def test_clickhouse_connect_with_its_own_defaults(warehouse: Warehouse, workspace: Path, table: str) -> None:
    owner = Place(workspace).owner()
    assert owner
    client = clickhouse_connect.get_client(
        host="localhost",
        port=owner.port,
        username="writer",
        password=Place(workspace).password("writer"),
        compress=True,
    )
    client.insert("t", [[number, f"row {number}"] for number in range(1000)], column_names=["a", "b"])
    assert client.query("SELECT count(), max(a) FROM t").result_rows == [(1000, 999)]
    assert client.query("SELECT * FROM t LIMIT 0").column_names == ("a", "b")
    assert client.query("SELECT b FROM t WHERE a = {a:UInt64}", parameters={"a": 7}).result_rows == [
        ("row 7",)
    ]
    client.insert_arrow("t", pa.table({"a": pa.array([5000], pa.uint64()), "b": ["arrow"]}))
    with client.query_arrow_stream("SELECT a FROM t") as stream:
        assert sum(batch.num_rows for batch in stream) == 1001
    assert client.command("SELECT 7") == 7
    assert client.query("SELECT a FROM t WHERE a > 9999").result_rows == []
    client.close()


def test_statements_run_side_by_side(warehouse: Warehouse) -> None:
    begin = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: warehouse.frame_of("SELECT sleep(1)"), range(6)))
    assert time.monotonic() - begin < 4


def test_a_client_that_goes_away_stops_its_statement(warehouse: Warehouse, workspace: Path) -> None:
    place = Place(workspace)
    owner = place.owner()
    assert owner
    body = b"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
    with socket.create_connection(("127.0.0.1", owner.port)) as connection:
        head = (
            "POST /?query_id=runaway HTTP/1.1\r\nHost: localhost\r\nX-ClickHouse-User: writer\r\n"
            f"X-ClickHouse-Key: {place.password('writer')}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        assert _eventually(lambda: _running(warehouse, "runaway") == 1)
    assert _eventually(lambda: _running(warehouse, "runaway") == 0)


def test_limits_hold(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="TIMEOUT_EXCEEDED"):
        warehouse.frame_of(
            "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number)",
            {"max_execution_time": 1, "max_threads": 1},
        )
    with pytest.raises(WarehouseError, match="MEMORY_LIMIT_EXCEEDED"):
        warehouse.frame_of(
            "SELECT groupArray(number) FROM numbers(10000000)", {"max_memory_usage": 10_000_000}
        )
    frame = warehouse.frame_of("SELECT getSetting('max_memory_usage') AS m, getSetting('async_insert') AS a")
    assert frame["m"][0] > 0
    assert not frame["a"][0]


def test_statements_are_in_the_query_log(warehouse: Warehouse, ask) -> None:
    ask("SELECT 'logged'", query_id="who-asked")
    warehouse.execute_text("SYSTEM FLUSH LOGS")
    frame = warehouse.frame_of(
        "SELECT count() AS n FROM system.query_log WHERE type = 'QueryFinish' AND Settings['log_comment'] = 'who-asked'"
    )
    assert frame["n"].to_list() == [1]


def test_settings_of_one_request_do_not_reach_the_next(warehouse: Warehouse) -> None:
    warehouse.frame_of("SELECT 1", {"max_threads": 1, "max_block_size": 17})
    assert warehouse.frame_of("SELECT getSetting('max_block_size') AS n")["n"][0] != 17


def test_select_one_takes_milliseconds(warehouse: Warehouse) -> None:
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        warehouse.text("SELECT 1", "TSV")
        times.append(time.perf_counter() - begin)
    assert sorted(times)[25] < 0.02  # about 0.002 on a quiet machine


def _running(warehouse: Warehouse, query_id: str) -> int:
    frame = warehouse.frame_of(
        "SELECT count() AS n FROM system.processes WHERE Settings['log_comment'] = {id:String}"
        " AND query NOT LIKE '%system.processes%'",
        id=query_id,
    )
    return int(frame["n"][0])


def _eventually(true, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[place : place + size] for place in range(0, len(data), size)]


def _zstd(data: bytes) -> bytes:
    zstd = pytest.importorskip("backports.zstd")
    return bytes(zstd.compress(data))


def test_a_reader_has_no_introspection_functions(workspace: Path) -> None:
    with open_warehouse(workspace, role="reader") as reader:
        for text in (
            "SELECT demangle('_Z1fv')",
            "SELECT demangle('_Z1fv') SETTINGS allow_introspection_functions = 1",
        ):
            with pytest.raises(WarehouseError):
                reader.frame_of(text)


def test_a_long_statement_of_a_reader_is_refused_before_it_is_judged(workspace: Path) -> None:
    with open_warehouse(workspace, role="reader") as reader:
        assert reader.frame_of(f"SELECT 1 AS a /* {' ' * 60_000} */")["a"].to_list() == [1]
        begin = time.monotonic()
        with pytest.raises(WarehouseError, match="64 KiB at most"):
            reader.frame_of("SELECT " + "1 + " * 200_000 + "1")
        assert time.monotonic() - begin < 2
        long = "x" * 200_000
        assert reader.frame_of("SELECT length({long:String}) AS a", long=long)["a"].to_list() == [200_000]
