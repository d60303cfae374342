"""How figures read: money from Decimal with its currency, counts, shares and times, all for people.

Rounding here is for the eye; the exact value stays in the frame. No Streamlit and no reading here.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from models.policy import states

_NO_ROOM = "\u2060"
_LOOKED_FOR = re.compile(r"(?<=[:@])(?=\S)|(?<=[-<>=])(?=[-<>=])|(?<=www)(?=\.)", re.IGNORECASE)
NOTHING = "–"
"""What stands where there is no value: not zero, not unknown text."""

UNALLOCATED = "Unallocated is cost that no rule could give to an app; a team tag may still say which team it is charged to."
UNASSIGNED = "Unassigned stands where no team is known, neither by the registry nor by a tag."
"""What the two words mean, on every page: of no app, and of no team."""

LINES = {
    "Usage": "Usage",
    "Purchase": "Purchases",
    "Tax": "Tax",
    "Credit": "Credits",
    "Adjustment": "Adjustments",
    "Correction": "Corrections of past charges",
}
"""Lines of a bill: FOCUS charge categories, and what corrects an earlier bill. Trends are of the first alone."""

RULES = {
    "app_tag": "app tag",
    "virtual_tag": "virtual tag",
    "resource_id": "resource id",
    "pattern": "registry pattern",
    "unallocated": "none",
}
_RULES_BY_NAME = {"shared:": "shared cost rule", "idle:": "capacity nobody used, rule"}
"""How the rule of shared cost begins -> what people read before its name."""


def rule(text: str) -> str:
    """What people read for an attribution rule."""
    for begin, words in _RULES_BY_NAME.items():
        if text.startswith(begin):
            return f"{words} {text.removeprefix(begin)}"
    return RULES.get(text, text)


STATES = {one.name: one.word for one in states()}
"""What people read for a state of an objective, the worst first."""
STATE_COLOURS = {one.name: one.colour for one in states()}
STATE_MEANINGS = {one.name: one.meaning for one in states()}
FLAGS = {
    "unregistered": "Unregistered",
    "no_owner": "No owner",
    "idle": "Idle",
    "breached": "Budget spent",
    "anomaly": "Cost anomaly",
}
WINDOWS = {"5m": "5 min", "1h": "1 hour", "6h": "6 hours", "1d": "1 day", "3d": "3 days"}


def as_text(text: str) -> str:
    """Text from outside as Markdown that reads as that very text: no picture, link, colour, formula, icon or arrow.

    Marks are escaped. What Streamlit looks for in text that is no Markdown any more (icons, arrows, addresses of pages and
    of people) is parted by a character that takes no room. Lines become blanks.
    """
    parted = _LOOKED_FOR.sub(_NO_ROOM, " ".join(text.split()))
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", parted)


def amount(value: Decimal, places: int = 2) -> str:
    """An amount with thousands separators, rounded half to even."""
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return f"{rounded + 0:,}"  # + 0: no negative zero


def money(value: Decimal, currency: str, places: int = 2) -> str:
    """An amount with its currency: ``EUR 1,234.50``."""
    return f"{currency} {amount(value, places)}"


def exact(value: Decimal) -> str:
    """Every digit that counts, no exponent, at least two places: ``1,234.50``, ``2.08320743876``."""
    whole, _, places = f"{value:,f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def change(now: Decimal, before: Decimal) -> str:
    """Relative change with its sign, ``new`` where there was nothing before, empty where nothing changed from nothing."""
    if not before:
        return "new" if now else ""
    return f"{float((now - before) / abs(before)):+.1%}"


def change_percent(now: Decimal | None, before: Decimal | None) -> float | None:
    """Relative change in percent, None where there was nothing before."""
    return float((Decimal(now or 0) - before) / abs(before) * 100) if before else None


def count(value: int | None) -> str:
    """A whole number with thousands separators."""
    return NOTHING if value is None else f"{value:,}"


def share(part: Decimal, whole: Decimal) -> str:
    """A share in percent, empty where there is no whole."""
    return f"{float(part / whole):.1%}" if whole else NOTHING


def percent(value: float | None, places: int = 1) -> str:
    """A fraction in percent."""
    return NOTHING if value is None else f"{value:.{places}%}"


def target(value: float) -> str:
    """An objective's target without needless zeros: ``99 %``, ``99.95 %``."""
    return f"{value * 100:g} %"


def day(value: date | None) -> str:
    """A day as ISO 8601."""
    return NOTHING if value is None else f"{value:%Y-%m-%d}"


def moment(value: datetime | None) -> str:
    """A time to the minute, labelled UTC."""
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def sentence_case(words: str) -> str:
    """Words with a capital at their begin, the others as they are: ``1 to 11 March``, ``Same days last week``."""
    return words[:1].upper() + words[1:]


def plural(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: ``1 app``, ``1,204 apps``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
