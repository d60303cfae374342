"""`appfleet tokens` and what `doctor` says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.sender_tokens import is_token
from models.settings import IntakeSettings
from pipelines.commands import checks
from pipelines.commands.supervise import services
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.cli.conftest import appfleet
from tests.conftest import Migrated

CATALOG = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: %s}
spec: {owner: Shop, lifecycle: %s}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[tuple[Path, Warehouse]]:
    root = migrated(tmp_path_factory.mktemp("tokens"))
    (root / "catalog").mkdir()
    (root / "teams.yaml").write_text("teams: [{team: Shop}, {team: Idle}]\n")
    (root / "appfleet.yaml").write_text("warehouse: embedded\n")
    describe(root, orders="production", carts="deprecated", attic="Retired")
    with open_warehouse(root) as warehouse:
        yield root, warehouse


def describe(root: Path, **apps: str) -> None:
    (root / "catalog" / "apps.yaml").write_text("---\n".join(CATALOG % app for app in apps.items()))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("make", "ci", "--app", "ordrs"),
            "--app: the catalogue describes no app 'ordrs'; did you mean orders",
        ),
        (
            ("make", "ci", "--app", "attic"),
            "--app: app attic is Retired by the catalogue, so no token is made for it",
        ),
        (("make", "ci", "--team", "Shoop"), "names a team 'Shoop'; did you mean Shop"),
        (("make", "ci", "--app", "orders", "--app", "attic"), "attic is Retired"),
        (("make", "ci"), "name the apps it may send for with --app, or teams with --team"),
        (("make", "c i", "--app", "orders"), "NAME may hold letters"),
        (
            ("make", "ci", "--app", "orders", "--expires-in", "soon"),
            "--expires-in is 'soon'; it must be a span of time",
        ),
        (("make",), "appfleet tokens make: name the token"),
        (("rotate", "ci"), "there is no token ci in "),
        (("rotate", "ci", "--overlap", "7"), "--overlap is '7'"),
        (("rotate", "ci", "--app", "orders"), "whom a token sends for stays as it was made"),
        (("revoke", "ci"), "there is no token ci in "),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_nothing_is_written(
    place: tuple[Path, Warehouse], words: tuple[str, ...], sentence: str
) -> None:
    file = place[0] / "refused.json"
    answer = appfleet(place[0], "tokens", *words, code=2, APPFLEET_INTAKE_TOKENS=str(file))
    assert sentence in answer.err and len(answer.err.splitlines()) == 1 and answer.out == ""
    assert not file.exists() or json.loads(file.read_text())["tokens"] == []


def test_a_token_is_shown_once_rotated_and_revoked(place: tuple[Path, Warehouse]) -> None:
    root, _ = place
    file = root / ".appfleet" / "intake-tokens.json"
    assert "from anybody" in appfleet(root, "tokens").out
    made = appfleet(root, "tokens", "make", "ci", "--app", " Orders", "--team", "shop", "--expires-in", "90d")
    token = made.out.strip()
    assert is_token(token) and made.out == f"{token}\n" and token not in made.err
    assert token not in file.read_text() and oct(file.stat().st_mode)[-3:] == "600"
    assert "sends for orders, team Shop until " in made.err
    taken = appfleet(root, "tokens", "make", "ci", "--app", "carts", code=2)
    assert "token ci exists: `appfleet tokens rotate ci`" in taken.err
    rotated = appfleet(root, "tokens", "rotate", "ci", "--overlap", "12h")
    first, second = json.loads(file.read_text())["tokens"][0]["keys"]
    lives = [datetime.fromisoformat(one["expires_at"]) - datetime.now(UTC) for one in (first, second)]
    assert timedelta(hours=11) < lives[0] < timedelta(hours=12) and timedelta(89) < lives[1] < timedelta(90)
    assert is_token(rotated.out.strip()) and rotated.out.strip() != token
    line = next(one for one in appfleet(root, "tokens").out.splitlines() if "orders, team Shop" in one)
    assert first["id"] in line and "valid" in line and token not in line
    assert "is revoked" in appfleet(root, "tokens", "revoke", "ci").out
    assert appfleet(root, "tokens").out.count("revoked") == 2
    assert "token ci is revoked" in appfleet(root, "tokens", "rotate", "ci", code=2).err


def test_the_doctor_tells_what_ends_what_is_over_and_what_was_refused(place: tuple[Path, Warehouse]) -> None:
    root, warehouse = place
    settings, clock = load_settings(root), datetime.now(UTC)
    (root / ".appfleet" / "intake-tokens.json").unlink(missing_ok=True)
    for name, *more in (
        ("soon", "--app", "orders", "--expires-in", "6d"),
        ("later", "--app", "carts", "--expires-in", "8d"),
        ("team", "--team", "Shop"),
    ):
        appfleet(root, "tokens", "make", name, *more)
    describe(root, orders="end-of-life")

    def use(token: str, days_ago: int = 0, **counts: int) -> dict[str, Any]:
        moment = clock - timedelta(days=days_ago)
        names = ("requests", "bytes", "rejected_records", "limited", "refused")
        key = {"token": token, "day": moment.date(), "intake": "i", "journal": "j", "started_at": moment}
        return {**key, **dict.fromkeys(names, 0), **counts, "last_at": moment, "recorded_at": moment}

    lines = [
        use("team", requests=5, limited=2, rejected_records=7),
        use("team", 1, limited=1),
        use("team", 8, limited=100),
        use("soon", refused=3),
        use("", refused=4),
        use("", 6, refused=1),
        use("deleted", refused=9),
    ]
    warehouse.insert("raw_intake_token_uses", pl.DataFrame(lines))
    # The newest line of a run of an intake counts, not their sum.
    warehouse.insert(
        "raw_intake_token_uses",
        pl.DataFrame([{**lines[0], "limited": 3, "recorded_at": clock + timedelta(seconds=1)}]),
    )
    found = [
        one.sentence.split(" in the last")[0].split(" at 2")[0]
        for one in checks.tokens(checks.Look(warehouse, settings, clock))
    ]
    assert sorted(found) == [
        "5 live request(s) showed no token that is known",
        "token later sends for app carts, which by the catalogue is not described there any more",
        "token soon ends",
        "token soon sends for app orders, which by the catalogue is end-of-life",
        "token soon: 3 request(s) were refused because their secret is expired or revoked",
        "token team: 4 request(s) were more than it may send",
        "token team: 7 record(s) were not kept",
    ]
    table = appfleet(root, "tokens").out
    assert "orders (end-of-life)" in table and "team Shop (without orders: end-of-life)" in table
    (line,) = [one for one in table.splitlines() if "team Shop" in one]
    assert [word.strip() for word in line.split("│")][7:12] == ["5", "0", "7", "4", "0"]
    assert "5 request(s) of the last 7 days showed no token that is known" in table


def test_up_waits_for_the_intake_where_it_listens(place: tuple[Path, Warehouse]) -> None:
    settings = load_settings(place[0])
    ports = (settings.ports.otlp_grpc, settings.ports.otlp_http)
    for host, expected in (
        ("127.0.0.1", ports),
        ("0.0.0.0", ports),
        ("::", ports),
        ("10.1.2.3", tuple(("10.1.2.3", port) for port in ports)),
    ):
        listening = replace(settings, intake=IntakeSettings(listen=host))
        (intake,) = [one for one in services(listening, Path("code")) if one.name == "intake"]
        assert intake.answers_on == expected


def test_an_intake_that_would_not_start_is_a_failure_of_the_doctor(place: tuple[Path, Warehouse]) -> None:
    root, warehouse = place
    (root / "appfleet.yaml").write_text("intake: {listen: 0.0.0.0}\n")
    try:
        look = checks.Look(warehouse, load_settings(root), datetime.now(UTC) + timedelta(days=4000))
        (root / ".appfleet" / "intake-tokens.json").unlink(missing_ok=True)
        (finding,) = [one for one in checks.tokens(look) if one.is_failure]
        assert "there is no valid token" in finding.sentence
        refused = appfleet(root, "up", code=2).err
        assert refused.count("\n") == 1 and finding.sentence in refused
    finally:
        (root / "appfleet.yaml").write_text("warehouse: embedded\n")
