"""Which Host headers name this machine, and which hosts only this machine reaches."""

from __future__ import annotations

import pytest

from models.loopback import is_loopback, names_this_machine


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:4318", "localhost", "LocalHost:80", "[::1]", "[::1]:8123", "127.0.0.1:"]
)
def test_names_of_this_machine(host: str) -> None:
    assert names_this_machine(host)


@pytest.mark.parametrize(
    "host",
    ["", ":80", "evil.example", "evil.example:4318", "127.0.0.1.evil.example", "localhost.evil.example:80", "::1",
     "127.0.0.1@evil.example", "evil.example:127.0.0.1", "[::2]:80", "0.0.0.0", "192.168.0.7:4318"],
)  # fmt: skip
def test_names_of_others(host: str) -> None:
    assert not names_this_machine(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1"])
def test_hosts_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "intake", "", "::2", "128.0.0.1"]
)
def test_hosts_others_may_reach(host: str) -> None:
    assert not is_loopback(host)
