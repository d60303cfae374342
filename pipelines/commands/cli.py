"""The command line. Each command is a few lines over a function elsewhere; here live only words for people,
exit codes and the promise that no traceback reaches a user.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.errors import AppfleetError, ConfigurationError, DiskFull, is_disk_full
from models.readers import Reader
from models.text import visible
from sql.logs import complain, start_log

app = typer.Typer(
    name="appfleet",
    help="What every small app costs, who pays, whether it works, and what changed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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


@app.command()
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
    _make(directory)
    for path in write_workspace(directory, source):
        typer.echo(f"wrote {path}")
    named = f"name your bill under sources.billing in {directory / 'appfleet.yaml'}, then "
    typer.echo(
        f"Next: {'' if bill else named}`appfleet run -w {directory}`, then `appfleet up -w {directory}`."
    )


@app.command("map")
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


@app.command()
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
    _make(directory)
    last = _day(end) if end else datetime.now(UTC).date() - timedelta(days=1)
    write_fleet(directory, apps=apps, days=days, seed=seed, end=last)
    typer.echo(
        f"wrote a fleet of {apps} apps over {days} days to {last} in {directory}; truth.json says what was planted"
    )


@app.command()
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
    steps, moment, console = steps_named(only), _moment(as_of), _console()
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


@app.command()
def up(workspace: WorkspaceOption = None) -> None:
    """Warehouse, intake, Dagster and dashboards together, until Ctrl-C."""
    from pipelines.commands.supervise import serve
    from sql.workspace import load_settings, named_workspace

    serve(load_settings(named_workspace(workspace)), _console())


@app.command()
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


@app.command()
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


@app.command()
def chargeback(
    month: Annotated[str, typer.Option(help="Billing period, YYYY-MM.")],
    workspace: WorkspaceOption = None,
    team: Annotated[str | None, typer.Option(help="Only this team.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    reader: Annotated[
        Reader,
        typer.Option(
            "--for", help="Who opens the CSV; an erp gets codes as they are and no byte order mark."
        ),
    ] = Reader.spreadsheet,
    kinds: Annotated[
        list[FileKind] | None,
        typer.Option(
            "--format", help="Beside the CSV; may be given several times. The journal is of the whole."
        ),
    ] = None,
) -> None:
    """Write the chargeback statement of a month: CSV and a sidecar with its exact sums."""
    from models.statement_csv import plain
    from pipelines.reports.closing import write_beside
    from pipelines.reports.statements import write_statement
    from sql.opening import open_warehouse
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    period = _month(month)
    _make(out)
    with open_warehouse(settings.root, role="reader") as warehouse:
        files = write_statement(warehouse, settings, period, out, team=team, reader=reader)
        beside = [write_beside(warehouse, settings, period, out, kind.value, team) for kind in kinds or []]
    typer.echo(f"wrote {files.csv_path} ({files.rows} lines) and {files.sidecar_path}")
    for path in beside:
        typer.echo(f"wrote {path}")
    for key, amount in sorted(files.sums.items()):
        typer.echo(f"  {key}: {plain(amount)}")


class ExportKind(StrEnum):
    """What `appfleet export` writes."""

    focus = "focus"


class FocusVersion(StrEnum):
    """Versions `appfleet export focus` writes."""

    v1_2 = "1.2"
    v1_4 = "1.4"


@app.command()
def export(
    kind: Annotated[ExportKind, typer.Argument(help="What to write.", show_default=False)],
    month: Annotated[str, typer.Option(help="Billing period, YYYY-MM.")],
    version: Annotated[FocusVersion, typer.Option(help="Version of FOCUS.")] = FocusVersion.v1_4,
    workspace: WorkspaceOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    unsplit: Annotated[
        bool,
        typer.Option("--unsplit", help="Leave charges with the app they have before shared cost rules."),
    ] = False,
) -> None:
    """Write a month of the bill as FOCUS, CSV and Parquet, each charge with its app."""
    from models.statement_csv import plain
    from pipelines.reports.focus_export import export_focus
    from sql.opening import open_warehouse
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    period = _month(month)
    _make(out)
    with open_warehouse(settings.root, role="reader") as warehouse:
        done = export_focus(warehouse, settings, period, version.value, out, not unsplit)
    for path in done.paths:
        typer.echo(f"wrote {path} ({done.rows:,} rows, {len(done.columns)} columns)")
    for key, amount in sorted(done.sums.items()):
        typer.echo(f"  {key}: {plain(amount)}")
    for currency, amount in sorted(done.unsplit.items()):
        typer.echo(
            f"shared cost rules gave {currency} {plain(amount)} of this month to apps: the statement follows them, these files "
            "name the app of each charge before them",
            err=True,
        )


ByOption = Annotated[str | None, typer.Option(help="Who decides.", show_default="the user")]


@app.command()
def close(
    month: Annotated[str, typer.Option(help="Month of the statement, YYYY-MM.")],
    workspace: WorkspaceOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be frozen and what is red; 1 where anything is."),
    ] = False,
    by: ByOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a run in this workspace.")] = 600.0,
) -> None:
    """Close the statement of a month: its lines, totals and files never change again."""
    from pipelines.commands import closing
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    period = _month(month)
    if not dry_run:
        closing.close(_console(), settings, period, by, wait)
    elif not closing.show_plan(_console(), settings, period, by):
        raise typer.Exit(1)


@app.command()
def reopen(
    month: Annotated[str, typer.Option(help="Month of the statement, YYYY-MM.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")],
    workspace: WorkspaceOption = None,
    by: ByOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a run in this workspace.")] = 600.0,
) -> None:
    """Open a closed month again; what it was closed with is kept."""
    from pipelines.commands import closing
    from sql.workspace import load_settings, named_workspace

    closing.reopen(_console(), load_settings(named_workspace(workspace)), _month(month), reason, by, wait)


@app.command()
def reclassify(
    month: Annotated[str, typer.Option(help="Closed month, YYYY-MM.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")],
    workspace: WorkspaceOption = None,
    by: ByOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a run in this workspace.")] = 600.0,
) -> None:
    """Charge a closed month by today's rules and owners: the difference is lines of the open month."""
    from pipelines.commands import closing
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    closing.reclassify(_console(), settings, _month(month), reason, by, wait)


