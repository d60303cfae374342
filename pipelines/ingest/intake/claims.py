"""Makes what a request says about its app agree with the token it came with, in the bytes that are kept.

Every place from which the engine tells a record's app lies in its resource or gives way to the ``app_id`` there (``otlp_app``
in sql/migrations), so one ``app_id`` is written into each resource and all else stays as it is. A resource that
claims an app the token does not name, or one that is gone, is left out. Who shows which token is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from pipelines.ingest.telemetry.frames import Encoding, Field, Signal, fields, varint_bytes
from pipelines.ingest.telemetry.messages import count_records, message_class, records_in
from pipelines.ingest.telemetry.shapes import REQUESTS, Shape, lenient, shape

APP_KEY = "app_id"
SERVICE_KEY = "service.name"
UNREADABLE = "unreadable resource"

_BLANKS = " \t\n\r\f\v"
"""What ``otlp_identity`` trims."""
_TAG = b"\x0a"
"""Field 1, length-delimited: of the request its resources, of those the resource itself, of that its attributes."""
_FIRST_BYTES = 4000


@dataclass(frozen=True)
class Permit:
    """Whom a token may send for: ``pinned`` is the one app everything is of, else what is claimed must be in ``apps``.

    ``retired`` are those of them that are gone, with what the catalogue calls them: nothing is let in for them.
    """

    token: str
    apps: frozenset[str]
    pinned: str = ""
    retired: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Left:
    """A resource that is left out: its records, why in a few words, what it claims, and how its bytes begin."""

    records: int
    reason: str
    claim: str
    first_bytes: bytes


@dataclass(frozen=True)
class Claimed:
    """A request as the token lets it in (empty: nothing of it), and what is left out.

    ``is_suspect`` is whether the engine may read its JSON in another way than this module did, so that it must be put
    right before it is loaded.
    """

    message: bytes
    left: tuple[Left, ...] = ()
    is_suspect: bool = False


class Unclear(Exception):
    """Not a request of this encoding: whoever examines it says what is wrong."""


def claimed(message: bytes, signal: Signal, encoding: Encoding, permit: Permit) -> Claimed:
    """What a token lets in of a request.

    Raises:
        Unclear: it is no request of its encoding.
    """
    return _of_json(message, signal, permit) if encoding == "json" else _of_protobuf(message, signal, permit)


def app_of(text: str) -> str:
    """An app as the engine compares it (``otlp_identity``)."""
    return text.strip(_BLANKS).lower()


# One resource


class _Attribute(NamedTuple):
    """What matters of an attribute: its key, and its value where that is text."""

    key: str
    text: str | None


class _Verdict(NamedTuple):
    """The app a resource's records are of (None: it is left out), what it claims, and why it is left out."""

    app: str | None
    claim: str
    why: str = ""


def _verdict(attributes: list[_Attribute], permit: Permit) -> _Verdict:
    """Whom a resource may count for; one that claims two apps claims none, and what is not text is no claim."""
    if permit.pinned:
        return _as_registered(_Verdict(permit.pinned, permit.pinned), permit)
    not_named = f"token {permit.token} does not name the app"
    for key in (APP_KEY, SERVICE_KEY):
        texts = [one.text for one in attributes if one.key == key and one.text != ""]
        if texts:
            claims = {app_of(text) if text is not None else "" for text in texts}
            claim = next(iter(claims)) if len(claims) == 1 else ""
            if claim in permit.apps:
                return _as_registered(_Verdict(claim, claim), permit)
            return _Verdict(None, " and ".join(t or "(no text)" for t in texts), not_named)
    return _Verdict(None, "", not_named)


def _as_registered(verdict: _Verdict, permit: Permit) -> _Verdict:
    """A verdict that lets an app in, unless it is gone."""
    lifecycle = permit.retired.get(verdict.claim)
    if lifecycle is None:
        return verdict
    return _Verdict(
        None, verdict.claim, f"token {permit.token} sends for an app that the catalogue calls {lifecycle}"
    )


def _is_as_told(attributes: list[_Attribute], app: str) -> bool:
    """Whether a resource names its app once, in text the engine reads as we do."""
    texts = [one.text for one in attributes if one.key == APP_KEY]
    return len(texts) == 1 and texts[0] is not None and texts[0].isascii() and app_of(texts[0]) == app


# Protobuf


def _of_protobuf(message: bytes, signal: Signal, permit: Permit) -> Claimed:
    out, left, end = bytearray(), [], 0
    for one in fields(message):
        start, end = end, one.end
        if (one.number, one.wire) != (1, 2):
            out += message[start:end]
            continue
        made = _protobuf_group(message, one, signal, permit)
        if isinstance(made, Left):
            left.append(made)
        elif made is None:
            out += message[start:end]
        else:
            out += _TAG + varint_bytes(len(made)) + made
    if end < len(message):
        if not out and not left:
            raise Unclear
        rest = message[end:]
        left.append(Left(1, UNREADABLE, "", rest[:_FIRST_BYTES]))
    return Claimed(bytes(out), tuple(left))


