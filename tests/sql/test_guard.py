"""A reader's statement stays inside the warehouse: each way out is tried, at the guard and at the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import StatementRefused
from sql.guard import ALLOWED_TABLE_FUNCTIONS, BARE_REFUSED, REFUSED_FUNCTIONS, admit
from sql.warehouse import Warehouse

SECRET = "hunter2-canary"


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret.csv"
    path.write_text(f"{SECRET}\n")
    return path


ADMITTED = [
    "SELECT 1",
    "select 'file(1)' as text, \"from\" from (select 1 as `from`);",
    "WITH a AS (SELECT 1 AS x) SELECT x FROM a -- file('/etc/passwd')",
    "SHOW TABLES",
    "DESCRIBE core_apps",
    "EXPLAIN SELECT count() FROM core_apps",
    "SELECT sum(number) FROM numbers(10)",
    "SELECT format('{}-{}', 'a', 'b')",
    "SELECT count() FROM system.query_log WHERE Settings['log_comment'] = 'x'",
    "SELECT 'DROP TABLE t; INSERT INTO t' /* ; */",
    "SELECT 'it''s', 'a\\'b; c'",
    "SELECT url, cluster FROM (SELECT 1 AS url, 2 AS cluster)",
    "SELECT * APPLY(toString) FROM (SELECT 1)",
]

REFUSED = [
    "",
    "  -- nothing\n",
    "INSERT INTO core_apps SELECT * FROM core_apps",
    "DROP TABLE core_apps",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE core_apps",
    "WITH 1 AS x INSERT INTO t SELECT x",
    "SELECT 1 INTO OUTFILE '/tmp/out'",
    "SELECT 1 into/**/outfile '/tmp/out'",
    "SELECT 1 INTO\nOUTFILE\n'/tmp/out' TRUNCATE FORMAT CSV",
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT `fi\\x6ce`('/etc/passwd')",
    "SELECT FILE /* x */ ('/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
    "SELECT arrayMap(file, ['/etc/passwd'])",
    "SELECT 1 /* /* */ , file('/etc/passwd') /* */ */",
    "SELECT $$a$$",
    "SELECT $a$'$a$, file('/etc/passwd'), $a$'$a$",
    "SELECT ‘x’, file(‘/etc/passwd’)",
    "SELECT 'a\\', file('/etc/passwd')",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 # comment\n",
    "SELECT * FROM {t:Identifier}",
    "DESCRIBE file('/etc/passwd')",
    "DESC TABLE url('http://127.0.0.1:1/')",
    "EXPLAIN SELECT * FROM s3('http://127.0.0.1:1/x.csv')",
    "SELECT * FROM eval('select 1')",
    "SELECT 1 IN (SELECT * FROM Python(x))",
    "SELECT * FROM view(SELECT file('/etc/passwd'))",
    "EXISTS TABLE core_apps",
    "(SELECT 1)",
    "SELECT 1\x00; DROP TABLE t",
]


@pytest.mark.parametrize("text", ADMITTED)
def test_plain_reads_are_admitted_and_run(reader: Warehouse, warehouse: Warehouse, text: str) -> None:
    admit(text)
    plain = text.split("--")[0].rstrip("; ")
    assert reader.text(plain, "TSV") == warehouse.text(plain, "TSV"), "a reader sees what the writer sees"


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(StatementRefused) as refused:
        admit(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", [one for one in REFUSED if one.strip()])
def test_the_server_refuses_it_too_whoever_the_client_is(ask, text: str) -> None:
    answer = ask(text, role="reader")
    assert answer.status in (400, 403)
    assert b"root:" not in answer.body
    assert not Path("/tmp/out").exists()


def test_every_table_function_of_the_engine_is_either_refused_or_harmless(warehouse: Warehouse) -> None:
    names = warehouse.frame_of("SELECT lower(name) AS name FROM system.table_functions")["name"].to_list()
    assert len(names) > 80
    harmless_when_readonly = {"format"}
    unknown = set(names) - REFUSED_FUNCTIONS - ALLOWED_TABLE_FUNCTIONS - harmless_when_readonly
    assert not unknown


@pytest.mark.parametrize("call", ["* APPLY {}", "* APPLY({})", "arrayMap({}, [a])", 'arrayMap("{}", [a])'])
def test_no_refused_function_of_the_engine_is_called_by_its_bare_name(
    warehouse: Warehouse, call: str
) -> None:
    names = set(warehouse.frame_of("SELECT lower(name) AS name FROM system.functions")["name"])
    scalar = sorted(BARE_REFUSED | names & REFUSED_FUNCTIONS)
    assert {"file", "hascolumnintable"} <= set(scalar)
    for name in scalar:
        with pytest.raises(StatementRefused, match=f"the function {name} is not available"):
            admit(f"SELECT {call.format(name)} FROM (SELECT 'x' AS a)")
    for name in sorted(REFUSED_FUNCTIONS - set(scalar)):
        admit(f"SELECT {name} FROM t")


def test_no_function_of_the_engine_reads_the_machine_for_a_reader(ask, warehouse, secret_file: Path) -> None:
    names = warehouse.frame_of("SELECT name FROM system.table_functions")["name"].to_list()
    for name in [*names, "Python", "executable", "arrowFlight", "hive"]:
        for text in (
            f"SELECT * FROM {name}('{secret_file}', 'CSV')",
            f"SELECT {name}('{secret_file}')",
            f"DESCRIBE {name}('{secret_file}')",
        ):
            answer = ask(text, role="reader")
            assert SECRET.encode() not in answer.body, text
            if name.lower() not in ALLOWED_TABLE_FUNCTIONS | {"format"}:
                assert answer.status == 403, text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM '{path}'",
        "SELECT * FROM `{path}`",
        'SELECT * FROM "{path}"',
        "SELECT * FROM default.`{path}`",
        "SELECT * FROM system.one, '{path}'",
        "SELECT * FROM system.one JOIN '{path}' AS f ON 1",
        "SELECT 1 IN `{path}`",
        "DESCRIBE '{path}'",
        "SELECT * FROM `../credentials/writer`",
        "SELECT * FROM `../owner.json`",
        "SELECT * FROM '../credentials/writer'",
        "SELECT * FROM system.`{path}`",
        "SELECT * FROM otel.`{path}`",
    ],
)
def test_a_file_is_never_a_table(ask, secret_file: Path, workspace: Path, text: str) -> None:
    """chDB's own default database reads any file by its name, even with readonly = 1."""
    statement = text.format(path=secret_file)
    for role in ("reader", "writer"):
        answer = ask(statement, role=role)
        assert answer.status >= 400, statement
        assert SECRET.encode() not in answer.body
        assert (workspace / ".appfleet/credentials/writer").read_bytes() not in answer.body


def test_a_reader_changes_nothing_by_its_settings(ask) -> None:
    for name, value in [
        ("readonly", "0"),
        ("max_execution_time", "0"),
        ("max_memory_usage", "99999999999999"),
        ("format_schema", "/etc/passwd"),
        ("allow_ddl", "1"),
    ]:
        assert ask("SELECT 1", role="reader", **{name: value}).status == 403, name
    assert ask("SELECT 1", role="reader", max_execution_time="5").body == b"1\n"


def test_a_reader_cannot_keep_a_session_or_leave_readonly(ask) -> None:
    assert ask("SELECT getSetting('readonly')", role="reader", session_id="x").body == b"1\n"
    assert ask("SET readonly = 0", role="reader", session_id="x").status == 403
