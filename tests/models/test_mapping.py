"""What a mapping may say: every mistake is one sentence with file, line and field, and the functions are those of the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from models.errors import ConfigurationError, InputRefused
from models.mapping import (
    FUNCTIONS,
    Call,
    Cell,
    Constant,
    cells_of,
    parse_mapping,
    read_header,
    shipped,
    told_as,
)
from sql.catalog import statement
from sql.mapped import mapped

WHOLE = {
    "BilledCost": "Amount",
    "EffectiveCost": {"same_as": "BilledCost"},
    "BillingCurrency": {"constant": "EUR"},
    "BillingAccountId": {"constant": "acme"},
    "BillingPeriodStart": {"month_start": "Day"},
    "BillingPeriodEnd": {"month_end": "Day"},
    "ChargePeriodStart": "Day",
    "ChargePeriodEnd": {"day_end": "Day"},
    "ChargeCategory": {"constant": "Usage"},
    "ServiceName": "Service",
    "ServiceProviderName": {"constant": "Acme"},
}
LINE_OF = {name: number for number, name in enumerate(WHOLE, start=2)}


def written(**changed: object) -> str:
    """A mapping with some columns changed or, where they are None, left out; each column on a line of its own."""
    columns = {**WHOLE, **changed}
    lines = [
        f"  {name}: {yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).splitlines()[0]}"
        for name, value in columns.items()
        if value is not None
    ]
    return "\n".join(["columns:", *lines]) + "\n"


MISTAKES = [
    ({"BilledCost": None}, "line 2: columns.BilledCost is missing, and FOCUS requires it"),
    ({"ServiceProviderName": None}, "columns.ServiceProviderName is missing, and FOCUS requires it"),
    ({"EffectiveCost": None}, "columns.EffectiveCost is missing, and FOCUS requires it"),
    ({"BilledCosts": "Amount"}, "columns.BilledCosts is no column of FOCUS; the nearest is BilledCost"),
    ({"BilledCost": {"sums": ["a", "b"]}}, "line 2: columns.BilledCost asks for 'sums', which is no function; the nearest is sum"),
    ({"BilledCost": {"eval": "1"}}, "asks for 'eval', which is no function"),
    ({"BilledCost": {"sql": "SELECT 1"}}, "asks for 'sql', which is no function"),
    ({"BilledCost": {"sum": ["a"]}}, "columns.BilledCost.sum is of 1, and takes 2 to 100"),
    ({"BilledCost": {"difference": ["a", "b", "c"]}}, "is of 3, and takes 2"),
    ({"BilledCost": {"sum": ["a", "b"], "product": ["a", "b"]}}, "has the functions sum and product: one at a time"),
    ({"BilledCost": {"upper": "a"}}, "columns.BilledCost gives text, and it is of type decimal: use decimal"),
    ({"BilledCost": {"constant": "1,5"}}, "is the constant '1,5', which is no plain decimal"),
    ({"BilledCost": {"sum": ["a", {"constant": "x"}]}}, "is the constant 'x', which is no plain decimal"),
    ({"BilledCost": {"sum": ["a", {"upper": "b"}]}}, "columns.BilledCost.sum[1] is text, and sum takes decimal"),
    ({"BilledCost": {"decimal": {"json": "a", "member": "b"}}}, "may lose digits"),
    ({"BilledCost": {"decimal": "a", "mark": "ab"}}, "columns.BilledCost.mark is 'ab'; it is the one character"),
    ({"BilledCost": {"decimal": "a", "mark": "-"}}, "columns.BilledCost.mark is '-'"),
    ({"BilledCost": {"decimal": "a", "mark": ".", "grouping": "."}}, "columns.BilledCost.grouping is '.'"),
    ({"BilledCost": {"decimal": "a", "unit": "E1"}}, "columns.BilledCost.unit is 'E1'"),
    ({"BilledCost": {"decimal": "a", "format": "x"}}, "columns.BilledCost.format is no option of decimal; it has grouping, mark, unit"),
    ({"BilledCost": ["a"]}, "must be a column of the file, or a function"),
    ({"BilledCost": {"column": ""}}, "columns.BilledCost.column is empty"),
    ({"EffectiveCost": {"same_as": "ListCost"}}, "is the same as ListCost, which the mapping does not give"),
    ({"EffectiveCost": {"coalesce": [{"same_as": "BilledCost"}]}}, "may stand for a whole column only"),
    ({"ChargePeriodStart": {"date": "Day"}}, "columns.ChargePeriodStart.format is missing, and date needs it"),
    ({"ChargePeriodStart": {"date": "Day", "format": "DD.MM"}}, "is 'DD.MM'; it is made of"),
    ({"ChargePeriodStart": {"date": "Day", "format": "%d.%m.%Y"}}, "is '%d.%m.%Y'; it is made of"),
    ({"ChargePeriodStart": {"date": "Day", "format": "MM/MM/YYYY"}}, "has the same part of a date twice"),
    ({"ChargePeriodStart": {"date": "Day", "format": "YYYY-MM-DD", "offset": "CET"}}, "offset is 'CET'; it is Z or an offset"),
    ({"ChargePeriodStart": {"sum": ["a", "b"]}}, "gives decimal, and it is of type time: use date"),
    ({"BillingCurrency": {"constant": "EURO"}}, "may be 'EURO', which is no ISO 4217 currency"),
    ({"BillingCurrency": {"agreed": [{"constant": "EUR"}, {"constant": "USD"}]}}, "names EUR and USD for one charge"),
    ({"BillingCurrency": {"map": "C", "values": {"e": "EUR", "d": "Dollar"}}}, "may be 'Dollar', which is no ISO 4217"),
    ({"ChargeCategory": {"map": "T", "values": {"x": "Fee"}}}, "may be 'Fee', which is no charge category of FOCUS (Usage"),
    ({"ChargeCategory": {"map": "T", "values": {"a": "Usage", "A ": "Tax"}}}, "says two things of 'A '"),
    ({"ServiceName": {"part": "a", "separator": "", "number": 1}}, "separator is empty"),
    ({"ServiceName": {"part": "a", "separator": "/", "number": 0}}, "number is '0'; it counts parts from 1"),
    ({"ServiceName": {"coalesce": ["a", {"sum": ["b", "c"]}, {"date": "d", "format": "YYYY-MM"}]}}, "mixes"),
    ({"Tags": {"concat": ["a", "b"]}}, "gives text, and it is of type tags: use tags"),
    ({"ServiceName": {"tags": {"a": "b"}}}, "gives tags, and it is of type string"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_with_file_line_and_field(
    changed: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as told:
        parse_mapping(written(**changed), "acme.yaml")
    text = str(told.value)
    line = next(
        (LINE_OF[name] for name, value in changed.items() if name in LINE_OF and value is not None), None
    )
    assert sentence in text and text.startswith("acme.yaml, line ") and "\n" not in text, text
    assert line is None or text.startswith(f"acme.yaml, line {line}:"), text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "acme.yaml holds 0 documents"),
        ("columns: {}\n---\ncolumns: {}\n", "acme.yaml holds 2 documents"),
        ("column: {}\n", "acme.yaml, line 1: column is not a known key"),
        (
            written() + "preamble_lines: -1\n",
            "preamble_lines is '-1'; it is how many lines stand before the header",
        ),
        (written() + "skip_rows_where: [{equals: x}]\n", "skip_rows_where[0].column is missing"),
        (written() + "skip_rows_where: [{column: a}]\n", "skip_rows_where[0] asks 0 things of its column"),
        (
            written() + "skip_rows_where: [{column: a, equals: x, is_empty: true}]\n",
            "skip_rows_where[0] asks 2 things",
        ),
        (written() + "skip_rows_where: [{column: a, equals: ''}]\n", "skip_rows_where[0].equals is empty"),
        (
            written() + "skip_rows_where: [{column: a, is_empty: false}]\n",
            "skip_rows_where[0].is_empty can be true only",
        ),
        (
            written() + "skip_rows_where: [{column: a, matches: x}]\n",
            "skip_rows_where[0].matches is not a known key",
        ),
        ("columns:\n  BilledCost: {sum: [a, b\n", "this is not YAML"),
        (
            "columns:\n  BilledCost: a\n  BilledCost: b\n",
            "acme.yaml, line 3: columns.BilledCost is given twice",
        ),
        ("columns:\n  BilledCost: " + "{upper: " * 30 + "a" + "}" * 30, "nested deeper than 20 levels"),
    ],
)
def test_what_is_no_mapping_at_all_is_told(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        parse_mapping(text, "acme.yaml")
    assert sentence in str(told.value)


def test_constants_alone_are_no_mapping() -> None:
    fixed = {
        name: {
            "constant": "1"
            if "Cost" in name
            else "EUR"
            if "Curr" in name
            else "Usage"
            if "Cat" in name
            else "2024-09-01"
        }
        for name in WHOLE
    }
    with pytest.raises(ConfigurationError, match="reads no column of the file"):
        parse_mapping(written(**{**fixed, "EffectiveCost": {"same_as": "BilledCost"}}), "acme.yaml")


def test_a_whole_mapping_is_read_as_it_stands() -> None:
    found = parse_mapping(
        written(ListCost={"sum": ["Amount", 1.5]}, Tags={"tags": {"team": "Team"}, "json": "Labels"}),
        "acme.yaml",
    )
    assert found.expressions["BilledCost"] == found.expressions["EffectiveCost"] == Cell("Amount")
    assert found.expressions["ListCost"] == Call("sum", (Cell("Amount"), Constant("1.5")), (), "decimal")
    assert cells_of(found.expressions["Tags"]) == ("Team", "Labels")
    assert list(found.reads) == ["Amount", "Day", "Service", "Team", "Labels"]
    assert found.reads["Day"] == LINE_OF["BillingPeriodStart"]
    assert dict(zip(*told_as(found), strict=True))["BillingPeriodStart"] == "BillingPeriodStart (of Day)"


def test_columns_are_found_by_their_name_or_in_any_spelling_that_leaves_no_doubt() -> None:
    one = parse_mapping(written(), "acme.yaml")
    header = read_header(one, ["AMOUNT", " day", "Service", "service", "more"])
    assert header.delivered == {"mapped_0": "AMOUNT", "mapped_1": " day", "mapped_2": "Service"}
    assert header.ignored == ("service", "more") and header.undelivered_metrics == (
        "ListCost",
        "ContractedCost",
    )
    for names, sentence in (
        (["Amount", "Service"], "lacks the column Day that acme.yaml, line 6 reads for BillingPeriodStart"),
        (["Amount", "Day", "Day", "Service"], "has Day and Day for the column Day of acme.yaml, line 6"),
        (
            ["amount", "AMOUNT", "Day", "Service"],
            "has amount and AMOUNT for the column Amount of acme.yaml, line 2",
        ),
        (["lineItem/UnblendedCost"], "give its source `format: aws-cur`"),
    ):
        with pytest.raises(InputRefused) as told:
            read_header(one, names)
        assert sentence in str(told.value)
    lenient = parse_mapping("optional: [Service]\n" + written(), "acme.yaml")
    assert "mapped_2" not in read_header(lenient, ["Amount", "Day"]).delivered


def test_each_function_of_the_table_is_defined_once_and_told() -> None:
    text = statement("ingest/mapping_cells")
    defined = re.findall(r"AS mapped_(\w+)", text)
    assert sorted(defined) == sorted([*FUNCTIONS, "cell"])
    guide = (Path(__file__).parents[2] / "docs" / "bills-mapping.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)
    assert sorted(told) == sorted([*FUNCTIONS, "column", "constant", "same_as"])
    for one in FUNCTIONS.values():
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{one.name}` |"))
        assert all(f"`{option}`" in row or f"{option}:" in row for option in one.options), row


HOSTILE = "'); DROP TABLE raw_focus_costs; -- {x:String} `a` \\ \n"


def test_nothing_that_is_written_in_a_mapping_stands_in_a_statement() -> None:
    """All that is filled in is numbers and names of ours; every text of the mapping is bound."""
    found = mapped(
        parse_mapping(
            written(
                BilledCost={"decimal": HOSTILE, "mark": "'", "unit": "`'"},
                ServiceName={
                    "map": HOSTILE + "1",
                    "values": {HOSTILE: HOSTILE},
                    "otherwise": {"constant": HOSTILE},
                },
                ChargeDescription={
                    "concat": [
                        {"json": HOSTILE + "2", "member": HOSTILE},
                        {"part": "a", "separator": HOSTILE, "number": 2},
                    ]
                },
                Tags={"tags": {HOSTILE: {"constant": HOSTILE}, "b": HOSTILE}},
                ListCost={"date": "x", "format": "YYYY-MM"} and {"sum": [1, 2.5, "Amount"]},
                EffectiveCost={"same_as": "BilledCost"},
            )
            + yaml.safe_dump(
                {
                    "skip_rows_where": [
                        {"column": HOSTILE, "equals": [HOSTILE, "x"], "total": True},
                        {"column": HOSTILE + "3", "begins_with": HOSTILE},
                        {"column": "a", "is_empty": True},
                    ]
                }
            ),
            "acme.yaml",
        )
    )
    whole = " ".join(found.words.values())
    names = "|".join([*FUNCTIONS, "cell", r"\d+"])
    known = re.compile(
        rf"mapped_({names})|given(_\d+)?|\{{(mapped|is_there|value)_\d+:(Identifier|UInt8|String|Array\(String\)|Array\(UInt8\))\}}"
        r"|has\(|lowerUTF8\(|arrayExists\(text -> startsWith\(|, text\)|OR|\b[0-3]\b"
        r"|if\(|is_blank_line|NULL|nullIf\(|AS [A-Za-z_]+\d*|AND|''|[\[\](),.= \n]"
    )
    assert known.sub("", whole) == "", known.sub("", whole)
    assert any(value == HOSTILE for value in found.bound.values())


def test_mappings_of_the_package_are_whole() -> None:
    assert shipped()
    for name, text in shipped().items():
        assert parse_mapping(text, name).expressions["BilledCost"]
