"""Where a target's address is kept, and one job for its messages: the address goes from its variable or file into a process
that sends, and nowhere else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.alert_routes import FILE_NAME as ROUTES_FILE
from models.alert_routes import AlertTarget, Routing, routing_of
from models.alerts import alert_policy
from models.errors import ConfigurationError
from models.settings import Settings
from models.yaml_reader import documents
from sql.alerts import Send
from sql.workspace import read_text

_BEGIN_SECONDS = 60.0
"""How long a process may take to begin on a busy machine, beside what its messages may, before it is ended."""
_ENDED = "was not sent to its end"

Heard = Callable[[str, str], None]
"""Takes the id of a message and why it did not arrive, empty where it did."""


def load_routing(settings: Settings) -> Routing:
    """Who is told, by the workspace's ``alerts.yaml``; nobody where there is none.

    Raises:
        ConfigurationError: the file is wrong; names file, line and key.
    """
    return routing_in(settings.root)


def routing_in(root: Path) -> Routing:
    """The same of the folder of a workspace.

    Raises:
        ConfigurationError: as ``load_routing``.
    """
    path = root / ROUTES_FILE
    if not path.is_file():
        return Routing()
    found = documents(read_text(path, ROUTES_FILE), ROUTES_FILE)
    if len(found) > 1:
        raise ConfigurationError(f"{ROUTES_FILE} holds {len(found)} documents; write all routes into one")
    return routing_of(found[0], alert_policy()) if found else Routing()


def address_of(target: AlertTarget, root: Path, environment: Mapping[str, str] | None = None) -> str:
    """The address of a target.

    Raises:
        ConfigurationError: its variable is not set, or its file is not there or empty; never says what is in it.
    """
    if target.variable:
        found = (os.environ if environment is None else environment).get(target.variable, "").strip()
        if not found:
            raise ConfigurationError(f"variable {target.variable} of the environment is not set")
        return found
    try:
        text = (root / target.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"file {target.file} cannot be read") from None
    if not text.strip():
        raise ConfigurationError(f"file {target.file} is empty")
    return text.strip().splitlines()[0].strip()


def send_all(target: AlertTarget, address: str, messages: Sequence[Send], heard: Heard) -> None:
    """Sends a target's messages one after the other and tells of each as soon as it is known what became of it."""
    job = {
        "url": address,
        "seconds": target.seconds,
        "inward": target.inward,
        "messages": [
            {"id": one.message_id, "form": one.form, "title": one.title, "body": one.body} for one in messages
        ],
    }
    open_ = {one.message_id for one in messages}
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines.actions.sender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a library's words may hold the address
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    longest = min(target.seconds * len(messages), alert_policy().sending.pass_seconds)
    limit = _Limit(child, _BEGIN_SECONDS + longest)
    try:
        with limit:
            child.stdin.write(json.dumps(job))
            child.stdin.close()
            for line in child.stdout:
                answer = json.loads(line)
                open_.discard(answer["id"])
                heard(answer["id"], answer["why"])
    except (OSError, ValueError):
        pass  # what it did not tell of is told below
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    for message_id in sorted(open_):
        heard(message_id, _ENDED)


class _Limit:
    """Ends a process after some time, whatever it does."""

    def __init__(self, child: subprocess.Popen[str], seconds: float) -> None:
        self._timer = threading.Timer(seconds, child.kill)

    def __enter__(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
