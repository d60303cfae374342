"""When an objective that names alert policies of its own alerts, as values and as one text that is published beside it.

Nothing of YAML is known here: what files say becomes these values in ``models.alert_policies``, what fires by them is ``models.slo``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

GUARD = "guard of everything failing"
"""By what an objective with policies of its own fires where a guard found it: guards stay beside every policy."""


@dataclass(frozen=True)
class AlertRule:
    """One condition of a policy: both windows burn faster than the factor (``or_equal``: at least as fast) for ``after``.

    Windows are names such as ``1h``, whole numbers of slices; ``short`` is the long one where the file names no second. ``fires`` is
    false where the policy is not to alert when its condition is breached. ``targets`` are names of ``alerts.yaml``.
    """

    policy: str
    severity: str
    long: str
    short: str
    factor: Decimal
    or_equal: bool = False
    after: str = "0m"
    fires: bool = True
    tells_end: bool = True
    when_no_data: bool = False
    targets: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The condition as people read it."""
        windows = self.long if self.short == self.long else f"{self.long} and {self.short}"
        held = "" if self.after == "0m" else f" for {self.after}"
        least = "at least" if self.or_equal else "above"
        return f"{self.severity} where {windows} burn {least} {self.factor.normalize():f} x{held}"


@dataclass(frozen=True)
class AlertRules:
    """Everything the policies of an objective say; they stand in place of the built-in pairs of windows."""

    lines: tuple[AlertRule, ...]

    @property
    def text(self) -> str:
        """The rules as one line of JSON, which ``rules_of`` reads back."""
        return json.dumps([{**asdict(one), "factor": str(one.factor)} for one in self.lines], sort_keys=True)

    def named(self, policies: Iterable[str]) -> tuple[AlertRule, ...]:
        """Rules of some policies by their names."""
        wanted = set(policies)
        return tuple(one for one in self.lines if one.policy in wanted)


def rules_of(text: str) -> AlertRules | None:
    """Rules from their text; None of an empty one: the built-in windows."""
    if not text:
        return None
    return AlertRules(tuple(_rule(one) for one in json.loads(text)))


def _rule(found: dict[str, Any]) -> AlertRule:
    return AlertRule(**{**found, "factor": Decimal(found["factor"]), "targets": tuple(found["targets"])})


def by_words(names: Iterable[str]) -> str:
    """Names of what fired as one text, each once, in their order."""
    return ", ".join(dict.fromkeys(names))


def names_of(words: str) -> tuple[str, ...]:
    """The names of ``by_words``."""
    return tuple(filter(None, words.split(", ")))


def fired_rules(rules: AlertRules | None, words: str) -> tuple[AlertRule, ...]:
    """The rules an objective fires by; of a guard every rule that may fire, as it stands for all of them.

    Args:
        rules: of the objective; None: the built-in windows.
        words: names of what fired (``by_words``).
    """
    if rules is None:
        return ()
    names = names_of(words)
    return tuple(one for one in rules.lines if one.fires) if GUARD in names else rules.named(names)


def by_sentence(words: str, rules: Iterable[AlertRule] = ()) -> str:
    """By which policies an objective fires, as the end of a sentence; empty where the built-in windows decide."""
    if not words:
        return ""
    known = {one.policy: one for one in rules}
    told = []
    for name in names_of(words):
        condition = f" ({known[name].words})" if name in known else ""
        told.append(name if name == GUARD else f"policy {name}{condition}")
    return f"by {' and '.join(told)}"


def told_by(rules: Iterable[AlertRule]) -> dict[str, Any]:
    """Who is told by rules that fire, as fields of a trouble: their targets, the routes where one names none, and of the end where
    one tells of it."""
    rules = tuple(rules)
    return {
        "by_routes": not rules or any(not one.targets for one in rules),
        "targets": tuple(dict.fromkeys(name for one in rules for name in one.targets)),
        "tells_end": not rules or any(one.tells_end for one in rules),
    }
