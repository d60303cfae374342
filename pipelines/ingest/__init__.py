"""From the world's bytes to rows: sources, bills, telemetry, the live intake, the registry's files.

Bytes are moved, framed and counted here; what they mean to an app is computed later.
"""

LIVE_SOURCE = "live"
"""Name of the intake among the sources in the ledger."""
