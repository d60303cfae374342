"""The OTLP intake: receives traces, metrics and logs, keeps them on disk before it answers, and loads them.

``Intake`` runs inside a process, ``python -m pipelines.ingest.intake`` is a process of its own. How rows come out of
the bytes is the business of ``pipelines.ingest.telemetry``.
"""

from pipelines.ingest.intake.limits import Limits
from pipelines.ingest.intake.service import Addresses, Intake, Senders, run_intake

__all__ = ["Addresses", "Intake", "Limits", "Senders", "run_intake"]
