"""What a source delivers at one scan: its objects, or what its manifests list, each with the version it carries.

Knows the manifests of AWS Data Exports (``*-Manifest.json``, a list ``dataFiles``), of AWS's legacy reports (the same
name, a list ``reportKeys``) and of Azure Cost Management exports (``manifest.json``, a list ``blobs``), and the folders
these write each execution to. Reads no bill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from models.completeness import ManifestWord, azure_word
from models.errors import ObjectRefused
from pipelines.ingest.sources import ObjectStore, SourceObject, SpoolLimits, checked_name

_TEXTS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
BILL_SUFFIXES = (*_TEXTS, *(f"{text}.gz" for text in _TEXTS), ".parquet")
_MANIFEST = re.compile(r"(^|/)([^/]*-Manifest\.json|manifest\.json)\Z")
_MANIFEST_LIMITS = SpoolLimits(unpacked_bytes=16 << 20)
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TIME = (
    r"(?:20\d{2}-\d{2}-\d{2}T[^/]*|20\d{6}T[^/]*"
    r"|20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)"
)
_EXECUTION = re.compile(rf"(?:^|/)(?:[^/]*{_UUID}|{_TIME})\Z")
"""A folder that names one execution of an export, and not a billing period: a UUID or a point in time."""
_RUN = re.compile(
    rf"(?:^|/)(?:\d{{8}}-\d{{8}}|\d{{4}}-\d{{2}}|billing_?period=[^/]*)/(?:{_TIME}/)?[^/]*{_UUID}\Z",
    re.IGNORECASE,
)
"""A run folder as Azure (``<name>/<dates>/<guid>``) and AWS (``BILLING_PERIOD=<month>/<execution id>``) name it."""
_RUN_FILE = re.compile(rf"(?:^|/)\d{{8}}-\d{{8}}/[^/]*?_?({_UUID})\.[^/]*\Z")
"""A run that is one file, as Azure's exports without partitions write it: ``<name>/<dates>/<name>_<guid>.csv``."""

_REPORT_DATES = re.compile(r"(?:^|/)\d{8}-\d{8}\Z")
"""The folder of one billing period of AWS's legacy report; its manifest there is the newest assembly's, always."""


@dataclass(frozen=True)
class DeliveredObject:
    """An object to read; ``version`` is its manifest's time, or its own.

    ``group`` is the manifest that lists it, or its run folder; empty without one. ``run_place`` is where the folder of a
    point in time lies that may be a run: its charges replace those of an older one there.
    """

    object: SourceObject
    version: datetime
    group: str = ""
    run_place: str = ""

    @property
    def name(self) -> str:
        return self.object.name


@dataclass(frozen=True)
class ManifestLine:
    """What a manifest says of the month it delivers, and the objects it lists."""

    manifest: SourceObject
    word: ManifestWord
    names: tuple[str, ...]


@dataclass(frozen=True)
class Delivery:
    """Everything of one scan. A manifest that cannot be followed is in ``refused``, and nothing of it in ``objects``.

    ``older_runs`` are objects of run folders without a manifest, each with the newer run folder that counts.
    """

    objects: tuple[DeliveredObject, ...]
    refused: tuple[ObjectRefused, ...]
    manifests: tuple[SourceObject, ...]
    older_runs: tuple[tuple[DeliveredObject, str], ...] = ()
    words: tuple[ManifestLine, ...] = ()


def scan(store: ObjectStore, spool: Path) -> Delivery:
    """Lists a source and follows its manifests; with one anywhere, only what manifests list is delivered.

    Without any, a run folder is a delivery of its own, and of those of one place only the newest is.

    Raises:
        InputRefused: the source cannot be listed.
    """
    listed = {item.name: item for item in store.objects()}
    manifests = _newest(item for item in listed.values() if _MANIFEST.search(item.name))
    if not manifests:
        bills = [
            item for item in listed.values() if item.name.lower().endswith(BILL_SUFFIXES) or len(listed) == 1
        ]
        return _newest_runs(bills)
    objects: dict[str, DeliveredObject] = {}
    refused = []
    words = []
    for manifest in manifests:
        try:
            names, word = _listed(store, manifest, spool)
            for name in names:
                if name not in listed:
                    raise ObjectRefused(
                        manifest.name,
                        f"it lists {name}, which is not there (yet): run again when the delivery is whole",
                    )
                objects[name] = DeliveredObject(listed[name], manifest.modified_at, manifest.name)
            if word is not None:
                words.append(ManifestLine(manifest, word, tuple(sorted(names))))
        except ObjectRefused as error:
            refused.append(error)
            objects = {name: one for name, one in objects.items() if one.group != manifest.name}
    return Delivery(tuple(objects.values()), tuple(refused), tuple(manifests), words=tuple(words))


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