def _protobuf_group(message: bytes, group: Field, signal: Signal, permit: Permit) -> bytes | Left | None:
    """A resource with its records as it is let in (None: as it stands), or left out."""
    first = message[group.start : min(group.end, group.start + _FIRST_BYTES)]
    resources: list[Field] = []
    end = group.start
    for one in fields(message, group):
        if one.number == 1:
            resources.append(one)
        end = one.end
    if end < group.end or any(one.wire != 2 for one in resources):
        return Left(_records(message, group, signal), UNREADABLE, "", first)
    # Messages that stand one after the other are one message: several resources are merged, as the protocol has it.
    given = b"".join(message[one.start : one.end] for one in resources)
    try:
        resource: Any = _resource_class(signal).FromString(given)
    except DecodeError:
        return Left(_records(message, group, signal), UNREADABLE, "", first)
    attributes = [_protobuf_attribute(one) for one in resource.attributes]
    app, claim, why = _verdict(attributes, permit)
    if app is None:
        return Left(_records(message, group, signal), why, claim, first)
    if len(resources) == 1 and _is_as_told(attributes, app) and resource.SerializeToString() == given:
        return None
    kept = [one for one, known in zip(resource.attributes, attributes, strict=True) if known.key != APP_KEY]
    told = type(resource)()
    told.attributes.add(key=APP_KEY.encode()).value.string_value = app.encode()
    del resource.attributes[:]
    body = told.SerializeToString() + b"".join(_length_delimited(one.SerializeToString()) for one in kept)
    body += resource.SerializeToString()
    out, end = bytearray(_length_delimited(body)), group.start
    for one in fields(message, group):
        start, end = end, one.end
        if one.number != 1:
            out += message[start:end]
    return bytes(out)


def _length_delimited(body: bytes) -> bytes:
    return _TAG + varint_bytes(len(body)) + body


def _protobuf_attribute(pair: Any) -> _Attribute:
    is_text = pair.value.WhichOneof("value") == "string_value"
    text = pair.value.string_value.decode("utf-8", "replace") if is_text else None
    return _Attribute(pair.key.decode("utf-8", "replace"), text)


@cache
def _resource_class(signal: Signal) -> type[Message]:
    """The resource of a signal's requests, of any bytes for text."""
    group = cast(Descriptor, lenient(signal).DESCRIPTOR).fields_by_number[1].message_type
    return message_class(group.fields_by_number[1].message_type)


def _records(message: bytes, group: Field, signal: Signal) -> int:
    """Records of a group, as far as they can be told; at least the one that is said to be left out."""
    body = message[group.start : group.end]
    try:
        request: Any = lenient(signal).FromString(_length_delimited(body))
    except DecodeError:
        return 1
    for resource in getattr(request, request.DESCRIPTOR.fields[0].name):
        getattr(resource, resource.DESCRIPTOR.fields_by_number[2].name).extend(resource.older_scopes)
    return count_records(request)


# JSON


def _of_json(message: bytes, signal: Signal, permit: Permit) -> Claimed:
    text = message.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Unclear from None
    if not isinstance(document, dict):
        raise Unclear
    of = shape(cast(Descriptor, REQUESTS[signal].DESCRIPTOR))
    name = next(iter(of.members))
    group = of.members[name].message
    assert group is not None
    for other in REQUESTS.keys() - {signal}:
        for member in shape(cast(Descriptor, REQUESTS[other].DESCRIPTOR)).members:
            document.pop(member, None)  # not read here, and nobody looked at whom it speaks for
    left: list[Left] = []
    is_anything_left, is_odd = False, _has_odd_names(document, of)
    for member, items in document.items():
        if of.members.get(member) is not of.members[name] or not isinstance(items, list):
            continue
        kept: list[Any] = []
        for item in items:
            made = _json_group(item, group, permit) if isinstance(item, dict) else None
            if made is None:
                kept.append(item)
                is_odd |= isinstance(item, dict) and _has_odd_names(item, group)
            else:
                left.append(made)
        document[member] = kept
        is_anything_left |= bool(kept)
    if left and not is_anything_left:
        return Claimed(b"", tuple(left))
    return Claimed(json.dumps(document, separators=(",", ":")).encode(), tuple(left), is_odd)


def _json_group(group: dict[str, Any], of: Shape, permit: Permit) -> Left | None:
    """Writes the app into the resource of a group; or why the group is left out."""
    resource = group.get("resource")
    resource = {} if resource is None else resource
    listed = resource.get("attributes") if isinstance(resource, dict) else ()
    listed = [] if listed is None else listed
    if not isinstance(listed, list):
        return _json_left(group, of, UNREADABLE, "")
    attributes = [_json_attribute(one) for one in listed]
    app, claim, why = _verdict(attributes, permit)
    if app is None:
        return _json_left(group, of, why, claim)
    if not _is_as_told(attributes, app) or _plain(app, attributes) not in listed:
        others = [one for one, known in zip(listed, attributes, strict=True) if known.key != APP_KEY]
        told = {"key": APP_KEY, "value": {"stringValue": app}}
        group["resource"] = {**resource, "attributes": [told, *others]}
    return None


def _plain(app: str, attributes: list[_Attribute]) -> dict[str, Any]:
    """The attribute that names the app, in the names of the protocol and without anything else."""
    text = next((one.text for one in attributes if one.key == APP_KEY), app)
    return {"key": APP_KEY, "value": {"stringValue": text}}


def _json_left(group: dict[str, Any], of: Shape, reason: str, claim: str) -> Left:
    first = json.dumps(group, separators=(",", ":"))[:_FIRST_BYTES].encode()
    return Left(max(1, records_in(group, of)), reason, claim, first)


def _json_attribute(pair: Any) -> _Attribute:
    """Of an attribute with more than one value none is believed."""
    if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
        return _Attribute("", None)
    value = pair.get("value")
    given = [(k, v) for k, v in value.items() if v is not None] if isinstance(value, dict) else []
    is_text = (
        len(given) == 1 and given[0][0] in ("stringValue", "string_value") and isinstance(given[0][1], str)
    )
    return _Attribute(pair["key"], given[0][1] if is_text else None)


def _has_odd_names(node: dict[str, Any], of: Shape) -> bool:
    """Whether a member has a name that whoever puts messages right may know and the engine does not."""
    official = {one.name for one in of.members.values()}
    return any(name not in official for name in node)
