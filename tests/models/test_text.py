"""Text from outside shows every character it holds, and none of them acts."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from models.statement_csv import safe
from models.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("october.csv", "october.csv"),
        ("Zürich 東京 🚀", "Zürich 東京 🚀"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\tand a bell\a", "two\\nlines\\r\\tand a bell\\x07"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("soft\u00adhyphen\u200b\ufeff", "soft\\xadhyphen\\u200b\\ufeff"),
        ("half \ud83d of one", "half \\ud83d of one"),
        ("\u2028\U000e0041", "\\u2028\\U000e0041"),
    ],
)
def test_what_acts_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_nothing_that_cannot_be_seen_hides_a_formula() -> None:
    """Every character that is a control, format, private or unassigned one, a blank, or a mark without a letter."""
    unseen = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character)[0] in "CZM" and unicodedata.category(character) not in ("Co", "Cn")
    ]
    assert {"\u00ad", "\u200b", "\ufeff", "\u202e", "\u2066", "\u180e", "\u034f", "\u00a0"} <= set(unseen)
    for character in unseen:
        for start in "=+-@":
            cell = f"{character}{start}1+1"
            assert safe(cell) == f"'{cell}", f"U+{ord(character):04X}"
    assert safe("\u200b\u00ad\ufeff =1") == "'\u200b\u00ad\ufeff =1"
    assert safe("\u200bplain") == "\u200bplain"
