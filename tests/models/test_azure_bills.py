"""What headers of Azure's exports mean, and what the rows of a file tell of it as a whole."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import azure_bills
from models.azure_bills import (
    FED,
    check_view,
    date_order,
    delivered_names,
    focus_names,
    read_header,
    values_of,
)
from models.errors import InputRefused
from models.focus import METRICS, charge_categories
from models.focus import columns as focus_columns

REQUIRED = ["Date", "MeterId", "Cost", "BillingCurrency", "ChargeType"]
HEADERS = {
    "EA 2024-08-01": "InvoiceSectionName,AccountName,SubscriptionId,ResourceGroup,ResourceLocation,Date,ProductName,MeterCategory,"
    "MeterId,UnitOfMeasure,Quantity,CostInBillingCurrency,ConsumedService,ResourceId,Tags,ResourceName,UnitPrice,ChargeType,"
    "Frequency,PricingModel,BillingAccountId,BillingCurrencyCode,BillingPeriodStartDate,BillingPeriodEndDate,PayGPrice,benefitId",
    "MCA 2023-12-01": "invoiceId,billingAccountId,billingProfileId,billingPeriodEndDate,billingPeriodStartDate,date,serviceFamily,"
    "meterId,meterCategory,ProductId,ProductName,SubscriptionId,resourceGroupName,ResourceId,quantity,unitOfMeasure,chargeType,"
    "billingCurrency,pricingCurrency,costInBillingCurrency,costInPricingCurrency,costInUsd,paygCostInBillingCurrency,tags,"
    "PayGPrice,unitPrice,benefitId",
    "pay-as-you-go 2019": "SubscriptionGuid,ResourceGroup,UsageDateTime,MeterId,UsageQuantity,PreTaxCost,Currency,InstanceId,Tags,ChargeType",
}  # fmt: skip


def test_names_of_every_agreement_are_read() -> None:
    """As Microsoft's schemas list them; what is read under its own name comes of nothing else."""
    ea = read_header("actual", HEADERS["EA 2024-08-01"].split(","))
    mca = read_header("amortized", HEADERS["MCA 2023-12-01"].split(","))
    older = read_header("actual", HEADERS["pay-as-you-go 2019"].split(","))
    assert (ea.delivered["az_Cost"], mca.delivered["az_Cost"], older.delivered["az_Cost"]) == (
        "CostInBillingCurrency", "costInBillingCurrency", "PreTaxCost",
    )  # fmt: skip
    assert ea.ignored == ("InvoiceSectionName", "AccountName")
    assert mca.ignored == ("costInPricingCurrency", "costInUsd")
    assert older.ignored == ()
    assert (
        older.delivered["az_Date"] == "UsageDateTime"
        and older.delivered["az_SubscriptionId"] == "SubscriptionGuid"
    )


def _spellings(name: str) -> st.SearchStrategy[str]:
    separated = st.lists(st.sampled_from(["", " ", "_", "-"]), min_size=len(name), max_size=len(name)).map(
        lambda between: "".join(f"{one}{c}" for one, c in zip(between, name, strict=True))
    )
    plain = st.one_of(st.just(name), st.just(name.upper()), st.just(name.lower()), separated)
    words = st.text(st.characters(categories=["L", "Zs"], exclude_characters="()"), min_size=1, max_size=20)
    return st.one_of(plain, st.builds(lambda word, one: f"{word} ({one})", words, plain))


@given(st.data())
def test_case_blanks_order_and_language_do_not_count(data: st.DataObject) -> None:
    names = [*REQUIRED, "Tags", "ResourceId"]
    spelled = {name: data.draw(_spellings(name)) for name in names}
    order = data.draw(st.permutations(names))
    found = read_header("actual", [*(spelled[name] for name in order), "Elsewhere"])
    assert found.delivered == {f"az_{name}": spelled[name] for name in names}
    assert found.ignored == ("Elsewhere",)


@pytest.mark.parametrize("missing", REQUIRED)
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(InputRefused, match=f"lacks the required column {missing}"):
        read_header("actual", [one for one in REQUIRED if one != missing])


