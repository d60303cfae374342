"""Faults for SQL: comparisons, filters, join keys, columns of one type exchanged, edges, aggregates, order.

Works on tokens (``sql.tokens``), so comments and strings stay as they are. A mutant may not run; who tests it tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from functools import cache

from models.focus import columns as focus_columns
from models.schemas import SCHEMAS
from sql.tokens import Token, tokens
from tests.mutants.mutant import Mutant, mutant

COMPARISONS = {"=": "!=", "!=": "=", "<>": "=", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
WORDS = {
    "AND": "OR",
    "OR": "AND",
    "SUM": "max",
    "MAX": "min",
    "MIN": "max",
    "ARGMAX": "argMin",
    "ARGMIN": "argMax",
    "AVG": "max",
    "COUNTIF": "sumIf",
    "UNIQEXACT": "count",
    "LEFT": "INNER",
    "INNER": "LEFT",
    "DESC": "ASC",
    "GREATEST": "least",
    "LEAST": "greatest",
    "TOSTARTOFMONTH": "toStartOfYear",
    "TODATE": "toStartOfMonth",
}
DROPPED = ("NOT", "DISTINCT", "DESC")
_ENDS = (
    "GROUP",
    "ORDER",
    "LIMIT",
    "UNION",
    "SETTINGS",
    "HAVING",
    "QUALIFY",
    "WHERE",
    "WINDOW",
    "FORMAT",
    "LEFT",
    "INNER",
    "ARRAY",
)
_OPENING, _CLOSING = "([{", ")]}"


def sql_mutants(path: str, original: str) -> Iterator[Mutant]:
    """Every fault of these kinds in a statement."""
    seen = [one for one in tokens(original) if one.kind != "unclear"]
    for kind, start, end, new in _edits(original, seen):
        found = mutant(path, kind, original, original[:start] + new + original[end:])
        if found:
            yield found


def _edits(text: str, seen: Sequence[Token]) -> Iterator[tuple[str, int, int, str]]:
    in_parameter = 0
    present = {one.text for one in seen if one.kind == "word"}
    for place, token in enumerate(seen):
        if token.text == "{":
            in_parameter += 1
        elif token.text == "}":
            in_parameter -= 1
        if in_parameter:
            continue
        pair = text[token.start : seen[place + 1].end] if place + 1 < len(seen) else ""
        if pair in COMPARISONS and seen[place + 1].start == token.end:
            yield "comparison", token.start, seen[place + 1].end, COMPARISONS[pair]
        elif token.text in COMPARISONS and not (place and seen[place - 1].text in ("<", ">", "!", "-")):
            yield "comparison", token.start, token.end, COMPARISONS[token.text]
        elif token.text in ("+", "-") and text[token.end : token.end + 1] == " ":
            yield "sign", token.start, token.end, "-" if token.text == "+" else "+"
        elif token.kind == "number" and token.text.isdigit():
            yield "number", token.start, token.end, str(int(token.text) + 1)
            if int(token.text):
                yield "number", token.start, token.end, str(int(token.text) - 1)
        elif token.kind == "word":
            yield from _of_word(seen, place, present)
    yield from _conditions(seen)
    yield from _join_keys(seen)


def _of_word(seen: Sequence[Token], place: int, present: Set[str]) -> Iterator[tuple[str, int, int, str]]:
    token = seen[place]
    upper = token.text.upper()
    is_call = place + 1 < len(seen) and seen[place + 1].text == "("
    if upper in WORDS and (is_call or upper in ("AND", "OR", "LEFT", "INNER", "DESC")):
        yield "word", token.start, token.end, WORDS[upper]
    if upper in DROPPED:
        yield "dropped word", token.start, token.end, ""
    if upper == "IN" and not seen[place - 1].is_word("NOT"):
        yield "comparison", token.start, token.end, "NOT IN"
    for other in exchanged(token.text, present):
        if not is_call and not seen[place - 1].is_word("AS"):
            yield "column", token.start, token.end, other


def _clause_end(seen: Sequence[Token], start: int) -> int:
    """Index of the token that ends a clause which begins at ``start``."""
    depth = 0
    for place in range(start, len(seen)):
        token = seen[place]
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth -= 1
            if depth < 0:
                return place
        elif depth == 0 and token.is_word(*_ENDS) and not seen[place - 1].is_word("IN"):
            return place
    return len(seen)


def _conditions(seen: Sequence[Token]) -> Iterator[tuple[str, int, int, str]]:
    """Each condition that a WHERE, HAVING, QUALIFY or ON joins by AND, left out."""
    for place, token in enumerate(seen):
        if not token.is_word("WHERE", "HAVING", "QUALIFY", "ON", "PREWHERE"):
            continue
        end = _clause_end(seen, place + 1)
        for first, after in _conjuncts(seen, place + 1, end):
            if after > first:
                yield "condition left out", seen[first].start, seen[after - 1].end, "1 = 1"


def _conjuncts(seen: Sequence[Token], start: int, end: int) -> Iterator[tuple[int, int]]:
    depth, first, between = 0, start, False
    for place in range(start, end):
        token = seen[place]
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth == 0 and token.is_word("BETWEEN"):
            between = True
        elif depth == 0 and token.is_word("AND"):
            if between:
                between = False
                continue
            yield first, place
            first = place + 1
    yield first, end


def _join_keys(seen: Sequence[Token]) -> Iterator[tuple[str, int, int, str]]:
    """Each key of a USING and each column of a GROUP BY or PARTITION BY that has several, left out."""
    for place, token in enumerate(seen[:-2]):
        if (
            token.is_word("USING")
            and seen[place + 1].text == "("
            or token.is_word("GROUP", "PARTITION")
            and seen[place + 1].is_word("BY")
        ):
            start, end = place + 2, _clause_end(seen, place + 2)
        else:
            continue
        parts = list(_listed(seen, start, end))
        for number, (first, after) in enumerate(parts):
            if len(parts) > 1:
                begin = seen[parts[number - 1][1]].start if number else seen[first].start
                stop = seen[after - 1].end if number else seen[parts[1][0]].start
                yield "key left out", begin, stop, ""


def _listed(seen: Sequence[Token], start: int, end: int) -> Iterator[tuple[int, int]]:
    depth, first = 0, start
    for place in range(start, end):
        token = seen[place]
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth == 0 and token.text == ",":
            yield first, place
            first = place + 1
    if end > first:
        yield first, end


def exchanged(name: str, present: Set[str]) -> list[str]:
    """Columns a name may be mistaken for: of the same type in the same table, and named in the same text."""
    return sorted(_exchangeable().get(name, set()) & present)


@cache
def _exchangeable() -> dict[str, set[str]]:
    """Column -> the columns of the same type in its table: of computed tables and of the bill."""
    tables = [{name: str(kind) for name, kind in schema.items()} for schema in SCHEMAS.values()]
    tables.append({name: str(one.type) for name, one in focus_columns().items()})
    found: dict[str, set[str]] = {}
    for table in tables:
        for name, kind in table.items():
            found.setdefault(name, set()).update(
                other for other, same in table.items() if same == kind and other != name
            )
    return found
