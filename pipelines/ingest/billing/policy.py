"""The numbers that decide whether charges are the same and when a delivery waits for a person (``policy.yaml``).

Data of the package, each with its source beside it; how a number is used belongs to ``sameness``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from importlib import resources

import yaml


@dataclass(frozen=True)
class SamenessPolicy:
    """The numbers of ``policy.yaml`` under their names there."""

    sketch_hashes: int
    least_share: Decimal
    least_overlap_rows: int
    shrinks_below: Decimal
    grows_above: Decimal
    least_published_rows: int
    settled_after: timedelta


@cache
def policy() -> SamenessPolicy:
    """The package's own numbers."""
    text = resources.files(__package__).joinpath("policy.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    overlap, restatement = data["overlap"], data["restatement"]
    return SamenessPolicy(
        sketch_hashes=data["sketch_hashes"],
        least_share=Decimal(str(overlap["least_share"])),
        least_overlap_rows=overlap["least_rows"],
        shrinks_below=Decimal(str(restatement["shrinks_below"])),
        grows_above=Decimal(str(restatement["grows_above"])),
        least_published_rows=restatement["least_rows"],
        settled_after=timedelta(days=restatement["settled_days"]),
    )
