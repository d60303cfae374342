"""Dagster: assets, partitions, schedules and the definitions they make. What an asset does is another room's work."""
