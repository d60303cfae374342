"""The files `appfleet init` writes: commented, valid as they are, and safe to edit."""

from __future__ import annotations

import json
from pathlib import Path

from models.completeness import completeness_policy
from models.errors import ConfigurationError
from pipelines.ingest.billing.recognition import USUAL, likely_format

SETTINGS = """\
# appfleet: what to read, and how a cost row names its app. Paths are relative to this file.
# Secrets never go here: cloud credentials come from the environment or the provider's own profile.

warehouse: embedded            # ClickHouse in a small local process under .appfleet/

identity:                      # tag keys, tried in this order; case and blanks do not matter
  app_keys: [app_id, application, app]
  team_keys: [team, owner]
  environment_keys: [environment, env]

sources:
  billing:{bills}
  # - name: aws                              # appears in every figure
  #   format: focus                          # FOCUS 1.0 to 1.4; or aws-cur, gcp-billing, azure-actual, azure-amortized, mapping
  #   location: bills/aws                    # file, folder, glob, s3://bucket/prefix, gs://, az://
  #   settled_after_days: {settled}                # a day's charges are final so many days after its end; docs/statements.md
  #   profile: billing-reader                # s3 only, with region and endpoint_url
  telemetry: []
  # - name: collector
  #   format: otlp                           # what a collector's file or awss3 exporter writes
  #   location: telemetry

catalog: catalog               # Backstage catalog-info.yaml files
teams: teams.yaml

viewer:                        # the person at this machine; where people sign in, people.yaml says who sees what
  name: you
  teams: []                    # rows of these teams are shown on the pages; unassigned: what no team is known for
  rights: [see_all_teams, see_whole_bills] # rows of every team; figures of whole bills, whichever teams they are of

# sign_in:                                   # else the pages answer on this machine alone; docs/sign-in.md
#   provider: https://id.example.com/.well-known/openid-configuration
#   client_id: appfleet
#   redirect: https://appfleet.example.com   # the pages as browsers see them

# ports: {dashboards: 8501, dagster: 3000, warehouse: 8123, otlp_grpc: 4317, otlp_http: 4318}
"""

CATALOG = """\
# One document per app, as Backstage has it: https://backstage.io/docs/features/software-catalog/descriptor-format
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: example-app
  title: Example app
  annotations: {}
    # appfleet.io/resource-ids: arn:aws:lambda:eu-west-1:123456789012:function:example-app
    # appfleet.io/resource-group: rg-example
spec:
  type: service
  lifecycle: production
  owner: group:default/example-team
"""

TEAMS = """\
# Who leads a team and which cost centre pays. Quote cost centres: leading zeros count.
teams:
  - team: example-team
    lead: Example Person
    cost_center: "0001"
    members: [Example Person]
"""


def write_workspace(directory: Path, source: str | None = None) -> list[Path]:
    """Writes the files of a new workspace, with a source of a bill as ``source_of`` has it, and returns them.

    Raises:
        ConfigurationError: the folder already is a workspace.
    """
    settings = SETTINGS.replace("{bills}", " []" if source is None else source)
    settings = settings.replace("{settled}", str(_settled_after(USUAL)))
    files = {"appfleet.yaml": settings, "catalog/example-app.yaml": CATALOG, "teams.yaml": TEAMS}
    taken = [name for name in files if (directory / name).exists()]
    if taken:
        raise ConfigurationError(
            f"{directory / taken[0]} exists already: `init` never overwrites; choose another folder"
        )
    written = []
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def source_of(bill: str) -> str:
    """The entry of ``sources.billing`` for a bill at a place; one on this machine as an absolute path, and its likely format.

    Raises:
        ConfigurationError: there is nothing at a place on this machine.
    """
    location, likely = bill, USUAL
    if "://" not in bill:
        path = Path(bill).expanduser().absolute()
        found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not found:
            raise ConfigurationError(
                f"there is nothing at {bill}: name a file, a folder, a glob, or s3://, gs:// or az://bucket/prefix"
            )
        location, likely = str(path), likely_format(found)
    return (
        f"\n    - {{name: bill, format: {likely}, location: {json.dumps(location)}, "
        f"settled_after_days: {_settled_after(likely)}}}"
    )


def _settled_after(bill_format: str) -> int:
    """Days after a day's end the charges of a format are usually final."""
    return completeness_policy().usual_settled_after_days[bill_format]
