"""Whether an object still holds what was loaded of it, before it is loaded again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest.telemetry.again import _holds as holds

WHOLE = b"first line\nsecond line\n"
BEGUN = WHOLE[:11]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def line(loaded: bytes, grows: bool) -> dict[str, Any]:
    """A line of the ledger for an object that held ``loaded``, which could be told from its beginning alone or not."""
    beginning = {"content_bytes": len(loaded), "content_sha256": digest(loaded)}
    return {
        "object_sha256": digest(loaded),
        **(beginning if grows else {"content_bytes": 0, "content_sha256": ""}),
    }


@pytest.mark.parametrize(
    ("loaded", "grows", "now", "same"),
    [
        (WHOLE, False, WHOLE, True),
        (WHOLE, True, WHOLE, True),
        (BEGUN, True, WHOLE, True),
        (BEGUN, False, WHOLE, False),
        (WHOLE, True, BEGUN, False),
        (WHOLE, True, WHOLE.upper() + b"more", False),
        (WHOLE, False, WHOLE.upper(), False),
        (b"x" * 3_000_000, True, b"x" * 3_000_001, True),
        (b"x" * 3_000_000, True, b"x" * 2_999_999 + b"yz", False),
    ],
)
def test_an_object_holds_what_was_loaded_if_it_begins_with_it(
    tmp_path: Path, loaded: bytes, grows: bool, now: bytes, same: bool
) -> None:
    path = tmp_path / "object"
    path.write_bytes(now)
    assert holds(path, digest(now), line(loaded, grows)) is same
