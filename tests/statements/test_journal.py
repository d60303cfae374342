"""Accounts with their days, balanced journals, and templates that may not do what a program may."""

from __future__ import annotations

import csv
import io
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.accounts import parse_accounts
from models.errors import ConfigurationError
from models.focus import currencies
from models.invoices import parse_invoices
from models.journal import journal_entries, journal_totals
from models.schemas import MONEY
from pipelines.reports import journal_child
from pipelines.reports.journal import rendered_journal

JANUARY = date(2026, 1, 1)
HEAD = 'clearing: "1590"\naccounts:\n'


def booking(center: str, account: str, first: str, last: str = "") -> str:
    until = f", valid_to: {last}" if last else ""
    return f'  - {{cost_center: "{center}", gl_account: "{account}", legal_entity: DE01, valid_from: {first}{until}}}\n'


def test_a_cost_center_is_booked_by_the_day(tmp_path: Path) -> None:
    text = (
        HEAD
        + booking("0012", "6401", "2025-01-01", "2025-12-31")
        + booking("0012", "6402", "2026-01-01")
        + booking("unallocated", "6999", "2025-01-01")
    )
    accounts = parse_accounts(text, "accounts.yaml")
    lines = pl.DataFrame({"cost_center": ["0012", "", "77"]})
    assert accounts.booked(lines, JANUARY).rows() == [
        ("0012", "6402", "DE01", "0012"), ("", "6999", "DE01", ""), ("77", "", "", ""),
    ]  # fmt: skip
    assert accounts.booked(lines, date(2025, 12, 31))["gl_account"].to_list() == ["6401", "6999", ""]
    assert accounts.unbooked(["0012", ""], JANUARY, date(2026, 1, 31)) == []
    assert accounts.unbooked(["0012", "77"], date(2024, 12, 1), date(2024, 12, 31)) == [
        "cost centre 0012 has no account on 2024-12-01", "cost centre 77 has no account",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (booking("7", "a", "2026-01-01", "2026-01-31") + booking("7", "b", "2026-03-01"),
         "a.yaml, line 4: accounts[1].valid_from leaves a gap: cost centre 7 is booked nowhere from 2026-02-01 to 2026-02-28"),
        (booking("7", "a", "2026-01-01") + booking("7", "b", "2026-03-01"),
         "a.yaml, line 4: accounts[1].valid_from overlaps: cost centre 7 is booked to a until further notice already"),
        (booking("7", "b", "2026-03-01", "2026-04-30") + booking("7", "a", "2026-01-01", "2026-03-01"),
         "a.yaml, line 3: accounts[0].valid_from overlaps: cost centre 7 is booked to a until 2026-03-01 already"),
        (booking("7", "a", "2026-01-02", "2026-01-01"), "a.yaml, line 3: accounts[0].valid_to ends before it begins (2026-01-02)"),
        ("  - {cost_center: 0012, gl_account: a, legal_entity: b, valid_from: 2026-01-01}\n",
         'a.yaml, line 3: accounts[0].cost_center is a number; put a code in quotes: "10"'),
        ("  - {cost_center: a, gl_account: a, legal_entity: b, valid_from: soon}\n",
         "a.yaml, line 3: accounts[0].valid_from is 'soon'; it must be a day such as 2026-01-31"),
    ],
)  # fmt: skip
def test_a_gap_and_an_overlap_are_refused_by_name(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_accounts(HEAD + text, "a.yaml")
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("total: 12.5", "is 12.5; write an amount in quotes"),
        ('total: "1,234.5"', "is '1,234.5'; write an amount in quotes"),
        ('total: "1e3"', "is '1e3'; write an amount in quotes"),
        ('total: "1", tolerance: "-1"', "is below zero"),
        ('total: "1", currency: XXX', "is 'XXX'; it can be"),
    ],
)
def test_an_invoice_is_money_or_refused(line: str, sentence: str) -> None:
    rest = "" if "currency" in line else ", currency: USD"
    with pytest.raises(ConfigurationError) as raised:
        parse_invoices(f"invoices:\n  - {{source: aws, month: 2026-01, {line}{rest}}}\n", "i.yaml")
    assert "i.yaml, line 2" in str(raised.value)
    assert sentence in str(raised.value)


