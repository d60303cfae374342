"""Proposed mappings: what evidence decides is written, what it does not is marked, and what costs money is never guessed."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
import yaml

from models.errors import ConfigurationError
from models.mapping import parse_mapping, read_header
from models.mapping_proposal import UNSURE, propose, unsure_lines
from tests.billing.made_up_bills import FORMATS

ROWS = [
    {
        "Leistungsdatum": "13.10.2026",
        "Betrag": "1.234,50 EUR",
        "Währung": "EUR",
        "Dienst": "DB",
        "Team": "one",
        "Menge": "2",
    },
    {
        "Leistungsdatum": "02.10.2026",
        "Betrag": "-0,25 EUR",
        "Währung": "EUR",
        "Dienst": "Web",
        "Team": "two",
        "Menge": "0.5",
    },
]


def columns_of(text: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(text)["columns"]
    return found


def guesses(text: str) -> set[str]:
    return {line.lstrip("# ").partition(":")[0] for line in unsure_lines(text)}


def test_names_and_types_are_told_by_header_and_cells() -> None:
    text = propose(list(ROWS[0]), ROWS, "rechnung.csv")
    found = columns_of(text)
    assert found["BilledCost"] == {"decimal": "Betrag", "mark": ",", "grouping": ".", "unit": "EUR"}
    assert found["EffectiveCost"] == {"same_as": "BilledCost"}
    assert found["BillingCurrency"] == "Währung" and found["ServiceName"] == "Dienst"
    day = {"date": "Leistungsdatum", "format": "DD.MM.YYYY"}
    assert found["ChargePeriodStart"] == day and found["ChargePeriodEnd"] == {"day_end": day}
    assert found["BillingPeriodStart"] == {"month_start": day}
    assert found["Tags"] == {"tags": {"Team": "Team"}} and found["ConsumedQuantity"] == "Menge"
    assert guesses(text) == {
        "BillingAccountId", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodEnd", "ChargeCategory", "EffectiveCost", "ServiceProviderName",
    }  # fmt: skip
    one = parse_mapping(text, "m.yaml")
    assert read_header(one, list(ROWS[0])).ignored == ()


def test_what_costs_money_is_never_guessed() -> None:
    text = propose(["Date", "Foo"], [{"Date": "2026-10-01", "Foo": "x"}], "a.csv")
    assert not {"BilledCost", "BillingCurrency"} & set(columns_of(text))
    assert {"BilledCost", "BillingCurrency", "EffectiveCost"} <= guesses(text)
    with pytest.raises(ConfigurationError, match="columns.BilledCost is missing"):
        parse_mapping(text, "m.yaml")


@pytest.mark.parametrize(
    ("cells", "doubt"),
    [
        (["1.234", "2.000"], True), (["1.234", "2.0005"], False), (["1,234", "2,000"], True), (["1,5", "2"], False),
        (["1.234,5"], False), (["(1,5)", "2,25"], False), (["1'234.50"], False), (["5", "7"], False), (["6.266E-7"], False),
    ],
)  # fmt: skip
def test_a_mark_that_may_part_thousands_is_asked_for(cells: list[str], doubt: bool) -> None:
    text = propose(["Amount"], [{"Amount": one} for one in cells], "a.csv")
    line = next(line for line in text.splitlines() if line.lstrip().startswith("BilledCost:"))
    assert (UNSURE in line) == doubt, line


@pytest.mark.parametrize(("written", "of"), FORMATS.items())
def test_dates_are_told_by_what_they_can_be(written: str, of) -> None:  # noqa: ANN001
    rng = random.Random(written)
    days = [date(2026, 1, 1) + timedelta(days=rng.randint(0, 700)) for _ in range(60)]
    text = propose(["Date", "Amount"], [{"Date": of(day), "Amount": "1"} for day in days], "a.csv")
    found = columns_of(text).get("ChargePeriodStart")
    if written == "DD MON YY":  # two digits of a year are no date without a person
        assert found is None and "ChargePeriodStart" in guesses(text)
        return
    assert found == ("Date" if written.startswith("YYYY-MM") else {"date": "Date", "format": written})
    doubtful = propose(["Date", "Amount"], [{"Date": of(date(2026, 4, 3)), "Amount": "1"}], "a.csv")
    assert ("ChargePeriodStart" in guesses(doubtful)) == (written in ("MM/DD/YYYY",))


def test_several_currencies_must_agree_and_closed_words_are_mapped() -> None:
    rows = [
        {"Amount": "1", "Currency": "EUR", "Tax currency": "EUR", "Date": "2026-10", "Type": one}
        for one in ("Usage", "fee", "Tax")
    ]
    found = columns_of(propose(list(rows[0]), rows, "acme/bill.csv"))
    assert found["BillingCurrency"] == {"agreed": ["Currency", "Tax currency"]}
    assert found["ChargeCategory"] == {
        "map": "Type",
        "values": {"Usage": "Usage", "fee": "Usage", "Tax": "Tax"},
    }
    assert found["ChargePeriodEnd"] == {"month_end": {"date": "Date", "format": "YYYY-MM"}}


def test_any_header_gives_text_that_reads_back() -> None:
    """Names of any characters, cells of any kind: a proposal is YAML, and what it reads is in the header."""
    rng = random.Random(7)
    alphabet = "abc XYZ:#'\"{}[]&*!|>%@`,-?\\äß金\n\t0123.,"
    for _ in range(150):
        names = list(
            dict.fromkeys("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 9))) for _ in range(8))
        )
        names += rng.sample(
            ["Amount", "Date", "Currency", "Service", "no", "yes", "Type", "tags/app", "Team"], 4
        )
        rows = [
            {name: rng.choice(("", "1", "1,5", "2026-10-01", "x: y", "EUR", "# z", "{}")) for name in names}
            for _ in range(5)
        ]
        text = propose(names, rows, "a\nb.csv")
        try:
            one = parse_mapping(text, "m.yaml")
        except ConfigurationError as error:
            assert "is missing, and FOCUS requires it" in str(error), (text, error)  # noqa: PT017
        else:
            assert set(one.reads) <= set(names), text
