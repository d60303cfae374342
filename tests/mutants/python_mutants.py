"""Faults for Python: the operators of Cosmic Ray, and names and words that frames are asked by.

Annotations, docstrings and decorators are left alone: no answer depends on them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import partial

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutants.mutant import Mutant, mutant
from tests.mutants.sql_mutants import exchanged

LEFT_ALONE = re.compile(
    r"RemoveDecorator|NoOp|ExceptionReplacer|Variable(Replacer|Inserter)"
    r"|BinaryOperator_\w+_(Pow|RShift|LShift|BitOr|BitAnd|BitXor|Mod|FloorDiv)$|BinaryOperator_Bit"
    r"|ComparisonOperator_(\w+_(Is|IsNot)|(Eq|NotEq)_(Lt|LtE|Gt|GtE))$|UnaryOperator_\w+_(Invert|UAdd)$"
)
"""Operators whose mutants hardly ever run, or say what another one says."""

WORDS = (
    (r'keep="first"', 'keep="last"'),
    (r'keep="last"', 'keep="first"'),
    (r'how="left"', 'how="inner"'),
    (r'how="full"', 'how="left"'),
    (r'how="anti"', 'how="semi"'),
    (r"\.sum\(\)", ".max()"),
    (r"\.max\(\)", ".min()"),
    (r"\.min\(\)", ".max()"),
    (r"\.any\(\)", ".all()"),
    (r"\.all\(\)", ".any()"),
    (r"\.filter\(", ".remove("),
    (r"descending=True", "descending=False"),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r"\.is_null\(\)", ".is_not_null()"),
    (r"\.is_not_null\(\)", ".is_null()"),
    (r"ROUND_HALF_EVEN", "ROUND_DOWN"),
)
_NAME = re.compile(r'"(\w+)"')


Planter = Callable[[], Mutant | None]
"""Makes one mutant when it is wanted: writing a module anew takes longer than finding where it may be changed."""


def python_mutants(path: str, original: str) -> Iterator[Mutant]:
    """Every fault of these kinds in a module, those in annotations left out."""
    return (found for plant in python_planters(path, original) if (found := plant()))


def python_planters(path: str, original: str) -> list[Planter]:
    """What makes every fault of these kinds, in no order of use."""
    ignored = _ignored(original)
    lines = original.splitlines()
    nodes = list(ast_nodes(get_ast(original)))
    planters: list[Planter] = []
    for name in operator_names():
        if LEFT_ALONE.search(name):
            continue
        operator = get_operator(name)()
        occurrence = 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                occurrence += 1
                if start not in ignored and not _keeps_order(lines[start[0] - 1], start[1]):
                    planters.append(partial(_operated, path, name, original, occurrence - 1))
    return planters + [partial(_same, found) for found in _words(path, original, ignored)]


def _operated(path: str, name: str, original: str, occurrence: int) -> Mutant | None:
    text = mutate_code(original, get_operator(name)(), occurrence)
    return mutant(path, name.split("/")[-1], original, text) if text else None


def _same(found: Mutant) -> Mutant:
    return found


def _keeps_order(line: str, column: int) -> bool:
    """Whether a place is what ``maintain_order`` is set to: an order that is not promised may still come out right."""
    return line[:column].endswith("maintain_order=")


def _words(path: str, original: str, ignored: _Ignored) -> Iterator[Mutant]:
    for pattern, new in WORDS:
        for match in re.finditer(pattern, original):
            if not ignored.has(original, match.start()):
                found = mutant(
                    path, "word", original, original[: match.start()] + new + original[match.end() :]
                )
                if found:
                    yield found
    present = set(_NAME.findall(original))
    for match in _NAME.finditer(original):
        for other in exchanged(match.group(1), present):
            if not ignored.has(original, match.start()):
                found = mutant(
                    path, "column", original, f'{original[: match.start()]}"{other}"{original[match.end() :]}'
                )
                if found:
                    yield found


class _Ignored:
    """Places in a text that no mutant touches."""

    def __init__(self, spans: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
        self._spans = spans

    def __contains__(self, place: tuple[int, int]) -> bool:
        return any(start <= place < end for start, end in self._spans)

    def has(self, text: str, offset: int) -> bool:
        line = text.count("\n", 0, offset) + 1
        return (line, offset - (text.rfind("\n", 0, offset) + 1)) in self


def _ignored(original: str) -> _Ignored:
    spans = []
    for node in ast.walk(ast.parse(original)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts.append(node.annotation)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts += [node.returns, *node.decorator_list]
        if isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.append(node)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise):
            parts.append(node)
        for part in parts:
            if part is not None:
                spans.append(
                    ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))  # type: ignore[attr-defined]
                )
    return _Ignored(spans)
