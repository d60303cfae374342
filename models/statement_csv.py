"""The bytes of a statement file: lines of ``mart_chargeback_lines`` as CSV that a spreadsheet or an ERP reads safely, and
the id of what a statement says.

One way for the command and the pages. Which lines a reader may have, and where a file goes, does not belong here.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import polars as pl

from models.focus import currencies
from models.readers import Reader
from models.schemas import MONEY

LAYOUT_VERSION = 3
"""Raised when a column of the CSV is added (at the end) or cells are written in another way; columns are never moved
or renamed. It is no part of a statement's id."""

COLUMNS = (
    "statement_id",
    "statement_version",
    "period",
    "cost_center",
    "team",
    "owner",
    "app_id",
    "app_name",
    "source_name",
    "provider",
    "service_name",
    "charge_category",
    "charge_class",
    "cost_type",
    "attribution_rule",
    "billing_currency",
    "billed_cost",
    "effective_cost",
    "amount",
    "description",
    "provider_period",
    "adjustment",
    "adjustment_of",
    "gl_account",
    "legal_entity",
    "erp_cost_center",
)
"""Header of the CSV. ``period`` is the month of the statement, ``provider_period`` the one the provider billed."""

IDENTIFYING = (
    "line",
    "cost_center",
    "team",
    "owner",
    "app_id",
    "app_name",
    "source_name",
    "provider",
    "service_name",
    "charge_category",
    "charge_class",
    "cost_type",
    "attribution_rule",
    "billing_currency",
    "billed_cost",
    "effective_cost",
    "amount",
)
"""Columns a statement's id is made of. Never changed: a column that is added to lines or file leaves past ids as they are."""

_OF_ADJUSTMENTS = ("billing_period", "adjustment", "adjustment_of")
"""What an id is made of beside them, for lines that adjust a closed month."""

_OF_CLOSED = {
    "adjustment": "",
    "adjustment_of": "",
    "gl_account": "",
    "legal_entity": "",
    "erp_cost_center": "",
}
"""What lines of a month's own charges do not have until it is closed."""


CHARGED = {"amount": "billing_currency", "reporting_amount": "reporting_currency"}
"""Column in the minor unit of a currency -> column of that currency."""

_MONTH_COLUMNS = ("period", "provider_period")
_NOTHING = ""
"""A cell without a value: not zero."""
_BYTE_ORDER_MARK = "\ufeff"
_MONTHS = frozenset(
    # English, German, French, Spanish, Italian, Dutch, Portuguese: names and what they are cut to
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "januar",
        "jänner",
        "februar",
        "märz",
        "mai",
        "juni",
        "juli",
        "oktober",
        "dezember",
        "mär",
        "mrz",
        "okt",
        "dez",
        "janvier",
        "février",
        "mars",
        "avril",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
        "janv",
        "févr",
        "avr",
        "juil",
        "déc",
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
        "ene",
        "abr",
        "ago",
        "dic",
        "gennaio",
        "febbraio",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "settembre",
        "ottobre",
        "dicembre",
        "gen",
        "mag",
        "giu",
        "lug",
        "set",
        "ott",
        "januari",
        "februari",
        "maart",
        "mei",
        "augustus",
        "mrt",
        "janeiro",
        "fevereiro",
        "março",
        "maio",
        "junho",
        "julho",
        "setembro",
        "outubro",
        "dezembro",
        "fev",
        "out",
    ]
)
_AFTER_DIGITS = frozenset({"e", "t", "z", "a", "p", "am", "pm", "m", "h"})
"""Letters of exponents, times and halves of the day; they mean that only behind a digit."""

_TRUTH_VALUES = frozenset(
    [
        "true",
        "false",
        "wahr",
        "falsch",
        "vrai",
        "faux",
        "verdadero",
        "falso",
        "vero",
        "waar",
        "onwaar",
        "verdadeiro",
    ]
)
_ERROR = re.compile(r"#[A-Za-z][A-Za-z0-9/!?]*")
_WORD = re.compile(r"[^\W\d_]+")
_UNSEEN_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Fillers and the empty braille cell: characters of no kind that is invisible by definition, and yet drawn as nothing."""

_STARTS_A_FORMULA = frozenset("=+-@")


def stamped_lines(
    lines: pl.DataFrame, version: int, period: date, teams: Sequence[str] | None
) -> pl.DataFrame:
    """Lines of ``mart_chargeback_lines``, or of ``mart_statement_lines``, with what a ledger wants on each of them;
    ``select(COLUMNS)`` is the file.

    ``version`` counts the statements of the month that said something else, ``teams`` are those whose lines these are,
    or None for the whole.
    """
    month = f"{period:%Y-%m}"
    rounding = pl.format("Rounding of {} " + month + " to minor units", "billing_currency")
    charge = pl.format("{} {} of {}, " + month, "service_name", "charge_category", "app_name")
    lines = _with_all(lines)
    told = {"restatement": "Restated: ", "reclassification": "Reclassified: "}
    adjusted = pl.concat_str(
        pl.col("adjustment").replace_strict(told, default=""),
        pl.format("{} {} of {}, ", "service_name", "charge_category", "app_name"),
        pl.col("provider_period"),
    )
    return lines.with_columns(
        statement_id=pl.lit(statement_id(lines, period, teams)),
        statement_version=pl.lit(version),
        period=pl.lit(month),
        description=pl.when(pl.col("cost_type") == "rounding")
        .then(rounding)
        .when(pl.col("adjustment") == "credit")
        .then(pl.format("Credit for {}: {}, {}", "service_name", "app_name", "provider_period"))
        .when(pl.col("adjustment") != "")
        .then(adjusted)
        .otherwise(charge)
        .str.strip_chars(),
    )


def _with_all(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with every column of a closed statement's, and the provider's month as text."""
    missing = {name: pl.lit(value) for name, value in _OF_CLOSED.items() if name not in lines.columns}
    return lines.with_columns(provider_period=pl.col("billing_period").dt.strftime("%Y-%m"), **missing)