@app.command()
def rules(
    action: Annotated[RulesAction, typer.Argument(help="What to do.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="Candidate rules; default: those of the workspace.", show_default=False),
    ] = None,
    month: Annotated[
        str | None, typer.Option(help="Billing month, YYYY-MM; default: the last three.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """What shared cost rules would change of past months, per team and app; nothing is written."""
    from pipelines.commands.rules import print_diff
    from sql.workspace import load_settings, named_workspace

    assert action is RulesAction.diff
    settings = load_settings(named_workspace(workspace))
    print_diff(_console(), settings, file.resolve() if file else None, _month(month) if month else None)


@app.command()
def explain(
    app_id: Annotated[str, typer.Argument(metavar="APP", help="Id of the app, or unallocated.")],
    month: Annotated[str, typer.Option(help="Billing month, YYYY-MM.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Why an app's bill is what it is: rules, evidence, quantities, rows of the bill and telemetry."""
    from pipelines.commands.explain import print_explanation
    from sql.workspace import load_settings, named_workspace

    print_explanation(_console(), load_settings(named_workspace(workspace)), app_id, _month(month))


@app.command()
def slo(
    action: Annotated[SloAction, typer.Argument(help="What to do.")] = SloAction.list,
    path: Annotated[
        Path | None,
        typer.Argument(
            help="validate: a file or folder of OpenSLO; export: the file to write.", show_default=False
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    app_id: Annotated[str | None, typer.Option("--app", help="Only this app.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, not the worst alone.")] = False,
) -> None:
    """Objectives, error budgets and burn, worst first; or OpenSLO files looked at, or the objectives written as such."""
    from sql.workspace import load_settings, named_workspace

    if action is SloAction.validate:
        from pipelines.commands.objectives import print_validation

        if path is None:
            raise ConfigurationError("appfleet slo validate: name a file or folder of OpenSLO")
        if not print_validation(_console(), path, named_workspace(workspace)):
            raise typer.Exit(1)
        return
    settings = load_settings(named_workspace(workspace))
    if action is SloAction.export:
        from pipelines.commands.objectives import exported_text

        text = exported_text(settings, app_id)
        if path is None:
            sys.stdout.write(text)
        else:
            _make(path.parent)
            path.write_text(text, encoding="utf-8")
            typer.echo(f"wrote {path}")
        return
    from pipelines.commands.summary import print_slo

    if path is not None:
        raise ConfigurationError("appfleet slo list: takes no path; --app names an app")
    print_slo(_console(), settings, app_id, datetime.now(UTC), every)


@app.command()
def status(workspace: WorkspaceOption = None) -> None:
    """What is published: releases, freshness, the headline figures."""
    from pipelines.commands.summary import print_status
    from sql.workspace import load_settings, named_workspace

    print_status(_console(), load_settings(named_workspace(workspace)), datetime.now(UTC))


@app.command()
def budgets(workspace: WorkspaceOption = None) -> None:
    """Every budget: what is spent, what is expected, and the day it runs out, those over a share first."""
    from pipelines.commands.budgets import print_budgets
    from sql.workspace import load_settings, named_workspace

    print_budgets(_console(), load_settings(named_workspace(workspace)))


@app.command()
def coverage(
    workspace: WorkspaceOption = None,
    month: Annotated[
        str | None, typer.Option(help="Billing month, YYYY-MM.", show_default="the newest")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write every resource that no tag names, with its rule and evidence.")
    ] = None,
) -> None:
    """How much money has each tag, what each rule gave to apps of the rest, and what telemetry names twice."""
    from pipelines.commands.coverage import print_coverage
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    print_coverage(_console(), settings, _month(month) if month else None, csv)


@app.command()
def evidence(
    app_id: Annotated[str, typer.Argument(metavar="APP", help="App to look at.")],
    start: Annotated[
        str | None,
        typer.Option("--from", help="Begin, UTC: 2026-03-11T22:05.", show_default="an hour before the end"),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="End, not in it.", show_default="the end of telemetry")
    ] = None,
    latency_ms: Annotated[
        int | None,
        typer.Option("--latency-ms", min=1, help="Requests slower than this are bad, not those that failed."),
    ] = None,
    before: Annotated[
        bool, typer.Option("--before", help="All requests of the range against those before it.")
    ] = False,
    environment: Annotated[str | None, typer.Option(help="Of this environment alone.")] = None,
    route: Annotated[str | None, typer.Option(help="Of this route alone.")] = None,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements with their values instead.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """What bad requests of an app have in common: suspects, what went wrong, deployments, traces to look at."""
    from pipelines.commands.evidence import Wanted, print_evidence
    from sql.workspace import load_settings, named_workspace

    if before and latency_ms:
        raise ConfigurationError("--before compares all requests: leave out --latency-ms")
    wanted = Wanted(
        app_id,
        start,
        end,
        "everything" if before else "latency" if latency_ms else "availability",
        latency_ms or 0,
        () if environment is None else (environment,),
        (route,) if route else (),
    )
    print_evidence(_console(), load_settings(named_workspace(workspace)), wanted, with_sql=sql)


@app.command()
def causes(workspace: WorkspaceOption = None) -> None:
    """Why cost changed: open anomalies and the largest changes of the week, each in one sentence."""
    from pipelines.commands.causes import print_causes
    from sql.workspace import load_settings, named_workspace

    print_causes(_console(), load_settings(named_workspace(workspace)))


@app.command()
def worth(
    workspace: WorkspaceOption = None,
    app_id: Annotated[
        str, typer.Option("--app", help="Only this app, with what is not known of it.", show_default=False)
    ] = "",
    credits: Annotated[
        Path | None,
        typer.Option(
            help="Write the proposed credits for failures of shared apps as CSV.", show_default=False
        ),
    ] = None,
) -> None:
    """What failures, error budgets, one more nine and telemetry cost, and what stands out; a proposal of credits."""
    from pipelines.commands.worth import print_worth
    from sql.workspace import load_settings, named_workspace

    print_worth(_console(), load_settings(named_workspace(workspace)), app_id, credits)


@app.command()
def credits(
    action: Annotated[CreditAction, typer.Argument(help="What to do.")] = CreditAction.list,
    name: Annotated[str | None, typer.Argument(help="The proposal, by its whole name.")] = None,
    workspace: WorkspaceOption = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "",
    by: ByOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a run in this workspace.")] = 600.0,
) -> None:
    """List credits proposed for failures of shared apps; accept, decline or take back one: who, when and why are kept."""
    from pipelines.commands import credits as done
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    if action is CreditAction.list:
        done.print_credits(_console(), settings)
        return
    if name is None:
        raise ConfigurationError(
            f"appfleet credits {action.value}: name the proposal, as `appfleet credits` lists it"
        )
    done.decide(_console(), settings, action.value, name, by=by, reason=reason, wait_seconds=wait)


@app.command()
def deliveries(
    action: Annotated[DeliveryAction, typer.Argument(help="What to do.")] = DeliveryAction.list,
    delivery: Annotated[str | None, typer.Argument(help="Its id, or SOURCE/YYYY-MM.")] = None,
    workspace: WorkspaceOption = None,
    why: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "",
    by: Annotated[str | None, typer.Option(help="Who decides.", show_default="the user")] = None,
    newest: Annotated[
        bool,
        typer.Option("--newest", help="Accept, counting the newest alone of objects that share charges."),
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a run in this workspace.")] = 600.0,
) -> None:
    """List the bills that wait for a person, or accept or reject one: who, when and why are kept."""
    from pipelines.commands.deliveries import decide, print_deliveries
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    if action is DeliveryAction.list:
        print_deliveries(_console(), settings)
        return
    if delivery is None:
        raise ConfigurationError(
            f"appfleet deliveries {action.value}: name the delivery, as `appfleet deliveries` lists it"
        )
    decide(
        _console(), settings, action.value, delivery, by=by, why=why, newest_only=newest, wait_seconds=wait
    )


@app.command()
def alerts(
    action: Annotated[AlertAction, typer.Argument(help="What to do.")] = AlertAction.list,
    key: Annotated[
        str | None, typer.Argument(help="ack, silence: the alert; unsilence: the id of the silence.")
    ] = None,
    workspace: WorkspaceOption = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "",
    until: Annotated[
        str | None, typer.Option(help="silence: its end, 2026-10-31T12:00Z or 4h.", show_default=False)
    ] = None,
    app_id: Annotated[str, typer.Option("--app", help="silence: only of this app, budget or source.")] = "",
    team: Annotated[str, typer.Option(help="silence: only of this owner.")] = "",
    kind: Annotated[str, typer.Option(help="silence: only of this kind.")] = "",
    by: ByOption = None,
    every: Annotated[bool, typer.Option("--all", help="list: those that ended lately too.")] = False,
) -> None:
    """List what is wrong now, acknowledge or silence it: who, when, why and until when are kept."""
    from pipelines.commands import alerts as done
    from sql.workspace import load_settings, named_workspace

    settings, now = load_settings(named_workspace(workspace)), datetime.now(UTC)
    if action is AlertAction.list:
        if code := done.print_alerts(_console(), settings, now, every):
            raise typer.Exit(code)
        return
    if action is AlertAction.silence:
        said = done.silence(
            settings, until, reason, by, now, key=key or "", app_id=app_id, team=team, kind=kind
        )
    elif key is None:
        raise ConfigurationError(f"appfleet alerts {action.value}: name it, as `appfleet alerts` lists it")
    elif action is AlertAction.ack:
        said = done.acknowledge(settings, key, reason, by, now)
    else:
        said = done.unsilence(settings, key, reason, by, now)
    typer.echo(said)


@app.command()
def maintenance(
    action: Annotated[MaintenanceAction, typer.Argument(help="What to do.")] = MaintenanceAction.list,
    name: Annotated[
        str | None,
        typer.Argument(
            help="end, withdraw: the window, as `list` has it; validate: a file, else the workspace's own."
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    apps: Annotated[
        list[str] | None, typer.Option("--app", help="add: of this app; may be said several times.")
    ] = None,
    teams: Annotated[list[str] | None, typer.Option("--team", help="add: of this team's apps.")] = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="add: of all apps.")] = False,
    environments: Annotated[
        list[str] | None, typer.Option("--environment", help="add: in this environment alone.")
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="add: its begin, 2026-10-31T02:00Z; may be past.", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="add: its end, 2026-10-31T04:00Z or 2h.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "",
    by: ByOption = None,
) -> None:
    """List maintenance windows, say one, also after the fact, end it or take it back: who, when and why are kept; or check a file."""
    from pipelines.commands import maintenance as done
    from sql.workspace import load_settings, named_workspace

    now = datetime.now(UTC)
    if action is MaintenanceAction.validate and name is not None:
        if code := done.validate(_console(), None, Path(name)):
            raise typer.Exit(code)
        return
    settings = load_settings(named_workspace(workspace))
    if action in (MaintenanceAction.list, MaintenanceAction.validate):
        code = (
            done.print_windows(_console(), settings, now)
            if action is MaintenanceAction.list
            else done.validate(_console(), settings, None)
        )
        if code:
            raise typer.Exit(code)
        return
    if action is MaintenanceAction.add:
        said = done.add(
            settings,
            now,
            apps=apps or [],
            teams=teams or [],
            is_fleet=fleet,
            environments=environments or [],
            begin=begin,
            until=until,
            reason=reason,
            by=by,
        )
    elif name is None:
        raise ConfigurationError(
            f"appfleet maintenance {action.value}: name the window, as `appfleet maintenance` lists it"
        )
    else:
        work = done.end if action is MaintenanceAction.end else done.withdraw
        said = work(settings, name, reason, by, now)
    typer.echo(said)


@app.command()
def playbooks(
    action: Annotated[PlaybookAction, typer.Argument(help="What to do.")] = PlaybookAction.list,
    action_id: Annotated[
        str | None, typer.Argument(help="approve, decline, history: the action, as `list` has it.")
    ] = None,
    workspace: WorkspaceOption = None,
    reason: Annotated[str, typer.Option(help="approve, decline: why, for whoever looks later.")] = "",
    by: ByOption = None,
) -> None:
    """What playbooks.yaml does about alerts: list, check or plan it, decide what waits for a person, and see what was decided."""
    from pipelines.commands import playbooks as done
    from sql.workspace import load_settings, named_workspace

    settings, now = load_settings(named_workspace(workspace)), datetime.now(UTC)
    match action:
        case PlaybookAction.list:
            done.print_playbooks(_console(), settings, now)
        case PlaybookAction.check:
            if code := done.check(_console(), settings):
                raise typer.Exit(code)
        case PlaybookAction.plan:
            done.print_plan(_console(), settings, now)
        case PlaybookAction.history:
            done.print_history(_console(), settings, now, action_id)
        case _:
            if action_id is None:
                raise ConfigurationError(
                    f"appfleet playbooks {action.value}: name the action, as `appfleet playbooks` lists it"
                )
            is_approved = action is PlaybookAction.approve
            typer.echo(done.answer(settings, action_id, is_approved, reason, by, now))


@app.command()
def oncall(workspace: WorkspaceOption = None) -> None:
    """What is wrong now, as the On-call page has it: alerts, and the objectives that fire, the worst first."""
    from pipelines.commands.alerts import print_oncall
    from sql.workspace import load_settings, named_workspace

    if code := print_oncall(_console(), load_settings(named_workspace(workspace)), datetime.now(UTC)):
        raise typer.Exit(code)


@app.command()
def tokens(
    action: Annotated[TokenAction, typer.Argument(help="What to do.")] = TokenAction.list,
    name: Annotated[str | None, typer.Argument(help="Name of the token.")] = None,
    workspace: WorkspaceOption = None,
    apps: Annotated[
        list[str] | None,
        typer.Option("--app", help="make: an app it may send for; of one app, all it sends is."),
    ] = None,
    teams: Annotated[
        list[str] | None, typer.Option("--team", help="make: a team whose apps it may send for.")
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(help="make, rotate: 12h, 90d, 2w.", show_default="never")
    ] = None,
    overlap: Annotated[
        str, typer.Option(help="rotate: how long the older secrets stay good, 0 for not.")
    ] = "7d",
) -> None:
    """List the tokens senders show to the intake, or make, rotate or revoke one."""
    from pipelines.commands import tokens as commands
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    if action is TokenAction.list:
        commands.print_tokens(_console(), settings, datetime.now(UTC))
        return
    if name is None:
        raise ConfigurationError(f"appfleet tokens {action.value}: name the token")
    if action is not TokenAction.make and (apps or teams):
        raise ConfigurationError(
            f"appfleet tokens {action.value}: whom a token sends for stays as it was made; make another one for other apps"
        )
    if action is TokenAction.make:
        commands.make(settings, name, apps or [], teams or [], expires_in)
    elif action is TokenAction.rotate:
        commands.rotate(settings, name, overlap, expires_in)
    else:
        commands.revoke(settings, name)


@app.command()
def intakes(
    action: Annotated[IntakeAction, typer.Argument(help="What to do.")] = IntakeAction.list,
    name: Annotated[str | None, typer.Argument(help="Name of the intake, or id of its journal.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """List the intakes that feed this warehouse, or say that a silent one is gone for good."""
    from pipelines.commands import intakes as commands
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    if action is IntakeAction.list:
        commands.print_intakes(_console(), settings)
        return
    if name is None:
        raise ConfigurationError("appfleet intakes gone: name the intake, as `appfleet intakes` lists it")
    commands.mark_gone(_console(), settings, name, datetime.now(UTC))


@app.command()
def doctor(workspace: WorkspaceOption = None) -> None:
    """Look at everything that may be wrong, lost or old, and say what to do; 1 where something failed."""
    from pipelines.commands.doctor import findings
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    found = list(findings(settings, datetime.now(UTC)))
    table = Table("check", "finding", "what to do")
    for check, one in found:
        table.add_row(check, one.sentence, one.advice)
    _console().print(table)
    if any(one.is_failure for _, one in found):
        raise typer.Exit(1)


@app.command()
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

    collect(_console(), load_settings(named_workspace(workspace)), dry_run, wait)


@app.command()
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
        commands.plan(_console(), settings)
    else:
        commands.apply(_console(), settings, wait)


@app.command()
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
    code = load_again(_console(), settings, source, _month(month) if month else None, wait)
    if code:
        raise typer.Exit(code)


@app.command()
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


@app.command()
def grants(
    workspace: WorkspaceOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the statements, run none.")] = False,
) -> None:
    """Give readers of a ClickHouse server their rights."""
    from pipelines.commands.grants import granted
    from sql.workspace import load_settings, named_workspace

    texts = granted(load_settings(named_workspace(workspace)), plan)
    typer.echo("\n\n".join(f"{text};" for text in texts) if plan else f"{len(texts)} statements were run")


@app.command()
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


@app.command()
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


@app.command()
def move(workspace: WorkspaceOption = None) -> None:
    """Copy the embedded warehouse into the server the settings name."""
    from pipelines.commands.transfer import move as move_rows
    from sql.workspace import load_settings, named_workspace

    move_rows(load_settings(named_workspace(workspace)), typer.echo)


@app.command()
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


def _console() -> Console:
    """Where people read: tables as wide as their terminal, whole lines where a file or a pipe reads instead.

    Names of files and apps are printed as they are, never as markup, and a sentence is never broken into lines.
    """
    width = None if sys.stdout.isatty() else UNCUT_WIDTH
    return PlainConsole(highlight=False, markup=False, soft_wrap=True, width=width)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be made ({error.strerror}): choose a folder you may write to"
        ) from None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"--as-of: {text!r} is not an ISO 8601 moment such as 2026-10-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--end: {text!r} is not a day such as 2026-10-31") from None


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise ConfigurationError(f"--month: {text!r} is not a month such as 2026-10") from None


def main() -> None:
    """Entry point: one sentence on stderr and the error's own exit code, never a traceback for a known error."""
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
