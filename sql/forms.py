"""Forms of a warehouse: what one kind has that another writes differently, as words that statements are filled with.

A statement says ``{{word}}`` where forms differ, and calls our SQL functions by name; a form without functions gets
their expressions in their place. Nothing here connects to anything; values are bound, never filled in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

Purpose = Literal["migrate", "load", "read", "delete"]
"""What a statement is for."""

_OF_EVERY_STATEMENT: Mapping[str, str | int] = MappingProxyType(
    {"session_timezone": "UTC"}  # dates without a zone mean the same wherever the server stands
)
SERVER_SETTINGS: Mapping[Purpose, Mapping[str, str | int]] = MappingProxyType(
    {
        "migrate": _OF_EVERY_STATEMENT,
        "load": {
            **_OF_EVERY_STATEMENT,
            "async_insert": 0,  # what is acknowledged is written
            "insert_deduplicate": 0,  # replicated tables drop a block that is like an earlier one
            "input_format_skip_unknown_fields": 0,  # Native matches by name and leaves out what it does not know
        },
        "read": _OF_EVERY_STATEMENT,
        "delete": {**_OF_EVERY_STATEMENT, "lightweight_deletes_sync": 0},
    }
)
"""Settings of a statement on a server by its purpose; the embedded engine has its own as defaults."""

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

    def settings(self, purpose: Purpose) -> dict[str, str | int]:
        """Settings of a statement by what it is for."""
        return dict(dict(self.settings_by_purpose).get(purpose, ()))

    @property
    def telemetry_database(self) -> str:
        """The database of telemetry."""
        return dict(self.words)["otel"]

    def text(self, text: str) -> str:
        """A statement as this kind of warehouse is asked it.

        Raises:
            MigrationError: it says a word that this form does not have.
        """
        return _prepared(self, text)

    def creates(self, text: str) -> bool:
        """Whether a statement of a migration is for this form at all: functions are not, where none are made."""
        return self.has_functions or _FUNCTION.match(_without_comments(text)) is None


EMBEDDED = Form("embedded", tuple(SINGLE_NODE.items()), has_functions=True)


def server(database: str) -> Form:
    """A server of one node, in a database of its own; telemetry lies in the one beside it."""
    return Form(
        "server",
        tuple({**SINGLE_NODE, "otel": f"{database}_otel"}.items()),
        has_functions=False,
        settings_by_purpose=tuple(
            (one, tuple(settings.items())) for one, settings in SERVER_SETTINGS.items()
        ),
    )


_PURPOSES: Mapping[str, Purpose] = {
    "INSERT": "load",
    "DELETE": "delete",
    "SELECT": "read",
    "WITH": "read",
}
_INSERTION = re.compile(r"INSERT INTO (?P<table>\S+)\s*\((?P<columns>[^)]*)\)(?P<select>.*)", re.DOTALL)


def purpose_of(text: str) -> Purpose:
    """What a statement is for, by its first word; whatever makes, changes or drops a table migrates."""
    first = next(iter(tokens(text)), None)
    return _PURPOSES.get(first.text.upper() if first else "", "migrate")


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
def _prepared(form: Form, text: str) -> str:
    text = filled(text, dict(form.words))
    return text if form.has_functions else expanded(text, functions())


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
