"""What is hidden in telemetry, as data: the rules of ``policy/redaction.yaml`` that a workspace has on, and their marks.

Which records they are applied to, and how, is the business of the load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from models.errors import ConfigurationError

NEVER = "\\x00\\x01no rule is on\\x01\\x00"
"""A pattern no text matches: the engine wants at least one, and refuses one that cannot match."""


@dataclass(frozen=True)
class Redaction:
    """Patterns in force.

    ``keys`` hide a value whole, ``key_marks`` is what is written instead; ``shapes`` hide what they match,
    ``shape_marks`` is the replacement; ``cards`` hide what they match where Luhn's formula holds.
    """

    keys: tuple[str, ...]
    key_marks: tuple[str, ...]
    shapes: tuple[str, ...]
    shape_marks: tuple[str, ...]
    cards: tuple[str, ...]
    card_mark: str

    def bound(self) -> dict[str, Any]:
        """As parameters of an ingest statement."""
        return {
            "hidden_keys": list(self.keys) or [NEVER],
            "hidden_key_marks": list(self.key_marks) or [""],
            "hidden_shapes": list(self.shapes) or [NEVER],
            "hidden_shape_marks": list(self.shape_marks) or [""],
            "hidden_cards": "|".join(self.cards) or NEVER,
            "hidden_card_mark": self.card_mark,
        }

    def shown(self, text: str) -> str:
        """A text that may be the beginning of anything, with every shape hidden, and all that stands after a hidden key."""
        for pattern in self.keys:
            bare = pattern.removeprefix("(?i)^(.*[._-])?").removesuffix("$")
            text = re.sub(rf"(?is)\b({bare})\b.*", r"\1 [redacted]", text)
        for pattern, replacement in zip(self.shapes, self.shape_marks, strict=True):
            text = re.sub(pattern, replacement, text)
        for pattern in self.cards:
            text = re.sub(
                pattern, lambda found: self.card_mark if has_luhn(found.group()) else found.group(), text
            )
        return text


def mark(rule: str) -> str:
    """What stands in place of a hidden value."""
    return f"[redacted: {rule}]"


def has_luhn(number: str) -> bool:
    """Whether the digits of a number end in their check digit by Luhn's formula (ISO/IEC 7812-1)."""
    digits = [int(one) for one in reversed(number) if one.isdigit()]
    return (
        sum(sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(digits)) % 10
        == 0
    )


def redaction(switches: Mapping[str, bool] | None = None) -> Redaction:
    """The rules in force in a workspace whose ``redact:`` says ``switches``.

    Raises:
        ConfigurationError: a switch names no rule.
    """
    rules = _rules()
    switches = switches or {}
    unknown = sorted(set(switches) - set(rules))
    if unknown:
        raise ConfigurationError(
            f"appfleet.yaml, redact: there is no rule {unknown[0]}; the rules are {', '.join(sorted(rules))}"
        )
    on = {name: rule for name, rule in rules.items() if switches.get(name, rule.get("is_on", True))}
    keys = [(pattern, mark(name)) for name, rule in on.items() for pattern in rule.get("keys", ())]
    shapes = [
        (shape["pattern"], shape["keeps"] + mark(name))
        for name, rule in on.items()
        if "checks" not in rule
        for shape in rule.get("shapes", ())
    ]
    cards = [
        shape["pattern"] for rule in on.values() if rule.get("checks") == "luhn" for shape in rule["shapes"]
    ]
    return Redaction(
        tuple(f"(?i)^{pattern}$" for pattern, _ in keys),
        tuple(text for _, text in keys),
        tuple(pattern for pattern, _ in shapes),
        tuple(text for _, text in shapes),
        tuple(cards),
        mark("card"),
    )


def rule_names() -> list[str]:
    """Names of the rules a workspace may switch."""
    return sorted(_rules())


@cache
def _rules() -> dict[str, dict[str, Any]]:
    text = resources.files("models").joinpath("policy", "redaction.yaml").read_text(encoding="utf-8")
    rules: dict[str, dict[str, Any]] = yaml.safe_load(text)["rules"]
    return rules
