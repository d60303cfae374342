"""The moving of bytes and frames: ingest, compute, reports, orchestration, commands, and a fleet with known truth.

What knows ClickHouse lives in ``sql``, what decides lives in ``models``.
"""
