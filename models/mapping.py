"""A mapping as data: the YAML by which any bill becomes charges in the columns of FOCUS, without code.

What may stand in a mapping is decided here: columns of the file, constants, and functions of the closed table
``FUNCTIONS``. How an expression is computed belongs to ``sql.mapped``; nothing here reads a file or a bill.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal

import yaml

from models.bill_formats import other_format, plain_name
from models.errors import ConfigurationError, InputRefused
from models.focus import (
    METRICS,
    PROVIDER_COLUMNS,
    FocusColumn,
    Header,
    charge_categories,
    columns,
    currencies,
    dialects,
)
from models.yaml_reader import YamlReader, documents, is_empty

FORMAT = "mapping"

Kind = Literal["any", "text", "decimal", "time", "tags"]
"""What an expression gives; a cell or a constant may be anything."""

COLUMN = "mapped_"
"""What the parameter of a column of the file begins with; its number among those the mapping reads follows."""

_MOST_DEPTH = 20
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?")
_SHOWN_NAMES = 5


@dataclass(frozen=True)
class Cell:
    """A cell of the row, by the name of its column."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A text that is the same in every row."""

    text: str


@dataclass(frozen=True)
class Call:
    """A function of other expressions; ``bound`` are the values it is given beside them, in the order of the table."""

    function: str
    arguments: tuple[Expression, ...]
    bound: tuple[Bound, ...] = ()
    gives: Kind = "text"


Expression = Cell | Constant | Call
Bound = str | tuple[str, ...] | tuple[int, ...] | Expression


@dataclass(frozen=True)
class MappingFunction:
    """A row of the table of functions.

    ``arguments`` says how they are written: one expression, a list of at least ``least``, or keys with an expression each.
    ``takes`` is what each must give (``any``: whatever), ``gives`` what comes out; empty: what the arguments are.
    ``options`` are the further keys, True where one must be there; ``bind`` makes of them what the function is given.
    """

    name: str
    arguments: Literal["one", "many", "keys"]
    takes: Kind
    gives: Kind | Literal[""]
    meaning: str
    options: Mapping[str, bool] = field(default_factory=dict)
    bind: Callable[[_Options], tuple[Bound, ...]] = lambda options: ()
    least: int = 1
    most: int = 100


SKIPS: Mapping[str, str] = {
    "equals": "one of some texts, in any case",
    "begins_with": "begins with one of some texts, in any case",
    "is_empty": "empty",
}
"""Everything that can be asked of the cell of a line that is left out."""
MOST_PREAMBLE_LINES = 1000


@dataclass(frozen=True)
class Skip:
    """Lines of a file that are no charges: those whose cell in a column is as ``how`` says (a key of ``SKIPS``), and whether
    each is a total, whose BilledCost the lines that are left must sum to."""

    column: str
    how: str
    texts: tuple[str, ...] = ()
    is_total: bool = False

    def __str__(self) -> str:
        told = {"equals": "is", "begins_with": "begins with", "is_empty": "is empty"}[self.how]
        return " ".join([self.column, told, " or ".join(self.texts)]).strip()


