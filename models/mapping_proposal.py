"""A mapping that is proposed for a file nobody has seen before: names matched by aliases, types by what its first rows hold.

A proposal is a text for a person to read, with a remark behind every line that is a guess; what decides about money and
has no evidence is left out, so that it loads nothing before somebody says it. Names and samples in, text out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import yaml

from models.bill_formats import plain_name
from models.focus import charge_categories, columns, currencies, policy_rows

UNSURE = "# unsure: "
"""What the remark behind a guess begins with."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _./-]*[A-Za-z0-9]|[A-Za-z]")
_WORDS_OF_YAML = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,38})?|\.\d{1,38})([eE][+-]?\d{1,2})?")
_ISO_TIME = re.compile(r"20\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?")
_WITH_CLOCK = re.compile(r"\d:\d\d")
_UNIT = re.compile(r"[^\d+\-.,()' \u00a0]+")

_STYLES = ((".", ""), (",", "."), (".", ","), (",", ""), (".", " "), (",", " "), (".", "'"), (",", "\u00a0"))
"""Decimal mark and grouping, the plain one first."""

_DATES: tuple[tuple[str, str], ...] = (
    ("YYYYMMDD", r"(?P<y>20\d\d)(?P<m>\d\d)(?P<d>\d\d)"),
    ("YYYY/MM/DD", r"(?P<y>20\d\d)/(?P<m>\d\d?)/(?P<d>\d\d?)"),
    ("DD.MM.YYYY", r"(?P<d>\d\d?)\.(?P<m>\d\d?)\.(?P<y>20\d\d)"),
    ("MM/DD/YYYY", r"(?P<m>\d\d?)/(?P<d>\d\d?)/(?P<y>20\d\d)"),
    ("DD/MM/YYYY", r"(?P<d>\d\d?)/(?P<m>\d\d?)/(?P<y>20\d\d)"),
    ("DD-MM-YYYY", r"(?P<d>\d\d?)-(?P<m>\d\d?)-(?P<y>20\d\d)"),
    ("MM-DD-YYYY", r"(?P<m>\d\d?)-(?P<d>\d\d?)-(?P<y>20\d\d)"),
    ("DD-MON-YYYY", r"(?P<d>\d\d?)-(?P<M>[A-Za-z]{3,9})-(?P<y>20\d\d)"),
    ("DD MON YYYY", r"(?P<d>\d\d?) (?P<M>[A-Za-z]{3,9}) (?P<y>20\d\d)"),
    ("MON DD, YYYY", r"(?P<M>[A-Za-z]{3,9}) (?P<d>\d\d?), (?P<y>20\d\d)"),
    ("YYYY-MM", r"(?P<y>20\d\d)-(?P<m>\d\d)"),
    ("MM/YYYY", r"(?P<m>\d\d)/(?P<y>20\d\d)"),
    ("MON YYYY", r"(?P<M>[A-Za-z]{3,9}) (?P<y>20\d\d)"),
    ("YYYYMM", r"(?P<y>20\d\d)(?P<m>\d\d)"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_TAG_NAMES = frozenset(
    "app appid application applicationname team owner environment env costcenter costcentre businessunit department".split()  # noqa: SIM905
)
"""Columns that hold one tag each, by their plain names."""


@dataclass(frozen=True)
class _Guess:
    """An expression as it is written in YAML, and why it is no more than a guess; empty: it is none."""

    written: str
    doubt: str = ""


@dataclass(frozen=True)
class _Time:
    """How the cells of a column are times: the expression, whether they have a day and a clock, and what is in doubt."""

    written: str
    has_day: bool = True
    has_clock: bool = False
    doubt: str = ""


def propose(names: Sequence[str], rows: Sequence[Mapping[str, str]], file: str) -> str:
    """The text of a mapping for a file of these columns.

    Args:
        names: its header.
        rows: its first rows, cells as text by column.
        file: its name, for the remark on top.
    """
    told = list(dict.fromkeys(name for name in names if name.strip() and list(names).count(name) == 1))
    cells = {
        name: [one for row in rows if (one := row.get(name, "").strip()) not in ("", "NULL")] for name in told
    }
    found = _matched(told)
    guesses = {**_money(found, cells), **_times(found, cells), **_words(found, cells, told, file)}
    lines = [
        f"# A mapping for {_one_line(file)}, proposed from its header and first rows. Read every line; a remark says which is",
        "# a guess. What each function does: docs/bills-mapping.md",
        "columns:",
    ]
    for column in columns():
        if column in guesses:
            lines.append(_line(column, guesses[column]))
    unused = [name for name in told if name not in _named_in(guesses)]
    if unused:
        lines.append(f"# not used: {', '.join(_one_line(name) for name in unused)}")
    return "\n".join(lines) + "\n"


def unsure_lines(text: str) -> list[str]:
    """The lines of a proposal that are guesses or wait for a person."""
    return [line.strip() for line in text.splitlines() if UNSURE in line]


def _line(column: str, guess: _Guess) -> str:
    remark = f"  {UNSURE}{guess.doubt}" if guess.doubt else ""
    if not guess.written:
        return f"  # {column}: {{constant: ...}}{remark}"
    return f"  {column}: {guess.written}{remark}"


@cache
def _aliases() -> dict[str, list[str]]:
    """Plain names a column may have, by column of FOCUS, the most likely first."""
    found: dict[str, list[str]] = {name: [plain_name(name)] for name in columns()}
    for row in policy_rows("focus_names.csv"):
        found[row["column"]].append(plain_name(row["delivered"]))
    for row in policy_rows("mapping_aliases.csv"):
        found[row["column"]].append(plain_name(row["alias"]))
    return found


def _matched(names: Sequence[str]) -> dict[str, str]:
    """Column of the file by column of FOCUS; each is given to one, a name of FOCUS's own before an alias."""
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(plain_name(name), name)
    found = {column: plain[plain_name(column)] for column in columns() if plain_name(column) in plain}
    taken = set(found.values())
    for column, aliases in _aliases().items():
        if column in found:
            continue
        free = [plain[one] for one in aliases if one in plain and plain[one] not in taken]
        if free:
            found[column] = free[0]
            taken.add(free[0])
    return found


def _money(found: Mapping[str, str], cells: Mapping[str, Sequence[str]]) -> dict[str, _Guess]:
    guesses = {}
    for column in columns().values():
        if column.type == "decimal" and column.name in found:
            name = found[column.name]
            guess = _number(name, cells[name])
            if guess is not None:
                guesses[column.name] = guess
    if "BilledCost" not in guesses:
        guesses["BilledCost"] = _Guess("", "no column is called like a cost and holds numbers; name it")
    elif "EffectiveCost" not in guesses:
        guesses["EffectiveCost"] = _Guess("{same_as: BilledCost}", "the file has no amortised cost")
    if "EffectiveCost" not in guesses:
        guesses["EffectiveCost"] = _Guess("", "follows BilledCost")
    return guesses


def _number(name: str, values: Sequence[str]) -> _Guess | None:
    """How the cells of a column are numbers; None where they are none."""
    if not values:
        return _Guess(_quoted(name), "its first rows are empty")
    units = {
        match[0] for one in values for match in [_UNIT.search(one)] if match and not _NUMBER.fullmatch(one)
    }
    if len(units) > 1:
        return None
    unit = units.pop() if units else ""
    bare = [one.replace(unit, "", 1).strip() if unit else one for one in values]
    if not unit and all(_NUMBER.fullmatch(one) for one in bare):
        grouped = [one for one in bare if "." in one]
        if grouped and all(re.fullmatch(r"-?[1-9]\d{0,2}(\.\d{3})+", one) for one in grouped):
            return _Guess(
                _quoted(name), "each point may part thousands; then it is `decimal` with its grouping"
            )
        return _Guess(_quoted(name))
    fitting = [style for style in _STYLES if all(_is_number(one, *style) for one in bare)]
    if not fitting:
        return None
    mark, grouping = fitting[0]
    options = [f"mark: {json.dumps(mark)}"] if mark != "." else []
    options += [f"grouping: {json.dumps(grouping, ensure_ascii=False)}"] if grouping else []
    options += [f"unit: {_quoted(unit)}"] if unit else []
    written = ", ".join([f"decimal: {_quoted(name)}", *options])
    is_open = len({style[0] for style in fitting}) > 1 and any("," in one or "." in one for one in bare)
    return _Guess(
        f"{{{written}}}", "a point or comma may be the decimal mark or part thousands" if is_open else ""
    )


def _is_number(text: str, mark: str, grouping: str) -> bool:
    thousands = rf"\d{{1,3}}({re.escape(grouping)}\d{{3}})+|" if grouping else ""
    body = rf"({thousands}\d+)({re.escape(mark)}\d*)?"
    return re.fullmatch(rf"[-+]?{body}|\({body}\)|{body}-", text) is not None


def _times(found: Mapping[str, str], cells: Mapping[str, Sequence[str]]) -> dict[str, _Guess]:
    read = {
        column: one
        for column in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
        if column in found and (one := _time(found[column], cells[found[column]])) is not None
    }
    start = read.get("ChargePeriodStart")
    month = read.get("BillingPeriodStart")
    if start is None and month is None:
        doubt = "no column is called like a date and holds dates; name it"
        return {
            name: _Guess("", doubt)
            for name in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
        }
    of_month, of_charge = month or start, start or month
    assert of_month is not None and of_charge is not None
    is_guessed = "" if month else "the month of the charge; an invoice may name another one"
    whole = "the whole month, as no column names a day"
    guesses = {
        "BillingPeriodStart": _Guess(f"{{month_start: {of_month.written}}}", of_month.doubt or is_guessed),
        "BillingPeriodEnd": _Guess(f"{{month_end: {of_month.written}}}", of_month.doubt or is_guessed),
        "ChargePeriodStart": _Guess(of_charge.written, of_charge.doubt or ("" if start else whole)),
    }
    end = read.get("ChargePeriodEnd")
    if end is not None and end.has_clock:
        guesses["ChargePeriodEnd"] = _Guess(end.written, end.doubt)
    elif end is not None:
        guesses["ChargePeriodEnd"] = _Guess(
            f"{{day_end: {end.written}}}", end.doubt or "the end is taken for the last day"
        )
    elif of_charge.has_day:
        guesses["ChargePeriodEnd"] = _Guess(
            f"{{day_end: {of_charge.written}}}", of_charge.doubt or "the day of the start"
        )
    else:
        guesses["ChargePeriodEnd"] = _Guess(f"{{month_end: {of_charge.written}}}", of_charge.doubt or whole)
    return guesses


def _time(name: str, values: Sequence[str]) -> _Time | None:
    """How the cells of a column are times; None where they are none."""
    if not values:
        return None
    if all(_ISO_TIME.fullmatch(one) for one in values):
        return _Time(_quoted(name), has_clock=any(_WITH_CLOCK.search(one) for one in values))
    fitting = [form for form, pattern in _DATES if all(_is_date(one, pattern) for one in values)]
    if not fitting:
        return None
    doubt = f"its dates are of {' and of '.join(fitting[:2])}" if len(fitting) > 1 else ""
    return _Time(f"{{date: {_quoted(name)}, format: {_quoted(fitting[0])}}}", "DD" in fitting[0], doubt=doubt)


def _is_date(text: str, pattern: str) -> bool:
    match = re.fullmatch(pattern, text)
    if match is None:
        return False
    parts = match.groupdict()
    name = parts.get("M")
    if name is not None and name[:3].lower() not in _MONTHS:
        return False
    month = _MONTHS.index(name[:3].lower()) + 1 if name is not None else int(parts["m"])
    try:
        date(int(parts["y"]), month, int(parts.get("d") or 1))
    except ValueError:
        return False
    return True


def _words(
    found: Mapping[str, str], cells: Mapping[str, Sequence[str]], names: Sequence[str], file: str
) -> dict[str, _Guess]:
    guesses = {
        column.name: _Guess(_quoted(found[column.name]))
        for column in columns().values()
        if column.type in ("string", "json") and column.name in found
    }
    guesses["BillingCurrency"] = _currency(found, cells)
    guesses["ChargeCategory"] = _category(found, cells)
    title = _one_line(re.split(r"[/\\]", file)[-1].partition(".")[0]) or "unknown"
    if not {"ServiceProviderName", "ProviderName"} & set(guesses):
        guesses["ServiceProviderName"] = _Guess(
            f"{{constant: {_quoted(title)}}}", "who provides it, by the name of the file"
        )
    if "BillingAccountId" not in guesses:
        guesses["BillingAccountId"] = _Guess(
            f"{{constant: {_quoted(title)}}}", "no column is called like an account"
        )
    if "ServiceName" not in guesses:
        other = found.get("ChargeDescription") or found.get("SkuId")
        written = _quoted(other) if other else f"{{constant: {_quoted(title)}}}"
        guesses["ServiceName"] = _Guess(written, "no column is called like a service")
    tags = _tags(found, cells, names)
    if tags is not None:
        guesses["Tags"] = tags
    return guesses


def _currency(found: Mapping[str, str], cells: Mapping[str, Sequence[str]]) -> _Guess:
    known = set(currencies())
    all_of = [
        name for name, values in cells.items() if values and all(one.upper() in known for one in values)
    ]
    named = found.get("BillingCurrency")
    if named in all_of:
        all_of = [named, *(one for one in all_of if one != named and "curr" in plain_name(one))]
    if len(all_of) > 1:
        return _Guess(
            f"{{agreed: [{', '.join(_quoted(one) for one in all_of)}]}}", "several columns hold currencies"
        )
    if all_of:
        return _Guess(_quoted(all_of[0]), "" if named == all_of[0] else "its cells are currencies")
    return _Guess("", "no column holds a currency; say which it is")


def _category(found: Mapping[str, str], cells: Mapping[str, Sequence[str]]) -> _Guess:
    name = found.get("ChargeCategory")
    values = list(dict.fromkeys(cells.get(name, ()))) if name else []
    known = {one.lower(): one for one in charge_categories()}
    if name and values and all(one.lower() in known for one in values):
        return _Guess(_quoted(name))
    if name and 0 < len(values) <= 20:
        words = ", ".join(f"{_quoted(one)}: {known.get(one.lower(), 'Usage')}" for one in values)
        return _Guess(f"{{map: {_quoted(name)}, values: {{{words}}}}}", "which of them is no Usage")
    return _Guess("{constant: Usage}", "no column tells purchases, taxes and credits from usage")


def _tags(
    found: Mapping[str, str], cells: Mapping[str, Sequence[str]], names: Sequence[str]
) -> _Guess | None:
    used = set(found.values())
    named = {name: name for name in names if name not in used and plain_name(name) in _TAG_NAMES}
    named |= {
        name.partition("/")[2]: name
        for name in names
        if name not in used
        and name.lower().startswith(("tags/", "tag/", "labels/"))
        and name.partition("/")[2]
    }
    cell = found.get("Tags")
    if cell and not all(one.startswith(("{", "[")) for one in cells[cell]):
        cell = None
    if not named:
        return _Guess(_quoted(cell)) if cell else None
    keys = ", ".join(f"{_quoted(key)}: {_quoted(name)}" for key, name in named.items())
    return _Guess(f"{{tags: {{{keys}}}{f', json: {_quoted(cell)}' if cell else ''}}}")


def _named_in(guesses: Mapping[str, _Guess]) -> set[str]:
    """Columns of the file that a proposal reads."""
    found: set[str] = set()

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for one in value.values():
                yield from walk(one)
        elif isinstance(value, list):
            for one in value:
                yield from walk(one)

    for guess in guesses.values():
        found |= set(walk(yaml.safe_load(guess.written))) if guess.written else set()
    return found


def _quoted(text: str) -> str:
    """A text as YAML reads it back."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML and ": " not in text:
        return text
    return json.dumps(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
