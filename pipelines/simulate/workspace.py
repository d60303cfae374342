"""Writes the files a workspace needs beside its data: settings, catalogue and teams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from models.completeness import completeness_policy
from models.registry import ANNOTATIONS, PATTERNS
from pipelines.simulate.files import moment, write_text
from pipelines.simulate.fleet import CURRENCIES, App, Fleet, profile

SETTINGS = """\
# A simulated fleet: {apps} apps, {days} days until {end}, seed {seed}.
# truth.json says what was planted; nothing reads it but tests and people.

warehouse: embedded            # ClickHouse in a small local process under .appfleet/

identity:                      # tag keys, tried in this order; case and blanks do not matter
  app_keys: [app_id, application, app]
  team_keys: [team, owner]
  environment_keys: [environment, env]

attribution:                   # other spellings of tags, and tags that rules give; see `appfleet coverage`
  keys:
    app_id: [app name]
  spaces: " "
{values}  virtual_tags:
    - tag: pool
      rules:
        - {{name: shared services, value: shared, resource: "shared-*"}}
        - {{name: shared account, value: shared, project: "310000000999"}}
        - {{name: test environments, value: test, tags: {{environment: staging}}}}
        - {{name: test environments by env, value: test, tags: {{env: staging}}}}

sources:
  billing:
    - name: aws                # AWS Data Exports: FOCUS 1.2, Parquet with manifests, USD
      format: focus
      location: bills/aws
      settled_after_days: {aws_settled}   # a day's charges are final so many days after its end
    - name: azure              # Azure Cost Management export: FOCUS 1.2, CSV.gz, EUR
      format: focus
      location: bills/azure
      settled_after_days: {azure_settled}
  telemetry:
    - name: collector          # what a collector writes: JSON lines and Protobuf messages
      format: otlp
      location: telemetry

catalog: catalog/              # Backstage descriptors, one file per team
teams: teams.yaml

viewer:                        # the person at this machine
  name: you
  teams: [{teams}]
  rights: [see_whole_bills]
"""

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {app_id}
  title: {title}{annotations}
spec:
  type: service
  lifecycle: {lifecycle}
  owner: group:default/{team}
  system: {system}
"""


def write_workspace(fleet: Fleet, root: Path, at: datetime) -> None:
    """Writes ``appfleet.yaml``, ``teams.yaml``, ``budgets.yaml`` and ``catalog/`` under ``root``."""
    teams = ", ".join(team.name for team in fleet.teams)
    settled = completeness_policy().usual_settled_after_days
    settings = SETTINGS.format(
        apps=len(fleet.apps),
        days=fleet.days,
        end=fleet.end,
        seed=fleet.seed,
        teams=f"{teams}, unassigned",
        values=_values(fleet),
        aws_settled=settled["aws-cur"],
        azure_settled=settled["azure-actual"],
    )
    write_text(root / "appfleet.yaml", at, settings)
    write_text(root / "teams.yaml", at, "".join(_teams(fleet)))
    write_text(root / "budgets.yaml", at, "".join(_budgets(fleet)))
    apps = {app.app_id: app for app in fleet.apps}
    for team in fleet.teams:
        documents = [_component(app) for app in fleet.apps if app.registered and app.team == team.name]
        documents += [
            _component(apps[one.app_id], team.name, moment(fleet.first_day, 0) + timedelta(seconds=one.at))
            for one in fleet.transfers
            if one.after == team.name
        ]
        if documents:
            write_text(root / "catalog" / f"{team.name}.yaml", at, "---\n".join(documents))


def _teams(fleet: Fleet) -> Iterator[str]:
    yield "# Who leads a team and which cost centre pays. Cost centres are text: leading zeros count.\nteams:\n"
    for team in fleet.teams:
        yield (
            f"  - team: {team.name}\n    lead: {team.lead}\n"
            f'    cost_center: "{team.cost_center}"\n    members: [{", ".join(team.members)}]\n'
        )


def _values(fleet: Fleet) -> str:
    """Other values of app tags, as settings list them."""
    if not fleet.aliases:
        return ""
    lines = "".join(f'      {app_id}: ["{other.lower()}"]\n' for app_id, other in fleet.aliases.items())
    return f"  values:\n    app_id:\n{lines}"


def _budgets(fleet: Fleet) -> Iterator[str]:
    """A monthly budget of every team in each currency it pays in, from the first of the year on."""
    plan = profile()["budgets"]
    shares = itertools.cycle(plan["shares"])
    lines = []
    for team in fleet.teams:
        for cloud, currency in CURRENCIES.items():
            costs = [app.daily_cost for app in fleet.apps if (app.team, app.cloud) == (team.name, cloud)]
            amount = round(sum(costs) * plan["days_of_month"] * next(shares))
            if amount:
                since = fleet.first_day.replace(month=1, day=1)
                lines.append(
                    f"\n  - {{team: {team.name}, amount: {amount}, currency: {currency}, from: {since}}}"
                )
    yield "# What may be spent: a share of what the team's apps cost in the mean; some last, some run out.\n"
    yield f"budgets:{''.join(lines) or ' []'}\n"


def _component(app: App, team: str = "", since: datetime | None = None) -> str:
    """A document of an app: of its first team, or of one that has it from a moment on."""
    annotations = {
        f"{ANNOTATIONS}{name}": app.patterns[kind]
        for name, kind in sorted(PATTERNS.items())
        if kind in app.patterns
    }
    if since is not None:
        annotations[f"{ANNOTATIONS}valid-from"] = f"{since:%Y-%m-%dT%H:%M:%SZ}"
    if app.resource_ids:
        annotations[f"{ANNOTATIONS}resource-ids"] = ", ".join(app.resource_ids)
    lines = "".join(f'\n    {key}: "{value}"' for key, value in annotations.items())
    return COMPONENT.format(
        app_id=app.app_id,
        title=app.title,
        annotations=f"\n  annotations:{lines}" if lines else "",
        lifecycle=app.lifecycle,
        team=team or app.team,
        system=app.system,
    )
