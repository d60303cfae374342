"""The registry: apps of Backstage ``catalog-info.yaml`` documents and teams of ``teams.yaml``, as frames.

Takes composed YAML nodes, which know their lines, so that each mistake is one sentence with file, line and key.
Finding and reading files is the business of ``pipelines.ingest.registry``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl
import yaml

from models.errors import ConfigurationError
from models.identity import ALWAYS, UNASSIGNED
from models.schemas import SCHEMAS
from models.yaml_reader import NULL_TAG, TEXT_TAG, Document, YamlReader, is_empty

OPEN_END = date(2149, 6, 6)
"""Last day of the engine's ``Date``: a line without an end holds until then."""

ANNOTATIONS = "appfleet.io/"

PATTERNS = {
    "account": "account",
    "project": "project",
    "resource-group": "resource_group",
    "name-pattern": "name",
}
"""Annotation below ``appfleet.io/`` -> kind of pattern in ``core_apps.patterns``."""

_OTHER_ANNOTATIONS = ("app-id", "resource-ids", "valid-from")
_ENTITY = re.compile(r"(?:(?P<kind>[^:/]+):)?(?:[^:/]+/)?(?P<name>[^:/]+)")
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True)
class Team:
    """One team of ``teams.yaml``."""

    team: str
    lead: str = ""
    cost_center: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class _App:
    app_id: str
    app_name: str
    owner: str
    system: str
    lifecycle: str
    where: str
    source: str
    valid_from: date = ALWAYS
    resource_ids: tuple[str, ...] = ()
    patterns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def teams(document: Document) -> list[Team]:
    """Teams of a ``teams.yaml``, in its order.

    Raises:
        ConfigurationError: an unknown or missing key, a wrong type, a team twice, or a cost centre YAML reads as a
            number that would lose its leading zeros; names file, line and key.
    """
    if is_empty(document.node):
        return []
    reader = YamlReader(document.file)
    fields = reader.mapping(document.node, "", {"teams"})
    found: dict[str, Team] = {}
    for index, node in enumerate(reader.sequence(fields.get("teams"), "teams")):
        team = _team(reader, node, f"teams[{index}]")
        if team.team.casefold() in found:
            reader.fail(
                node, f"teams[{index}].team", f"is {team.team!r}, which is listed before; remove one of them"
            )
        found[team.team.casefold()] = team
    return list(found.values())


def team_frame(listed: Iterable[Team]) -> pl.DataFrame:
    """Teams as ``core_teams`` has them, sorted by team."""
    rows = [(one.team, one.lead, one.cost_center, list(one.members)) for one in listed]
    return pl.DataFrame(rows, schema=SCHEMAS["core_teams"], orient="row").sort("team")


def app_frame(documents: Iterable[Document], listed: Sequence[Team]) -> tuple[pl.DataFrame, list[str]]:
    """Apps of a catalogue as ``core_apps`` has them, sorted by app, and what is wrong with it, in sentences.

    A ``Component`` is an app; other kinds and documents that are not Backstage's are passed over. One that cannot be
    used is set aside and named: one team's mistake must not hide the others' apps. Of two documents for one app the
    first counts. An owner is written as ``teams.yaml`` spells it; one that is no team there keeps its name.
    """
    by_name = {team.team.casefold(): team for team in listed}
    apps: dict[str, _App] = {}
    problems: list[str] = []
    unknown: dict[str, str] = {}
    for document in documents:
        try:
            app = _app(document)
        except ConfigurationError as error:
            problems.append(f"{error}; the document is set aside")
            continue
        if app is None:
            continue
        problems.extend(app.notes)
        if app.app_id in apps:
            first = apps[app.app_id]
            problems.append(
                f"{app.where}: app {app.app_id} is described before, in {first.source}; that one counts, remove one"
            )
            continue
        apps[app.app_id] = app
        if listed and app.owner != UNASSIGNED and app.owner.casefold() not in by_name:
            unknown.setdefault(app.owner, app.where)
    problems.extend(
        f"{where}: spec.owner names team {owner}, which teams.yaml does not list; its lead and cost centre are unknown"
        for owner, where in unknown.items()
    )
    rows = [_row(app, by_name.get(app.owner.casefold(), Team(app.owner))) for app in apps.values()]
    lists = {**SCHEMAS["core_apps"], "patterns": pl.List(pl.Struct({"key": pl.String, "value": pl.String}))}
    frame = pl.DataFrame(rows, schema=lists, orient="row").with_columns(
        pl.col("patterns").cast(SCHEMAS["core_apps"]["patterns"])
    )
    return frame.sort("app_id"), problems


def normalised_app_id(text: str) -> str:
    """An app id as everything compares it: without surrounding blanks, lower case."""
    return text.strip().lower()


def _row(app: _App, team: Team) -> tuple[object, ...]:
    return (
        app.app_id,
        app.valid_from,
        OPEN_END,
        app.app_name,
        team.team,
        app.system,
        app.lifecycle,
        team.lead,
        team.cost_center,
        list(app.resource_ids),
        [{"key": kind, "value": pattern} for kind, pattern in sorted(app.patterns.items())],
        app.source,
    )


