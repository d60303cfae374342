"""Which Host headers name this machine."""

from __future__ import annotations

import pytest

from models.loopback import names_this_machine


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