def statement_id(lines: pl.DataFrame, period: date, teams: Sequence[str] | None) -> str:
    """Fingerprint of what the statement says: the same charges of the same month have the same id, wherever written.

    It is the sha256 of lines of JSON: month and sorted teams, then ``IDENTIFYING`` of each line, amounts as exact text; a
    line that adjusts a closed month says the provider's month, why, and which line.
    """
    month = f"{period:%Y-%m}"
    said = hashlib.sha256(_json_line([month, sorted(teams) if teams is not None else None]))
    beside = _OF_ADJUSTMENTS if "adjustment" in lines.columns else ()
    for row in lines.select(*IDENTIFYING, *beside).iter_rows():
        cells = [plain(cell) if isinstance(cell, Decimal) else cell for cell in row[: len(IDENTIFYING)]]
        period_adjusted, *reason = row[len(IDENTIFYING) :] or (None, "")
        if any(reason):
            cells += [f"{period_adjusted:%Y-%m}", *reason]
        said.update(_json_line(cells))
    return f"{month}-{said.hexdigest()[:16]}"


def csv_bytes(frame: pl.DataFrame, reader: Reader = Reader.spreadsheet) -> tuple[bytes, int]:
    """A frame as RFC 4180 CSV in UTF-8, and the number of text cells that had to be made safe.

    By column type: what has no value is empty, costs are exact plain decimals, an ``amount`` has the places of its currency's minor unit. Text that
    would be run as a formula gets a leading ``'``; for a spreadsheet so does text it would take for a number, a day or a
    truth value, and the file begins with a byte order mark. Months stay months.
    """
    guard = safe if reader is Reader.erp else kept_text
    made_safe = 0
    columns: list[list[str]] = []
    for series in frame:
        if series.dtype == MONEY and series.name in CHARGED:
            pairs = zip(series, frame[CHARGED[series.name]], strict=True)
            columns.append([in_places(value, currency) for value, currency in pairs])
        elif series.dtype == MONEY:
            columns.append([_NOTHING if value is None else plain(value) for value in series])
        elif series.dtype == pl.String and series.name not in _MONTH_COLUMNS:
            texts = series.fill_null(_NOTHING).to_list()
            cells = [guard(text) for text in texts]
            made_safe += sum(cell != text for cell, text in zip(cells, texts, strict=True))
            columns.append(cells)
        else:
            columns.append([_NOTHING if value is None else str(value) for value in series])
    buffer = io.StringIO(newline="")
    if reader is Reader.spreadsheet:
        buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue().encode(), made_safe


def plain(amount: Decimal) -> str:
    """Exact decimal text: point, no exponent, no zeros at the end, no minus before zero."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_places(amount: Decimal, currency: str) -> str:
    """Exact decimal text with at least the places ISO 4217 gives the currency: ``803.60``."""
    whole, _, places = plain(amount).partition(".")
    places = places.ljust(currencies().get(currency, 0), "0")
    return f"{whole}.{places}" if places else whole


def safe(text: str) -> str:
    """Text no spreadsheet runs: one that starts as a formula, behind whatever cannot be seen, gets a leading ``'``."""
    for place, character in enumerate(text):
        if character in "\t\r\n" or unicodedata.category(character) == "Cc":
            return f"'{text}"
        if not _is_unseen(character):
            return f"'{text}" if _plain_form(text[place:])[:1] in _STARTS_A_FORMULA else text
    return text


def kept_text(text: str) -> str:
    """Text a spreadsheet keeps as it is: no formula, and nothing it would read as a number, a day or a truth value."""
    guarded = safe(text)
    return (
        f"'{text}" if guarded == text and _reads_as_value(_plain_form(text).strip().casefold()) else guarded
    )


def _reads_as_value(text: str) -> bool:
    """Whether text holds digits and nothing but marks and words of numbers and days beside them, or is a value by itself.

    Wider than any spreadsheet: a needless ``'`` says the same, a missing one loses a code.
    """
    if text in _TRUTH_VALUES or _ERROR.fullmatch(text):
        return True
    digit = re.search(r"\d", text)
    return digit is not None and all(
        word[0] in _MONTHS or (word[0] in _AFTER_DIGITS and word.start() > digit.start())
        for word in _WORD.finditer(text)
    )


def _is_unseen(character: str) -> bool:
    """Blanks, control and format characters, marks without a letter before them, and letters drawn as nothing."""
    return unicodedata.category(character)[0] in "CZM" or character in _UNSEEN_LETTERS


def _plain_form(text: str) -> str:
    """Wide, small and raised forms of a character as the character itself; the minus sign as a hyphen."""
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def _json_line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