def test_one_column_under_two_names_is_refused() -> None:
    for one, other in permutations(["Cost", "PreTaxCost", "Kosten (Cost)"], 2):
        with pytest.raises(InputRefused, match="twice"):
            read_header("actual", [*REQUIRED[:2], one, other, *REQUIRED[3:]])


@pytest.mark.parametrize("view", ["actual", "amortized"])
@pytest.mark.parametrize("agreement", HEADERS)
def test_each_view_feeds_one_metric_and_list_cost_counts_once(view: azure_bills.View, agreement: str) -> None:
    header = read_header(view, HEADERS[agreement].split(","))
    names = focus_names(view, header, "nowhere")
    assert set(names) == set(focus_columns())
    assert names[FED[view]] == "cost"
    assert {names[metric] for metric in FED.values()} == {"cost", "other_cost"}
    has_list_cost = agreement.startswith("MCA") and view == "amortized"
    assert (names["ListCost"] == "ListCost", names["ContractedCost"]) == (has_list_cost, "nowhere")
    given_costs = {FED[view]} | ({"ListCost"} if has_list_cost else set())
    assert set(header.undelivered_metrics) == set(METRICS) - given_costs
    priced = names["PricingCurrencyListUnitPrice"], names["ListUnitPrice"]
    expected = {"MCA 2023-12-01": ("PayGPrice", "nowhere"), "EA 2024-08-01": ("nowhere", "PayGPrice")}
    assert priced == expected.get(agreement, ("nowhere", "nowhere"))
    told = dict(zip(*delivered_names(view, header), strict=True))
    assert told[FED[view]] == header.delivered["az_Cost"]
    assert FED["amortized" if view == "actual" else "actual"] not in told


DAY_FIRST, MONTH_FIRST, DOUBTFUL = "21/09/2023", "09/21/2023", "09/03/2023"


@pytest.mark.parametrize(
    ("day_first", "month_first", "doubtful", "order"),
    [
        ("", "", "", ""),
        (DAY_FIRST, "", "", "dmy"),
        (DAY_FIRST, "", DOUBTFUL, "dmy"),
        ("", MONTH_FIRST, "", "mdy"),
        ("", MONTH_FIRST, DOUBTFUL, "mdy"),
    ],
)
def test_dates_of_a_file_tell_their_order(
    day_first: str, month_first: str, doubtful: str, order: str
) -> None:
    assert date_order(day_first, month_first, doubtful) == order


@pytest.mark.parametrize("doubtful", ["", DOUBTFUL])
def test_dates_that_contradict_each_other_or_tell_nothing_are_refused(doubtful: str) -> None:
    with pytest.raises(InputRefused, match=f"{DAY_FIRST} and {MONTH_FIRST}"):
        date_order(DAY_FIRST, MONTH_FIRST, doubtful)
    with pytest.raises(InputRefused, match=f"both|such as {DOUBTFUL}"):
        date_order("", "", DOUBTFUL)


def test_a_file_of_the_other_view_is_told_its_format() -> None:
    for view, amortized, actual in (("actual", "", "Purchase"), ("amortized", "UnusedReservation", "")):
        check_view(view, amortized, actual)  # type: ignore[arg-type]
    with pytest.raises(InputRefused, match="azure-amortized"):
        check_view("actual", "UnusedReservation", "Purchase of Reservation")
    with pytest.raises(InputRefused, match="azure-actual"):
        check_view("amortized", "UnusedReservation", "Purchase of Reservation")


def test_every_type_of_charge_has_a_category_and_words_stand_beside_what_they_mean() -> None:
    types, categories = values_of("ChargeType", "ChargeCategory")
    assert "unusedreservation" in types and set(categories) <= set(charge_categories())
    for focus in ("ChargeClass", "CommitmentDiscountStatus"):
        assert values_of("ChargeType", focus)[0] == types
    meant = dict(zip(*values_of("ChargeType", "ChargeClass"), strict=True))
    assert {word for word, value in meant.items() if value} == {"refund"}
