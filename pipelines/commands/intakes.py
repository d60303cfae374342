"""`appfleet intakes`: the intakes that feed this warehouse, and the word that one will not come back."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.table import Table

from models.errors import ConfigurationError
from models.policy import watermark_policy
from models.settings import Settings
from sql.opening import open_warehouse

SHORT = 8
"""Characters of a journal's id that people are shown."""


def print_intakes(console: Console, settings: Settings) -> None:
    """Every intake that ever spoke: how far it has loaded, and what waits on its disk."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        lines = warehouse.frame("queries/doctor/intakes").to_dicts()
    if not lines:
        console.print("No intake has spoken yet.")
        return
    table = Table("intake", "journal", "state", "loaded through (UTC)", "last spoke (UTC)", "waiting bytes")
    for line in lines:
        is_silent = line["newest_at"] - line["recorded_at"] > watermark_policy().intake_silent
        table.add_row(
            line["intake"],
            line["journal"][:SHORT],
            "silent" if line["state"] == "running" and is_silent else line["state"],
            f"{line['loaded_through']:%Y-%m-%d %H:%M:%S}",
            f"{line['recorded_at']:%Y-%m-%d %H:%M:%S}",
            f"{line['waiting_bytes']:,}",
        )
    console.print(table)


def mark_gone(console: Console, settings: Settings, name: str, clock: datetime) -> None:
    """Says that an intake which does not speak will not come back: nothing waits for it, and `doctor` is silent about it.

    Raises:
        ConfigurationError: no intake of this name is silent.
    """
    with open_warehouse(settings.root, role="writer") as warehouse:
        frame = warehouse.frame("queries/doctor/intakes")
        lines = [
            line
            for line in frame.iter_rows(named=True)
            if line["intake"] == name or (len(name) >= SHORT and line["journal"].startswith(name))
        ]
        silent = [line for line in lines if clock - line["recorded_at"] > watermark_policy().intake_silent]
        if not silent:
            known = ", ".join(sorted(set(frame["intake"]))) or "none"
            why = "spoke within the last minutes" if lines else f"is not known; known: {known}"
            raise ConfigurationError(f"intake {name} {why}: only one that is silent can be gone for good")
        for line in silent:
            warehouse.execute("statements/intake_gone", intake=line["intake"], journal=line["journal"])
            console.print(
                f"intake {line['intake']} (journal {line['journal'][:SHORT]}) is gone: nothing waits for it. It had loaded "
                f"what came until {line['loaded_through']:%Y-%m-%d %H:%M:%S} UTC; {line['waiting_bytes']:,} bytes that it "
                "acknowledged were not loaded when it spoke last."
            )
