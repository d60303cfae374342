"""Who may look, and from where."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dashboards import access, serve


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
    assert access.is_loopback(address) is loopback


def test_the_viewer_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(access.TEAMS_VARIABLE, " people, payments ,,people")
    monkeypatch.delenv(access.NAME_VARIABLE, raising=False)
    assert access.current_viewer() == access.Viewer("local viewer", ("payments", "people"))
    monkeypatch.setenv(access.TEAMS_VARIABLE, " , ")
    assert access.current_viewer() is None
    monkeypatch.delenv(access.TEAMS_VARIABLE)
    assert access.current_viewer() is None


def test_serving_another_address_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dashboards.serve", "--address", "0.0.0.0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert access.ONLY_LOOPBACK in done.stderr


def test_the_command_says_little_and_listens_here() -> None:
    command = serve.command(port=8777)
    for option in (
        "--server.address=127.0.0.1",
        "--server.port=8777",
        "--browser.gatherUsageStats=false",
        "--client.showErrorDetails=none",
    ):
        assert option in command
