"""Publishes which app each distinct identity of the bill belongs to; the rules are ``models.identity``."""

from __future__ import annotations

from models.errors import ControlTotalError
from models.identity import Evidence, TagKeys, attribute
from models.policy import attribution_confidence, evidence_days
from models.settings import Settings
from pipelines.compute.publishing import Outcome, fingerprint, frame_fingerprint, publish_frames
from sql.warehouse import Warehouse


def compute_identities(warehouse: Warehouse, settings: Settings) -> Outcome:
    """Publishes ``core_identities``: every distinct identity of the published bill through the rules."""
    rows = warehouse.frame("queries/identities/distinct")
    if rows["variants"].max() not in (None, 1):
        raise ControlTotalError(
            "two identities of the bill share one hash: attribution would mix their costs"
        )
    keys = settings.identity
    answers = attribute(
        rows,
        Evidence(
            tags=TagKeys(keys.app_keys, keys.team_keys, keys.environment_keys),
            apps=warehouse.frame("queries/identities/apps"),
            teams=warehouse.frame("queries/identities/teams"),
            resources=warehouse.frame("queries/identities/resources"),
            rules=settings.attribution,
            days=evidence_days(),
            services=warehouse.frame("queries/identities/services")
            if settings.attribution.asks_services
            else None,
        ),
        attribution_confidence(),
    )
    print_ = fingerprint(frame_fingerprint(answers))
    return publish_frames(warehouse, settings, "identities", {"core_identities": answers}, print_, as_of=None)