@dataclass(frozen=True)
class BillMapping:
    """What a mapping says: an expression for each column of FOCUS, the columns of the file it reads, in order, and the
    line of the mapping each stands in first; ``optional`` ones may be missing from a file. Before the header of a CSV stand
    ``preamble_lines``; lines that fit one of ``skips`` are left out."""

    file: str
    expressions: Mapping[str, Expression]
    reads: Mapping[str, int]
    optional: frozenset[str]
    preamble_lines: int = 0
    skips: tuple[Skip, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """Column of the file by the parameter of a statement."""
        return {f"{COLUMN}{number}": name for number, name in enumerate(self.reads)}

    @property
    def metrics(self) -> frozenset[str]:
        """The costs it gives."""
        return frozenset(METRICS) & set(self.expressions)


class _Options:
    """The further keys of a call, each read as what it should be."""

    def __init__(self, parser: _Parser, key: str, nodes: Mapping[str, yaml.Node]) -> None:
        self._parser, self._key, self._nodes = parser, key, nodes

    def text(self, name: str, default: str = "") -> str:
        """A text as it is written, blanks and all."""
        node = self._nodes.get(name)
        return default if node is None else self._parser.reader.source_text(node, f"{self._key}.{name}")

    def fail(self, name: str, problem: str) -> None:
        self._parser.reader.fail(self._nodes[name], f"{self._key}.{name}", problem)

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts to texts."""
        return {
            key: self._parser.reader.source_text(node, f"{self._key}.{name}.{key}")
            for key, node in self._parser.reader.mapping(self._nodes[name], f"{self._key}.{name}").items()
        }

    def expression(self, name: str) -> Expression | None:
        node = self._nodes.get(name)
        return None if node is None else self._parser.expression(node, f"{self._key}.{name}")[0]


_DATE_PARTS = {
    "YYYY": (0, "([0-9]{4})"),
    "YY": (0, "([0-9]{2})"),
    "MON": (1, "([A-Za-z]{3,9})"),
    "MM": (1, "([0-9]{1,2})"),
    "DD": (2, "([0-9]{1,2})"),
    "HH": (3, "([0-9]{1,2})"),
    "mm": (4, "([0-9]{2})"),
    "ss": (5, "([0-9]{2})(?:[.][0-9]{1,9})?"),
}
"""Parts of a date format: their place among year, month, day, hour, minute and second, and what they match."""
_DATE_PART = re.compile("|".join(_DATE_PARTS))
_OFFSET = re.compile(r"Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]")


def _date(options: _Options) -> tuple[Bound, ...]:
    """Pattern of a format, the group of each part (0: it has none), the format as it is written, and the offset."""
    written, offset = options.text("format"), options.text("offset", "Z")
    places, pattern, end = [0] * 6, "", 0
    for number, part in enumerate(_DATE_PART.finditer(written), start=1):
        place, matched = _DATE_PARTS[part[0]]
        if places[place]:
            options.fail("format", f"is {written!r}, which has the same part of a date twice")
        places[place] = number
        pattern += re.escape(written[end : part.start()]) + matched
        end = part.end()
    rest = _DATE_PART.sub("", written)
    if not places[0] or not places[1] or re.search(r"[A-Za-z]{2}", rest):
        options.fail(
            "format",
            f"is {written!r}; it is made of {', '.join(_DATE_PARTS)} and what stands between them, a year and a month at least",
        )
    if not _OFFSET.fullmatch(offset):
        options.fail("offset", f"is {offset!r}; it is Z or an offset such as +02:00")
    pattern += re.escape(written[end:])
    return f"^{pattern}$", tuple(places), written, "" if offset == "Z" else offset


def _decimal(options: _Options) -> tuple[Bound, ...]:
    """Pattern of a number with its sign, its digits and its digits behind the mark as groups, and the separators."""
    mark, grouping, unit = options.text("mark", "."), options.text("grouping"), options.text("unit")
    if len(mark) != 1 or mark.isalnum() or mark in "+-()":
        options.fail("mark", f"is {mark!r}; it is the one character before the places, such as a comma")
    if len(grouping) > 1 or grouping.isalnum() or (grouping and grouping in "+-()" + mark):
        options.fail(
            "grouping", f"is {grouping!r}; it is the one character between thousands, another than {mark!r}"
        )
    if any(one.isdigit() or one in "+-()" for one in unit):
        options.fail("unit", f"is {unit!r}; it is what stands before or behind each number, such as EUR")
    thousands = f"[0-9]{{1,3}}(?:{re.escape(grouping)}[0-9]{{3}})+|" if grouping else ""
    beside = f"(?:{re.escape(unit)} *)?" if unit else ""
    behind = f"(?: *{re.escape(unit)})?" if unit else ""
    number = f"({thousands}[0-9]+)(?:{re.escape(mark)}([0-9]*))?"
    return f"^{beside}([-+(]?){beside}{number}([-)]?){behind}$", grouping


def _map(options: _Options) -> tuple[Bound, ...]:
    values = options.texts("values")
    plain: dict[str, str] = {}
    for key, value in values.items():
        if plain.setdefault(key.strip().lower(), value) != value:
            options.fail("values", f"says two things of {key!r}, as case and blanks around it do not count")
    otherwise = options.expression("otherwise")
    return tuple(plain), tuple(plain.values()), *(() if otherwise is None else (otherwise,))


def _part(options: _Options) -> tuple[Bound, ...]:
    separator, number = options.text("separator"), options.text("number")
    if not separator:
        options.fail("separator", "is empty")
    if not re.fullmatch(r"-?[1-9][0-9]{0,2}", number):
        options.fail("number", f"is {number!r}; it counts parts from 1, or from the end from -1")
    return separator, number


def _json(options: _Options) -> tuple[Bound, ...]:
    member = options.text("member")
    if not member:
        options.fail("member", "is empty")
    return (tuple(member.split(".")),)


def _tags(options: _Options) -> tuple[Bound, ...]:
    found = options.expression("json")
    return (Constant("") if found is None else found,)


FUNCTIONS: dict[str, MappingFunction] = {
    one.name: one
    for one in (
        MappingFunction("coalesce", "many", "any", "", "the first that is not empty"),
        MappingFunction("concat", "many", "any", "text", "all of them, one behind the other"),
        MappingFunction("upper", "one", "any", "text", "in capitals"),
        MappingFunction("lower", "one", "any", "text", "in small letters"),
        MappingFunction("trim", "one", "any", "text", "without blanks at both ends; cells have none anyway"),
        MappingFunction(
            "part",
            "one",
            "any",
            "text",
            "what stands between separators, counted from 1; from the end with -1",
            {"separator": True, "number": True},
            _part,
        ),
        MappingFunction(
            "map",
            "one",
            "any",
            "text",
            "the value its text stands for, in any case; `otherwise`, or else the text itself",
            {"values": True, "otherwise": False},
            _map,
        ),
        MappingFunction("agreed", "many", "any", "text", "the one text all that are not empty have", least=2),
        MappingFunction(
            "decimal",
            "one",
            "any",
            "decimal",
            "a number with its own decimal `mark`, `grouping` of thousands and `unit` beside it; (1.50) and 1.50- are below zero",
            {"mark": False, "grouping": False, "unit": False},
            _decimal,
        ),
        MappingFunction("sum", "many", "decimal", "decimal", "the exact sum; empty if one is", least=2),
        MappingFunction(
            "difference",
            "many",
            "decimal",
            "decimal",
            "the first less the second, exact; empty if one is",
            least=2,
            most=2,
        ),
        MappingFunction(
            "product",
            "many",
            "decimal",
            "decimal",
            "the exact product of at most 76 digits; empty if one is",
            least=2,
            most=4,
        ),
        MappingFunction(
            "date",
            "one",
            "any",
            "time",
            "a time of a `format` such as DD.MM.YYYY or MON YYYY, in UTC or at an `offset`",
            {"format": True, "offset": False},
            _date,
        ),
        MappingFunction("day_start", "one", "time", "time", "the first moment of its day, in UTC"),
        MappingFunction("day_end", "one", "time", "time", "the first moment after its day"),
        MappingFunction("month_start", "one", "time", "time", "the first moment of its month, in UTC"),
        MappingFunction("month_end", "one", "time", "time", "the first moment after its month"),
        MappingFunction(
            "json",
            "one",
            "any",
            "text",
            "a `member` of a cell of JSON, a.b inside of an object; never a cost, as numbers may lose digits",
            {"member": True},
            _json,
        ),
        MappingFunction(
            "tags",
            "keys",
            "any",
            "tags",
            "a tag of each key that is not empty, and further ones of a cell of `json`",
            {"json": False},
            _tags,
        ),
    )
}
"""Everything a mapping can ask for beside ``column``, ``constant`` and ``same_as``; no other name is read."""

_OWN_FORMS = ("column", "constant", "same_as")
_FITS: Mapping[str, tuple[Kind, ...]] = {
    "string": ("any", "text", "decimal", "time"),
    "decimal": ("any", "decimal"),
    "time": ("any", "time"),
    "json": ("any", "text", "tags"),
    "tags": ("any", "tags"),
}
"""By type of a column of FOCUS, what its expression may give."""
_NEEDED: Mapping[Kind, tuple[Kind, ...]] = {
    "any": ("any", "text", "decimal", "time"),
    "decimal": ("any", "decimal"),
    "time": ("any", "time"),
}
"""By what a function takes, what an argument may give."""
_WRAPPED: Mapping[str, str] = {"decimal": "decimal", "time": "date", "tags": "tags"}
"""The function that makes what a column needs of a text."""


def parse_mapping(text: str, file: str) -> BillMapping:
    """The mapping of a text, which sentences call ``file``.

    Raises:
        ConfigurationError: anything in it that is not as it should be; names file, line and field.
    """
    found = [one for one in documents(text, file) if not is_empty(one.node)]
    if len(found) != 1:
        raise ConfigurationError(f"{file} holds {len(found)} documents; a mapping is one")
    return _Parser(file).mapping(found[0].node)


class _Parser:
    """Reads one mapping; remembers the columns of the file it meets."""

    def __init__(self, file: str) -> None:
        self.reader = YamlReader(file)
        self._reads: dict[str, int] = {}
        self._done: dict[str, tuple[Expression, Kind]] = {}
        self._depth = 0

    def mapping(self, node: yaml.Node) -> BillMapping:
        known = {"columns", "optional", "preamble_lines", "skip_rows_where"}
        fields = self.reader.mapping(node, "", known)
        given = self.reader.part(node, fields, "columns")
        later: dict[str, yaml.Node] = {}
        for name, value in given.items():
            self._known_column(name, value)
            if _is_same_as(value):
                later[name] = value
            else:
                self._column(name, value)
        self._nothing_missing(fields["columns"], given)
        for name, value in later.items():
            self._same(name, value)
        optional = frozenset(
            self.reader.source_text(one, f"optional[{place}]")
            for place, one in enumerate(self.reader.sequence(fields.get("optional"), "optional"))
        )
        is_anything_read = bool(self._reads)
        skips = tuple(
            self._skip(one, f"skip_rows_where[{place}]")
            for place, one in enumerate(
                self.reader.sequence(fields.get("skip_rows_where"), "skip_rows_where")
            )
        )
        preamble = self._preamble(fields.get("preamble_lines"))
        if not is_anything_read:
            self.reader.fail(
                fields["columns"], "columns", "reads no column of the file: every charge would be the same"
            )
        ordered = {name: self._done[name][0] for name in given}
        return BillMapping(self.reader.file, ordered, dict(self._reads), optional, preamble, skips)

    def _preamble(self, node: yaml.Node | None) -> int:
        text = "0" if node is None else self.reader.source_text(node, "preamble_lines").strip()
        if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > MOST_PREAMBLE_LINES:
            assert node is not None
            self.reader.fail(
                node,
                "preamble_lines",
                f"is {text!r}; it is how many lines stand before the header, {MOST_PREAMBLE_LINES} at most",
            )
        return int(text)

    def _skip(self, node: yaml.Node, key: str) -> Skip:
        fields = self.reader.mapping(node, key, {"column", "total", *SKIPS})
        if "column" not in fields:
            self.reader.fail(node, f"{key}.column", "is missing: name the column of the file that tells")
        asked = [name for name in SKIPS if name in fields]
        if len(asked) != 1:
            self.reader.fail(
                node, key, f"asks {len(asked)} things of its column; it asks one: {', '.join(SKIPS)}"
            )
        how, value = asked[0], fields[asked[0]]
        if how == "is_empty":
            self._yes(value, f"{key}.is_empty")
            texts: tuple[str, ...] = ()
        else:
            nodes = (
                [value] if isinstance(value, yaml.ScalarNode) else self.reader.sequence(value, f"{key}.{how}")
            )
            texts = tuple(self.reader.source_text(one, f"{key}.{how}").strip() for one in nodes)
            if not texts or not all(texts):
                self.reader.fail(value, f"{key}.{how}", "is empty; for a cell without text there is is_empty")
        if "total" in fields:
            self._yes(fields["total"], f"{key}.total")
        cell, _ = self._cell(fields["column"], f"{key}.column")
        assert isinstance(cell, Cell)
        return Skip(cell.name, how, texts, "total" in fields)

    def _yes(self, node: yaml.Node, key: str) -> None:
        """Refuses anything but true: what is not so is left out."""
        if self.reader.source_text(node, key).strip().lower() != "true":
            self.reader.fail(node, key, "can be true only; leave the line out otherwise")

    def expression(self, node: yaml.Node, key: str) -> tuple[Expression, Kind]:
        """An expression and what it gives."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            self.reader.fail(node, key, f"is nested deeper than {_MOST_DEPTH} levels")
        try:
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, key)
            return self._call(node, key)
        finally:
            self._depth -= 1

    def _scalar(self, node: yaml.ScalarNode, key: str) -> tuple[Expression, Kind]:
        """A number is itself, any other text the name of a column."""
        if node.tag in _NUMBERS and not node.style:
            return Constant(str(node.value)), "decimal"
        return self._cell(node, key)

    def _cell(self, node: yaml.Node, key: str) -> tuple[Expression, Kind]:
        name = self.reader.source_text(node, key)
        if not name.strip():
            self.reader.fail(node, key, "is empty: name a column of the file, or leave the line out")
        self._reads.setdefault(name, node.start_mark.line + 1)
        return Cell(name), "any"

    def _call(self, node: yaml.Node, key: str) -> tuple[Expression, Kind]:
        if not isinstance(node, yaml.MappingNode):
            self.reader.fail(node, key, "must be a column of the file, or a function with what it is of")
        fields = self.reader.items(node, key)
        named = [name for name in fields if name in FUNCTIONS or name in _OWN_FORMS]
        calls = [
            name
            for name in named
            if not any(name in FUNCTIONS[one].options for one in named if one in FUNCTIONS)
        ]
        if len(calls) != 1:
            first = next(iter(fields), "")
            if calls:
                self.reader.fail(
                    node,
                    key,
                    f"has the functions {' and '.join(calls)}: one at a time, the other inside of it",
                )
            nearest = difflib.get_close_matches(first, [*FUNCTIONS, *_OWN_FORMS], 1)
            self.reader.fail(
                fields[first][0] if fields else node,
                key,
                f"asks for {first!r}, which is no function"
                + (
                    f"; the nearest is {nearest[0]}"
                    if nearest
                    else f"; there are {', '.join([*_OWN_FORMS, *FUNCTIONS])}"
                ),
            )
        (name,) = calls
        value = fields[name][1]
        options = {one: node_ for one, (_, node_) in fields.items() if one != name}
        if name in _OWN_FORMS:
            self._no_options(options, key, name, set())
            return self._own_form(name, value, key)
        function = FUNCTIONS[name]
        self._no_options(options, key, name, set(function.options))
        for option, is_needed in function.options.items():
            if is_needed and option not in options:
                self.reader.fail(node, f"{key}.{option}", f"is missing, and {name} needs it")
        arguments, kinds, extra = self._arguments(function, value, f"{key}.{name}")
        if name == "decimal" and any(_has_json(one) for one in arguments):
            self.reader.fail(
                value,
                key,
                "takes a number out of a cell of JSON, which may lose digits: deliver it as a column",
            )
        bound = (*extra, *function.bind(_Options(self, key, options)))
        if name == "map" and len(bound) == 2:
            bound = (*bound, arguments[0])
        gives = function.gives or _common(kinds)
        if gives is None:
            self.reader.fail(
                node, key, f"mixes {' and '.join(dict.fromkeys(kinds))}: {name} takes things of one kind"
            )
        if name == "agreed":
            self._one_text(node, key, arguments)
        return Call(name, arguments, bound, gives), gives

    def _own_form(self, name: str, value: yaml.Node, key: str) -> tuple[Expression, Kind]:
        if name == "column":
            return self._cell(value, f"{key}.column")
        if name == "constant":
            return Constant(self.reader.source_text(value, f"{key}.constant")), "any"
        return self.reader.fail(
            value, key, "may stand for a whole column only: `EffectiveCost: {same_as: BilledCost}`"
        )

    def _arguments(
        self, function: MappingFunction, value: yaml.Node, key: str
    ) -> tuple[tuple[Expression, ...], list[Kind], tuple[tuple[str, ...], ...]]:
        extra: tuple[tuple[str, ...], ...] = ()
        if function.arguments == "one":
            nodes = {key: value}
        elif function.arguments == "many":
            nodes = {f"{key}[{place}]": one for place, one in enumerate(self.reader.sequence(value, key))}
            if not function.least <= len(nodes) <= function.most:
                wanted = (
                    f"{function.least}"
                    if function.least == function.most
                    else f"{function.least} to {function.most}"
                )
                self.reader.fail(value, key, f"is of {len(nodes)}, and takes {wanted}")
        else:
            fields = self.reader.mapping(value, key)
            nodes = {f"{key}.{name}": one for name, one in fields.items()}
            extra = (tuple(fields),)
        found = []
        for at, node in nodes.items():
            one, gives = self.expression(node, at)
            if gives not in _NEEDED[function.takes]:
                self.reader.fail(node, at, f"is {gives}, and {function.name} takes {function.takes}")
            self._constant_fits(one, function.takes, node, at)
            found.append((one, gives))
        return tuple(one for one, _ in found), [gives for _, gives in found], extra

    def _no_options(self, options: Mapping[str, yaml.Node], key: str, name: str, known: set[str]) -> None:
        for option, node in options.items():
            if option not in known:
                what = f"it has {', '.join(sorted(known))}" if known else "it has none"
                self.reader.fail(node, f"{key}.{option}", f"is no option of {name}; {what}")

    def _known_column(self, name: str, node: yaml.Node) -> None:
        if name not in columns():
            nearest = difflib.get_close_matches(name, columns(), 1)
            hint = f"; the nearest is {nearest[0]}" if nearest else ""
            self.reader.fail(node, f"columns.{name}", f"is no column of FOCUS{hint}")

    def _column(self, name: str, node: yaml.Node) -> None:
        one, gives = self.expression(node, f"columns.{name}")
        self._fits(columns()[name], one, gives, node)
        self._done[name] = one, gives

    def _same(self, name: str, node: yaml.Node) -> None:
        key = f"columns.{name}"
        fields = self.reader.mapping(node, key, {"same_as"})
        other = self.reader.text(fields["same_as"], key)
        if other not in self._done:
            self.reader.fail(
                node,
                key,
                f"is the same as {other}, which the mapping does not give by an expression of its own",
            )
        one, gives = self._done[other]
        self._fits(columns()[name], one, gives, node)
        self._done[name] = one, gives

    def _fits(self, column: FocusColumn, one: Expression, gives: Kind, node: yaml.Node) -> None:
        key = f"columns.{column.name}"
        if gives not in _FITS[column.type]:
            wrapped = _WRAPPED.get(column.type)
            self.reader.fail(
                node,
                key,
                f"gives {gives}, and it is of type {column.type}" + (f": use {wrapped}" if wrapped else ""),
            )
        kinds: dict[str, Kind] = {"decimal": "decimal", "time": "time"}
        self._constant_fits(one, kinds.get(column.type, "any"), node, key)
        words, what = _closed_words(column.name)
        for text in _constants_of(one) if words else ():
            if text.strip().lower() not in words:
                self.reader.fail(node, key, f"may be {text!r}, which is no {what}")

    def _constant_fits(self, one: Expression, kind: Kind, node: yaml.Node, key: str) -> None:
        if isinstance(one, Constant) and kind == "decimal" and not _DECIMAL.fullmatch(one.text):
            self.reader.fail(node, key, f"is the constant {one.text!r}, which is no plain decimal")

    def _one_text(self, node: yaml.Node, key: str, arguments: Sequence[Expression]) -> None:
        texts = {one.text.lower(): one.text for one in arguments if isinstance(one, Constant)}
        if len(texts) > 1:
            self.reader.fail(
                node, key, f"names {' and '.join(texts.values())} for one charge: a line has one of them"
            )

    def _nothing_missing(self, node: yaml.Node, given: Mapping[str, yaml.Node]) -> None:
        missing = [name for name, one in columns().items() if one.required and name not in given]
        if not any(name in given for name in PROVIDER_COLUMNS):
            missing.append(PROVIDER_COLUMNS[0])
        if missing:
            self.reader.fail(node, f"columns.{missing[0]}", "is missing, and FOCUS requires it")


