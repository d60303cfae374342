"""Tokens are those of ClickHouse's lexer, or the statement is called unclear."""

from __future__ import annotations

import pytest

from sql.tokens import tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b", ["a", ".", "b"]),
        ("'it''s' \"x\"\"y\" `q`", ["'it''s'", '"x""y"', "`q`"]),
        ("'a\\'b' c", ["'a\\'b'", "c"]),
        ("1.5e-3 0xFF .5", ["1.5e-3", "0xFF", ".5"]),
        ("a -- b\n/* c */ d", ["a", "d"]),
        ("$t$ ' $t$ x", ["$t$ ' $t$", "x"]),
        ("{x:Array(String)}", ["{", "x", ":", "Array", "(", "String", ")", "}"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert [one.text for one in tokens(text)] == expected


@pytest.mark.parametrize("text", ["'open", '"open', "/* open", "/* /* */ */", "“x”", "a \\ b", "$x"])
def test_what_cannot_be_read_for_certain_is_unclear(text: str) -> None:
    assert list(tokens(text))[-1].kind == "unclear"


def test_the_name_of_a_quoted_name_is_the_name() -> None:
    assert [one.name for one in tokens('FILE "Fi""le" `a``b` \'s\'')] == ["file", 'fi"le', "a`b", ""]
