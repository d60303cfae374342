"""What a statement needs from the front: its kind, its output format, and where an INSERT's data begins.

Reads tokens only, never the engine; whether a reader may run it is decided in ``sql.guard``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sql.tokens import Token, tokens

Kind = Literal["stream", "insert", "whole"]

STREAMED_FORMATS = frozenset({"native", "rowbinary", "tabseparated", "tsv", "csv"})
"""Formats whose blocks are simply appended; any other is one document and is made as a whole.

JSONEachRow is not among them: a setting makes it one JSON array."""

HEAD_BYTES = 1 << 18
"""An INSERT's data must begin before this place (ClickHouse's own max_query_size)."""

_RETURNING = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "KILL")
_INLINE = ("SELECT", "WITH", "VALUES", "WATCH")


@dataclass(frozen=True)
class Statement:
    """A statement as it goes to the engine: ``text`` without what the front has taken out of it."""

    kind: Kind
    text: bytes
    format: str
    returns_rows: bool = True
    data_start: int = 0
    """Place in the bytes read where the data of an INSERT begins."""


class ManyStatements(Exception):
    """More than one statement in a request."""


def insert_with_data(head: bytes) -> Statement | None:
    """The INSERT whose data follows its ``FORMAT name`` in ``head``, or None for any other statement."""
    seen: list[Token] = []
    depth = 0
    for token in tokens(head.decode("latin-1")):
        seen.append(token)
        if len(seen) == 1 and not token.is_word("INSERT"):
            return None
        if token.kind == "symbol":
            depth += (token.text == "(") - (token.text == ")")
        elif depth == 0 and token.is_word(*_INLINE):
            return None
        elif depth == 0 and token.kind == "word" and seen[-2:-1] and seen[-2].is_word("FORMAT"):
            start = _after_line(head, token.end)
            return Statement("insert", head[: seen[-2].start].rstrip(), token.text, False, start)
    return None


def statement_of(raw: bytes, default_format: str) -> Statement:
    """How to run a statement that carries no data: as a streamed read, or as a whole.

    Raises:
        ManyStatements: there is more than one.
    """
    seen = list(tokens(raw.decode("latin-1")))
    while seen and seen[-1].text == ";":
        seen.pop()
    if any(one.text == ";" for one in seen):
        raise ManyStatements
    first = next((one for one in seen if one.text != "("), None)
    returns = first is not None and first.is_word(*_RETURNING) and not _inserts(seen)
    place = _format_place(seen) if returns else 0
    output = seen[place + 1].text if place else default_format
    reads = returns and first is not None and first.is_word("SELECT", "WITH")
    reads = reads and not any(one.is_word("TOTALS") for one in seen)  # totals follow the last block
    if reads and output.lower() in STREAMED_FORMATS:
        end = seen[place].start if place else seen[-1].end
        return Statement("stream", raw[:end], output)
    return Statement("whole", raw, output, returns)


def _after_line(head: bytes, start: int) -> int:
    """Data begins behind the blanks after the format's name and at most one line end."""
    while head[start : start + 1] in (b" ", b"\t", b"\r"):
        start += 1
    return start + 1 if head[start : start + 1] == b"\n" else start


def _inserts(seen: list[Token]) -> bool:
    """Whether a statement beginning with WITH turns out to be an INSERT."""
    return any(
        one.is_word("INSERT") and after.is_word("INTO") for one, after in zip(seen, seen[1:], strict=False)
    )


def _format_place(seen: list[Token]) -> int:
    """Index of a closing ``FORMAT name`` outside all brackets, or 0."""
    if len(seen) < 3 or not seen[-2].is_word("FORMAT") or seen[-1].kind != "word":
        return 0
    depth = sum((one.text == "(") - (one.text == ")") for one in seen if one.kind == "symbol")
    return len(seen) - 2 if depth == 0 else 0
