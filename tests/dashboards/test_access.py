"""Who may look, and from where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboards import access, serve
from models.errors import ConfigurationError
from models.loopback import is_loopback
from models.people import SEE_WHOLE_BILLS, Viewer
from tests.dashboards.fleet import write_settings


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        (None, False),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_only_loopback_is_loopback(address: str | None, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def test_the_viewer_is_the_one_of_the_settings(tmp_path: Path) -> None:
    write_settings(tmp_path, Viewer("Ada", (" people ", "Ops, unassigned", "people"), (SEE_WHOLE_BILLS,)))
    viewer = access.current_viewer(tmp_path)
    assert viewer == Viewer("Ada", ("Ops, unassigned", "people"), ("see_whole_bills",))
    assert viewer.has(SEE_WHOLE_BILLS)
    write_settings(tmp_path, Viewer("Ada", ("people",)))
    viewer = access.current_viewer(tmp_path)
    assert viewer and not viewer.has(SEE_WHOLE_BILLS)
    write_settings(tmp_path, Viewer("Ada", rights=(SEE_WHOLE_BILLS,)))
    assert access.current_viewer(tmp_path) is None


def test_no_variable_makes_a_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(tmp_path, Viewer())
    monkeypatch.setenv("APPFLEET_VIEWER_TEAMS", "people,unassigned")
    assert access.current_viewer(tmp_path) is None


def test_pages_without_settings_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="appfleet init"):
        access.current_viewer(tmp_path)


def test_serving_another_address_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dashboards.serve", "--address", "0.0.0.0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert access.ONLY_LOOPBACK in done.stderr


def test_the_pages_say_little_and_listen_here() -> None:
    said = serve.options(port=8777)
    assert said["server.address"] == "127.0.0.1"
    assert said["server.port"] == 8777
    assert said["browser.gatherUsageStats"] is False
    assert said["client.showErrorDetails"] == "none"
