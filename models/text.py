"""Text that came from outside, for people to read: nothing in it moves a cursor, hides or turns what stands beside it.

What a spreadsheet does with text is ``models.statement_csv``; what a page does is Streamlit's.
"""

from __future__ import annotations

import unicodedata

_ACTS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that act instead of being seen: control, format, lone halves, line separators."""


def visible(text: str) -> str:
    """Text on one line in which every character can be seen: others are written as escapes, ``\\x1b`` or ``\\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _ACTS else character
        for character in text
    )
