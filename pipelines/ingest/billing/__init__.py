"""Billing ingest: the bytes of a FOCUS bill to published ``raw_focus_costs``.

One delivery is all objects of a source at one scan. Python moves bytes and keeps the ledger; the engine turns
bytes into rows and counts them twice, from the bytes and from the table, before anything is published.
"""

from pipelines.ingest.billing.ingest import ingest_source, look_at_source
from pipelines.ingest.billing.outcome import BillingOutcome, PeriodOutcome, Refusal

__all__ = ["BillingOutcome", "PeriodOutcome", "Refusal", "ingest_source", "look_at_source"]
