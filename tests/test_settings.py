"""appfleet.yaml: what is right loads whole, each mistake is one sentence with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ConfigurationError
from models.people import RIGHTS, Viewer
from models.settings import (
    BillingSource,
    EnvironmentSettings,
    IntakeSettings,
    Ports,
    SenderLimits,
    Settings,
    TelemetrySource,
    TlsSettings,
    pairs_of,
)
from sql.workspace import WORKSPACE_VARIABLE, load_settings, named_workspace

WHOLE = """\
warehouse: embedded
identity:
  app_keys: [application, Project]
sources:
  billing:
    - {name: aws, format: focus, location: "s3://bills/focus", endpoint_url: "http://127.0.0.1:9000", region: eu-west-1}
    - {name: hub, format: focus, location: hub, deliveries: replace}
  telemetry:
    - name: collector
      format: otlp
      location: telemetry
viewer: {name: Ada, teams: [beta, alpha, "Ops, unassigned"], rights: [see_whole_bills]}
ports: {dashboards: 9501}
intake:
  cors_origins: ["https://Shop.example.com", "http://localhost:5173"]
  listen: 0.0.0.0
  tls: {certificate: certs/intake.pem, key: /etc/intake.key}
  limits: {bytes_per_second: 1000}
  name: eu-1
  journal: journal
  tokens: tokens.json
