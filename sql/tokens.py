"""Cuts ClickHouse SQL into tokens: words, quoted names, strings, numbers and symbols, without comments.

Positions are those of the text given; a statement in bytes is read as Latin-1, so that they are also
positions in the bytes. It knows nothing of grammar: who may say what is decided in ``sql.guard``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "quoted", "string", "number", "symbol", "unclear"]

_NEXT = re.compile(
    r"""
      (?P<space>[\s]+)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<string>'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<number>(?:0[xXbB][0-9a-fA-F_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>[][(){},;.:?*+=<>!|%@^&~-]|/(?!\*))
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token; ``text`` is as written, ``start`` and ``end`` its place."""

    kind: Kind
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether this is an unquoted word among ``words`` (given in capitals)."""
        return self.kind == "word" and self.text.upper() in words

    @property
    def name(self) -> str:
        """The name meant by a word or a quoted name, in lower case; empty for anything else."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind == "quoted":
            mark = self.text[0]
            inner = self.text[1:-1].replace(mark * 2, mark)
            return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL).lower()
        return ""


def tokens(text: str) -> Iterator[Token]:
    """Tokens of ``text`` in order; what cannot be read for certain is one ``unclear`` token and the end."""
    position = 0
    while position < len(text):
        match = _NEXT.match(text, position)
        if match is None:
            yield Token("unclear", text[position], position, len(text))
            return
        kind = match.lastgroup
        if kind == "comment" and "/*" in match.group()[2:] and match.group().startswith("/*"):
            yield Token("unclear", match.group(), position, len(text))
            return
        if kind in ("heredoc", "tag"):
            yield Token("string", match.group(), position, match.end())
        elif kind not in ("space", "comment"):
            yield Token(kind, match.group(), position, match.end())  # type: ignore[arg-type]
        position = match.end()
