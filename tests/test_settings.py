"""appfleet.yaml: what is right loads whole, each mistake is one sentence with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ConfigurationError
from pipelines.settings import BillingSource, Ports, load_settings

WHOLE = """\
warehouse: embedded
identity:
  app_keys: [application, Project]
sources:
  billing:
    - {name: aws, format: focus, location: "s3://bills/focus", endpoint_url: "http://127.0.0.1:9000", region: eu-west-1}
  telemetry:
    - name: collector
      format: otlp
      location: telemetry
viewer: {name: Ada, teams: [alpha, beta]}
ports: {dashboards: 9501}
"""


def workspace(folder: Path, text: str) -> Path:
    (folder / "appfleet.yaml").write_text(text)
    return folder


def test_a_whole_file_loads(tmp_path: Path) -> None:
    settings = load_settings(workspace(tmp_path, WHOLE))
    assert settings.identity.app_keys == ("application", "Project")
    assert settings.billing == (
        BillingSource("aws", "focus", "s3://bills/focus", "http://127.0.0.1:9000", "eu-west-1"),
    )
    assert settings.telemetry[0].location == "telemetry"
    assert settings.viewer.teams == ("alpha", "beta")
    assert settings.ports == Ports(dashboards=9501)
    assert settings.state == tmp_path / ".appfleet"


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("warehouse: embedded\nwarehose: x\n", 2, "warehose"),
        ("warehouse: postgres\n", 1, "warehouse"),
        ("sources:\n  billing:\n    - {name: a, format: focus}\n", 3, "sources.billing[0].location"),
        ("sources:\n  billing:\n    - {name: a, format: csv, location: x}\n", 3, "sources.billing[0].format"),
        ("sources:\n  billing: 3\n", 2, "sources.billing"),
        ("identity:\n  app_keys: app\n", 2, "identity.app_keys"),
        ("viewer:\n  teams: [1]\n", 2, "viewer.teams[0]"),
        ("ports:\n  dagster: none\n", 2, "ports.dagster"),
        ("catalog: nowhere\n", 1, "catalog"),
        (
            "sources:\n  billing:\n    - {name: a, format: focus, location: 'ftp://x'}\n",
            3,
            "sources.billing[0].location",
        ),
    ],
)
def test_a_mistake_names_file_line_and_key(tmp_path: Path, text: str, line: int, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(workspace(tmp_path, text))
    assert f"appfleet.yaml, line {line}: {key} " in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="appfleet init"):
        load_settings(tmp_path)


def test_what_is_not_yaml_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        load_settings(workspace(tmp_path, "a: 1\n b: [\n"))
