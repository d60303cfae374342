"""Commands about whether apps and appfleet itself work: objectives, alerts, playbooks, who sends, and what is wrong.

Each is a few lines over a function elsewhere; only words for people live here.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from models.errors import ConfigurationError
from pipelines.commands.cli_words import (
    AlertAction,
    ByOption,
    IntakeAction,
    MaintenanceAction,
    PlaybookAction,
    SloAction,
    TokenAction,
    WorkspaceOption,
    console_here,
    made_folder,
)


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
        if not print_validation(console_here(), path, named_workspace(workspace)):
            raise typer.Exit(1)
        return
    settings = load_settings(named_workspace(workspace))
    if action is SloAction.export:
        from pipelines.commands.objectives import exported_text

        text = exported_text(settings, app_id)
        if path is None:
            sys.stdout.write(text)
        else:
            made_folder(path.parent)
            path.write_text(text, encoding="utf-8")
            typer.echo(f"wrote {path}")
        return
    from pipelines.commands.summary import print_slo

    if path is not None:
        raise ConfigurationError("appfleet slo list: takes no path; --app names an app")
    print_slo(console_here(), settings, app_id, datetime.now(UTC), every)


def status(workspace: WorkspaceOption = None) -> None:
    """What is published: releases, freshness, the headline figures."""
    from pipelines.commands.summary import print_status
    from sql.workspace import load_settings, named_workspace

    print_status(console_here(), load_settings(named_workspace(workspace)), datetime.now(UTC))


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
        if code := done.print_alerts(console_here(), settings, now, every):
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
        if code := done.validate(console_here(), None, Path(name)):
            raise typer.Exit(code)
        return
    settings = load_settings(named_workspace(workspace))
    if action in (MaintenanceAction.list, MaintenanceAction.validate):
        code = (
            done.print_windows(console_here(), settings, now)
            if action is MaintenanceAction.list
            else done.validate(console_here(), settings, None)
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
            done.print_playbooks(console_here(), settings, now)
        case PlaybookAction.check:
            if code := done.check(console_here(), settings):
                raise typer.Exit(code)
        case PlaybookAction.plan:
            done.print_plan(console_here(), settings, now)
        case PlaybookAction.history:
            done.print_history(console_here(), settings, now, action_id)
        case _:
            if action_id is None:
                raise ConfigurationError(
                    f"appfleet playbooks {action.value}: name the action, as `appfleet playbooks` lists it"
                )
            is_approved = action is PlaybookAction.approve
            typer.echo(done.answer(settings, action_id, is_approved, reason, by, now))


def oncall(workspace: WorkspaceOption = None) -> None:
    """What is wrong now, as the On-call page has it: alerts, and the objectives that fire, the worst first."""
    from pipelines.commands.alerts import print_oncall
    from sql.workspace import load_settings, named_workspace

    if code := print_oncall(console_here(), load_settings(named_workspace(workspace)), datetime.now(UTC)):
        raise typer.Exit(code)


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
        commands.print_tokens(console_here(), settings, datetime.now(UTC))
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
        commands.print_intakes(console_here(), settings)
        return
    if name is None:
        raise ConfigurationError("appfleet intakes gone: name the intake, as `appfleet intakes` lists it")
    commands.mark_gone(console_here(), settings, name, datetime.now(UTC))


def doctor(workspace: WorkspaceOption = None) -> None:
    """Look at everything that may be wrong, lost or old, and say what to do; 1 where something failed."""
    from pipelines.commands.doctor import findings
    from sql.workspace import load_settings, named_workspace

    settings = load_settings(named_workspace(workspace))
    found = list(findings(settings, datetime.now(UTC)))
    table = Table("check", "finding", "what to do")
    for check, one in found:
        table.add_row(check, one.sentence, one.advice)
    console_here().print(table)
    if any(one.is_failure for _, one in found):
        raise typer.Exit(1)
