"""A journal as the text an ERP wants: entries through a Jinja2 template, the one that is shipped or finance's own.

A template is somebody's program: it runs in a process of its own that has no loader, a short time, little memory, and
whose answer is cut. What an entry is belongs to ``models.journal``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from models.errors import ConfigurationError
from pipelines.reports import journal_child
from sql.workspace import read_text

SHIPPED = "journal.csv.j2"


def rendered_journal(template: Path | None, context: Mapping[str, Any]) -> bytes:
    """What a template makes of ``entries``, ``totals`` and ``statement``; the shipped one where none is named.

    Raises:
        ConfigurationError: the template cannot be read, is none, reaches for what it may not, or takes too much time, memory
            or room; one sentence.
    """
    if template is None:
        name = SHIPPED
        text = (resources.files("pipelines.reports") / SHIPPED).read_text(encoding="utf-8")
    else:
        name, text = template.name, read_text(template, template.name)
    asked = json.dumps({"template": text, "context": context, "seconds": journal_child.SECONDS}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(journal_child.__file__))],
            input=asked,
            capture_output=True,
            timeout=journal_child.SECONDS + journal_child.START_SECONDS,
            check=False,
            env={},
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{name}: {journal_child.TOO_LONG}") from None
    if done.returncode == journal_child.REFUSED:
        raise ConfigurationError(f"{name}: {done.stderr.decode('utf-8', 'replace').strip()}")
    if done.returncode != 0:  # ended by a bound of its process
        raise ConfigurationError(f"{name}: {journal_child.TOO_LONG}")
    return done.stdout
