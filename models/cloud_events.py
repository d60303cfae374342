"""Events in the JSON form of CloudEvents 1.0, of their required attributes and those that receivers route by.

Pure: text out of values. What an event says belongs to ``models.remediation``, sending it to ``pipelines.actions``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

SPEC_VERSION = "1.0"
MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"
"""Content type of one event in structured mode (CloudEvents 1.0, HTTP binding, section 3.2; JSON format, section 3)."""


def cloud_event(
    event_id: str, source: str, kind: str, subject: str, at: datetime, data: Mapping[str, Any]
) -> str:
    """One event as JSON. ``source`` and ``event_id`` together name it once: a receiver knows a second sending by them.

    Args:
        source: a URI reference that is not empty.
        kind: attribute ``type``.
        subject: what in the source it is about; left out where empty.
        at: an aware datetime, written as RFC 3339 has it.
        data: JSON values.
    """
    event: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": event_id,
        "source": source,
        "type": kind,
        "time": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": dict(data),
    }
    if subject:
        event["subject"] = subject
    return json.dumps(event, sort_keys=True, ensure_ascii=False)
