"""A mapping as the statements of ``ingest/mapping*`` read it: its expressions as calls of the functions they define.

What is filled into a statement is made here of numbers, of names of functions and columns that are tables of ours, and of
nothing else: whatever a mapping or a file says is bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.focus import columns
from models.mapping import COLUMN, FUNCTIONS, BillMapping, Call, Cell, Constant, Expression, Skip
from sql.bill_files import NOWHERE

THERE = "is_there_"
"""What the parameter begins with that says whether a file has a column."""
_VALUE = "value_"

Bound = str | list[str] | list[int]


@dataclass(frozen=True)
class Mapped:
    """The words a mapping fills into its statements, and what they bind: values, and how columns of FOCUS are called."""

    words: Mapping[str, str]
    bound: Mapping[str, Bound]


@dataclass
class _Binding:
    """Values in the order they are met; an equal one is bound once."""

    places: Mapping[str, int]
    values: dict[str, Bound] = field(default_factory=dict)

    def of(self, value: Bound, kind: str) -> str:
        known = next(
            (name for name, one in self.values.items() if one == value and type(one) is type(value)), ""
        )
        name = known or f"{_VALUE}{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"


def mapped(mapping: BillMapping) -> Mapped:
    """What ``ingest/mapping*`` are filled with and bind for a mapping."""
    numbers = range(len(mapping.reads))
    binding = _Binding({name: number for number, name in enumerate(mapping.reads)})
    given = [
        f"if(is_blank_line, NULL, nullIf({_text(one, binding)}, '')) AS {column}"
        for column, one in mapping.expressions.items()
        if column in columns()
    ]
    names = {column: column if column in mapping.expressions else NOWHERE for column in columns()}
    skips = [_condition(one, binding) for one in mapping.skips]
    of_totals = [number for number, one in enumerate(mapping.skips, start=1) if one.is_total]
    words = {
        "is_skipped": " OR ".join(skips) or "0",
        "skip_places": "".join(f"{one}, {number}, " for number, one in enumerate(skips, start=1)) or "0, 0,",
        "total_places": f"[{', '.join(map(str, of_totals or [0]))}]",
        "total_amount": _text(mapping.expressions["BilledCost"], binding),
        "total_currency": _text(mapping.expressions["BillingCurrency"], binding),
        "file_columns": ",\n        ".join(
            f"given.{{{COLUMN}{one}:Identifier}} AS given_{one}" for one in numbers
        ),
        "cells": ",\n    ".join(
            f"mapped_cell(given_{one}, {{{THERE}{one}:UInt8}}) AS {COLUMN}{one}" for one in numbers
        ),
        "is_blank": " AND ".join(f"{COLUMN}{one} = ''" for one in numbers),
        "columns": ",\n    ".join(given),
    }
    return Mapped(words, {**binding.values, **names})


def _condition(skip: Skip, binding: _Binding) -> str:
    """Whether a line is one a mapping leaves out."""
    cell = f"{COLUMN}{binding.places[skip.column]}"
    if skip.how == "is_empty":
        return f"({cell} = '')"
    texts = binding.of([one.strip().lower() for one in skip.texts], "Array(String)")
    if skip.how == "equals":
        return f"has({texts}, lowerUTF8({cell}))"
    return f"arrayExists(text -> startsWith(lowerUTF8({cell}), text), {texts})"


def _text(one: Expression, binding: _Binding) -> str:
    if isinstance(one, Cell):
        return f"{COLUMN}{binding.places[one.name]}"
    if isinstance(one, Constant):
        return binding.of(one.text, "String")
    function = FUNCTIONS[one.function]
    arguments = [_text(each, binding) for each in one.arguments]
    given = arguments if function.arguments == "one" else [f"[{', '.join(arguments)}]"]
    values = [_bound(each, binding) for each in one.bound]
    ordered = [values[0], *given, *values[1:]] if function.arguments == "keys" else [*given, *values]
    return f"mapped_{function.name}({', '.join(ordered)})"


def _bound(value: str | tuple[str, ...] | tuple[int, ...] | Expression, binding: _Binding) -> str:
    if isinstance(value, Cell | Constant | Call):
        return _text(value, binding)
    if isinstance(value, str):
        return binding.of(value, "String")
    if value and isinstance(value[0], int):
        return binding.of([int(one) for one in value], "Array(UInt8)")
    return binding.of([str(one) for one in value], "Array(String)")
