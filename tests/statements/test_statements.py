"""Statement files read back by Python's csv and json: exact, reproducible, safe to open."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import random
import shutil
import subprocess
import sys
import unicodedata
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chargeback import statement_lines
from models.errors import ConfigurationError, ControlTotalError
from models.identity import RULE_VERSION
from models.readers import Reader
from models.schemas import MONEY
from models.settings import Settings
from models.statement_csv import COLUMNS, csv_bytes, in_places, kept_text, plain, safe, statement_id
from pipelines.reports.statements import write_statement
from sql.publish import publish
from sql.warehouse import Warehouse

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
COMMAND = '=HYPERLINK("http://example.test","x"),\r\n'

# cost centre, team, app, service, currency, billed, effective
COSTS = [
    ("0012", "web", "shop", "EC2", "USD", "12345678901234.123456789012345678", "1"),
    ("0012", "web", "shop", "Support, \"gold\"", "USD", "-0.005000000000000000", "0.1"),
    ("0012", "web", "+shop", "EC2", "USD", "0.000000000000000001", "0"),
    ("-7", "jobs", "batch", "EC2", "JPY", "1000.5", "900"),
    ("", "unassigned", "unallocated", "EC2", "USD", "100", "50"),
]  # fmt: skip
USD_BILLED = Decimal("12345678901334.118456789012345679")
USD_EFFECTIVE = Decimal("51.1")


def lines() -> pl.DataFrame:
    names = [
        "cost_center", "team", "app_id", "service_name", "billing_currency", "billed_cost", "effective_cost",
    ]  # fmt: skip
    costs = pl.DataFrame(COSTS, schema=names, orient="row").with_columns(
        pl.col("billed_cost", "effective_cost").cast(MONEY),
        pl.lit("aws").alias("source_name"),
        pl.lit("AWS").alias("provider"),
        pl.lit("Usage").alias("charge_category"),
        pl.lit("").alias("charge_class"),
        pl.when(pl.col("app_id") == "unallocated")
        .then(pl.lit("unallocated"))
        .otherwise(pl.lit("app_tag"))
        .alias("attribution_rule"),
    )
    apps = pl.DataFrame({"app_id": ["shop", "batch"], "app_name": [COMMAND, "\ufeff @batch"]})
    teams = pl.DataFrame({"team": ["web", "jobs"], "lead": ["Ada Löwe", "\t-1"]})
    return statement_lines(costs, apps, teams, {"USD": 2, "JPY": 0})


def publish_month(store: Warehouse, month: date, frame: pl.DataFrame) -> None:
    batch = uuid.uuid4()
    store.insert(
        "mart_chargeback_lines",
        frame.with_columns(billing_period=pl.lit(month), batch_id=pl.lit(str(batch))),
    )
    publish(
        store,
        "costs",
        month,
        batches={"core_app_costs_daily": uuid.uuid4(), "mart_chargeback_lines": batch},
        rows=frame.height,
        sha256="c" * 64,
        version=NOW,
    )


def publish_bill(store: Warehouse, month: date, source: str, sums: dict[str, Decimal]) -> uuid.UUID:
    batch = uuid.uuid4()
    publish(
        store,
        f"billing/{source}",
        month,
        batches={"raw_focus_costs": batch},
        rows=1,
        sha256=source * 2,
        version=NOW,
        sums=sums,
    )
    return batch


@pytest.fixture(scope="module")
def store(fresh_warehouse: Warehouse) -> Iterator[Warehouse]:
    store = fresh_warehouse
    for source, share in (("aws", Decimal("34.118456789012345679")), ("azure", Decimal("12345678901300"))):
        publish_bill(
            store,
            MARCH,
            source,
            {
                "USD/BilledCost": share,
                "USD/EffectiveCost": USD_EFFECTIVE / 2,
                "USD/ListCost": Decimal(7),
                "JPY/BilledCost": Decimal("500.25"),
                "JPY/EffectiveCost": Decimal(450),
            },
        )
    stale = lines().with_columns(pl.col("billed_cost", "effective_cost", "amount") * 3)
    publish_month(store, MARCH, stale.head(3))  # restated since: its rows stay in the table
    publish_month(store, MARCH, lines())
    failed = stale.with_columns(billing_period=pl.lit(MARCH), batch_id=pl.lit(str(uuid.uuid4())))
    store.insert("mart_chargeback_lines", failed)
    publish_month(store, APRIL, lines().clear())
    publish_month(store, MAY, lines())
    publish_bill(store, MAY, "aws", {"USD/BilledCost": Decimal(1)})
    yield store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, catalog=tmp_path / "catalog", teams=tmp_path / "teams.yaml")


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_a_statement_sums_to_the_bill_and_says_so(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    written = write_statement(store, settings, MARCH, tmp_path / "new" / "folder")
    rows = rows_of(written.csv_path)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == written.rows == 5 + 2
    by_currency = {
        currency: {
            column: sum(
                (Decimal(row[column]) for row in rows if row["billing_currency"] == currency), Decimal(0)
            )
            for column in ("billed_cost", "effective_cost", "amount")
        }
        for currency in ("USD", "JPY")
    }  # 32 digits: Python's context would round them
    assert written.sums["USD/billed_cost"] == USD_BILLED
    assert by_currency["USD"]["amount"] == written.sums["USD/amount"] == Decimal("12345678901334.12")
    assert by_currency["JPY"] == {
        "billed_cost": Decimal("1000.5"),
        "effective_cost": Decimal(900),
        "amount": Decimal(1000),
    }

    sidecar = json.loads(written.sidecar_path.read_text(encoding="utf-8"))
    assert sidecar["sha256"] == hashlib.sha256(written.csv_path.read_bytes()).hexdigest()
    assert (sidecar["csv"], sidecar["rows"], sidecar["team"]) == ("chargeback-2026-03.csv", 7, None)
    assert (sidecar["period"], sidecar["statement_version"], sidecar["rule_version"]) == (
        "2026-03",
        2,
        RULE_VERSION,
    )
    assert sidecar["sums"] == {
        "JPY": {"amount": "1000", "billed_cost": "1000.5", "effective_cost": "900"},
        "USD": {"amount": "12345678901334.12", "billed_cost": str(USD_BILLED), "effective_cost": "51.1"},
    }
    usd = sidecar["statement"]["USD"]
    assert usd["published"] == {"billed_cost": str(USD_BILLED), "effective_cost": "51.1"}
    assert usd["unallocated"]["billed_cost"] == {"cost": "100", "share": "0"}
    assert usd["unallocated"]["effective_cost"] == {"cost": "50", "share": "0.978474"}
    assert sidecar["statement"]["JPY"]["unallocated"]["billed_cost"] == {"cost": "0", "share": "0"}
    assert [(one["source"], one["release"], one["sha256"]) for one in sidecar["sources"]] == [
        ("aws", 1, "awsaws"),
        ("azure", 1, "azureazure"),
    ]
    assert uuid.UUID(sidecar["sources"][0]["batch_ids"]["raw_focus_costs"])
    assert {row["statement_id"] for row in rows} == {sidecar["statement_id"]}


def test_a_line_reads_as_finance_expects(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    rows = rows_of(write_statement(store, settings, MARCH, tmp_path).csv_path)
    [shop] = [row for row in rows if row["app_id"] == "shop" and row["service_name"] == "EC2"]
    assert {key: shop[key] for key in COLUMNS[2:]} == {
        "period": "2026-03",
        "cost_center": "'0012",
        "team": "web",
        "owner": "Ada Löwe",
        "app_id": "shop",
        "app_name": "'" + COMMAND,
        "source_name": "aws",
        "provider": "AWS",
        "service_name": "EC2",
        "charge_category": "Usage",
        "charge_class": "",
        "cost_type": "direct",
        "attribution_rule": "app_tag",
        "billing_currency": "USD",
        "billed_cost": "12345678901234.123456789012345678",
        "effective_cost": "1",
        "amount": "12345678901234.12",
        "description": f"EC2 Usage of {COMMAND}, 2026-03",
        "provider_period": "2026-03",
        "adjustment": "",
        "adjustment_of": "",
        "gl_account": "",
        "legal_entity": "",
        "erp_cost_center": "",
    }
    [support] = [row for row in rows if row["service_name"].startswith("Support")]
    assert (support["service_name"], support["billed_cost"], support["amount"]) == (
        'Support, "gold"',
        "-0.005",
        "0.00",
    )
    [batch] = [row for row in rows if row["app_id"] == "batch"]
    assert (batch["cost_center"], batch["owner"], batch["app_name"]) == ("'-7", "'\t-1", "'\ufeff @batch")
    assert [row["description"] for row in rows if row["cost_type"] == "rounding"] == [
        "Rounding of JPY 2026-03 to minor units",
        "Rounding of USD 2026-03 to minor units",
    ]


def test_the_same_statement_is_the_same_bytes(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    first = write_statement(store, settings, MARCH, tmp_path / "a")
    second = write_statement(store, settings, MARCH, tmp_path / "b")
    again = write_statement(store, settings, MARCH, tmp_path / "a")
    assert first.csv_path == again.csv_path
    assert first.csv_path.read_bytes() == second.csv_path.read_bytes()
    assert first.sidecar_path.read_bytes() == second.sidecar_path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "chargeback-2026-03.csv",
        "chargeback-2026-03.json",
    ]


def test_a_file_is_rfc_4180_in_utf_8(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    content = write_statement(store, settings, MARCH, tmp_path).csv_path.read_bytes()
    # without its mark Excel takes umlauts for another code page
    assert content.startswith(b"\xef\xbb\xbfstatement_id,")
    assert content.endswith(b"\r\n")
    assert content.decode("utf-8-sig").splitlines()[0] == ",".join(COLUMNS)
    assert b'"Support, ""gold"""' in content


