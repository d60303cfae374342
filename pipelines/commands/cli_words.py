"""What commands of the command line share: their options, the words they take, where they print, and how days are read.

No command is here.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from models.errors import ConfigurationError
from models.text import visible

UNCUT_WIDTH = 200
"""Columns of a line that no terminal cuts."""

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder with appfleet.yaml; else what APPFLEET_WORKSPACE names, else the current folder.",
        show_default=False,
    ),
]

ByOption = Annotated[str | None, typer.Option(help="Who decides.", show_default="the user")]


class PlainConsole(Console):
    """Prints text that came from outside as text: what would move the cursor, colour or hide something is written out."""

    def render_str(self, text: str, **options: Any) -> Text:
        """As the console's own, of visible characters."""
        return super().render_str(visible(text), **options)


class DeliveryAction(StrEnum):
    """What `appfleet deliveries` does."""

    list = "list"
    accept = "accept"
    reject = "reject"


class CreditAction(StrEnum):
    """What `appfleet credits` does."""

    list = "list"
    accept = "accept"
    decline = "decline"
    reverse = "reverse"


class RulesAction(StrEnum):
    """What can be done about shared cost rules."""

    diff = "diff"


class SloAction(StrEnum):
    """What `appfleet slo` does."""

    list = "list"
    validate = "validate"
    export = "export"


class AlertAction(StrEnum):
    """What `appfleet alerts` does."""

    list = "list"
    ack = "ack"
    silence = "silence"
    unsilence = "unsilence"


class MaintenanceAction(StrEnum):
    """What `appfleet maintenance` does."""

    list = "list"
    add = "add"
    end = "end"
    withdraw = "withdraw"
    validate = "validate"


class PlaybookAction(StrEnum):
    """What `appfleet playbooks` does."""

    list = "list"
    check = "check"
    plan = "plan"
    approve = "approve"
    decline = "decline"
    history = "history"


class TokenAction(StrEnum):
    """What `appfleet tokens` does."""

    list = "list"
    make = "make"
    rotate = "rotate"
    revoke = "revoke"


class RetentionAction(StrEnum):
    """What `appfleet retention` does."""

    plan = "plan"
    apply = "apply"


class IntakeAction(StrEnum):
    """What `appfleet intakes` does."""

    list = "list"
    gone = "gone"


class FileKind(StrEnum):
    """What `appfleet chargeback` writes beside the CSV."""

    xlsx = "xlsx"
    parquet = "parquet"
    journal = "journal"
    reporting = "reporting"


class OutputFormat(StrEnum):
    """Formats of `appfleet sql`."""

    table = "table"
    csv = "csv"
    json = "json"


class ExportKind(StrEnum):
    """What `appfleet export` writes."""

    focus = "focus"


class FocusVersion(StrEnum):
    """Versions `appfleet export focus` writes."""

    v1_2 = "1.2"
    v1_4 = "1.4"


def console_here() -> Console:
    """Where people read: tables as wide as their terminal, whole lines where a file or a pipe reads instead.

    Names of files and apps are printed as they are, never as markup, and a sentence is never broken into lines.
    """
    width = None if sys.stdout.isatty() else UNCUT_WIDTH
    return PlainConsole(highlight=False, markup=False, soft_wrap=True, width=width)


def made_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be made ({error.strerror}): choose a folder you may write to"
        ) from None


def moment_of(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"--as-of: {text!r} is not an ISO 8601 moment such as 2026-10-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--end: {text!r} is not a day such as 2026-10-31") from None


def month_of(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise ConfigurationError(f"--month: {text!r} is not a month such as 2026-10") from None
