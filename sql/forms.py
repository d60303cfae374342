"""Forms of a warehouse: what one kind has that another writes differently, as words that statements are filled with.

A statement says ``{{word}}`` where forms differ, and calls our SQL functions by name; a form without functions gets
their expressions in their place. Nothing here connects to anything; values are bound, never filled in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Literal

from models.errors import MigrationError
from sql.catalog import split_statements, statement, statements
from sql.tokens import Token, tokens

_WORD = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_FUNCTION = re.compile(
    r"CREATE OR REPLACE FUNCTION (?P<name>\w+) AS (?:\((?P<many>[^)]*)\)|(?P<one>\w+))\s*->\s*(?P<body>.*)",
    re.DOTALL,
)
_OPENING, _CLOSING = "([{", ")]}"

Purpose = Literal["migrate", "load", "relay", "record", "read", "delete"]
"""What a statement is for; ``record`` writes lines of the ledger, which decide what everybody reads, ``relay`` rows as they
come from another engine."""

RECORDS = frozenset(
    """
    period_head raw_deliveries raw_held_deliveries raw_object_charges raw_object_overlaps raw_intake_heartbeats
    raw_intake_token_uses raw_manifest_states pass_sentences schema_migrations statement_closings statement_reclassifications statement_credits warehouse_loaders
    alert_sends alert_acts maintenance_acts remediation_decisions telemetry_removals
    """.split()  # noqa: SIM905 (a table of names)
)
"""Tables of the ledger."""

Settings = Mapping[str, str | int]

_ALWAYS: Settings = MappingProxyType(
    {"session_timezone": "UTC"}  # dates without a zone mean the same wherever the server stands
)
_WRITTEN: Settings = MappingProxyType(
    {
        **_ALWAYS,
        "async_insert": 0,  # what is acknowledged is written
        "insert_deduplicate": 0,  # replicated tables drop a block that is like an earlier one
        "input_format_skip_unknown_fields": 0,  # Native matches by name and leaves out what it does not know
    }
)
PART_BYTES = 64 << 20
"""Bytes of rows that a server writes at once of a stream. By its own default it takes four times as many, and so sorts and
writes most of a bill when the reader has long ended; a million rows of FOCUS are four parts this way."""

_RELAYED: Settings = MappingProxyType({"min_insert_block_size_bytes": PART_BYTES})
SERVER_SETTINGS: Mapping[Purpose, Settings] = MappingProxyType(
    {
        "migrate": _ALWAYS,
        "load": _WRITTEN,
        "relay": {**_WRITTEN, **_RELAYED},
        "record": _WRITTEN,
        "read": _ALWAYS,
        "delete": _ALWAYS,
    }
)
"""Settings of a statement on a server by its purpose; the embedded engine has its own as defaults."""

_READS_OWN_WRITES: Settings = MappingProxyType({"select_sequential_consistency": 1})
CLOUD_SETTINGS: Mapping[Purpose, Settings] = MappingProxyType(
    {**SERVER_SETTINGS, "read": {**_ALWAYS, **_READS_OWN_WRITES}}
)
"""The same on ClickHouse Cloud, whose tables share their storage: a quorum means nothing there."""

_DISTRIBUTED: Settings = MappingProxyType({**_WRITTEN, "distributed_foreground_insert": 1})
CLUSTER_SETTINGS: Mapping[Purpose, Settings] = MappingProxyType(
    {
        **SERVER_SETTINGS,
        "migrate": {**_ALWAYS, "distributed_ddl_task_timeout": 300},
        "load": _DISTRIBUTED,
        "relay": {**_DISTRIBUTED, **_RELAYED},
        # What is read back must be what was written: one insert at a time, held by most replicas.
        "record": {**_WRITTEN, "insert_quorum": "auto", "insert_quorum_parallel": 0},
        # A subquery over tables that are cut in shards is asked once, for all of them.
        "read": {**_ALWAYS, **_READS_OWN_WRITES, "distributed_product_mode": "global"},
    }
)
"""The same on a cluster."""

SINGLE_NODE: Mapping[str, str] = MappingProxyType(
    {"merge_tree": "MergeTree", "replacing_merge_tree": "ReplacingMergeTree", "otel": "otel"}
)
"""Words of a warehouse on one node: the engines of its tables and the database of telemetry."""


@dataclass(frozen=True)
class Form:
    """A kind of warehouse: its words, and whether our SQL functions exist where its statements run."""

    name: str
    words: tuple[tuple[str, str], ...]
    has_functions: bool
    settings_by_purpose: tuple[tuple[Purpose, tuple[tuple[str, str | int], ...]], ...] = ()
    cluster: str = ""
    has_shards: bool = False
    database: str = ""

    def settings(self, purpose: Purpose) -> dict[str, str | int]:
        """Settings of a statement by what it is for."""
        return dict(dict(self.settings_by_purpose).get(purpose, ()))

    @property
    def main_database(self) -> str:
        """The database of everything else."""
        return self.database or "default"

    def stored(self, table: str) -> str:
        """The table rows lie in on a node: what is removed is removed there."""
        return f"{table}{SHARD}" if self.has_shards and table in SHARDED else table

    @property
    def telemetry_database(self) -> str:
        """The database of telemetry."""
        return dict(self.words)["otel"]

    def text(self, text: str) -> str:
        """A statement as this kind of warehouse is asked it.

        Raises:
            MigrationError: it says a word that this form does not have.
        """
        return _prepared(self, text)[0]

    def texts(self, text: str) -> tuple[str, ...]:
        """The statements a statement of a migration stands for: where a table is cut in shards, its shards and the table
        over them."""
        return _prepared(self, text)

    def creates(self, text: str) -> bool:
        """Whether a statement of a migration is for this form at all: functions are not, where none are made."""
        return self.has_functions or _FUNCTION.match(_without_comments(text)) is None


EMBEDDED = Form("embedded", tuple(SINGLE_NODE.items()), has_functions=True)


def server(database: str) -> Form:
    """A server of one node, in a database of its own; telemetry lies in the one beside it."""
    return _served("server", database, SERVER_SETTINGS)


def cloud(database: str) -> Form:
    """ClickHouse Cloud: its engines and replicas are its own affair."""
    return _served("cloud", database, CLOUD_SETTINGS)


def cluster(database: str, name: str, shards: int) -> Form:
    """A cluster: every table on every node, replicated; with more than one shard the largest are cut (``SHARDED``)."""
    kind = "shards" if shards > 1 else "replicas"
    return replace(_served(kind, database, CLUSTER_SETTINGS), cluster=name, has_shards=shards > 1)


def _served(name: str, database: str, settings: Mapping[Purpose, Settings]) -> Form:
    return Form(
        name,
        tuple({**SINGLE_NODE, "otel": f"{database}_otel"}.items()),
        has_functions=False,
        database=database,
        settings_by_purpose=tuple((one, tuple(of.items())) for one, of in settings.items()),
    )


SHARDED: Mapping[str, str] = MappingProxyType(
    {
        "raw_focus_costs": "cityHash64(x_BatchId)",
        "otel_traces": "cityHash64(otlp_app(ResourceAttributes, SpanAttributes, ServiceName))",
        "otel_logs": "cityHash64(otlp_app(ResourceAttributes, LogAttributes, ServiceName))",
        **{
            f"otel_metrics_{kind}": "cityHash64(otlp_app(ResourceAttributes, Attributes, ServiceName))"
            for kind in ("gauge", "sum", "summary", "histogram", "exponential_histogram")
        },
    }
)
"""Table that is cut in shards -> where a row goes: telemetry by its app, raw cost by its batch. All others, ledger and
releases first, are whole on every shard, so that what is current is asked of no other."""

SHARD = "_shard"
"""End of the name of what a node holds of a table that is cut."""


_PURPOSES: Mapping[str, Purpose] = {
    "INSERT": "load",
    "DELETE": "delete",
    "SELECT": "read",
    "WITH": "read",
}
_INSERTION = re.compile(r"INSERT INTO (?P<table>\S+)\s*\((?P<columns>[^)]*)\)(?P<select>.*)", re.DOTALL)


def purpose_of(text: str) -> Purpose:
    """What a statement is for, by its first word; whatever makes, changes or drops a table migrates."""
    seen = list(itertools.islice(tokens(text), 3))
    purpose = _PURPOSES.get(seen[0].text.upper() if seen else "", "migrate")
    return "record" if purpose == "load" and seen[-1].text in RECORDS else purpose


@dataclass(frozen=True)
class Insertion:
    """An ``INSERT ... SELECT`` in its parts, the columns of the SELECT named as those of the table."""

    table: str
    columns: tuple[str, ...]
    select: str


def insertion(text: str, leave_out: Collection[str] = ()) -> Insertion:
    """The parts of an INSERT whose SELECT is to run elsewhere, without the columns left out.

    The SELECT's columns get the names of the table's from its own empty rows before them: by their place, as an INSERT
    matches them, whatever the expressions are called.

    Raises:
        MigrationError: it is no INSERT of named columns.
    """
    match = _INSERTION.match(_without_comments(text))
    if match is None:
        raise MigrationError("a statement that loads must be INSERT INTO table (columns) SELECT")
    columns = tuple(one.strip() for one in match["columns"].split(","))
    unknown = set(leave_out) - set(columns)
    if unknown:
        raise MigrationError(f"no column {', '.join(sorted(unknown))} is inserted into {match['table']}")
    kept = tuple(one for one in columns if one not in leave_out)
    named, all_named = ", ".join(kept), ", ".join(columns)
    select = f"SELECT {named} FROM (SELECT {all_named} FROM {match['table']} WHERE 0 UNION ALL ({match['select']}))"
    return Insertion(match["table"], kept, select)


@lru_cache(maxsize=1_024)
def _prepared(form: Form, text: str) -> tuple[str, ...]:
    text = filled(text, dict(form.words))
    if not form.has_functions:
        text = expanded(text, functions())
    return _on_cluster(form, text) if form.cluster else (text,)


_BEFORE_A_NAME = frozenset(
    ["CREATE", "OR", "REPLACE", "TABLE", "VIEW", "DATABASE", "IF", "NOT", "EXISTS", "ALTER", "DELETE", "FROM"]
)
_ENGINE = re.compile(r"ENGINE = (?P<kind>\w*MergeTree)(?:\((?P<arguments>[^()]*)\))?")


def _on_cluster(form: Form, text: str) -> tuple[str, ...]:
    """A statement for every node of a cluster, where it makes, changes or empties something; any other as it is."""
    seen = list(tokens(text))
    verb = seen[0].text.upper() if seen else ""
    if verb not in ("CREATE", "ALTER", "DELETE"):
        return (text,)
    start = next(place for place, one in enumerate(seen) if not one.is_word(*_BEFORE_A_NAME))
    end = _end_of_name(seen, start)
    name = text[seen[start].start : seen[end].end]
    database, _, table = name.rpartition(".")
    is_bound = table.startswith(
        "{"
    )  # of telemetry it is cut, and whoever binds it names the shard: ``stored``
    is_cut = form.has_shards and (database == form.telemetry_database if is_bound else table in SHARDED)
    # A replicated table deletes on all its replicas by itself; only one that is cut has other shards.
    where = "" if verb == "DELETE" and not is_cut else f" ON CLUSTER `{form.cluster}`"
    head, tail = text[: seen[start].start], text[seen[end].end :]
    is_table = verb == "CREATE" and seen[1].is_word("TABLE")
    if is_table:
        tail = _ENGINE.sub(lambda found: f"ENGINE = {_replicated(found, form, is_cut)}", tail, count=1)
    if not is_cut:
        return (f"{head}{name}{where}{tail}",)
    shard = f"{head}{name}{'' if is_bound else SHARD}{where}{tail}"
    if verb == "DELETE":
        return (shard,)
    if not is_table:
        return (shard, f"{head}{name}{where}{tail}")
    key = expanded(SHARDED[table], functions())
    over = (
        f"CREATE TABLE IF NOT EXISTS {name}{where} AS {name}{SHARD} "
        f"ENGINE = Distributed(`{form.cluster}`, {database or form.database}, {table}{SHARD}, {key})"
    )
    return (shard, over)


def _end_of_name(seen: Sequence[Token], start: int) -> int:
    """Where a name ends that begins at a token: of several parts between dots, each written or bound."""
    end = start
    while True:
        if seen[end].text == "{":
            end = next(place for place in range(end, len(seen)) if seen[place].text == "}")
        if end + 2 >= len(seen) or seen[end + 1].text != ".":
            return end
        end += 2


def _replicated(engine: re.Match[str], form: Form, is_cut: bool) -> str:
    """The engine of a table on a cluster: a replica of its shard's where the table is cut, else one of all nodes'."""
    whole = ("'/clickhouse/tables/{uuid}/all'", "'{shard}-{replica}'")
    path, replica = (
        whole if form.has_shards and not is_cut else ("'/clickhouse/tables/{uuid}/{shard}'", "'{replica}'")
    )
    arguments = ", ".join(filter(None, (path, replica, engine["arguments"])))
    return f"Replicated{engine['kind']}({arguments})"


def filled(text: str, words: Mapping[str, str]) -> str:
    """``text`` with every ``{{word}}`` replaced by what stands for it in this kind of warehouse.

    Raises:
        MigrationError: a word that the table does not have.
    """

    def value(match: re.Match[str]) -> str:
        word = match.group(1)
        if word not in words:
            raise MigrationError(
                f"a statement says {{{{{word}}}}}, which is none of {', '.join(sorted(words))}: "
                "name it in the words of sql/forms.py"
            )
        return words[word]

    return _WORD.sub(value, text)


@dataclass(frozen=True)
class Function:
    """An SQL function of ours: the names of its arguments, and its expression, in which no other function is called."""

    arguments: tuple[str, ...]
    body: str


@cache
def functions() -> Mapping[str, Function]:
    """Our SQL functions by name, as the migrations make them; the last to make one counts."""
    found: dict[str, Function] = {}
    for name in statements("migrations"):
        for text in split_statements(statement(name)):
            match = _FUNCTION.match(_without_comments(text))
            if match:
                listed = match["many"] if match["many"] is not None else match["one"]
                arguments = tuple(one.strip() for one in listed.split(",") if one.strip())
                found[match["name"]] = Function(arguments, expanded(match["body"].strip(), found))
    return MappingProxyType(found)


def expanded(text: str, known: Mapping[str, Function]) -> str:
    """``text`` with each call of a function replaced by its expression, as the engine itself replaces it.

    Raises:
        MigrationError: a call with another number of arguments than the function has, or one that does not end.
    """
    seen = list(tokens(text))
    calls = [
        place
        for place, one in enumerate(seen[:-1])
        if one.kind == "word"
        and one.text in known
        and seen[place + 1].text == "("
        and not _is_member(seen, place)
    ]
    parts, end = [], 0
    for place in calls:
        if seen[place].start < end:
            continue  # inside a call that is replaced as a whole
        parts.append(text[end : seen[place].start])
        arguments, end = _arguments(text, seen, place + 1)
        name = seen[place].text
        function = known[name]
        if len(arguments) != len(function.arguments):
            raise MigrationError(
                f"{name} takes {len(function.arguments)} argument(s), here are {len(arguments)}"
            )
        given = dict(zip(function.arguments, (expanded(one, known) for one in arguments), strict=True))
        parts.append(f"({_substituted(function.body, given)})")
    return "".join((*parts, text[end:]))


def _is_member(seen: Sequence[Token], place: int) -> bool:
    return place > 0 and seen[place - 1].text == "."


def _arguments(text: str, seen: Sequence[Token], opening: int) -> tuple[list[str], int]:
    """Texts of the arguments of a call whose bracket opens at a token, and where in the text the call ends."""
    depth, begin, found = 0, seen[opening].end, []
    for one in seen[opening:]:
        if one.kind == "symbol":
            depth += (one.text in _OPENING) - (one.text in _CLOSING)
            if depth == 0 or (depth == 1 and one.text == ","):
                found.append(text[begin : one.start].strip())
                begin = one.end
            if depth == 0:
                return (found if found != [""] else []), one.end
    raise MigrationError("a call of a function does not end")


def _substituted(body: str, given: Mapping[str, str]) -> str:
    """The expression of a function with the text of each argument in the place of its name."""
    parts, end = [], 0
    seen = list(tokens(body))
    for place, one in enumerate(seen):
        is_call = place + 1 < len(seen) and seen[place + 1].text == "("
        if one.kind == "word" and one.text in given and not is_call and not _is_member(seen, place):
            parts += [body[end : one.start], f"({given[one.text]})"]
            end = one.end
    return "".join((*parts, body[end:]))


def _without_comments(text: str) -> str:
    return "".join(_pieces(text)).strip()


def _pieces(text: str) -> Iterator[str]:
    """The text between its comments: tokens with what stands between them, comments as one blank."""
    end = 0
    for one in tokens(text):
        between = text[end : one.start]
        yield " " if "--" in between or "/*" in between else between
        yield text[one.start : one.end]
        end = one.end
