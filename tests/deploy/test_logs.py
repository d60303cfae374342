"""Logs as lines of JSON, from every command and whoever logs in it, and no secret in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.logs import HIDDEN, Hiding, JsonFormatter
from tests.conftest import SmallFleet

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "APPFLEET_WAREHOUSE_WRITER_PASSWORD": "planted-writer",
    "APPFLEET_WAREHOUSE_READER_PASSWORD": "planted-reader",
    "APPFLEET_OIDC_CLIENT_SECRET": "planted-client",
    "APPFLEET_COOKIE_SECRET": "planted-cookie-secret",
    "APPFLEET_POSTGRES_URL": "postgresql://dagster:planted-postgres@db:5432/dagster",
    "AWS_SECRET_ACCESS_KEY": "planted/aws+key",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=planted-header",
}
PLANTED = [
    "planted-writer",
    "planted-reader",
    "planted-client",
    "planted-cookie-secret",
    "planted-postgres",
    "planted/aws+key",
    "planted-header",
]

CHATTER = """
import logging, sys, threading, warnings
from sql.logs import of_run, of_step, start_log
start_log("%(levelname)s %(name)s: %(message)s")
own = logging.StreamHandler()
own.setFormatter(logging.Formatter("\\x1b[31mlibrary style %(message)s"))
library = logging.getLogger("library")
library.addHandler(own); library.propagate = False
import os
for name, value in os.environ.items():
    if "planted" in value:
        library.warning("connecting with %s", value)
        logging.getLogger("ours").error("could not use " + value)
try:
    raise ValueError("bad " + os.environ["APPFLEET_POSTGRES_URL"])
except ValueError:
    logging.getLogger("ours").exception("it failed")
with of_run("run-1"), of_step("billing"):
    logging.getLogger("ours").warning("two\\nlines \\udcff and %s", "\\x1b[31m")
logging.getLogger("ours").warning("does not fit %s %s", 1)
warnings.warn("an old way")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
raise RuntimeError("the end " + os.environ["APPFLEET_COOKIE_SECRET"])
"""


def run(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **SECRETS, **more}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_whoever_logs_each_line_is_json_and_holds_no_secret() -> None:
    done = run(CHATTER, APPFLEET_LOG="json")
    said = lines(done.stderr)
    assert len(said) == 2 * len(SECRETS) + 6, "nothing is lost"
    for one in said:
        assert {"time", "level", "logger", "message"} <= set(one)
        assert datetime.fromisoformat(one["time"]).tzinfo is not None
    assert not [secret for secret in PLANTED if secret in done.stderr]
    assert sum(HIDDEN in one["message"] for one in said) == 2 * len(SECRETS)
    assert "library style" not in done.stderr, "a library's own form is not asked"
    failed = next(one for one in said if one["message"] == "it failed")
    assert failed["error"]["type"] == "ValueError"
    assert HIDDEN in failed["error"]["stack"]
    ours = next(one for one in said if one.get("step") == "billing")
    assert ours["run_id"] == "run-1"
    assert ours["message"].startswith("two\nlines \\udcff")
    assert [one["error"]["type"] for one in said if one["level"] == "critical"] == [
        "ZeroDivisionError",
        "RuntimeError",
    ]


def test_text_stays_as_it_was_but_for_secrets() -> None:
    done = run('from sql.logs import start_log\nstart_log("%(levelname)s %(name)s: %(message)s")\nimport logging, os\n'
               'logging.getLogger("ours").warning("plain")\nlogging.getLogger("ours").info("quiet")\n'
               'logging.getLogger("ours").warning(os.environ["APPFLEET_POSTGRES_URL"])')  # fmt: skip
    assert (
        done.stderr == f"WARNING ours: plain\nWARNING ours: postgresql://dagster:{HIDDEN}@db:5432/dagster\n"
    )


@pytest.mark.parametrize(("log", "form"), [("json", "json"), ("", "text")])
def test_a_command_s_last_word_is_a_line_of_its_log(tmp_path: Path, log: str, form: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "APPFLEET_LOG": log}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", "status", "-w", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    said = json.loads(line)["message"] if form == "json" else line.removeprefix("appfleet: ")
    assert said.startswith("there is no appfleet.yaml")


def test_a_pass_tells_each_step_with_its_run(small_fleet: SmallFleet, tmp_path: Path) -> None:
    workspace = SmallFleet.copy(small_fleet.passed, tmp_path / "workspace")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "APPFLEET_LOG": "json", **SECRETS}
    environment.pop("APPFLEET_POSTGRES_URL")
    environment.pop("OTEL_EXPORTER_OTLP_HEADERS")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipelines.commands.cli",
            "run",
            "-w",
            str(workspace),
            "--only",
            "registry,identities",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = [one for one in lines(done.stderr) if one["logger"] == "appfleet.steps"]
    assert [one["step"] for one in said] == ["registry", "identities"]
    assert len({one["run_id"] for one in said}) == 1
    assert all("unchanged" in one["message"] for one in said)
    assert not [secret for secret in PLANTED if secret in done.stderr + done.stdout]


@given(st.text(min_size=6, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_hidden_wherever_it_stands(secret: str, before: str, after: str) -> None:
    hidden = Hiding({"APPFLEET_COOKIE_SECRET": secret})(before + secret + after)
    assert secret not in hidden.replace(HIDDEN, "")
    assert HIDDEN in hidden


def test_what_is_no_secret_stays() -> None:
    environment = {
        "APPFLEET_COOKIE_SECRET": "abc",
        "OIDC_SECRET_FILE": "/run/secrets/oidc",
        "HOME": "/home/appfleet",
        "TOKEN_URL": "https://login.example/token",
    }
    text = "abc /run/secrets/oidc /home/appfleet https://login.example/token at 12:30@noon"
    assert Hiding(environment)(text) == text


def test_a_run_of_dagster_is_named_by_what_dagster_says_of_a_line() -> None:
    import logging

    record = logging.makeLogRecord(
        {"name": "dagster", "msg": "began", "dagster_meta": {"run_id": "r", "step_key": "s"}}
    )
    said = json.loads(JsonFormatter(Hiding({})).format(record))
    assert (said["run_id"], said["step"]) == ("r", "s")