redact: {credentials: true, email: false}
environments: {production: [production, prod]}
"""

# text, line and key of a mistake, and a part of what is said about it
MISTAKES = [
    ("warehouse: embedded\nwarehose: x\n", 2, "warehose", "known here: attribution, budgets, burn_windows, catalog"),
    ("warehouse: postgres\n", 1, "warehouse", "is 'postgres'; it is `embedded`, or has the `url`"),
    ("warehouse: {url: 'https://ada:planted-Pa55@clickhouse.example'}\n", 1, "warehouse.url", "holds a user or a password, which do not belong in a file"),
    ("warehouse: {url: 'tcp://clickhouse.example:9000'}\n", 1, "warehouse.url", "must be the address of a server's HTTP interface"),
    ("warehouse: {url: 'https://x', database: default}\n", 1, "warehouse.database", "is not a database of one's own"),
    ("warehouse: {url: 'https://x', cluster: 'a`b'}\n", 1, "warehouse.cluster", "may hold letters, digits and _"),
    ("warehouse: {url: 'https://x', ca: nowhere.pem}\n", 1, "warehouse.ca", "names nowhere.pem, which is not a file"),
    ("sources:\n  billing:\n    - {name: a, format: focus}\n", 3, "sources.billing[0].location", "is missing"),
    ("sources:\n  billing:\n    - name: a\n      format:\n      location: x\n", 4, "sources.billing[0].format", "is missing"),
    ("sources:\n  billing:\n    - {name: a, format: csv, location: x}\n", 3, "sources.billing[0].format", "it can be aws-cur, azure-actual, azure-amortized, focus"),
    ("sources:\n  telemetry:\n    - {name: a, format: focus, location: x}\n", 3, "sources.telemetry[0].format", "it can be otlp"),
    ("sources:\n  billing: 3\n", 2, "sources.billing", "must be a list"),
    ("sources:\n  billing:\n    a: 1\n", 3, "sources.billing", "must be a list"),
    ("sources: []\n", 1, "sources", "must be a mapping"),
    ("sources:\n  billing:\n    - focus\n", 3, "sources.billing[0]", "must be a mapping"),
    ("sources:\n  bills: []\n", 2, "sources.bills", "known here: billing, telemetry"),
    ("identity:\n  app_keys: app\n", 2, "identity.app_keys", "must be a list"),
    ("identity:\n  app_key: [app]\n", 2, "identity.app_key", "known here: app_keys, environment_keys, team_keys"),
    ("viewer:\n  teams: [1]\n", 2, "viewer.teams[0]", "must be text"),
    ("viewer:\n  teams:\n    - a\n    - ' '\n", 4, "viewer.teams[1]", "is empty"),
    ("viewer:\n  name: 2026-01-31\n", 2, "viewer.name", "must be text"),
    ("viewer:\n  rights:\n    - see_whole_bils\n", 3, "viewer.rights[0]", "it can be act_on_alerts, approve_actions, close_months, download_statements, see_access_log, see_all_teams, see_statements, see_whole_bills"),
    ("ports:\n  dagster: none\n", 2, "ports.dagster", "must be a port number"),
    ("ports:\n  dagster: 65536\n", 2, "ports.dagster", "must be a port number"),
    ("ports:\n  dagster: true\n", 2, "ports.dagster", "must be a port number"),
    ("catalog: nowhere\n", 1, "catalog", "names nowhere, which does not exist"),
    ("# teams\nteams: .\n", 2, "teams", "which is not a file"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'ftp://x'}\n", 3, "sources.billing[0].location", "s3://"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'bigquery://p/d/t'}\n", 3, "sources.billing[0].location", "is a table of `format: gcp-billing`, not of focus"),
    ("sources:\n  telemetry:\n    - {name: a, format: otlp, location: 'bigquery://p/d/t'}\n", 3, "sources.telemetry[0].location", "is a table of `format: gcp-billing`, not of otlp"),
    ("sources:\n  billing:\n    - {name: a b, format: focus, location: x}\n", 3, "sources.billing[0].name", "letters, digits"),
    (
        "sources:\n  billing:\n    - {name: a, format: focus, location: x}\n    - {name: b, format: focus, location: y}\n"
        "    - format: focus\n      name: a\n      location: z\n",
        6,
        "sources.billing[2].name",
        "'a' is used twice",
    ),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: x, deliveries: append}\n", 3, "sources.billing[0].deliveries", "it can be add"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: x, pair: a}\n", 3, "sources.billing[0].pair", "not for focus"),
    (
        "sources:\n  billing:\n    - {name: a, format: azure-actual, location: x}\n"
        "    - {name: b, format: azure-actual, location: y, pair: a}\n",
        4,
        "sources.billing[1].pair",
        "must name a source of `format: azure-amortized`",
    ),
    ("sources:\n  billing:\n    - {name: a, format: azure-amortized, location: x, pair: b}\n", 3, "sources.billing[0].pair", "names 'b'"),
    ("sources:\n  billing:\n    - {name: a, format: mapping, location: x}\n", 3, "sources.billing[0].mapping", "is missing: `format: mapping` reads"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: x, mapping: m.yaml}\n", 3, "sources.billing[0].mapping", "is for `format: mapping`"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: x, token: T}\n", 3, "sources.billing[0].token", "is for a location that begins with https://"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x', token: T}\n", 3, "sources.billing[0].api", "is missing"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x', api: vercel}\n", 3, "sources.billing[0].token", "is missing"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x', api: versel, token: T}\n", 3, "sources.billing[0].api", "it can be atlas, focus, grafana-cloud, vercel"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x', api: vercel, token: sk-secret}\n", 3, "sources.billing[0].token", "must be the name of a variable"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://u:p@x', api: vercel, token: T}\n", 3, "sources.billing[0].location", "holds a user or a password"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x?a=b', api: vercel, token: T}\n", 3, "sources.billing[0].location", "holds a query"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x', api: vercel, token: T, parameters: {org: b}}\n", 3, "sources.billing[0].parameters", "knows no parameter org"),
    ("sources:\n  billing:\n    - {name: a, format: focus, location: 'https://x', api: vercel, token: T, since: 2026-13}\n", 3, "sources.billing[0].since", "it must be a month"),
    ("sources:\n  telemetry:\n    - {name: a, format: otlp, location: 'https://x'}\n", 3, "sources.telemetry[0].location", "which is for bills"),
    ("sources:\n  telemetry:\n    - {name: a, format: otlp, location: x, deliveries: add}\n", 3, "sources.telemetry[0].deliveries", "not a known key"),
    ("intake:\n  cors_origins:\n    - '*'\n", 3, "intake.cors_origins[0]", "must be an origin"),
    ("intake:\n  cors_origins: ['https://a.example/path']\n", 2, "intake.cors_origins[0]", "must be an origin"),
    ("intake:\n  cors_origins: https://a.example\n", 2, "intake.cors_origins", "must be a list"),
    ("intake:\n  listen: '0.0.0.0:4318'\n", 2, "intake.listen", "without a port"),
    ("intake:\n  tls: {certificate: a}\n", 2, "intake.tls.key", "is missing"),
    ("intake:\n  tls: {certificate: 1, key: b}\n", 2, "intake.tls.certificate", "must be a path"),
    ("intake:\n  name: a b\n", 2, "intake.name", "may hold letters"),
    ("intake:\n  journal: ''\n", 2, "intake.journal", "must be a path"),
    ("intake:\n  behind_proxy: maybe\n", 2, "intake.behind_proxy", "must be true or false"),
    ("intake:\n  limits:\n    requests_burst: 0\n", 3, "intake.limits.requests_burst", "must be a whole number from 1 on"),
    ("intake:\n  limits: {request_bytes: 1.5}\n", 2, "intake.limits.request_bytes", "must be a whole number from 1 on"),
    ("redact:\n  email: maybe\n", 2, "redact.email", "must be true or false"),
    ("redact:\n  email: true\n  emails: true\n", 3, "redact.emails", "names no rule; the rules are "),
    ("redact: [email]\n", 1, "redact", "must be a mapping"),
    ("environments:\n  production: []\n", 2, "environments.production", "nothing would ever page"),
    ("environments: {test: [x]}\n", 1, "environments.test", "known here: production"),
    ("ports:\n  dagster: 1\n  dagster: 2\n", 3, "ports.dagster", "is given twice"),
    ("viewer:\n  name: !!int x\n", 2, "viewer.name", "cannot be read"),
    ("[]\n", 1, "the document", "must be a mapping"),
    # two mistakes: the first of the file is told
    ("catalog: nowhere\nwarehouse: x\n", 1, "catalog", "does not exist"),
]  # fmt: skip


def workspace(folder: Path, text: str) -> Path:
    (folder / "appfleet.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_whole_file_loads(tmp_path: Path) -> None:
    (tmp_path / "teams.yaml").touch()
    settings = load_settings(workspace(tmp_path, WHOLE))
    assert settings.identity.app_keys == ("application", "Project")
    assert settings.identity.team_keys == ("team", "owner")
    assert settings.billing == (
        BillingSource("aws", "focus", "s3://bills/focus", "http://127.0.0.1:9000", "eu-west-1"),
        BillingSource("hub", "focus", "hub", deliveries="replace"),
    )
    assert settings.telemetry == (TelemetrySource("collector", "otlp", "telemetry"),)
    assert settings.viewer == Viewer("Ada", ("Ops, unassigned", "alpha", "beta"), ("see_whole_bills",))
    assert settings.ports == Ports(dashboards=9501)
    assert settings.intake == IntakeSettings(
        ("https://shop.example.com", "http://localhost:5173"),
        "0.0.0.0",
        TlsSettings(tmp_path / "certs" / "intake.pem", Path("/etc/intake.key")),
        limits=SenderLimits(bytes_per_second=1000),
        name="eu-1",
        journal=tmp_path / "journal",
        tokens=tmp_path / "tokens.json",
    )
    assert settings.redact == {"credentials": True, "email": False}
    assert settings.environments == EnvironmentSettings(("production", "prod"))
    assert (settings.root, settings.catalog, settings.teams) == (
        tmp_path,
        tmp_path / "catalog",
        tmp_path / "teams.yaml",
    )
    assert settings.state == tmp_path / ".appfleet"


def test_what_is_not_given_is_the_default(tmp_path: Path) -> None:
    """A key without a value is a key that is not given."""
    bare = load_settings(workspace(tmp_path, "warehouse: embedded\n"))
    assert bare == Settings(
        root=tmp_path,
        catalog=tmp_path / "catalog",
        teams=tmp_path / "teams.yaml",
        people=tmp_path / "people.yaml",
        budgets=tmp_path / "budgets.yaml",
        rules=tmp_path / "rules.yaml",
        objectives=tmp_path / "objectives",
    )
    assert bare.sign_in is None
    assert (bare.viewer.teams, bare.viewer.rights, bare.environments.production) == ((), (), None)
    silent = "sources:\n  billing:\n  telemetry:\nviewer:\nidentity:\nports:\n  dagster:\nredact:\nintake:\nenvironments:\nsign_in:\npeople:\n"
    assert load_settings(workspace(tmp_path, silent)) == bare


@pytest.mark.parametrize(("text", "line", "key", "said"), MISTAKES)
def test_a_mistake_names_file_line_and_key(tmp_path: Path, text: str, line: int, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(workspace(tmp_path, text))
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / 'appfleet.yaml'}, line {line}: {key} ")
    assert said in sentence
    assert "\n" not in sentence and "planted" not in sentence
    assert caught.value.exit_code == 2


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="appfleet init"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n b: [\n", "line 2"),
        ("", "is empty: `appfleet init`"),
        ("# nothing\n", "is empty: `appfleet init`"),
        ("ports: {}\n---\nports: {}\n", "holds 2 documents"),
        ("viewer:\n  name: \x01\n", "line 2: this is not YAML"),
        ("[" * 100_000, "is nested too deeply to be read"),
        ("viewer: &a\n  name: *a\n", "nested too deeply"),
        ("viewer: {? [a] : b}\n", "a key of viewer must be a single value"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
            ),
            "repeats too much",
        ),
        ("catalog: " + "x" * 5000 + "\n", "does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(workspace(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_may_be_nested_fifty_levels_deep_and_no_deeper(tmp_path: Path) -> None:
    """Whether it is written out or repeats itself by aliases; a level is a list or a mapping."""

    def said(text: str) -> str:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(workspace(tmp_path, text))
        return str(caught.value)

    def written(levels: int) -> str:
        return "catalog: " + "[" * (levels - 1) + "]" * (levels - 1) + "\n"

    def repeated(levels: int) -> str:
        """Every line holds the one before."""
        lines = ["a0: &a0 x", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))]
        return "\n".join(lines) + "\n"

    for text in (written, repeated):
        assert "nested too deeply" in said(text(51)), text
        assert "nested too deeply" not in said(text(50)), text


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "appfleet.yaml").write_bytes(b"viewer: {name: \xff}\n")
    with pytest.raises(ConfigurationError, match=r"byte 15: this is not UTF-8"):
        load_settings(tmp_path)
    (tmp_path / "appfleet.yaml").write_bytes(b"\xef\xbb\xbfviewer: {name: Ada}\n")
    assert load_settings(tmp_path).viewer.name == "Ada"
    (tmp_path / "appfleet.yaml").unlink()
    (tmp_path / "appfleet.yaml").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(tmp_path)


def test_links_in_a_circle_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(ConfigurationError, match="line 1: teams names round"):
        load_settings(workspace(tmp_path, "teams: round\n"))


def test_the_workspace_is_named_by_argument_then_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    assert named_workspace() == tmp_path
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "b"))
    assert named_workspace() == tmp_path / "b"
    assert named_workspace(Path("c")) == tmp_path / "c"


def test_a_right_is_no_team_and_is_explained() -> None:
    assert all(name.isidentifier() and meaning for name, meaning in RIGHTS.items())
    viewer = Viewer(teams=tuple(RIGHTS))
    assert not any(viewer.has(right) for right in RIGHTS)


def test_either_of_a_pair_may_name_the_other() -> None:
    one = BillingSource("one", "azure-actual", "x", pair="two")
    two = BillingSource("two", "azure-amortized", "y")
    third = BillingSource("third", "azure-amortized", "z")
    assert pairs_of(one, (one, two, third)) == [two]
    assert pairs_of(two, (one, two, third)) == [one]
    assert pairs_of(third, (one, two, third)) == []