cents = st.integers(-10_000_000, 10_000_000)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["USD", "JPY", "KWD"]),
            st.sampled_from(["DE01", "US01"]),
            st.sampled_from(["6400", "6500"]),
            st.sampled_from(["a", "b"]),
            cents,
        ),
        max_size=30,
    )
)
def test_a_journal_balances_and_is_the_statement(rows: list[tuple[str, str, str, str, int]]) -> None:
    lines = pl.DataFrame(
        [
            (one[0], one[1], one[2], one[3], one[3], Decimal(one[4]).scaleb(-currencies()[one[0]]))
            for one in rows
        ],
        schema={
            "billing_currency": pl.String, "legal_entity": pl.String, "gl_account": pl.String,
            "erp_cost_center": pl.String, "cost_center": pl.String, "amount": MONEY,
        },
        orient="row",
    )  # fmt: skip
    entries = journal_entries(lines, "1590", JANUARY)
    counted: dict[tuple[str, str, str, str], Decimal] = {}
    whole: dict[tuple[str, str], Decimal] = {}
    for currency, entity, account, center, value in rows:
        amount = Decimal(value).scaleb(-currencies()[currency])
        counted[currency, entity, account, center] = (
            counted.get((currency, entity, account, center), Decimal(0)) + amount
        )
        whole[currency, entity] = whole.get((currency, entity), Decimal(0)) - amount
    told = {
        (one["currency"], one["legal_entity"], one["gl_account"], one["cost_center"]): Decimal(
            one["debit"] or 0
        )
        - Decimal(one["credit"] or 0)
        for one in entries
    }
    wanted = {**counted, **{(*key, "1590", ""): amount for key, amount in whole.items()}}
    assert told == {key: amount for key, amount in wanted.items() if amount}
    assert all(bool(one["debit"]) != bool(one["credit"]) for one in entries)
    assert all(Decimal(one["debit"] or one["credit"]) > 0 for one in entries)
    for one in journal_totals(entries):
        assert one["debit"] == one["credit"]


CONTEXT = {
    "entries": [
        {
            "line": "1", "period": "2026-01", "currency": "USD", "legal_entity": "DE01", "gl_account": "0064", "cost_center":
            '=a,"b"', "debit": "1.50", "credit": "", "description": "x"
        }
    ],
    "totals": [],
    "statement": {"id": "2026-01-ab", "version": 1, "period": "2026-01"},
}  # fmt: skip


def test_the_shipped_template_is_csv_of_the_entries() -> None:
    content = rendered_journal(None, CONTEXT).decode()
    (entry,) = csv.DictReader(io.StringIO(content, newline=""))
    assert entry == {**CONTEXT["entries"][0], "cost_center": '\'=a,"b"'}  # type: ignore[index]


def test_a_template_of_ones_own_decides_the_text(tmp_path: Path) -> None:
    path = tmp_path / "sap.j2"
    path.write_text(
        "{% for e in entries %}{{ e.gl_account }};{{ e.debit or '-' }}|{% endfor %}{{ statement.period }}"
    )
    assert rendered_journal(path, CONTEXT) == b"0064;1.50|2026-01"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "takes too long"),
        ("{% for a in range(10**9) %}{% endfor %}", "Range too big"),
        ("{{ 'a' * 10**10 }}", "takes too long, or too much memory"),
        ("{% for a in range(99999) %}{{ 'a' * 10000 }}{% endfor %}", "writes more than 64,000,000 characters"),
        ("{{ ''.__class__.__mro__ }}", "reaches for what it may not"),
        ("{{ entries.append(1) }}", "reaches for what it may not"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "reaches for what it may not"),
        ("{{ '{0.__class__}'.format(statement) }}", "reaches for what it may not"),
        ("{{ (statement|attr('__class__')) }}", "reaches for what it may not"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        ("{% extends '/etc/passwd' %}", "no loader"),
        ("{{ open('/etc/passwd') }}", "'open' is undefined"),
        ("{{ entries[0].nothing }}", "has no attribute 'nothing'"),
        ("{{ 1 / 0 }}", "the template fails: division by zero"),
        ("a\n{% for %}", "line 2: "),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", ""),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", ""),
    ],
)  # fmt: skip
def test_what_a_template_may_not_do_is_one_sentence(
    template: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_child, "SECONDS", 2)
    path = tmp_path / "own.j2"
    path.write_text(template)
    began = time.monotonic()
    with pytest.raises(ConfigurationError) as raised:
        rendered_journal(path, CONTEXT)
    assert time.monotonic() - began < 60
    assert str(raised.value).startswith("own.j2: ")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "root:" not in str(raised.value)
