"""The registry: apps of Backstage ``catalog-info.yaml`` documents and teams of ``teams.yaml``, as frames.

Takes composed YAML nodes, which know their lines, so that each mistake is one sentence with file, line and key.
Finding and reading files is the business of ``pipelines.ingest.registry``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import pairwise

import polars as pl
import yaml

from models.errors import ConfigurationError
from models.identity import UNASSIGNED
from models.ownership import FIRST_MOMENT, LAST_MOMENT
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

CRITICALITIES = ("critical", "high", "medium", "low")
"""What `service.criticality` of the OpenTelemetry semantic conventions can be, and so an app's criticality here."""

CRITICALITY = f"{ANNOTATIONS}criticality"
"""Annotation that says how critical an app is."""

_OTHER_ANNOTATIONS = ("app-id", "resource-ids", "valid-from", "valid-to", "criticality")
_BARE_TAG = "true"
_ENTITY = re.compile(r"(?:(?P<kind>[^:/]+):)?(?:[^:/]+/)?(?P<name>[^:/]+)")
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True)
class Team:
    """One line of ``teams.yaml``: a team and what holds of it from a moment on, until its next line."""

    team: str
    lead: str = ""
    cost_center: str = ""
    members: tuple[str, ...] = ()
    holds_from: datetime = FIRST_MOMENT


@dataclass(frozen=True)
class _App:
    app_id: str
    app_name: str
    owner: str
    system: str
    lifecycle: str
    criticality: str
    tags: Mapping[str, str]
    where: str
    source: str
    holds_from: datetime = FIRST_MOMENT
    holds_to: datetime = LAST_MOMENT
    resource_ids: tuple[str, ...] = ()
    patterns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ends: bool = False
    """The document itself says when it no longer holds."""


def teams(document: Document) -> list[Team]:
    """Lines of a ``teams.yaml``, in its order.

    Raises:
        ConfigurationError: an unknown or missing key, a wrong type, a team twice from the same moment on, or a cost centre
            YAML reads as a number that would lose its leading zeros; names file, line and key.
    """
    if is_empty(document.node):
        return []
    reader = YamlReader(document.file)
    fields = reader.mapping(document.node, "", {"teams"})
    found: dict[tuple[str, datetime], Team] = {}
    for index, node in enumerate(reader.sequence(fields.get("teams"), "teams")):
        team = _team(reader, node, f"teams[{index}]")
        line = team.team.casefold(), team.holds_from
        if line in found:
            reader.fail(
                node, f"teams[{index}].team", f"is {team.team!r}, which is listed before; remove one of them"
            )
        found[line] = team
    return list(found.values())


def team_frame(listed: Iterable[Team]) -> pl.DataFrame:
    """Teams as ``core_teams`` has them, a line until the next of its team, sorted by team and moment."""
    ordered = sorted(listed, key=lambda one: (one.team.casefold(), one.holds_from))
    names = {one.team.casefold(): one.team for one in reversed(ordered)}
    rows = [
        (names[one.team.casefold()], one.lead, one.cost_center, list(one.members), one.holds_from, until)
        for one, until in zip(
            ordered,
            (
                after.holds_from if after.team.casefold() == one.team.casefold() else LAST_MOMENT
                for one, after in pairwise([*ordered, Team("")])
            ),
            strict=True,
        )
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["core_teams"], orient="row").sort("team", "holds_from")


