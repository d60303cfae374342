"""Why a cost changed: which lines of the bill moved, and how much of it is price, volume, mix and efficiency.

Pure: the lines of two spans of days in, exact parts and one written sentence out. Reading bills and telemetry, and deciding
that something changed, do not belong here; the numbers live in ``models/policy/causes.yaml``.

Amounts are Decimal, and between them everything is a fraction, so that parts sum to the change to the last digit in
whatever order the lines come. The split is that of flexible budgets (Horngren, Datar and Rajan, Cost Accounting: A
Managerial Emphasis, chapters on flexible budgets and on mix and yield variances; in sales the same is the
price-volume-mix variance). With cost c, quantity q and unit price p = c / q of a line before (0) and now (1), requests R,
their ratio r = R1 / R0, and the lines of one service and unit as a group G with sums C and Q:

- *volume* = sum of c0 (r - 1): what the requests alone would have changed;
- *price* = sum of (p1 - p0) q1;
- *efficiency* = sum over groups of (Q1 - r Q0) C0 / Q0: more or less usage for the same requests (yield variance);
- *mix* = sum over groups of (sum of p0 q1) - Q1 C0 / Q0: dearer or cheaper lines of the same unit;
- *started*, *ended* = cost of lines that were not there before, or are not any more;
- *other* = sum of c1 - r c0 of lines whose quantity is not known.

Where requests are not known r is 1, and what the usage changed is the volume: it is measured in the units of the bill.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from importlib import resources
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict

from models.errors import ModelError
from models.money import exact_total
from models.schemas import MONEY


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionPolicy(_Section):
    """Days around the first day of a change within which a version may have begun it."""

    days_before: int
    days_after: int
    words: str


class BeforePolicy(_Section):
    """From how many days before the first day of a change to how many it is compared with."""

    from_days: int
    to_days: int


class CausePolicy(_Section):
    """Every number of the explanation, as ``models/policy/causes.yaml`` has it."""

    before: dict[str, BeforePolicy]
    movers: int
    parts: int
    least_seen_share: float
    named_share: float
    least_effect_share: float
    versions: dict[str, VersionPolicy]


POLICY = CausePolicy.model_validate(
    yaml.safe_load((resources.files("models") / "policy" / "causes.yaml").read_text("utf-8"))
)

UNIT = Fraction(1, 10**MONEY.scale)
"""The smallest amount there is."""

EFFECTS = ("volume", "price", "mix", "efficiency", "started", "ended", "other")
DIMENSIONS = {"service": "service", "account": "account", "region": "region", "sku": "SKU"}
"""Dimension of a line of the bill -> its name in a sentence."""
REST = "all others"
"""Value of a dimension that stands for those that are not kept by name."""


class Leaf(NamedTuple):
    """A line of the bill as an explanation tells it apart; empty where the bill does not say."""

    service: str = ""
    account: str = ""
    region: str = ""
    sku: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Amount:
    """What a leaf cost and how much of it was used; ``quantity`` is None where the bill does not say of all of it."""

    cost: Decimal = Decimal(0)
    quantity: Decimal | None = Decimal(0)

    def plus(self, cost: Decimal, quantity: Decimal | None) -> Amount:
        """Both added up; what is not known of one is not known of the sum."""
        known = self.quantity is not None and quantity is not None
        return Amount(
            exact_total([self.cost, cost]),
            exact_total([self.quantity, quantity]) if known else None,  # type: ignore[list-item]
        )


@dataclass(frozen=True)
class SeenRequests:
    """SeenRequests of some days, and on how many of them telemetry was seen."""

    requests: int
    days_seen: int
    days: int


@dataclass(frozen=True)
class Change:
    """What cost ``before`` (or was expected to) and what costs ``now``, and the lines of the bill of both spans.

    ``lines_before`` says how the cost before lay; where it is not its sum, as with an expected cost, it is scaled to it.
    """

    before: Decimal
    now: Decimal
    lines_before: Mapping[Leaf, Amount]
    lines_now: Mapping[Leaf, Amount]
    requests_before: SeenRequests | None = None
    requests_now: SeenRequests | None = None

    @property
    def amount(self) -> Decimal:
        """Now without before."""
        return exact_total([self.now, -self.before])


@dataclass(frozen=True)
class Part:
    """What one value of a dimension cost before and now."""

    dimension: str
    value: str
    before: Decimal
    now: Decimal

    @property
    def change(self) -> Decimal:
        """Now without before."""
        return exact_total([self.now, -self.before])


@dataclass(frozen=True)
class Version:
    """A ``service.version`` of an app, when it was first seen, and its requests in the days of a change."""

    name: str
    first_seen: datetime
    requests: int


@dataclass(frozen=True)
class Cause:
    """Exact parts of a change: by dimension, and by effect. ``requests_ratio`` is requests now against before, by day."""

    change: Change
    parts: tuple[Part, ...]
    effects: Mapping[str, Decimal]
    requests_ratio: Fraction | None
    driver: Part | None
    named: Mapping[str, str]
    """Account, region and SKU that hold most of the driver's move, where they tell it apart."""

    @property
    def share(self) -> Fraction | None:
        """Share of the change that the driver holds; above 1 where something else offsets it. None without a change."""
        if self.driver is None or not self.change.amount:
            return None
        return Fraction(self.driver.change) / Fraction(self.change.amount)