def _is_same_as(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and [str(name.value) for name, _ in node.value] == ["same_as"]


def _common(kinds: Iterable[Kind]) -> Kind | None:
    """What several things of these kinds are; None where they are not of one."""
    found = {one for one in kinds if one != "any"}
    return "any" if not found else found.pop() if len(found) == 1 else None


def _closed_words(column: str) -> tuple[frozenset[str], str]:
    """The words a column may hold, in small letters, and what they are called; empty where it may hold any."""
    if column == "BillingCurrency":
        return frozenset(one.lower() for one in currencies()), "ISO 4217 currency"
    if column == "ChargeCategory":
        known = charge_categories()
        return frozenset(one.lower() for one in known), f"charge category of FOCUS ({', '.join(known)})"
    return frozenset(), ""


def _constants_of(one: Expression) -> Iterator[str]:
    """The texts an expression may give that stand in the mapping itself."""
    if isinstance(one, Constant):
        yield one.text
    elif isinstance(one, Call) and one.function in ("coalesce", "agreed"):
        for each in one.arguments:
            yield from _constants_of(each)
    elif isinstance(one, Call) and one.function == "map":
        meanings = one.bound[1]
        yield from (text for text in meanings if isinstance(text, str)) if isinstance(meanings, tuple) else ()
        if isinstance(one.bound[2], Constant):
            yield one.bound[2].text


def _has_json(one: Expression) -> bool:
    return isinstance(one, Call) and (
        one.function == "json" or any(_has_json(each) for each in one.arguments)
    )


def cells_of(one: Expression) -> tuple[str, ...]:
    """The columns of the file an expression reads, each once, in order."""
    if isinstance(one, Cell):
        return (one.name,)
    if isinstance(one, Constant):
        return ()
    inside = [*one.arguments, *(each for each in one.bound if isinstance(each, Cell | Constant | Call))]
    return tuple(dict.fromkeys(name for each in inside for name in cells_of(each)))


def file_columns(mapping: BillMapping) -> dict[str, FocusColumn]:
    """The columns of the file that are read, by their parameter: of any type, as text or as nested values."""
    return {
        parameter: FocusColumn(
            name=parameter,
            type="json",
            nullable=True,
            required=name not in mapping.optional,
            low_cardinality=False,
            since="",
            removed="",
            description=name,
        )
        for parameter, name in mapping.parameters.items()
    }


def read_header(mapping: BillMapping, delivered: Sequence[str]) -> Header:
    """Finds the columns of a mapping in a header: by their very name, else in any spelling where that leaves no doubt.

    Raises:
        InputRefused: one is not there, or there twice; names it, the mapping and its line.
    """
    found: dict[str, str] = {}
    for parameter, name in mapping.parameters.items():
        given = _delivered_as(name, delivered)
        where = f"{mapping.file}, line {mapping.reads[name]}"
        if len(given) > 1:
            shown = " and ".join(given)
            raise InputRefused(
                f"its header has {shown} for the column {name} of {where}: write it as one of them, or rename one"
            )
        if given:
            found[parameter] = given[0]
        elif name not in mapping.optional:
            raise InputRefused(_lacks(mapping, delivered, name, where))
    taken = set(found.values())
    focus = next(one for one in dialects() if one.name == "focus")
    ignored = tuple(dict.fromkeys(name for name in delivered if name not in taken))
    return Header(found, ignored, "", focus, mapping.metrics)


def looks_like(mapping: BillMapping, delivered: Sequence[str]) -> int:
    """How many columns of a mapping a header has."""
    return sum(1 for name in mapping.reads if _delivered_as(name, delivered))


def _delivered_as(name: str, delivered: Sequence[str]) -> list[str]:
    exact = [one for one in delivered if one == name] or [
        one for one in delivered if one.strip() == name.strip()
    ]
    if exact or not plain_name(name):
        return exact
    return [one for one in delivered if plain_name(one) == plain_name(name)]


def _lacks(mapping: BillMapping, delivered: Sequence[str], name: str, where: str) -> str:
    shown = ", ".join(" ".join(one.split())[:40] for one in delivered[:_SHOWN_NAMES])
    of = next((column for column, one in mapping.expressions.items() if name in cells_of(one)), "")
    text = (
        f"its header ({shown}{', ...' if len(delivered) > _SHOWN_NAMES else ''}) lacks the column {name} that {where} "
        f"reads for {of}: correct the mapping, or list it under `optional`"
    )
    other = other_format(delivered, FORMAT) if not looks_like(mapping, delivered) else ""
    return f"{text}; {other}" if other else text


def told_as(mapping: BillMapping) -> tuple[list[str], list[str]]:
    """Columns of FOCUS that decide about a row, and beside each what a sentence calls it: the column of the file it is, or
    those it is made of."""
    names: dict[str, str] = {}
    for column in columns().values():
        one = mapping.expressions.get(column.name)
        if one is None:
            continue
        cells = cells_of(one)
        if isinstance(one, Cell):
            names[column.name] = f"{one.name} ({column.name})"
        else:
            names[column.name] = f"{column.name} (of {', '.join(cells)})" if cells else column.name
    return list(names), list(names.values())


@cache
def shipped() -> Mapping[str, str]:
    """Texts of the mappings that come with the package, by name."""
    folder = resources.files("models").joinpath("policy", "mappings")
    return {
        one.name.removesuffix(".yaml"): one.read_text(encoding="utf-8")
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".yaml")
    }
