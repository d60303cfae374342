"""Commands about the bill: statements and their closing, exports, rules of shared cost, budgets, causes, credits and deliveries.

Each is a few lines over a function elsewhere; only words for people live here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.errors import ConfigurationError
from models.readers import Reader
from pipelines.commands.cli_words import (
    ByOption,
    CreditAction,
    DeliveryAction,
    ExportKind,
    FileKind,
    FocusVersion,
    RulesAction,
    WorkspaceOption,
    console_here,
    made_folder,
    month_of,
)


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
    period = month_of(month)
    made_folder(out)
    with open_warehouse(settings.root, role="reader") as warehouse:
        files = write_statement(warehouse, settings, period, out, team=team, reader=reader)
        beside = [write_beside(warehouse, settings, period, out, kind.value, team) for kind in kinds or []]
    typer.echo(f"wrote {files.csv_path} ({files.rows} lines) and {files.sidecar_path}")
    for path in beside:
        typer.echo(f"wrote {path}")
    for key, amount in sorted(files.sums.items()):
        typer.echo(f"  {key}: {plain(amount)}")


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
    period = month_of(month)
    made_folder(out)
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
    period = month_of(month)
    if not dry_run:
        closing.close(console_here(), settings, period, by, wait)
    elif not closing.show_plan(console_here(), settings, period, by):
        raise typer.Exit(1)


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

    closing.reopen(
        console_here(), load_settings(named_workspace(workspace)), month_of(month), reason, by, wait
    )


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
    closing.reclassify(console_here(), settings, month_of(month), reason, by, wait)


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
    print_diff(console_here(), settings, file.resolve() if file else None, month_of(month) if month else None)


def explain(
    app_id: Annotated[str, typer.Argument(metavar="APP", help="Id of the app, or unallocated.")],
    month: Annotated[str, typer.Option(help="Billing month, YYYY-MM.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Why an app's bill is what it is: rules, evidence, quantities, rows of the bill and telemetry."""
    from pipelines.commands.explain import print_explanation
    from sql.workspace import load_settings, named_workspace

    print_explanation(console_here(), load_settings(named_workspace(workspace)), app_id, month_of(month))


def budgets(workspace: WorkspaceOption = None) -> None:
    """Every budget: what is spent, what is expected, and the day it runs out, those over a share first."""
    from pipelines.commands.budgets import print_budgets
    from sql.workspace import load_settings, named_workspace

    print_budgets(console_here(), load_settings(named_workspace(workspace)))


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
    print_coverage(console_here(), settings, month_of(month) if month else None, csv)


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
    print_evidence(console_here(), load_settings(named_workspace(workspace)), wanted, with_sql=sql)


def causes(workspace: WorkspaceOption = None) -> None:
    """Why cost changed: open anomalies and the largest changes of the week, each in one sentence."""
    from pipelines.commands.causes import print_causes
    from sql.workspace import load_settings, named_workspace

    print_causes(console_here(), load_settings(named_workspace(workspace)))


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

    print_worth(console_here(), load_settings(named_workspace(workspace)), app_id, credits)


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
        done.print_credits(console_here(), settings)
        return
    if name is None:
        raise ConfigurationError(
            f"appfleet credits {action.value}: name the proposal, as `appfleet credits` lists it"
        )
    done.decide(console_here(), settings, action.value, name, by=by, reason=reason, wait_seconds=wait)


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
        print_deliveries(console_here(), settings)
        return
    if delivery is None:
        raise ConfigurationError(
            f"appfleet deliveries {action.value}: name the delivery, as `appfleet deliveries` lists it"
        )
    decide(
        console_here(),
        settings,
        action.value,
        delivery,
        by=by,
        why=why,
        newest_only=newest,
        wait_seconds=wait,
    )
