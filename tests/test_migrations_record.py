"""Migrations that were released stay as they are: the record holds the sha256 of each, a new file is not in it yet.

``python -m tests.test_migrations_record`` writes the record anew, when a version is released.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "sql" / "migrations"
RECORD = Path(__file__).with_name("migrations_record.yaml")


def test_released_migrations_are_those_on_record() -> None:
    released = yaml.safe_load(RECORD.read_text())
    assert released
    assert {name: checksums().get(name) for name in released} == released


def checksums() -> dict[str, str]:
    """Migration -> sha256 of its file."""
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(FOLDER.glob("*.sql"))}


if __name__ == "__main__":
    RECORD.write_text(yaml.safe_dump(checksums(), sort_keys=True))