# ---------------------------------------------------------------- parts


def explained(change: Change, policy: CausePolicy = POLICY) -> Cause:
    """The parts of a change: each dimension's sum to it, and so do its effects, to the last digit.

    What of either total no line accounts for (a bill that was replaced since, cost that is shared by a rule) is a line
    without a name, so that nothing is left out.

    Raises:
        ModelError: a cost has more places than money has.
    """
    now = _with_rest(_fractions(change.lines_now), change.now)
    before = _scaled(_fractions(change.lines_before), change.before)
    leaves = sorted({*now, *before})
    rounded = dict(
        zip(
            leaves,
            in_units([_cost(before, leaf) for leaf in leaves], change.before),
            strict=True,
        )
    )
    pairs = [(leaf, rounded[leaf], _decimal(_cost(now, leaf))) for leaf in leaves]
    parts = tuple(
        part for dimension in DIMENSIONS for part in _kept(_parts_of(dimension, pairs), policy.parts)
    )
    ratio = requests_ratio(change.requests_before, change.requests_now, policy)
    effects = _effects(leaves, before, now, ratio)
    driver = _driver(_parts_of("service", pairs), change.amount)
    return Cause(
        change,
        parts,
        dict(zip(EFFECTS, in_units([effects[name] for name in EFFECTS], change.amount), strict=True)),
        ratio,
        driver,
        _named(pairs, driver, policy) if driver else {},
    )


def requests_ratio(
    before: SeenRequests | None, now: SeenRequests | None, policy: CausePolicy = POLICY
) -> Fraction | None:
    """SeenRequests of a day now against a day before; None where telemetry has not seen enough of the days, or none before."""
    if before is None or now is None or not before.requests:
        return None
    if any(one.days_seen < policy.least_seen_share * one.days or not one.days_seen for one in (before, now)):
        return None
    return Fraction(now.requests, now.days_seen) / Fraction(before.requests, before.days_seen)


def in_units(values: Sequence[Fraction], total: Decimal) -> list[Decimal]:
    """Fractions that sum to ``total`` as amounts that do: cut to the smallest amount, what is left going to the largest
    remainders, on a tie to the earlier.

    Raises:
        ModelError: the fractions sum to something else, or the total has more places than money has.
    """
    whole = Fraction(total) / UNIT
    if sum(values, Fraction(0)) != Fraction(total) or whole.denominator != 1:
        raise ModelError(f"parts of {total} do not sum to it, or it has more than {MONEY.scale} places")
    units = [math.floor(value / UNIT) for value in values]
    left = whole.numerator - sum(units)
    order = sorted(range(len(values)), key=lambda place: (units[place] - values[place] / UNIT, place))
    for place in order[:left]:
        units[place] += 1
    return [_decimal(count * UNIT) for count in units]