def app_frame(documents: Iterable[Document], listed: Sequence[Team]) -> tuple[pl.DataFrame, list[str]]:
    """Apps of a catalogue as ``core_apps`` has them, sorted by app and moment, and what is wrong with it, in sentences.

    A ``Component`` is an app; other kinds and documents that are not Backstage's are passed over. One that cannot be
    used is set aside and named: one team's mistake must not hide the others' apps. Of two documents for one app that hold
    from the same moment the first counts; else each holds until the next begins, or ends where it says so. An owner is
    written as ``teams.yaml`` spells it; one that is no team there keeps its name.

    Args:
        documents: of the catalogue's files, in the order of their names.
        listed: of ``teams.yaml``; none are known where it is missing.

    Raises:
        ConfigurationError: an app has two teams at one time; names both documents.
    """
    by_name = {team.team.casefold(): team for team in sorted(listed, key=lambda one: one.holds_from)}
    described: dict[str, list[_App]] = {}
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
        same = next((one for one in described.get(app.app_id, ()) if one.holds_from == app.holds_from), None)
        if same is not None:
            if _differ(same, app):
                raise _two_teams(app, same)
            problems.append(
                f"{app.where}: app {app.app_id} is described before, in {same.source}; that one counts, remove one"
            )
            continue
        described.setdefault(app.app_id, []).append(app)
        if listed and app.owner != UNASSIGNED and app.owner.casefold() not in by_name:
            unknown.setdefault(app.owner, app.where)
    problems.extend(
        f"{where}: spec.owner names team {owner}, which teams.yaml does not list; its lead and cost centre are unknown"
        for owner, where in unknown.items()
    )
    rows = [
        _row(app, by_name.get(app.owner.casefold(), Team(app.owner)))
        for lines in described.values()
        for app in _in_turn(lines)
    ]
    maps = ("tags", "patterns")
    pairs = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
    lists = {**SCHEMAS["core_apps"], **dict.fromkeys(maps, pairs)}
    frame = pl.DataFrame(rows, schema=lists, orient="row").with_columns(
        pl.col(name).cast(SCHEMAS["core_apps"][name]) for name in maps
    )
    return frame.sort("app_id", "holds_from"), problems


def criticalities(documents: Iterable[Document]) -> dict[str, str]:
    """App -> how critical the catalogue says it is, of those it says so of: by the document that holds last, the first of
    several from the same moment. What cannot be used is passed over: ``app_frame`` names it."""
    found: dict[str, _App] = {}
    for document in documents:
        try:
            app = _app(document)
        except ConfigurationError:
            continue
        if app and (app.app_id not in found or app.holds_from > found[app.app_id].holds_from):
            found[app.app_id] = app
    return {app_id: app.criticality for app_id, app in found.items() if app.criticality}


def _in_turn(lines: Sequence[_App]) -> list[_App]:
    """Documents of one app by the moment they begin, each until the next one at the latest."""
    ordered = sorted(lines, key=lambda one: one.holds_from)
    kept = []
    for app, after in pairwise([*ordered, None]):
        assert app is not None
        if after is None or app.holds_to <= after.holds_from:
            kept.append(app)
            continue
        if app.ends and _differ(app, after):
            raise _two_teams(after, app)
        kept.append(replace(app, holds_to=after.holds_from))
    return kept


def _differ(one: _App, other: _App) -> bool:
    """Two documents name two teams; one without an owner names none."""
    return len({app.owner.casefold() for app in (one, other)} - {UNASSIGNED}) > 1


def _two_teams(later: _App, earlier: _App) -> ConfigurationError:
    begins = f"{later.holds_from:%Y-%m-%dT%H:%M:%SZ}" if later.holds_from > FIRST_MOMENT else "the beginning"
    return ConfigurationError(
        f"{later.where}: app {later.app_id} is of team {later.owner} from {begins} on and at the same time of team "
        f"{earlier.owner}, by {earlier.source}: an app has one team at a time, so write the moment it changed as "
        f"{ANNOTATIONS}valid-from into one of them, or end the other by {ANNOTATIONS}valid-to; the registry stays as it was"
    )


def normalised_app_id(text: str) -> str:
    """An app id as everything compares it: without surrounding blanks, lower case."""
    return text.strip().lower()


def _row(app: _App, team: Team) -> tuple[object, ...]:
    return (
        app.app_id,
        app.holds_from.date(),
        app.holds_to.date(),
        app.holds_from,
        app.holds_to,
        app.app_name,
        team.team,
        app.system,
        app.lifecycle,
        app.criticality,
        [{"key": key, "value": value} for key, value in sorted(app.tags.items())],
        team.lead,
        team.cost_center,
        list(app.resource_ids),
        [{"key": kind, "value": pattern} for kind, pattern in sorted(app.patterns.items())],
        app.source,
    )


