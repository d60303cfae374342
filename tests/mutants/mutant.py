"""One fault that can be planted in a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A file with one fault: ``before`` and ``after`` are the lines that differ, stripped."""

    path: str
    kind: str
    line: int
    before: str
    after: str
    text: str


def mutant(path: str, kind: str, original: str, text: str) -> Mutant | None:
    """The mutant that makes ``text`` of ``original``; None where they do not differ."""
    old, new = original.splitlines(), text.splitlines()
    first = next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
    if first is None:
        return None
    tail = 0
    while tail < min(len(old), len(new)) - first and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    before = " ".join(line.strip() for line in old[first : max(first + 1, len(old) - tail)])
    after = " ".join(line.strip() for line in new[first : max(first + 1, len(new) - tail)])
    return Mutant(path, kind, first + 1, before, after, text)
