"""A bill under the wrong format is told which one it has."""

from __future__ import annotations

import pytest

from models import bill_formats
from models.bill_formats import BILLING_FORMATS, SIGNATURES, formats_of, other_format, plain_name

HEADERS = {
    "focus": "BilledCost,BillingPeriodStart,ChargeCategory,ServiceName",
    "aws-cur": "identity/LineItemId,lineItem/UnblendedCost",
    "gcp-billing": "billing_account_id,usage_start_time,usage_end_time,cost,credits",
    "azure-actual": "Date,MeterId,CostInBillingCurrency",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_told_however_it_is_spelled_and_in_whatever_order(name: str) -> None:
    header = HEADERS[name].split(",")
    for one in (header, header[::-1], [each.upper() for each in header], [f" {each}_" for each in header]):
        assert formats_of(one)[0] == name
        assert SIGNATURES[formats_of(one)[0]].title == SIGNATURES[name].title


def test_a_format_is_read_or_known_and_no_signature_lies_in_another() -> None:
    assert [name for name in SIGNATURES if name in BILLING_FORMATS] == list(BILLING_FORMATS)
    titles = {one.title: one.names for one in SIGNATURES.values()}
    plain = {
        title: [frozenset(plain_name(each) for each in names) for names in one]
        for title, one in titles.items()
    }
    for title, names in plain.items():
        others = [each for other, one in plain.items() if other != title for each in one]
        assert (names or title == SIGNATURES["mapping"].title) and all(one for one in names)
        assert not any(one <= other for one in names for other in others)


def test_what_is_said_names_formats_that_are_read_and_only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    azure = HEADERS["azure-actual"].split(",")
    monkeypatch.setattr(bill_formats, "BILLING_FORMATS", ("focus",))
    assert other_format(azure, "focus").endswith(
        ": deliver the provider's FOCUS export instead, as a source with `format: focus`"
    )
    monkeypatch.setattr(bill_formats, "BILLING_FORMATS", ("focus", "azure-actual", "azure-amortized"))
    assert other_format(azure, "focus") == (
        "it looks like Azure's actual or amortized cost export, not like FOCUS: "
        "give its source `format: azure-actual or azure-amortized`"
    )
    assert other_format(azure, "azure-amortized") == ""
    assert other_format(["when", "what"], "focus") == ""