def test_an_erp_gets_codes_as_they_are(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    """No byte order mark and no mark before numbers; what would run as a formula stays guarded; the same statement."""
    for_people = write_statement(store, settings, MARCH, tmp_path / "a")
    written = write_statement(store, settings, MARCH, tmp_path / "b", reader=Reader.erp)
    content = written.csv_path.read_bytes()
    assert content.startswith(b"statement_id,")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    assert {row["cost_center"] for row in rows} == {"0012", "'-7", ""}
    shown = rows_of(for_people.csv_path)
    assert [{**row, "cost_center": ""} for row in rows] == [{**row, "cost_center": ""} for row in shown]
    told = json.loads(written.sidecar_path.read_text())
    assert (told["reader"], told["sha256"]) == ("erp", hashlib.sha256(content).hexdigest())
    assert told["statement_id"] == json.loads(for_people.sidecar_path.read_text())["statement_id"]


def test_a_team_sees_its_lines_only(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    whole = write_statement(store, settings, MARCH, tmp_path)
    written = write_statement(store, settings, MARCH, tmp_path, team="web")
    rows = rows_of(written.csv_path)
    assert {row["team"] for row in rows} == {"web"}
    assert written.csv_path.name == "chargeback-2026-03-web.csv"
    assert written.sums["USD/amount"] == Decimal("12345678901234.12")
    sidecar = json.loads(written.sidecar_path.read_text())
    assert (sidecar["team"], sidecar["rows"]) == ("web", 3)
    assert sidecar["statement_id"] != json.loads(whole.sidecar_path.read_text())["statement_id"]


def test_a_team_without_lines_and_a_month_without_statement_are_named(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        write_statement(store, settings, MARCH, tmp_path, team="' OR 1=1 --")
    assert str(raised.value) == (
        "team ' OR 1=1 -- has no line in the statement of 2026-03; teams in it: jobs, unassigned, web"
    )
    with pytest.raises(ConfigurationError) as raised:
        write_statement(store, settings, date(2025, 1, 1), tmp_path)
    assert str(raised.value) == (
        "there is no statement of 2025-01; months with one: 2026-03, 2026-04, 2026-05"
    )
    assert list(tmp_path.glob("*.csv")) == []


def test_a_month_restated_to_nothing_is_a_header(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    written = write_statement(store, settings, APRIL, tmp_path)
    assert written.csv_path.read_text(encoding="utf-8-sig") == ",".join(COLUMNS) + "\n"
    assert (written.rows, written.sums) == (0, {})


def test_a_statement_older_than_its_bill_is_not_written(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(
        ControlTotalError, match="2026-05 has billed_cost 1000.5 JPY, the bill published since has 0"
    ):
        write_statement(store, settings, MAY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_currency_the_statement_has_no_line_of_must_be_nothing_on_the_bill(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    month = date(2026, 7, 1)  # its own: nobody else reads it
    publish_month(store, month, lines().clear())
    publish_bill(store, month, "aws", {"EUR/BilledCost": Decimal(0), "EUR/EffectiveCost": Decimal(0)})
    assert write_statement(store, settings, month, tmp_path / "even").rows == 0
    publish_bill(store, month, "aws", {"EUR/BilledCost": Decimal(0), "EUR/EffectiveCost": Decimal("1.5")})
    with pytest.raises(ControlTotalError, match="has effective_cost 0 EUR, the bill published since has 1.5"):
        write_statement(store, settings, month, tmp_path / "odd")


@pytest.mark.parametrize(
    "text",
    ["=1", "+1", "-5", "@x", "\tx", "\rx", "\nx", "\0x", " =x", "\ufeff=x", "\u200b \u00a0+x", "\uff1dx", "\uff0bx", "\uff0dx", "\uff20x", " \tx", "\u3000=x"],
)  # fmt: skip
def test_formulas_are_made_text(text: str) -> None:
    assert safe(text) == kept_text(text) == "'" + text
    content, escaped = csv_bytes(pl.DataFrame({"text": [text]}))
    [[_], [cell]] = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert (cell, escaped) == ("'" + text, 1)


UNSEEN = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp", "Mn", "Me", "Co")
]


def test_no_unseen_character_hides_a_formula() -> None:
    """Soft hyphen, zero width, byte order mark, bidi, fillers and every other character nobody sees, alone and in rows."""
    assert {"\u00ad", "\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2066", "\u061c", "\ufe0f"} < set(
        UNSEEN
    )
    assert len(UNSEEN) > 2000
    unseen = [*UNSEEN, "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u180e", "\u034f"]
    for first, second, sign in zip(
        unseen, reversed(unseen), itertools.cycle("=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe66")
    ):
        for start in (first, first + second, "  " + first + second + " "):
            assert safe(f"{start}{sign}1") == f"'{start}{sign}1", ascii(start + sign)
        assert safe(f"{first}shop") == f"{first}shop"


NUMBERS_AND_THE_LIKE = [
    "000420", "0012", "4711", "12345678901234567890", "1E5", "1e-05", "00E12", "12.50", "1,234.5", "1.234,5", "5%", "$5", "5 €", "(5)",
    "1/2", "1 1/2", "1-2", "3-4-26", "2026-03-01", "2026-03-01T00:00:00Z", "2026-03-01 12:30", "12:30", "3 PM", "3:15 am", "MAR1", "Sep-26",
    "2-Oct", "1 March 2026", "dec1", "june 5", "TRUE", "false", "#N/A", "#REF!", "\uff10\uff10\uff14\uff12", " 007", "007 ", "\u00a0007", "\u22125", "10.0.0.1",
]  # fmt: skip
NAMES = ["", "shop", "Löwe", "a1", "app-01", "v1.2-rc", "marketing", "mar", "dec", "september", "truex", "true story", "x12", "1st line", "decoder7x", "EC2", "S3", "AWS 5x"]  # fmt: skip


def test_what_a_spreadsheet_would_turn_into_a_value_stays_text() -> None:
    for text in NUMBERS_AND_THE_LIKE:
        assert kept_text(text) == "'" + text, text
    for text in NAMES:
        assert kept_text(text) == text, text


def in_libreoffice(content: bytes, folder: Path, locale: str) -> list[dict[int, tuple[str, str]]]:
    """Cells of each row by column as LibreOffice takes them from a CSV: kind (``s`` for text) and value; empty ones left out."""
    office = shutil.which("soffice")
    assert office
    (folder / "file.csv").write_bytes(content)
    home = f"-env:UserInstallation=file://{folder}/profile"
    options = [
        "--headless", home, f"--infilter=CSV:44,34,UTF8,1,,{locale}", "--convert-to", "xlsx", "--outdir", str(folder),
    ]  # fmt: skip
    done = subprocess.run(
        [office, *options, str(folder / "file.csv")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    name = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(folder / "file.xlsx") as book:
        texts = [
            "".join(part.text or "" for part in one.iter(f"{name}t"))
            for one in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        ]
        table = []
        for row in ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml")).iter(f"{name}row"):
            cells = {}
            for cell in row.iter(f"{name}c"):
                assert cell.find(f"{name}f") is None, "a formula"
                kind, value = cell.get("t", "n"), cell.findtext(f"{name}v")
                column = ord(cell.get("r", "A")[0]) - ord("A")
                if value is not None:
                    cells[column] = (kind, texts[int(value)] if kind == "s" else value)
            table.append(cells)
    return table


@pytest.mark.skipif(
    not shutil.which("soffice"), reason="LibreOffice is not installed, so nothing opens the file"
)
@pytest.mark.parametrize("locale", ["1033", "1031"])
def test_libreoffice_keeps_every_text(
    store: Warehouse, settings: Settings, tmp_path: Path, locale: str
) -> None:
    """English and German: each text of the file is text there and reads as it was, each amount is a number."""
    rows = rows_of(write_statement(store, settings, MARCH, tmp_path).csv_path)
    shown = in_libreoffice((tmp_path / "chargeback-2026-03.csv").read_bytes(), tmp_path, locale)
    assert [value for _, value in shown[0].values()] == list(COLUMNS)
    for row, cells in zip(rows, shown[1:], strict=True):
        for place, column in enumerate(COLUMNS):
            kind, value = cells.get(place, ("", ""))
            if column in ("billed_cost", "effective_cost", "amount", "statement_version"):
                assert locale != "1033" or kind == "n", (
                    column,
                    value,
                )  # elsewhere the point is no decimal point
                continue
            assert kind == ("s" if row[column] else ""), (column, row[column])
            assert value.split() == row[column].split(), column
    chance = random.Random(7)
    alphabet = "0123456789.,:/-eE%$ ()TFMarchjnAMPmsepct#'€=+@"
    texts = [
        *NUMBERS_AND_THE_LIKE,
        *NAMES,
        *("".join(chance.choices(alphabet, k=chance.randint(1, 9))) for _ in range(3000)),
    ]
    content, _ = csv_bytes(pl.DataFrame({"x": "x", "text": texts}))
    for text, cells in zip(texts, in_libreoffice(content, tmp_path, locale)[1:], strict=True):
        kind, value = cells.get(1, ("", ""))
        assert kind == ("s" if text else ""), (text, cells)
        assert value == kept_text(text), text


@pytest.mark.parametrize("text", ["", "shop", "a=b", "1-2", "0012", "x@y", "'=x", "Löwe", "  two blanks"])
def test_plain_text_is_left_alone(text: str) -> None:
    assert safe(text) == text


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 18))
def test_amounts_are_exact_plain_text(units: int, places: int) -> None:
    amount = Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -places))
    text = plain(amount)
    assert Decimal(text) == amount
    assert set(text) <= set("-.0123456789")
    assert "." not in text or text[-1] not in "0."
    assert text != "-0"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("803.6", "USD", "803.60"),
        ("803", "EUR", "803.00"),
        ("0", "USD", "0.00"),
        ("-0.000000", "USD", "0.00"),
        ("-12.34", "USD", "-12.34"),
        ("1000", "JPY", "1000"),
        ("1.5", "KWD", "1.500"),
        ("0.1234", "USD", "0.1234"),
        ("12345678901234.5", "USD", "12345678901234.50"),
    ],
)
def test_an_amount_has_the_places_of_its_currency(amount: str, currency: str, text: str) -> None:
    assert in_places(Decimal(amount), currency) == text


def test_the_bytes_of_a_statement() -> None:
    """What the always-running tests pin where no spreadsheet is at hand: mark, zeros of a code, places, costs as they are."""
    frame = pl.DataFrame(
        {
            "period": ["2026-03"] * 2,
            "cost_center": ["000420", "CC-1"],
            "app_name": ["Löwe", "\u00ad=1+1"],
            "billing_currency": ["USD", "JPY"],
            "billed_cost": ["803.600", "7.5"],
            "amount": ["803.6", "8"],
        }
    ).with_columns(pl.col("billed_cost", "amount").cast(MONEY))
    head = "period,cost_center,app_name,billing_currency,billed_cost,amount\r\n"
    assert csv_bytes(frame) == (
        f"\ufeff{head}2026-03,'000420,Löwe,USD,803.6,803.60\r\n2026-03,CC-1,'\u00ad=1+1,JPY,7.5,8\r\n".encode(),
        2,
    )
    assert csv_bytes(frame, Reader.erp) == (
        f"{head}2026-03,000420,Löwe,USD,803.6,803.60\r\n2026-03,CC-1,'\u00ad=1+1,JPY,7.5,8\r\n".encode(),
        1,
    )


def counted_id(month: str, teams: list[str] | None, said: pl.DataFrame) -> str:
    """The id of lines by json and hashlib alone, column by column as the first statement had them."""
    names = [
        "line", "cost_center", "team", "owner", "app_id", "app_name", "source_name", "provider", "service_name", "charge_category",
        "charge_class", "cost_type", "attribution_rule", "billing_currency", "billed_cost", "effective_cost", "amount",
    ]  # fmt: skip
    text = json.dumps([month, teams], ensure_ascii=False, separators=(",", ":")) + "\n"
    for row in said.to_dicts():
        cells = [
            f"{row[name].normalize():f}" if isinstance(row[name], Decimal) else row[name] for name in names
        ]
        text += json.dumps(cells, ensure_ascii=False, separators=(",", ":")) + "\n"
    return f"{month}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def test_no_id_of_a_past_statement_changes_when_a_column_is_added() -> None:
    """The id is made of the content it names, not of the layout of the table or the file; a cell that says more changes it."""
    said = lines().filter(pl.col("billed_cost").abs() < 10**9)
    known = statement_id(said, MARCH, None)
    assert known == counted_id("2026-03", None, said)
    assert statement_id(said, MARCH, ["web", "a,b"]) == counted_id("2026-03", ["a,b", "web"], said)
    wider = said.with_columns(gl_account=pl.lit("6000"), legal_entity=pl.lit(""))
    assert statement_id(wider, MARCH, None) == known
    assert statement_id(wider.select(reversed(wider.columns)), MARCH, None) == known
    others = {
        statement_id(said, APRIL, None),
        statement_id(said, MARCH, []),
        statement_id(said, MARCH, ["a,b"]),
        statement_id(said, MARCH, ["a", "b"]),
        *(
            statement_id(
                said.with_columns(pl.col(name) + pl.lit(1 if said[name].dtype != pl.String else "x")),
                MARCH,
                None,
            )
            for name in said.columns
        ),
    }
    assert len(others) == 4 + len(said.columns)
    assert known not in others