def _newest_runs(bills: Iterable[SourceObject]) -> Delivery:
    """Objects that no manifest lists; of run folders that differ in their execution only, those of the newest."""
    objects = []
    runs: dict[str, dict[str, list[DeliveredObject]]] = {}
    for item in bills:
        folder = item.name.rpartition("/")[0]
        place = _period_place(item.name)
        if of_file := _RUN_FILE.search(item.name):
            one = DeliveredObject(item, item.modified_at, group=item.name)
            runs.setdefault(item.name.replace(of_file[1], ""), {}).setdefault(item.name, []).append(one)
        elif _RUN.search(folder):
            one = DeliveredObject(item, item.modified_at, group=folder)
            runs.setdefault(place, {}).setdefault(folder, []).append(one)
        else:
            run_place = f"{place}/" if place != folder else ""
            objects.append(DeliveredObject(item, item.modified_at, run_place=run_place))
    older = []
    for of_place in runs.values():
        newest = max(of_place, key=lambda run: (max(one.version for one in of_place[run]), run))
        for run, members in of_place.items():
            if run == newest:
                objects += members
            else:
                older += [(one, newest) for one in members]
    return Delivery(tuple(objects), (), (), tuple(older))


def _newest(manifests: Iterable[SourceObject]) -> list[SourceObject]:
    """The newest manifest of each billing period of each export: earlier executions are history."""
    latest: dict[str, SourceObject] = {}
    for item in manifests:
        place = _period_place(item.name)
        if place not in latest or _manifest_age(item) > _manifest_age(latest[place]):
            latest[place] = item
    return [latest[place] for place in sorted(latest)]


def _manifest_age(item: SourceObject) -> tuple[bool, datetime, str]:
    """Orders manifests of one place: of a legacy report, the one beside its assemblies is the newest, whatever its time."""
    return (
        _REPORT_DATES.search(item.name.rpartition("/")[0]) is not None,
        item.modified_at,
        item.name,
    )


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


def _report_root(manifest: str) -> str:
    """The folder of a legacy report: Parquet lies beside the folder of the billing period that its manifest lies in."""
    return _REPORT_DATES.sub("", _period_place(manifest))


@dataclass(frozen=True)
class _ManifestKind:
    """A kind of manifest: the list by which it is told, what it names in there, the folder these are to lie in, and what
    it says of its month (manifests of AWS say nothing: its lines do, by their invoice)."""

    list_name: str
    references: Callable[[Any], list[str]]
    root: Callable[[str], str]
    word: Callable[[Any], ManifestWord | None] = lambda content: None


_MANIFEST_KINDS = (
    _ManifestKind("dataFiles", lambda content: [str(one) for one in content["dataFiles"]], _export_root),
    _ManifestKind(
        "reportKeys",
        # a key may not begin with a slash, which would be lost behind the bucket
        lambda content: [
            f"s3://{content['bucket']}/{checked_name(str(one))}" for one in content["reportKeys"]
        ],
        _report_root,
    ),
    _ManifestKind(
        "blobs",
        lambda content: [str(one["blobName"]) for one in content["blobs"]],
        _export_root,
        azure_word,
    ),
)
"""The first whose list a manifest has is what it is."""


def _listed(store: ObjectStore, manifest: SourceObject, spool: Path) -> tuple[list[str], ManifestWord | None]:
    """Names of the objects a manifest lists, and what it says of its month."""
    done = store.fetch(manifest, spool / "manifest.json", _MANIFEST_LIMITS)
    try:
        content = json.loads(done.path.read_bytes())
        kind = next(one for one in _MANIFEST_KINDS if one.list_name in content)
        references = kind.references(content)
    except (ValueError, TypeError, KeyError, StopIteration):
        lists = ", ".join(one.list_name for one in _MANIFEST_KINDS)
        raise ObjectRefused(manifest.name, f"it is no export manifest (no list of {lists})") from None
    except ObjectRefused as error:
        raise _outside(manifest, error.object_name) from None
    finally:
        done.path.unlink()
    root = kind.root(manifest.name)
    names = []
    for reference in references:
        try:
            name = store.name_of(reference, manifest.name)
        except ObjectRefused as error:
            is_of_manifest = error.object_name == manifest.name
            raise error if is_of_manifest else _outside(manifest, error.object_name) from None
        if root and not name.startswith(root + "/"):
            raise _outside(manifest, name)
        names.append(name)
    return names, kind.word(content)


def _outside(manifest: SourceObject, name: str) -> ObjectRefused:
    return ObjectRefused(manifest.name, f"it names {name} outside of its own export: correct the manifest")
