"""Dagster assets, named as the tables they publish. Thin: open, call, report; no rule and no SQL lives here."""