def _team(reader: YamlReader, node: yaml.Node, key: str) -> Team:
    fields = reader.mapping(node, key, {"team", "name", "lead", "cost_center", "members"})
    if "team" in fields and "name" in fields:
        reader.fail(node, f"{key}.name", "stands beside team, which means the same; keep one")
    name = fields.get("team") or fields.get("name")
    if name is None:
        reader.fail(node, f"{key}.team", "is missing")
    lead, center = fields.get("lead"), fields.get("cost_center")
    return Team(
        team=reader.text(name, f"{key}.team"),
        lead=reader.optional_text(lead, f"{key}.lead"),
        cost_center=_code(reader, center, f"{key}.cost_center"),
        members=tuple(
            reader.text(member, f"{key}.members[{index}]")
            for index, member in enumerate(reader.sequence(fields.get("members"), f"{key}.members"))
        ),
    )


def _app(document: Document) -> _App | None:
    """The app a document describes, or None where it describes none."""
    if is_empty(document.node):
        return None
    reader = YamlReader(document.file)
    fields = reader.mapping(document.node, "")
    for needed in ("apiVersion", "kind"):
        if needed not in fields:
            reader.fail(document.node, needed, "is missing, so this is no Backstage document")
    backstage = reader.text(fields["apiVersion"], "apiVersion").startswith("backstage.io/")
    if not backstage or reader.text(fields["kind"], "kind").lower() != "component":
        return None
    metadata = reader.part(document.node, fields, "metadata")
    spec = reader.part(document.node, fields, "spec")
    if "name" not in metadata:
        reader.fail(fields["metadata"], "metadata.name", "is missing")
    name = reader.text(metadata["name"], "metadata.name").strip()
    annotations = (
        reader.mapping(metadata["annotations"], "metadata.annotations") if "annotations" in metadata else {}
    )
    ours = {
        key.removeprefix(ANNOTATIONS): node
        for key, node in annotations.items()
        if key.startswith(ANNOTATIONS)
    }
    notes = [
        f"{reader.where(node)}: metadata.annotations.{ANNOTATIONS}{key} is not an annotation of appfleet; known: "
        + ", ".join(ANNOTATIONS + one for one in (*_OTHER_ANNOTATIONS, *PATTERNS))
        for key, node in ours.items()
        if key not in PATTERNS and key not in _OTHER_ANNOTATIONS
    ]
    told = {
        key: reader.source_text(node, f"metadata.annotations.{ANNOTATIONS}{key}").strip()
        for key, node in ours.items()
    }
    owner_kind, owner = _entity(reader, spec.get("owner"), "spec.owner", UNASSIGNED)
    if owner_kind == "user":
        notes.append(
            f"{reader.where(spec['owner'])}: spec.owner is a person, {owner}; name the team that owns {name}"
        )
        owner = UNASSIGNED
    return _App(
        app_id=normalised_app_id(told.get("app-id") or name),
        app_name=reader.optional_text(metadata.get("title"), "metadata.title") or name,
        owner=owner,
        system=_entity(reader, spec.get("system"), "spec.system", "")[1],
        lifecycle=reader.optional_text(spec.get("lifecycle"), "spec.lifecycle"),
        where=reader.where(document.node),
        source=document.source,
        valid_from=_valid_from(reader, ours.get("valid-from"), told.get("valid-from")),
        resource_ids=tuple(
            one.strip() for one in re.split(r"[,\n]", told.get("resource-ids", "")) if one.strip()
        ),
        patterns={kind: told[key] for key, kind in PATTERNS.items() if told.get(key)},
        notes=tuple(notes),
    )


def _valid_from(reader: YamlReader, node: yaml.Node | None, text: str | None) -> date:
    if node is None or not text:
        return ALWAYS
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not ALWAYS <= day < OPEN_END:
        reader.fail(
            node,
            f"metadata.annotations.{ANNOTATIONS}valid-from",
            f"is {text!r}; it must be a day as 2026-01-31, from {ALWAYS} on",
        )
    return day


def _code(reader: YamlReader, node: yaml.Node | None, key: str) -> str:
    """A code such as a cost centre: text, or a number no reader of YAML could write in another way."""
    if node is None:
        return ""
    value = reader.source_text(node, key).strip()
    if node.tag in (TEXT_TAG, NULL_TAG) or _PLAIN_NUMBER.fullmatch(value):
        return value
    return reader.fail(
        node, key, f'is {value}, which YAML reads as a number; write "{value}" in quotes to keep it'
    )


def _entity(reader: YamlReader, node: yaml.Node | None, key: str, missing: str) -> tuple[str, str]:
    """Kind (may be empty) and name of a Backstage entity reference ``[kind:][namespace/]name``."""
    value = reader.optional_text(node, key)
    if not value:
        return "", missing
    match = _ENTITY.fullmatch(value)
    if match is None:
        assert node is not None
        reader.fail(node, key, f"is {value!r}; it must read name, namespace/name or kind:namespace/name")
    return (match["kind"] or "").lower(), match["name"].strip()