def with_unlisted(lines: Mapping[Leaf, Amount], services: Mapping[str, Decimal]) -> dict[Leaf, Amount]:
    """Lines that sum to what each service cost: what a rule shares among apps is on no line of the bill of theirs, and is a
    line of the service without account, region or SKU.
    """
    listed: dict[str, list[Decimal]] = {}
    for leaf, one in lines.items():
        listed.setdefault(leaf.service, []).append(one.cost)
    found = dict(lines)
    for service, cost in services.items():
        rest = exact_total([cost, *(-one for one in listed.get(service, []))])
        if rest:
            leaf = Leaf(service)
            found[leaf] = found.get(leaf, Amount()).plus(rest, None)
    return found


@dataclass(frozen=True)
class _Line:
    cost: Fraction = Fraction(0)
    quantity: Fraction | None = Fraction(0)


def _fractions(lines: Mapping[Leaf, Amount]) -> dict[Leaf, _Line]:
    return {
        leaf: _Line(Fraction(one.cost), None if one.quantity is None else Fraction(one.quantity))
        for leaf, one in lines.items()
    }


def _cost(lines: Mapping[Leaf, _Line], leaf: Leaf) -> Fraction:
    return lines[leaf].cost if leaf in lines else Fraction(0)


def _sum(values: Iterable[Fraction]) -> Fraction:
    return sum(values, Fraction(0))


def _with_rest(lines: dict[Leaf, _Line], total: Decimal) -> dict[Leaf, _Line]:
    """Lines that sum to a total: what they lack or have too much is a line without a name."""
    rest = Fraction(total) - _sum(one.cost for one in lines.values())
    if not rest:
        return lines
    nameless = Leaf()
    return {**lines, nameless: _Line(_cost(lines, nameless) + rest, None)}


def _scaled(lines: dict[Leaf, _Line], total: Decimal) -> dict[Leaf, _Line]:
    """Lines that sum to a total, in the proportions they have: unit prices stay what they were."""
    known = _sum(one.cost for one in lines.values())
    if known <= 0 or total < 0:
        return _with_rest({}, total)
    times = Fraction(total) / known
    return {
        leaf: _Line(one.cost * times, None if one.quantity is None else one.quantity * times)
        for leaf, one in lines.items()
    }


def _effects(
    leaves: Iterable[Leaf], before: Mapping[Leaf, _Line], now: Mapping[Leaf, _Line], ratio: Fraction | None
) -> dict[str, Fraction]:
    found = dict.fromkeys(EFFECTS, Fraction(0))
    times = Fraction(1) if ratio is None else ratio
    groups: dict[tuple[str, str], list[tuple[_Line, _Line]]] = {}
    for leaf in leaves:
        old, new = before.get(leaf, _Line()), now.get(leaf, _Line())
        if not old.cost and not old.quantity:
            found["started"] += new.cost
        elif not new.cost and not new.quantity:
            found["ended"] -= old.cost
        elif old.quantity and new.quantity and old.quantity > 0 and new.quantity > 0:
            groups.setdefault((leaf.service, leaf.unit), []).append((old, new))
        else:
            found["volume"] += old.cost * (times - 1)
            found["other"] += new.cost - old.cost * times
    usage = "volume" if ratio is None else "efficiency"
    for pairs in groups.values():
        cost_before = _sum(old.cost for old, _ in pairs)
        quantity_before = _sum(old.quantity or Fraction(0) for old, _ in pairs)
        quantity_now = _sum(new.quantity or Fraction(0) for _, new in pairs)
        at_old_prices = _sum(
            old.cost / old.quantity * new.quantity for old, new in pairs if old.quantity and new.quantity
        )
        mean = cost_before / quantity_before
        found["volume"] += cost_before * (times - 1)
        found[usage] += (quantity_now - times * quantity_before) * mean
        found["mix"] += at_old_prices - quantity_now * mean
        found["price"] += _sum(new.cost for _, new in pairs) - at_old_prices
    return found