def _team(reader: YamlReader, node: yaml.Node, key: str) -> Team:
    fields = reader.mapping(node, key, {"team", "name", "lead", "cost_center", "members", "valid_from"})
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
        holds_from=_moment(reader, fields.get("valid_from"), f"{key}.valid_from", FIRST_MOMENT),
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
    criticality = told.get("criticality", "").lower()
    if criticality and criticality not in CRITICALITIES:
        notes.append(
            f"{reader.where(ours['criticality'])}: metadata.annotations.{CRITICALITY} is {criticality!r}; it can be "
            f"{', '.join(CRITICALITIES)}, and {name} has none until it is corrected"
        )
        criticality = ""
    try:
        tags = _tags(reader, metadata)
    except ConfigurationError as error:
        notes.append(f"{error}; {name} has no tags until it is corrected")
        tags = {}
    owner_kind, owner = _entity(reader, spec.get("owner"), "spec.owner", UNASSIGNED)
    if owner_kind == "user":
        notes.append(
            f"{reader.where(spec['owner'])}: spec.owner is a person, {owner}; name the team that owns {name}"
        )
        owner = UNASSIGNED
    begins, ends = (
        _moment(reader, ours.get(key), f"metadata.annotations.{ANNOTATIONS}{key}", missing)
        for key, missing in (("valid-from", FIRST_MOMENT), ("valid-to", LAST_MOMENT))
    )
    if ends <= begins:
        reader.fail(
            ours["valid-to"],
            f"metadata.annotations.{ANNOTATIONS}valid-to",
            f"is {told['valid-to']!r}, which is not after its valid-from",
        )
    return _App(
        app_id=normalised_app_id(told.get("app-id") or name),
        app_name=reader.optional_text(metadata.get("title"), "metadata.title") or name,
        owner=owner,
        system=_entity(reader, spec.get("system"), "spec.system", "")[1],
        lifecycle=reader.optional_text(spec.get("lifecycle"), "spec.lifecycle"),
        criticality=criticality,
        tags=tags,
        where=reader.where(document.node),
        source=document.source,
        holds_from=begins,
        holds_to=ends,
        ends=ends < LAST_MOMENT,
        resource_ids=tuple(
            one.strip() for one in re.split(r"[,\n]", told.get("resource-ids", "")) if one.strip()
        ),
        patterns={kind: told[key] for key, kind in PATTERNS.items() if told.get(key)},
        notes=tuple(notes),
    )


def _tags(reader: YamlReader, metadata: Mapping[str, yaml.Node]) -> dict[str, str]:
    """Labels of a document, and its tags: `key:value`, or a key alone, whose value is `true`. Keys are lower case; a label
    counts before a tag."""
    found: dict[str, str] = {}
    for index, node in enumerate(reader.sequence(metadata.get("tags"), "metadata.tags")):
        key, _, value = reader.source_text(node, f"metadata.tags[{index}]").partition(":")
        found.setdefault(key.strip().lower(), value.strip() or _BARE_TAG)
    labels = reader.mapping(metadata["labels"], "metadata.labels") if "labels" in metadata else {}
    for key, node in labels.items():
        found[key.strip().lower()] = reader.source_text(node, f"metadata.labels.{key}").strip()
    return {key: value for key, value in found.items() if key}


def _moment(reader: YamlReader, node: yaml.Node | None, key: str, missing: datetime) -> datetime:
    """A moment as it is written: a day, which begins at midnight UTC, or a day and time with its offset."""
    text = "" if node is None else reader.source_text(node, key).strip()
    if node is None or not text:
        return missing
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        day = None
    if day is not None and len(text) == len("2026-01-31"):
        day = day.replace(tzinfo=UTC)
    if day is None or day.tzinfo is None or not FIRST_MOMENT <= day < LAST_MOMENT:
        reader.fail(
            node,
            key,
            f"is {text!r}; it must be a day as 2026-01-31, or a moment with its offset as 2026-01-31T14:00:00Z, from "
            f"{FIRST_MOMENT:%Y-%m-%d} on",
        )
    return day.astimezone(UTC)


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
