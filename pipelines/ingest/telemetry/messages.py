"""Puts one OTLP message right: what the engine would misread or refuse is repaired, set aside by record, or named.

Bytes in, bytes out, with what was done. Slow, so for messages something suspects; which those are is decided
elsewhere, and whether a record's ids and times are acceptable is the load's business.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from pipelines.ingest.telemetry.frames import Field, fields, varint_bytes
from pipelines.ingest.telemetry.shapes import REQUESTS, Member, Shape, lenient, shape

BARE_NUMBER = "bare NaN or Infinity, which is no JSON, read as the number"
LONE_SURROGATE = "half of a character (lone surrogate) replaced by U+FFFD"
NO_UTF8 = "bytes that are not UTF-8 replaced by U+FFFD"
AS_TEXT = "value that does not fit its type kept as text"
ENUM_NAME = "name that is not the protocol's read as the one it is part of"
ENUM_NUMBER = "number or name that the protocol does not have read as unset"

UNREADABLE = "unreadable message"
UNREADABLE_RECORD = "unreadable record"

_UNREAD = "(member that is not read)"
_WHOLE_NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_WHOLE_NUMBER = re.compile(r"\s*[-+]?[0-9]+\s*\Z")
_DECIMAL_NUMBER = re.compile(r"\s*[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?\s*\Z")
_ENUM_BITS = (-(2**31), 2**31 - 1)
_STRING = FieldDescriptor.CPPTYPE_STRING
_NOT_A_NUMBER = {"NaN", "Infinity", "-Infinity"}


@dataclass(frozen=True)
class Reject:
    """A record, or the whole message, that cannot be kept; ``detail`` says where in the message and why."""

    reason: str
    detail: str
    records: int = 1


@dataclass
class Mended:
    """What became of a message: its bytes as they can be read (None: nothing of it can), and what was done.

    ``document`` is the same as data, where it is JSON.

    ``repairs`` counts by (subject, reason), ``examples`` has a value of each. ``is_changed`` is whether
    ``content`` differs from what was given in more than layout.
    """

    content: bytes | None = None
    document: dict[str, Any] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    repairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    is_changed: bool = False

    @property
    def rejected(self) -> int:
        """Records set aside."""
        return sum(one.records for one in self.rejects)


class _Wrong(Exception):
    """A value that cannot be read: where it is, from the inside out, and why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.place = ""

    def within(self, outer: str) -> _Wrong:
        """The same, one step further out."""
        inner = self.place
        self.place = f"{outer}{'' if not inner or inner[0] == '[' else '.'}{inner}"
        return self

    def __str__(self) -> str:
        return f"{self.place or 'it'} {self.why}"


class _Bare(str):
    """A number JSON does not have, as its token."""


