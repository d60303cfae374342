"""What a source delivers at one scan: its objects, or what its manifests list, each with the version it carries.

Knows the manifests of AWS Data Exports (``*-Manifest.json``, a list ``dataFiles``) and of Azure Cost Management
exports (``manifest.json``, a list ``blobs``). Reads no bill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from models.errors import ObjectRefused
from pipelines.ingest.sources import ObjectStore, SourceObject, SpoolLimits

BILL_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_MANIFEST = re.compile(r"(^|/)([^/]*-Manifest\.json|manifest\.json)\Z")
_MANIFEST_LIMITS = SpoolLimits(unpacked_bytes=16 << 20)
_EXECUTION = re.compile(
    r"/(?:[^/]*[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{4}-\d{2}-\d{2}T[^/]*|\d{8}T[^/]*|\d{12,14})\Z"
)
"""A folder that names one execution of an export, and not a billing period: a UUID or a point in time."""


@dataclass(frozen=True)
class DeliveredObject:
    """An object to read; ``version`` is its manifest's time, or its own; ``manifest`` is empty without one."""

    object: SourceObject
    version: datetime
    manifest: str = ""

    @property
    def name(self) -> str:
        return self.object.name


@dataclass(frozen=True)
class Delivery:
    """Everything of one scan. A manifest that cannot be followed is in ``refused``, and nothing of it in ``objects``."""

    objects: tuple[DeliveredObject, ...]
    refused: tuple[ObjectRefused, ...]
    manifests: tuple[SourceObject, ...]


def scan(store: ObjectStore, spool: Path) -> Delivery:
    """Lists a source and follows its manifests; with one anywhere, only what manifests list is delivered.

    Raises:
        InputRefused: the source cannot be listed.
    """
    listed = {item.name: item for item in store.objects()}
    manifests = _newest(item for item in listed.values() if _MANIFEST.search(item.name))
    if not manifests:
        bills = [
            item for item in listed.values() if item.name.lower().endswith(BILL_SUFFIXES) or len(listed) == 1
        ]
        return Delivery(tuple(DeliveredObject(item, item.modified_at) for item in bills), (), ())
    objects: dict[str, DeliveredObject] = {}
    refused = []
    for manifest in manifests:
        try:
            for name in _listed_names(store, manifest, spool):
                if name not in listed:
                    raise ObjectRefused(
                        manifest.name,
                        f"it lists {name}, which is not there (yet): run again when the delivery is whole",
                    )
                objects[name] = DeliveredObject(listed[name], manifest.modified_at, manifest.name)
        except ObjectRefused as error:
            refused.append(error)
            objects = {name: one for name, one in objects.items() if one.manifest != manifest.name}
    return Delivery(tuple(objects.values()), tuple(refused), tuple(manifests))


def changed_meanwhile(store: ObjectStore, delivery: Delivery) -> str:
    """The name of a manifest that is no longer the one that was followed, or an empty text."""
    if not delivery.manifests:
        return ""
    now = {item.name: item for item in store.objects() if _MANIFEST.search(item.name)}
    for manifest in delivery.manifests:
        if now.get(manifest.name) != manifest:
            return manifest.name
    newest = {item.name for item in _newest(now.values())}
    return next(iter(sorted(newest - {one.name for one in delivery.manifests})), "")


def _newest(manifests: Iterable[SourceObject]) -> list[SourceObject]:
    """The newest manifest of each billing period of each export: earlier executions are history."""
    latest: dict[str, SourceObject] = {}
    for item in manifests:
        place = _period_place(item.name)
        if place not in latest or (item.modified_at, item.name) > (
            latest[place].modified_at,
            latest[place].name,
        ):
            latest[place] = item
    return [latest[place] for place in sorted(latest)]


def _period_place(name: str) -> str:
    """Folder of a manifest without the part that names the execution."""
    folder = name.rpartition("/")[0]
    while (shorter := _EXECUTION.sub("", folder)) != folder:
        folder = shorter
    return folder


def _export_root(manifest: str) -> str:
    """The folder whose objects a manifest may name: what holds its ``metadata`` folder, else its own folder."""
    folder = manifest.rpartition("/")[0]
    parts = folder.split("/") if folder else []
    if "metadata" in parts:
        parts = parts[: len(parts) - 1 - parts[::-1].index("metadata")]
    return "/".join(parts)


def _listed_names(store: ObjectStore, manifest: SourceObject, spool: Path) -> list[str]:
    done = store.fetch(manifest, spool / "manifest.json", _MANIFEST_LIMITS)
    try:
        content = json.loads(done.path.read_bytes())
        if "dataFiles" in content:
            references = [str(one) for one in content["dataFiles"]]
        else:
            references = [str(one["blobName"]) for one in content["blobs"]]
    except (ValueError, TypeError, KeyError):
        raise ObjectRefused(manifest.name, "it is no export manifest (no list dataFiles or blobs)") from None
    finally:
        done.path.unlink()
    root = _export_root(manifest.name)
    names = []
    for reference in references:
        name = store.name_of(reference, manifest.name)
        if root and not name.startswith(root + "/"):
            raise ObjectRefused(
                manifest.name, f"it names {name} outside of its own export: correct the manifest"
            )
        names.append(name)
    return names
