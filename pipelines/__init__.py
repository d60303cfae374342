"""Dagster assets, sources, the intake and the command line of appfleet.

What knows ClickHouse lives in ``sql``, what decides lives in ``models``; here is only the moving of bytes
and frames between them.
"""