def mended_json(message: bytes, signals: tuple[str, ...] = tuple(REQUESTS), strict: bool = False) -> Mended:
    """One OTLP/JSON message in the protocol's own names and types, on one line.

    Members that are not of OTLP are left out; a record that cannot be read is set aside, the others stay. With
    ``strict`` text may hold no control characters, as JSON has it.
    """
    done = Mended()
    bare: list[str] = []

    def constant(token: str) -> _Bare:
        bare.append(token)
        return _Bare(token)

    text = _decoded(message, done)
    try:
        document = json.loads(text, parse_constant=constant, strict=strict)
    except RecursionError:
        done.rejects.append(Reject(UNREADABLE, "it is nested too deeply"))
        return done
    except ValueError as error:
        done.rejects.append(Reject(UNREADABLE, f"not JSON: {error}"))
        return done
    if not isinstance(document, dict):
        done.rejects.append(Reject(UNREADABLE, "it is no JSON object"))
        return done
    reader = _JsonReader(done)
    out = done.document
    seen = not document
    for signal in signals:
        of_signal = _request(signal)
        if not of_signal.members.keys() & document.keys():
            continue
        seen, before = True, reader.kept
        try:
            out |= reader.message(document, of_signal)
        except (_Wrong, RecursionError) as error:
            done.rejects.append(Reject(UNREADABLE, str(error) or "it is nested too deeply"))
            continue
        done.records[signal] = reader.kept - before
    unseen = len(bare) - sum(count for (_, reason), count in done.repairs.items() if reason == BARE_NUMBER)
    if unseen > 0:
        done.repairs[_UNREAD, BARE_NUMBER] = unseen
        done.examples[_UNREAD, BARE_NUMBER] = bare[0]
    if out or (seen and not done.rejects):
        done.content = json.dumps(out, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        done.is_changed = reader.is_renamed or bool(done.repairs or done.rejects)
    elif not done.rejects:
        names = " or ".join(next(iter(_request(one).members)) for one in signals)
        done.rejects.append(Reject(UNREADABLE, f"it holds no {names}"))
    return done


def _request(signal: str) -> Shape:
    return shape(cast(Descriptor, REQUESTS[signal].DESCRIPTOR))


def _decoded(message: bytes, done: Mended) -> str:
    try:
        return message.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        done.repairs["text", NO_UTF8] += 1
        around = message[max(0, error.start - 20) : error.end + 20]
        done.examples["text", NO_UTF8] = around.decode("utf-8", "backslashreplace")
        return message.decode("utf-8-sig", "replace")


class _JsonReader:
    """Reads JSON data by the protocol's descriptors, noting repairs and records set aside."""

    def __init__(self, done: Mended) -> None:
        self.done = done
        self.kept = 0
        self.is_renamed = False
        self._subject: list[str] = []

    def message(self, node: Any, of: Shape) -> dict[str, Any]:
        """An object with the members its message has, by their JSON names."""
        if type(node) is not dict:
            raise _Wrong("is no JSON object")
        if of.name == "AnyValue":
            return self._any_value(node, of)
        named = of.name == "KeyValue" and isinstance(node.get("key"), str)
        if named:
            self._subject.append(node["key"])
        known = of.members
        out: dict[str, Any] = {}
        name = ""
        try:
            for name, value in node.items():
                one = known.get(name)
                if one is None or value is None:
                    continue
                read = self._list(value, one) if one.is_repeated else self._value(value, one)
                if name != one.name:
                    self.is_renamed = True
                    if one.is_repeated and one.name in out:
                        read = out[one.name] + read
                out[one.name] = read
        except _Wrong as wrong:
            raise wrong.within(name) from None
        if named:
            self._subject.pop()
        return out

    def _list(self, value: Any, one: Member) -> list[Any]:
        if type(value) is not list:
            raise _Wrong("is no list")
        inner = one.message
        if inner is not None and inner.holds_records:
            return self._group(value, inner)
        out: list[Any] = []
        try:
            for item in value:
                if item is not None:
                    out.append(self._value(item, one))
        except _Wrong as wrong:
            raise wrong.within(f"[{len(out)}]") from None
        return out

    def _group(self, items: list[Any], of: Shape) -> list[Any]:
        """Records, or groups of them: what cannot be read is set aside by itself."""
        out = []
        for number, item in enumerate(items):
            if item is None:
                continue
            depth, kept = len(self._subject), self.kept
            try:
                out.append(self.message(item, of))
            except _Wrong as wrong:
                del self._subject[depth:]
                self.kept = kept
                where = f"{of.name}[{number}]"
                self.done.rejects.append(
                    Reject(UNREADABLE_RECORD, str(wrong.within(where)), max(1, records_in(item, of)))
                )
            else:
                self.kept += of.is_record
        return out

    def _value(self, value: Any, one: Member) -> Any:
        if one.message is not None:
            return self.message(value, one.message)
        kind = one.kind
        if kind == _STRING:
            if type(value) is str and value.isascii():
                return value
            return self._text(value, one.name)
        if kind in _WHOLE_NUMBERS:
            return str(_whole_number(value, *_WHOLE_NUMBERS[kind]))
        if kind == FieldDescriptor.CPPTYPE_DOUBLE:
            return self._number(value, one.name)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return _truth(value)
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return self._enum(value, one)
        return self._text(value, one.name)

    def _any_value(self, node: dict[str, Any], of: Shape) -> dict[str, Any]:
        for name, value in node.items():
            one = of.members.get(name)
            if one is None or value is None:
                continue
            if name != one.name:
                self.is_renamed = True
            try:
                return {one.name: self._value(value, one)}
            except _Wrong:
                if one.message is not None:
                    raise
                self._note(AS_TEXT, str(value), one.name)
                return {"stringValue": self._text(value, one.name)}
        return {}

    def _number(self, value: Any, name: str) -> float | int | str:
        if isinstance(value, _Bare):
            self._note(BARE_NUMBER, value, name)
            return str(value)
        if isinstance(value, str) and value in _NOT_A_NUMBER:
            return value
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise _Wrong("is no number") from None
        if math.isinf(number):
            return "Infinity" if number > 0 else "-Infinity"
        return "NaN" if math.isnan(number) else number

    def _enum(self, value: Any, one: Member) -> str:
        """A name of the protocol's or a number as text; what it does not have is read as what it can only mean, or as
        unset, so that a span is never good because its status was misspelt."""
        if isinstance(value, str):
            if value in one.names:
                return value
            meant = _enum_name(value, one.names)
            if meant:
                self._note(ENUM_NAME, value, one.name)
                return meant
        if value != "":
            try:
                number = _whole_number(value, *_ENUM_BITS)
            except _Wrong as wrong:
                if isinstance(value, str) and not _WHOLE_NUMBER.match(value):
                    raise _Wrong(f"has no value of the name {_sound(value)[:40]!r}") from None
                raise wrong from None
            if number in one.names.values():
                return str(number)
        self._note(ENUM_NUMBER, str(value), one.name)
        return "0"

    def _text(self, value: Any, name: str) -> str:
        if isinstance(value, _Bare):
            self._note(BARE_NUMBER, value, name)
            return str(value)
        if not isinstance(value, str):
            value = json.dumps(value, ensure_ascii=False)
        sound = _sound(value)
        if sound is not value:
            self._note(LONE_SURROGATE, value, name)
        return sound

    def _note(self, reason: str, value: str, name: str) -> None:
        subject = _sound(self._subject[0] if self._subject else name)[:80]
        self.done.repairs[subject, reason] += 1
        self.done.examples.setdefault(
            (subject, reason), str(value)[:80].encode("utf-8", "backslashreplace").decode()
        )


def _sound(text: str) -> str:
    """The text without lone surrogates; the same object where it has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _enum_name(text: str, names: dict[str, int]) -> str:
    """The name of an enum whose end this is, whatever its case: ``error`` of ``STATUS_CODE_ERROR``."""
    found = [name for name in names if text and f"_{name}".endswith(f"_{text.upper()}")]
    return found[0] if len(found) == 1 else ""


def _whole_number(value: Any, least: int, most: int) -> int:
    try:
        if isinstance(value, bool):
            raise ValueError
        if isinstance(value, str) and not _WHOLE_NUMBER.match(value):
            if not _DECIMAL_NUMBER.match(value):
                raise ValueError
            value = Decimal(value.strip())
        number = int(value)
        if number != value and not isinstance(value, str):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise _Wrong("is no whole number") from None
    if not least <= number <= most:
        raise _Wrong(f"does not fit its type: {str(value)[:40]}")
    return number


def _truth(value: Any) -> bool:
    if value in (True, "true", "1"):
        return True
    if value in (False, "false", "0"):
        return False
    raise _Wrong("is neither true nor false")


def records_in(node: Any, of: Shape) -> int:
    """Records of a group, as far as they can be told."""
    if of.is_record:
        return 1
    if not isinstance(node, dict):
        return 0
    total = 0
    for name, value in node.items():
        one = of.members.get(name)
        if one is not None and one.message is not None and one.message.leads_to_records:
            items = value if isinstance(value, list) else [value]
            total += sum(records_in(item, one.message) for item in items)
    return total


def mended_protobuf(message: bytes, signal: str) -> Mended:
    """One OTLP Protobuf message that the engine can read: text is UTF-8, scopes stand where they stand today.

    Where it breaks off or holds bytes that are no Protobuf, the records that can be read stay.
    """
    done = Mended()
    official, wide = REQUESTS[signal], lenient(signal)
    try:
        request = wide.FromString(message)
    except DecodeError:
        pruned = _pruned(message, None, cast(Descriptor, wide.DESCRIPTOR), done)
        if not done.rejects:
            done.rejects.append(Reject(UNREADABLE, "it is no Protobuf of an OTLP request"))
        try:
            request, done.is_changed = wide.FromString(pruned), True
        except DecodeError:
            return done
    if message and not request.ListFields():
        done.rejects = done.rejects or [
            Reject(UNREADABLE, f"it holds no {official.DESCRIPTOR.fields[0].json_name}")
        ]
        return done
    done.is_changed |= _modern(request)
    # Fields of another wire type than theirs are unknown to the protocol, and a failure for the engine.
    request.DiscardUnknownFields()
    done.is_changed |= _settle_enums(request, done)
    content = request.SerializeToString()
    try:
        official.FromString(content)
    except DecodeError:
        _make_text(request, done, "")
        done.is_changed = True
        content = request.SerializeToString()
    done.content = content
    done.records[signal] = count_records(request)
    return done


def _pruned(
    data: bytes, within: Field | None, descriptor: Descriptor, done: Mended, place: str = ""
) -> bytes:
    """The fields of a broken message that can be read, group by group down to the record."""
    out = bytearray()
    reached = within.start if within else 0
    stop = within.end if within else len(data)
    numbers: Counter[int] = Counter()
    for one in fields(data, within):
        start, reached = reached, one.end
        kind = descriptor.fields_by_number.get(one.number)
        if not one.number:
            done.rejects.append(Reject(UNREADABLE_RECORD, f"{place or 'it '}holds a field without a number"))
            continue
        if kind is None or kind.message_type is None or one.wire != 2:
            out += data[start:reached]
            continue
        where = f"{place}{kind.json_name}[{numbers[one.number]}]"
        numbers[one.number] += 1
        body = data[one.start : one.end]
        try:
            message_class(kind.message_type).FromString(body)
        except DecodeError:
            inner_shape = shape(kind.message_type)
            if not inner_shape.leads_to_records:
                # Records without their resource or scope would be somebody else's.
                raise _Wrong("is no Protobuf of its kind").within(where) from None
            try:
                if inner_shape.is_record:
                    raise _Wrong("is no Protobuf of its kind").within(where)
                inner = _pruned(data, one, kind.message_type, done, f"{where}.")
            except _Wrong as wrong:
                done.rejects.append(Reject(UNREADABLE_RECORD, str(wrong)))
                continue
            out += _tag(one.number) + varint_bytes(len(inner)) + inner
        else:
            out += data[start:reached]
    if reached < stop:
        done.rejects.append(Reject(UNREADABLE_RECORD, f"{place or 'it '}breaks off after {reached} bytes"))
    return bytes(out)


def message_class(descriptor: Descriptor) -> type[Message]:
    """The class of a message by its descriptor."""
    return cast(type[Message], message_factory.GetMessageClass(descriptor))


def _tag(number: int) -> bytes:
    return varint_bytes(number << 3 | 2)


def _modern(request: Any) -> bool:
    """Moves what older senders wrote to field 1000 to where it stands today; whether there was any."""
    moved = False
    for resource in getattr(request, request.DESCRIPTOR.fields[0].name):
        if resource.older_scopes:
            getattr(resource, resource.DESCRIPTOR.fields_by_number[2].name).extend(resource.older_scopes)
            resource.ClearField("older_scopes")
            moved = True
    return moved


def _settle_enums(message: Any, done: Mended) -> bool:
    """Unsets what has a number its enum does not have, in a message and all below it; whether there was any."""
    found = False
    for kind, value in message.ListFields():
        if kind.enum_type is not None and not kind.is_repeated:
            if value not in kind.enum_type.values_by_number:
                done.repairs[kind.json_name, ENUM_NUMBER] += 1
                done.examples.setdefault((kind.json_name, ENUM_NUMBER), str(value))
                message.ClearField(kind.name)
                found = True
        elif kind.message_type is not None and kind.message_type.name not in ("KeyValue", "Resource"):
            for one in value if kind.is_repeated else (value,):
                found |= _settle_enums(one, done)
    return found


def _make_text(message: Any, done: Mended, subject: str) -> None:
    """Replaces what is not UTF-8 in the text of a message and of all below it."""
    official = _official_types(message.DESCRIPTOR)
    if message.DESCRIPTOR.name == "KeyValue":
        subject = subject or message.key.decode("utf-8", "replace")
    for kind, value in message.ListFields():
        if kind.message_type is not None:
            for one in value if kind.is_repeated else (value,):
                _make_text(one, done, subject)
        elif kind.number in official:
            texts = [
                _utf8(one, done, subject or kind.json_name)
                for one in (value if kind.is_repeated else [value])
            ]
            if kind.is_repeated:
                del value[:]
                value.extend(texts)
            elif texts[0] != value:
                setattr(message, kind.name, texts[0])


def _utf8(value: bytes, done: Mended, subject: str) -> bytes:
    try:
        value.decode()
    except UnicodeDecodeError:
        done.repairs[subject[:80], NO_UTF8] += 1
        done.examples.setdefault((subject[:80], NO_UTF8), value[:80].decode("utf-8", "backslashreplace")[:80])
        return value.decode("utf-8", "replace").encode()
    return value


def _official_types(descriptor: Descriptor) -> frozenset[int]:
    """Numbers of the fields that are text."""
    return _TEXT_FIELDS(descriptor.full_name)


def _text_fields() -> Callable[[str], frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    pool = cast(Descriptor, REQUESTS["traces"].DESCRIPTOR).file.pool

    def text_fields(name: str) -> frozenset[int]:
        if name not in found:
            official = pool.FindMessageTypeByName(name)
            found[name] = frozenset(
                one.number for one in official.fields if one.type == FieldDescriptor.TYPE_STRING
            )
        return found[name]

    return text_fields


_TEXT_FIELDS = _text_fields()


def count_records(request: Any) -> int:
    """Spans, points or log records of a request."""
    return sum(
        _count(item)
        for resource in getattr(request, request.DESCRIPTOR.fields[0].name)
        for item in _items(resource)
    )


def _items(resource: Any) -> Any:
    for scope in getattr(resource, resource.DESCRIPTOR.fields_by_number[2].name):
        yield getattr(scope, scope.DESCRIPTOR.fields_by_number[2].name)


def _count(items: Any) -> int:
    if items and items[0].DESCRIPTOR.name == "Metric":
        return sum(
            len(getattr(one, one.WhichOneof("data")).data_points) for one in items if one.WhichOneof("data")
        )
    return len(items)
