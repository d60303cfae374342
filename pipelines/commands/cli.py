"""The command line: which commands there are, exit codes, and the promise that no traceback reaches a user.

What commands are lives in ``cli_*`` by what they are about.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from gc import get_threshold, set_threshold

import typer

from models.errors import AppfleetError, DiskFull, is_disk_full
from models.text import visible
from pipelines.commands import cli_keeping, cli_money, cli_passes, cli_service
from sql.logs import complain, start_log

app = typer.Typer(
    name="appfleet",
    help="What every small app costs, who pays, whether it works, and what changed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_OBJECTS_BETWEEN_LOOKS = 50_000
"""Of Python's collector: while a command imports what it needs everything stays, and looking for what does not takes a tenth of it."""

COMMANDS: dict[str, Callable[..., None]] = {
    "init": cli_passes.init,
    "map": cli_passes.map_file,
    "simulate": cli_passes.simulate,
    "run": cli_passes.run,
    "up": cli_passes.up,
    "serve": cli_passes.serve,
    "sql": cli_passes.sql,
    "chargeback": cli_money.chargeback,
    "export": cli_money.export,
    "close": cli_money.close,
    "reopen": cli_money.reopen,
    "reclassify": cli_money.reclassify,
    "rules": cli_money.rules,
    "explain": cli_money.explain,
    "slo": cli_service.slo,
    "status": cli_service.status,
    "budgets": cli_money.budgets,
    "coverage": cli_money.coverage,
    "evidence": cli_money.evidence,
    "causes": cli_money.causes,
    "worth": cli_money.worth,
    "credits": cli_money.credits,
    "deliveries": cli_money.deliveries,
    "alerts": cli_service.alerts,
    "maintenance": cli_service.maintenance,
    "playbooks": cli_service.playbooks,
    "oncall": cli_service.oncall,
    "tokens": cli_service.tokens,
    "intakes": cli_service.intakes,
    "doctor": cli_service.doctor,
    "gc": cli_keeping.gc,
    "retention": cli_keeping.retention,
    "rebuild": cli_keeping.rebuild,
    "migrate": cli_keeping.migrate,
    "grants": cli_keeping.grants,
    "backup": cli_keeping.backup,
    "restore": cli_keeping.restore,
    "move": cli_keeping.move,
    "renew": cli_keeping.renew,
}
"""Every command by its name, in the order of the help."""

for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Entry point: one sentence on stderr and the error's own exit code, never a traceback for a known error."""
    set_threshold(_OBJECTS_BETWEEN_LOOKS, *get_threshold()[1:])
    start_log("%(levelname)s %(name)s: %(message)s")
    try:
        app(standalone_mode=True)
    except AppfleetError as error:
        complain(visible(str(error)))
        sys.exit(error.exit_code)
    except OSError as error:
        if is_disk_full(error):
            where = visible(str(error.filename)) if error.filename else "what appfleet writes to"
            complain(str(DiskFull(where)))
            sys.exit(DiskFull.exit_code)
        if error.filename is None:
            raise
        complain(f"{visible(str(error.filename))}: {error.strerror}")
        sys.exit(1)
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