def _parts_of(dimension: str, pairs: Iterable[tuple[Leaf, Decimal, Decimal]]) -> list[Part]:
    """What each value of a dimension cost, the largest change first."""
    sums: dict[str, tuple[list[Decimal], list[Decimal]]] = {}
    for leaf, before, now in pairs:
        costs = sums.setdefault(str(getattr(leaf, dimension)), ([], []))
        costs[0].append(before)
        costs[1].append(now)
    found = [
        Part(dimension, value, exact_total(before), exact_total(now)) for value, (before, now) in sums.items()
    ]
    return sorted(found, key=lambda part: (-abs(part.change), part.value))


def _kept(parts: list[Part], count: int) -> list[Part]:
    """The parts with the largest changes, and the others as one."""
    if len(parts) <= count:
        return parts
    rest = parts[count:]
    before, now = (exact_total(getattr(part, side) for part in rest) for side in ("before", "now"))
    return [*parts[:count], Part(rest[0].dimension, REST, before, now)]


def _driver(services: Iterable[Part], change: Decimal) -> Part | None:
    """The service that moved most in the direction of the change; None where none did or nothing changed."""
    sign = (change > 0) - (change < 0)
    moved = [part for part in services if part.change * sign > 0]
    return max(moved, key=lambda part: abs(part.change), default=None)


def _named(
    pairs: Iterable[tuple[Leaf, Decimal, Decimal]], driver: Part, policy: CausePolicy
) -> dict[str, str]:
    """Of account, region and SKU the value that holds most of the driver's move, where there is another one."""
    own = [pair for pair in pairs if pair[0].service == driver.value]
    found = {}
    for dimension in DIMENSIONS:
        values = _parts_of(dimension, own)
        top = values[0]
        if len(values) > 1 and top.value and top.change / driver.change >= Decimal(str(policy.named_share)):
            found[dimension] = top.value
    return found


def _decimal(value: Fraction) -> Decimal:
    """A whole number of the smallest amounts as Decimal, exactly."""
    units = value / UNIT
    if units.denominator != 1:
        raise ModelError(f"{float(value)} has more than {MONEY.scale} places")
    with localcontext(prec=120):
        return Decimal(units.numerator).scaleb(-MONEY.scale)


# ---------------------------------------------------------------- versions


def version_that_began(
    versions: Iterable[Version], first_day: date, kind: str, policy: CausePolicy = POLICY
) -> Version | None:
    """The version that came just when a change began, the one with the most requests since; None where none did.

    ``versions`` are all of the app in the days before the change and in it. The first of them is never it: nobody knows
    what ran before.
    """
    window = policy.versions[kind]
    ordered = sorted(versions, key=lambda one: (one.first_seen, one.name))
    came = [
        one
        for one in ordered[1:]
        if one.first_seen > ordered[0].first_seen
        and one.requests
        and -window.days_before <= (one.first_seen.date() - first_day).days <= window.days_after
    ]
    return max(came, key=lambda one: (one.requests, one.first_seen, one.name), default=None)


# ---------------------------------------------------------------- sentences

_WORDS = {
    "volume": ("more requests", "fewer requests"),
    "price": ("higher prices", "lower prices"),
    "mix": ("a dearer mix of SKUs", "a cheaper mix of SKUs"),
    "efficiency": ("more usage per request", "less usage per request"),
    "started": ("lines that were not billed before", "lines that were not billed before"),
    "ended": ("lines that are not billed any more", "lines that are not billed any more"),
    "other": ("lines without a quantity", "lines without a quantity"),
}
"""Effect -> what it is called where it adds, and where it takes away."""
_USAGE = ("more usage", "less usage")
"""The volume where requests are not known."""


def sentence(
    cause: Cause,
    kind: str,
    currency: str,
    against: str,
    version: Version | None = None,
    policy: CausePolicy = POLICY,
) -> str:
    """A change in one sentence: how much against what, which service, by which effect, and the version that came with it.

    ``kind`` is one of the policy's ``versions``; ``against`` is what it is compared with: ``expected``, ``the same days last
    week``.
    """
    change = cause.change
    if not change.amount:
        return f"{in_words(change.now, currency)}, as much as {against}."
    size = "more" if change.amount > 0 else "less"
    told = [f"{in_words(abs(change.amount), currency)} {size} than {against}{_relative(change)}"]
    if cause.driver:
        told.append(_of_driver(cause, currency))
    named, offset = _largest_effects(cause, policy), _offsetting_effect(cause, policy)
    if named:
        told.append("by " + " and ".join(_effect_words(cause, name, currency) for name in named))
    if named and offset:
        told[-1] += f", against {_effect_words(cause, offset, currency)}"
    if cause.requests_ratio is not None and "volume" not in (*named, offset):
        told.append(f"requests {_percent(cause.requests_ratio - 1)}")
    if version:
        words = policy.versions[kind].words
        told.append(f"{words} {version.name}, first seen {version.first_seen:%Y-%m-%d %H:%M} UTC")
    return "; ".join(told) + "."


