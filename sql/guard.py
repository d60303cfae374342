"""Admits what a reader may run: exactly one SELECT, WITH, SHOW, DESCRIBE or EXPLAIN that stays inside the warehouse.

The engine has no accounts, and ``readonly = 1`` still lets a statement read and write files of the machine
(``file()``, ``INTO OUTFILE``), so statements are judged by their tokens before they reach it. What cannot be
read for certain is refused.
"""

from __future__ import annotations

from models.errors import StatementRefused
from sql.tokens import tokens


def admit(text: str) -> None:
    """Returns when a reader may run ``text``.

    Raises:
        StatementRefused: it is anything else; the sentence says what.
    """
    seen = list(tokens(text))
    if not seen or not seen[0].is_word("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"):
        raise StatementRefused("a reader may run one SELECT, WITH, SHOW, DESCRIBE or EXPLAIN")
