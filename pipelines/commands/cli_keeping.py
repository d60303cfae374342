"""Commands for whoever keeps a workspace: what is removed, made again, moved, handed on or brought to a newer version.

Each is a few lines over a function elsewhere; none reads a figure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.cli_words import RetentionAction, WorkspaceOption, console_here, month_of


def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for whoever writes in this workspace.")] = 60.0,
) -> None:
    """Remove what was superseded longer ago than the grace, and say what that frees; closed statements keep theirs."""
    from pipelines.commands.collecting import collect
    from sql.workspace import load_settings, named_workspace

    collect(console_here(), load_settings(named_workspace(workspace)), dry_run, wait)


def retention(
    action: Annotated[RetentionAction, typer.Argument(help="What to do.")] = RetentionAction.plan,
    workspace: WorkspaceOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for whoever loads or computes here.")] = 60.0,
) -> None:
    """Say which raw telemetry is past its retention and what that frees, or remove it; what is computed from it stays."""
    from pipelines.commands import retention as commands
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    if action is RetentionAction.plan:
        commands.plan(console_here(), settings)
    else:
        commands.apply(console_here(), settings, wait)


def rebuild(
    source: Annotated[
        str | None, typer.Option(help="Only this source; default: whatever is lost.", show_default=False)
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(
            help="Only this month of it, YYYY-MM; a bill's is loaded even if nothing is lost.",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a run in this workspace.")] = 600.0,
) -> None:
    """Load again what is lost from the warehouse, from its source, and compute what follows."""
    from pipelines.commands.rebuild import rebuild as load_again
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    code = load_again(console_here(), settings, source, month_of(month) if month else None, wait)
    if code:
        raise typer.Exit(code)


def migrate(
    workspace: WorkspaceOption = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the statements that are missing, run none.")
    ] = False,
    join: Annotated[
        bool,
        typer.Option(
            "--join", help="This folder is another one of the workspace that a server's database is of."
        ),
    ] = False,
) -> None:
    """Bring the tables of the warehouse to this version."""
    from pipelines.commands.migrate import migrated, planned
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    if plan:
        typer.echo(planned(settings) or "-- nothing is missing")
        return
    done = migrated(settings, join)
    typer.echo("".join(f"applied {name}\n" for name in done) or "nothing was missing", nl=not done)


def grants(
    workspace: WorkspaceOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the statements, run none.")] = False,
) -> None:
    """Give readers of a ClickHouse server their rights."""
    from pipelines.commands.grants import granted
    from sql.workspace import load_settings, named_workspace

    texts = granted(load_settings(named_workspace(workspace)), plan)
    typer.echo("\n\n".join(f"{text};" for text in texts) if plan else f"{len(texts)} statements were run")


def backup(
    place: Annotated[
        str,
        typer.Argument(
            help="A folder that is not there yet; or disk:NAME/PATH, s3:COLLECTION/PATH of the server."
        ),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Write everything the warehouse holds into a folder, or let its server write it to a place of its own."""
    from pipelines.commands.transfer import back_up
    from sql.transfer import server_place
    from sql.workspace import load_settings, named_workspace

    back_up(
        load_settings(named_workspace(workspace)), server_place(place) or Path(place).resolve(), typer.echo
    )


def restore(
    place: Annotated[
        str,
        typer.Argument(help="The folder of a backup; or disk:NAME/PATH, s3:COLLECTION/PATH of the server."),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Load a backup into an empty warehouse, and hold it against its control totals."""
    from pipelines.commands.transfer import restore as load_backup
    from sql.transfer import server_place
    from sql.workspace import load_settings, named_workspace

    load_backup(
        load_settings(named_workspace(workspace)), server_place(place) or Path(place).resolve(), typer.echo
    )


def move(workspace: WorkspaceOption = None) -> None:
    """Copy the embedded warehouse into the server the settings name."""
    from pipelines.commands.transfer import move as move_rows
    from sql.workspace import load_settings, named_workspace

    move_rows(load_settings(named_workspace(workspace)), typer.echo)


def renew(workspace: WorkspaceOption = None) -> None:
    """Replace a warehouse of version 0.1: keep it aside, carry its live telemetry into a new one."""
    from pipelines.ingest import LIVE_SOURCE
    from sql.renewal import renew as renewed
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    done = renewed(settings.root, LIVE_SOURCE)
    for table, rows in done.rows.items():
        typer.echo(f"carried {rows:,} rows of {table}")
    typer.echo(f"the old warehouse is kept at {done.kept}")
    typer.echo("Next: `appfleet run` reads bills and telemetry files again.")