def in_words(amount: Decimal, currency: str, *, signed: bool = False) -> str:
    """An amount for people: two places, and for one below a cent as many as show two digits of it."""
    places = 2
    if amount and abs(amount) < Decimal("0.01"):
        places = 1 - amount.adjusted()
    with localcontext(prec=120):
        rounded = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN) + 0
    sign = "+" if signed and rounded > 0 else ""
    return f"{currency} {sign}{rounded:,f}"


def _relative(change: Change) -> str:
    if change.before <= 0:
        return ""
    return f" ({_percent(Fraction(change.amount) / Fraction(change.before))})"


def _percent(share: Fraction) -> str:
    """A signed share in whole percent, below one in as many places as show a digit."""
    return _percent_of(share, signed=True)


def _percent_of(share: Fraction, *, signed: bool = False) -> str:
    with localcontext(prec=120):
        value = Decimal(share.numerator * 100) / Decimal(share.denominator)
        places = 0 if abs(value) >= 1 or not value else -value.adjusted()
        rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN) + 0
    return f"{rounded:+,f} %" if signed and rounded else f"{rounded:,f} %"


def _of_driver(cause: Cause, currency: str) -> str:
    """The service that moved most, with its share; where something else offsets it, with its own amount."""
    driver, share = cause.driver, cause.share
    assert driver and share is not None
    name = driver.value or "cost that no line of the bill names"
    places = [f"{DIMENSIONS[dimension]} {value}" for dimension, value in cause.named.items()]
    where = f"{name} ({', '.join(places)})" if places else name
    if share <= 1:
        return f"{_percent_of(share)} of it {where}"
    rest = exact_total([cause.change.amount, -driver.change])
    moved, offset = (in_words(one, currency, signed=True) for one in (driver.change, rest))
    return f"{where} {moved}, all else {offset}"


def _largest_effects(cause: Cause, policy: CausePolicy) -> list[str]:
    """The effect that moved most in the direction of the change, and a second one that is a good part of it."""
    sign = 1 if cause.change.amount > 0 else -1
    aligned = sorted(
        (name for name in EFFECTS if cause.effects[name] * sign > 0),
        key=lambda name: -abs(cause.effects[name]),
    )
    least = _least(cause, policy)
    return [*aligned[:1], *(name for name in aligned[1:2] if abs(cause.effects[name]) >= least)]


def _offsetting_effect(cause: Cause, policy: CausePolicy) -> str | None:
    """The effect that moved most against the change, where what moved with it is more than the change and this a good part."""
    sign = 1 if cause.change.amount > 0 else -1
    if all(amount * sign <= abs(cause.change.amount) for amount in cause.effects.values()):
        return None
    most = min(EFFECTS, key=lambda name: cause.effects[name] * sign)
    return most if abs(cause.effects[most]) >= _least(cause, policy) else None


def _least(cause: Cause, policy: CausePolicy) -> Decimal:
    """The amount from which on an effect is named beside the largest."""
    return Decimal(str(policy.least_effect_share)) * abs(cause.change.amount)


def _effect_words(cause: Cause, name: str, currency: str) -> str:
    amount = cause.effects[name]
    words = _USAGE if name == "volume" and cause.requests_ratio is None else _WORDS[name]
    what = words[0] if amount > 0 else words[1]
    if name == "volume" and cause.requests_ratio is not None:
        what += f" ({_percent(cause.requests_ratio - 1)})"
    return f"{what}, {in_words(amount, currency, signed=True)}"
