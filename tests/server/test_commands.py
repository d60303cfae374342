"""Every command against a server that is not as it should be: one sentence, its exit code, never a traceback.

What a command needs of a server stands in one table, what may be wrong with one in another; the default suite opens each by
role, the slow one runs each command in a process of its own.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models.errors import AppfleetError
from pipelines.commands.cli import app
from pipelines.commands.grants import granted
from pipelines.commands.migrate import planned
from pipelines.ingest.intake.token_file import token_file
from sql.migrate import migrations
from sql.opening import connected, open_warehouse
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.cli.conftest import environment
from tests.intake.test_tokens import TOKENS
from tests.preloaded import run_command
from tests.server.between import readonly, standing_between, without
from tests.server.conftest import READY, Acting, write_warehouse

LAST = migrations()[-1]
FORGET = "DELETE FROM schema_migrations WHERE name = {name:String}"

MONTH = ("--month", "2026-01")
WHY = (*MONTH, "--reason", "x")

READS, WRITES, LOOKS, PLANS, TELLS, BOTH = "reads", "writes", "looks", "plans", "tells", "both"
"""What a command needs: the reader; the writer; the reader, and it looks whether the writer may write; the writer's user, who
may be one that may only read; the reader, but goes on without; all of it, and then it does not end by itself."""


@dataclass(frozen=True)
class Command:
    """A command with its arguments, what it needs, and how it ends over an empty warehouse that is as it should be."""

    words: tuple[str, ...]
    needs: str
    code: int = 0
    inserts: bool = False


COMMANDS = (
    Command(("sql", "SELECT count() FROM core_apps_current"), READS),
    Command(("chargeback", *MONTH, "--out", "out"), READS, 2),
    Command(("export", "focus", *MONTH, "--out", "out"), READS, 2),
    Command(("close", *MONTH), WRITES, 1),
    Command(("close", *MONTH, "--dry-run"), READS, 1),
    Command(("reopen", *WHY), WRITES, 1),
    Command(("reclassify", *WHY), WRITES, 1),
    Command(("rules", "diff"), READS, 2),
    Command(("explain", "a", *MONTH), READS, 2),
    Command(("slo",), READS),
    Command(("alerts",), READS),
    Command(("oncall",), READS),
    Command(("playbooks",), READS),
    Command(("playbooks", "plan"), READS),
    Command(("playbooks", "history"), READS),
    Command(("playbooks", "approve", "x", "--reason", "x"), WRITES, 2),
    Command(("worth",), READS),
    Command(("maintenance",), READS),
    Command(("maintenance", "end", "x", "--reason", "x"), WRITES, 2),
    Command(("maintenance", "withdraw", "x", "--reason", "x"), WRITES, 2),
    Command(("credits",), READS),
    Command(("credits", "accept", "x", "--reason", "x"), WRITES, 1),
    Command(("evidence", "a"), READS, 2),
    Command(("status",), READS),
    Command(("budgets",), READS),
    Command(("coverage",), READS),
    Command(("causes",), READS),
    Command(("deliveries",), READS),
    Command(("deliveries", "accept", "x"), WRITES, 2),
    Command(("tokens",), TELLS),
    Command(("intakes",), READS),
    Command(("intakes", "gone", "x"), WRITES, 2),
    Command(("doctor",), LOOKS),
    Command(("gc",), WRITES),
    Command(("gc", "--dry-run"), WRITES),
    Command(("rebuild",), WRITES),
    Command(("retention",), WRITES),  # the parts of raw tables are no reader's, as for `gc --dry-run`
    Command(("retention", "apply"), WRITES),
    Command(("migrate", "--plan"), PLANS),
    Command(("grants", "--plan"), PLANS),
    Command(("grants",), WRITES, 1, inserts=True),  # the engine here has no accounts
    Command(("backup", "away"), WRITES),
    Command(("restore", "nowhere"), WRITES, 3),
    Command(("run",), WRITES, inserts=True),  # after those that want an empty warehouse
    Command(("up",), BOTH),
)
NOT_ASKED: Mapping[str, str] = {
    "init": "asks no warehouse",
    "map": "asks no warehouse",
    "simulate": "asks no warehouse",
    "renew": "is about an embedded warehouse of version 0.1",
    "move": "opens the server as `restore` does, and the embedded warehouse",
    "migrate": "is asked in test_opening, for it mends some of these states",
    "serve": "goes on and says in its readiness what is wrong (tests/deploy/test_health.py)",
}
"""Commands that are not in the table, and why."""

Between = Callable[[str], Any]


def _as_it_is(url: str) -> Any:
    return nullcontext(url)


@dataclass(frozen=True)
class State:
    """A server as it should not be: what is said of it to commands by what they need; those not named go on as usual."""

    said: Mapping[str, tuple[str, int]]
    between: Between = _as_it_is
    database: str = READY
    newer: str = ""
    is_older: bool = False
    writer: str = "writer"
    own_folder: bool = True
    only_inserts: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def _of(sentence: str, *needs: str, code: int = 1) -> dict[str, tuple[str, int]]:
    return dict.fromkeys(needs, (sentence, code))


EVERYBODY = (READS, WRITES, LOOKS, PLANS, TELLS, BOTH)
WRITERS = (WRITES, LOOKS, BOTH)
READERS = (READS, LOOKS, TELLS, BOTH)

STATES: Mapping[str, State] = {
    "nobody answers": State(
        _of("http://127.0.0.1:9 does not answer", *EVERYBODY), lambda _: nullcontext("http://127.0.0.1:9")
    ),
    "too old": State(
        _of(r"is ClickHouse 25\.8\.2\.1; appfleet needs 26\.9 or newer: update the server", *EVERYBODY),
        lambda url: standing_between(url, instead={b"26.9.2.1": b"25.8.2.1"}),
    ),
    "a password that is wrong": State(
        _of("wrong user or password", *WRITERS, PLANS),
        settings={"APPFLEET_WAREHOUSE_WRITER_PASSWORD": "planted-Pa55"},
    ),
    "a writer who may only read": State(
        _of("may only read: give it the rights `appfleet grants --plan` lists", *WRITERS), writer="reader"
    ),
    "a writer with readonly = 1": State(
        _of("the writer's user of .* has `readonly = 1`", *WRITERS, PLANS),
        lambda url: standing_between(url, readonly("writer")),
    ),
    "a reader with readonly = 1": State(
        _of("the reader's user of .* has `readonly = 1`, .*`appfleet grants --plan` lists", *READERS),
        lambda url: standing_between(url, readonly("reader")),
    ),
    "a writer without INSERT": State(
        _of("grant INSERT ON ready.period_head: whoever administers the server gives it", WRITES),
        lambda url: standing_between(
            url, without("writer", r"\b(INSERT INTO|CREATE|GRANT|ALTER)\b", "INSERT ON ready.period_head")
        ),
        only_inserts=True,
    ),
    "a reader without SELECT": State(
        _of("grant SELECT ON ready.schema_migrations: whoever administers the server gives it", *READERS),
        lambda url: standing_between(
            url, without("reader", r"\bFROM\s+(?!system\.|\()\w", "SELECT ON ready.schema_migrations")
        ),
    ),
    "a database that is not there": State(
        _of(
            "has no database nowhere: correct `warehouse.database`, or run `appfleet migrate`",
            *READERS,
            WRITES,
        ),
        database="nowhere",
    ),
    "a database of something else": State(
        _of(
            f"lacks {len(migrations())} migration.s. of this version, .* run `appfleet migrate`",
            *READERS,
            WRITES,
        ),
        database="something_else",
    ),
    "a schema that is newer": State(
        {
            **_of("9999_later, which this version does not know", *READERS, WRITES),
            "migrate --plan": ("9999_later, which this version does not know", 1),
        },
        newer="9999_later",
    ),
    "a schema that is older": State(
        _of(
            f"lacks 1 migration.s. of this version, from {LAST.name} on: run `appfleet migrate`",
            *READERS,
            WRITES,
        ),
        is_older=True,
    ),
    "the database of another workspace": State(
        {
            **_of("database ready is not this workspace's: a folder on .* loads it", WRITES, BOTH, code=2),
            **_of("database ready is not this workspace's", LOOKS),
        },
        own_folder=False,
    ),
}


@contextmanager
def schema_of(one: State, root: Path, server: Acting) -> Iterator[None]:
    """While it is open the server has the databases and the schema of a state; afterwards those it had."""
    with connected(root, server.settings(READY)) as warehouse:
        if one.database == "something_else":
            warehouse.execute("statements/create_database", database="something_else")
        if one.newer:
            _record(warehouse, one.newer, "x")
        if one.is_older:
            warehouse.execute_text(FORGET, name=LAST.name)
        yield
        if one.newer:
            warehouse.execute_text(FORGET, name=one.newer)
        if one.is_older:
            _record(warehouse, LAST.name, LAST.checksum)


def _record(warehouse: Warehouse, name: str, checksum: str) -> None:
    warehouse.execute("statements/record_migration", name=name, checksum=checksum, state="completed")


@pytest.fixture
def state(
    request: pytest.FixtureRequest,
    _ready: Path,
    server: Acting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Path, State]]:
    """A workspace whose server is in the state of this name, with its users in the environment."""
    one = STATES[request.param]
    root = tmp_path / "asking"
    if one.own_folder:
        shutil.copytree(_ready, root)
    with schema_of(one, _ready, server), one.between(server.url) as url:
        for part in ("USER", "PASSWORD"):
            value = server.environment[f"APPFLEET_WAREHOUSE_{one.writer.upper()}_{part}"]
            monkeypatch.setenv(f"APPFLEET_WAREHOUSE_WRITER_{part}", value)
        for name, value in one.settings.items():
            monkeypatch.setenv(name, value)
        write_warehouse(root, url, one.database)
        token_file(load_settings(root)).change(lambda _: TOKENS)
        yield root, one


every_state = pytest.mark.parametrize("state", STATES, indirect=True)


@contextmanager
def told(said: tuple[str, int] | None) -> Iterator[None]:
    """The block is refused by the sentence and with its code, or not at all."""
    if said is None:
        yield
        return
    with pytest.raises(AppfleetError) as caught:
        yield
    sentence = str(caught.value)
    assert re.search(said[0], sentence) and "\n" not in sentence, sentence
    assert caught.value.exit_code == said[1] and "planted-Pa55" not in sentence


@every_state
def test_each_role_is_told_what_is_wrong(state: tuple[Path, State]) -> None:
    """What opens a warehouse, as every command that reads or writes does, and what plans for somebody else."""
    root, one = state
    with told(one.said.get(READS)), open_warehouse(root, "reader"):
        pass
    with told(None if one.only_inserts else one.said.get(WRITES)), open_warehouse(root):
        pass
    settings = load_settings(root)
    with told(one.said.get(PLANS)):
        plan = granted(settings, plan=True)
        assert plan[0] == f"GRANT ALL ON `{one.database}`.* TO `{one.writer}`"
        assert plan[1] == f"GRANT ALL ON `{one.database}_otel`.* TO `{one.writer}`"
        assert any("ROW POLICY" in text for text in plan) == (plan[-1][:2] != "--")
    with told(one.said.get("migrate --plan", one.said.get(PLANS))):
        script = planned(settings)
        wanted = [LAST] if one.is_older else migrations() if one.database != READY else []
        assert re.findall(r"(?m)^-- (\d{4}_\w+)$", script) == [each.name for each in wanted]


def test_every_command_is_asked_or_named() -> None:
    names = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    assert {one.words[0] for one in COMMANDS} | set(NOT_ASKED) == names


def flat(out: str) -> str:
    """What a command printed, findings of a table on one line each."""
    cells = [line.split("│")[2].strip() for line in out.splitlines() if line.count("│") == 4]
    return " ".join(cells) or out


@pytest.mark.slow
@every_state
def test_every_command_is_one_sentence(emptied: Path, state: tuple[Path, State]) -> None:
    """All of them are run, and those that answer otherwise are told together."""
    root, one = state
    otherwise = []
    for command in COMMANDS:
        said = _said_to(command, one)
        if said is None and command.needs == BOTH:
            continue  # it would serve
        words = [str(root / word) if word in ("out", "away", "nowhere") else word for word in command.words]
        answer = run_command([*words, "-w", str(root)], environment(), 120)
        if wrong := _wrong(command, one, said, *answer):
            otherwise.append((command.words, wrong, *answer))
        shutil.rmtree(root / "away", ignore_errors=True)
    assert not otherwise, "\n".join(map(str, otherwise))


def _said_to(command: Command, one: State) -> tuple[str, int] | None:
    """What a command is told of a state; None where it goes on as usual."""
    said = one.said.get(" ".join(command.words[:2]), one.said.get(command.needs))
    if one.only_inserts and not command.inserts:
        said = None
    if command.words == ("run",) and READS in one.said:
        said = said or one.said[READS]  # its summary is read as pages read
    return said


def _wrong(command: Command, one: State, said: tuple[str, int] | None, code: int, out: str, err: str) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if "Traceback" in out + err or "planted-Pa55" in out + err:
        return "a traceback, or a password"
    if said is None:
        return "" if code == command.code else f"wanted code {command.code}"
    sentence, wanted = said
    if command.needs == TELLS or (command.needs == LOOKS and READS not in one.said):
        wanted = 0 if command.needs == TELLS else 1
        return (
            "" if re.search(sentence, flat(out)) and code == wanted else f"wanted {sentence}, code {wanted}"
        )
    lines = err.splitlines() or [""]
    if code != wanted or not re.search(sentence, lines[-1]) or not lines[-1].startswith("appfleet: "):
        return f"wanted {sentence}, code {wanted}"
    if command.words != ("run",) and (len(lines) > 1 or out):  # the steps of a pass are told one by one
        return "more than one sentence"
    return ""
