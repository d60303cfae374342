"""Commands that make a workspace, fill it, run its pass and its services, and ask its warehouse.

Each is a few lines over a function elsewhere; what money or service says is asked by others.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from models.errors import ConfigurationError
from models.text import visible
from pipelines.commands.cli_words import (
    OutputFormat,
    WorkspaceOption,
    console_here,
    day_of,
    made_folder,
    moment_of,
)
from sql.logs import complain


def init(
    directory: Annotated[Path, typer.Argument(help="Folder to make.")],
    bill: Annotated[
        str | None,
        typer.Option(help="A bill to read: file, folder, glob, or s3://, gs:// or az://bucket/prefix."),
    ] = None,
) -> None:
    """Write a commented appfleet.yaml, catalog/ and teams.yaml, ready to edit."""
    from pipelines.commands.templates import source_of, write_workspace
    from sql.workspace import refuse_unusable

    refuse_unusable(directory)
    source = source_of(bill) if bill else None
    made_folder(directory)
    for path in write_workspace(directory, source):
        typer.echo(f"wrote {path}")
    named = f"name your bill under sources.billing in {directory / 'appfleet.yaml'}, then "
    typer.echo(
        f"Next: {'' if bill else named}`appfleet run -w {directory}`, then `appfleet up -w {directory}`."
    )


def map_file(
    file: Annotated[
        Path, typer.Argument(help="A bill of any provider: CSV, JSON lines or Parquet, packed or not.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write it to.", show_default="standard output")
    ] = None,
) -> None:
    """Propose a mapping to FOCUS for a file, with a remark behind every guess."""
    from pipelines.commands.mapping import propose_mapping

    text = propose_mapping(file, out, complain)
    if out is None:
        sys.stdout.write(text)
    else:
        typer.echo(f"wrote {out}; read it, then name it: `format: mapping` with `mapping: {out.name}`")


def simulate(
    directory: Annotated[Path, typer.Argument(help="Folder to fill.")],
    apps: Annotated[int, typer.Option(min=1, help="How many apps.")] = 120,
    days: Annotated[int, typer.Option(min=1, help="How many days of bill and telemetry.")] = 90,
    seed: Annotated[int, typer.Option(help="Same seed and end, same bytes.")] = 7,
    end: Annotated[
        str | None, typer.Option(help="Last day (UTC); default: yesterday, so its age is small.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Of a fleet that is written: play its traffic now, with an incident."),
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.05, help="How long it plays.")] = 20.0,
) -> None:
    """Write a fleet with known truth: bills, telemetry, catalogue, teams, truth.json."""
    if live:
        from pipelines.commands.live import play_fleet

        play_fleet(directory, minutes * 60, typer.echo)
        return
    from pipelines.simulate import simulate as write_fleet
    from sql.workspace import refuse_unusable

    refuse_unusable(directory)
    made_folder(directory)
    last = day_of(end) if end else datetime.now(UTC).date() - timedelta(days=1)
    write_fleet(directory, apps=apps, days=days, seed=seed, end=last)
    typer.echo(
        f"wrote a fleet of {apps} apps over {days} days to {last} in {directory}; truth.json says what was planted"
    )


def run(
    workspace: WorkspaceOption = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="ISO moment; default: as far as the data is known whole.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Steps, comma separated: billing,telemetry,slices,...")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another run in this workspace.")] = 600.0,
) -> None:
    """One pass of everything: ingest, attribute, compute, publish."""
    from pipelines.commands.report import steps_named
    from sql.opening import opened_meanwhile
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    steps, moment, console = steps_named(only), moment_of(as_of), console_here()
    with opened_meanwhile(settings.root):
        from pipelines.commands.run import run_pass
        from pipelines.commands.summary import print_step, print_summary

        done = run_pass(
            settings,
            steps=steps,
            as_of=moment,
            report=lambda step: print_step(console, step),
            wait_seconds=wait,
            waiting=lambda who: console.print(
                f"{who}: waiting for its end, at most {wait:.0f} s", markup=False
            ),
        )
        print_summary(console, settings, done, datetime.now(UTC))
    if done.exit_code:
        raise typer.Exit(done.exit_code)


def up(workspace: WorkspaceOption = None) -> None:
    """Warehouse, intake, Dagster and dashboards together, until Ctrl-C."""
    from pipelines.commands.supervise import serve
    from sql.workspace import load_settings, named_workspace

    serve(load_settings(named_workspace(workspace)), console_here())


def serve(
    service: Annotated[
        str,
        typer.Argument(
            help="pages, intake, warehouse, dagster-code, dagster-webserver or dagster-daemon.",
            show_default=False,
        ),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """One service in the foreground until SIGTERM, for a container or a service manager."""
    from pipelines.commands.services import SERVICES, become
    from sql.workspace import load_settings, named_workspace

    if service not in SERVICES:
        raise ConfigurationError(f"{service!r} is no service; there are {', '.join(SERVICES)}")
    become(service, load_settings(named_workspace(workspace)))


def sql(
    text: Annotated[str, typer.Argument(metavar="SELECT", help="One reading statement.")],
    workspace: WorkspaceOption = None,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="How to print.")
    ] = OutputFormat.table,
) -> None:
    """Run one reading statement; values are printed exactly, decimals whole."""
    from sql.reading import read_only
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    notes: list[str] = []
    answer = read_only(settings.root, text, output_format.value, notes.append)
    if output_format is OutputFormat.table:  # for people; the others are exact
        answer = "\n".join(visible(line) for line in answer.split("\n"))
    sys.stdout.write(answer)
    for sentence in notes:
        complain(visible(sentence))
