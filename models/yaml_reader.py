"""The one reader of YAML a user wrote: text to documents, nodes to values, each mistake one sentence with file, line and key.

Takes text and gives values; finding and reading files belongs to the callers. What keys mean is decided by who reads them:
``models.settings`` by a type (``validated``), ``models.registry`` node by node (``YamlReader``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

import yaml
from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError

from models.errors import ConfigurationError

# The C parser is ten times as fast and composes the same nodes; a PyYAML built without it still works.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEEPEST = 50
"""Levels a document may nest; the C parser composes by recursion and would crash the process on 100,000."""

MOST_VALUES = 100_000
"""Values a validated document may hold once its aliases are written out; a few lines of them can stand for billions."""

NULL_TAG = "tag:yaml.org,2002:null"
TEXT_TAG = "tag:yaml.org,2002:str"

Text = Annotated[str, StringConstraints(strict=True, min_length=1, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""Text with something to read in it, kept as written."""

Name = Annotated[
    str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")
]
"""Text without surrounding blanks, which say nothing about a name."""

Key = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Document:
    """One YAML document: where it is from (``file, document n`` for people) and its root node."""

    file: str
    number: int
    node: yaml.Node

    @property
    def source(self) -> str:
        """File and document, as ``core_apps.source`` has it."""
        return f"{self.file}, document {self.number}"


class Misplaced(ValueError):
    """What a validator of a whole list or mapping found wrong in one of its parts, ``below`` it."""

    def __init__(self, problem: str, below: Key) -> None:
        super().__init__(problem)
        self.below = below


def one_of(known: Collection[str]) -> AfterValidator:
    """A validator of names that must be among ``known``."""

    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"is {name!r}; it can be {', '.join(sorted(known))}")
        return name

    return AfterValidator(check)


def documents(text: str, file: str) -> list[Document]:
    """Documents of a text; ``file`` is its name in sentences.

    Raises:
        ConfigurationError: this is not YAML, or nests too deeply; names file and line.
    """
    try:
        _check_depth(text, file)
        nodes = list(yaml.compose_all(text, Loader=Loader))
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{file}{_line_of(error, text)}: this is not YAML ({_problem(error)})"
        ) from None
    return [Document(file, number, node) for number, node in enumerate(nodes, start=1)]


def is_empty(node: yaml.Node) -> bool:
    """Nothing written: a null or blank text."""
    return isinstance(node, yaml.ScalarNode) and (node.tag == NULL_TAG or not str(node.value).strip())


def validated(kind: type[T], document: Document, context: Mapping[str, Any] | None = None) -> T:
    """A document as a pydantic type; a key without a value counts as not given. ``context`` goes to its validators.

    A validator says what is wrong by a ``ValueError`` that completes ``<key> ...``, or ``Misplaced`` for a part.

    Raises:
        ConfigurationError: the first mistake in the order of the file, with file, line and key.
    """
    reader = YamlReader(document.file)
    values = _Values(reader)
    plain = values.of(document.node, ())
    try:
        return TypeAdapter(kind).validate_python(plain, context=dict(context or {}))
    except ValidationError as error:
        found = [_mistake(kind, one) for one in error.errors(include_url=False)]
    key, problem = min(found, key=lambda one: values.line(one[0]))
    return reader.fail(values.node(key), key_text(key), problem)


def key_text(key: Key) -> str:
    """A key as people write it: ``sources.billing[0].name``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class YamlReader:
    """Reads nodes of one file, so that each mistake names file, line and key."""

    def __init__(self, file: str) -> None:
        self.file = file

    def where(self, node: yaml.Node) -> str:
        """File and line of a node."""
        return f"{self.file}, line {node.start_mark.line + 1}"

    def fail(self, node: yaml.Node, key: str, problem: str) -> NoReturn:
        """Raises the one sentence of a mistake."""
        raise ConfigurationError(f"{self.where(node)}: {key or 'the document'} {problem}")

    def mapping(self, node: yaml.Node, key: str, known: set[str] | None = None) -> dict[str, yaml.Node]:
        """Fields of a mapping; with ``known`` others are refused."""
        return {name: value for name, (_, value) in self.items(node, key, known).items()}

    def items(
        self, node: yaml.Node, key: str, known: set[str] | None = None
    ) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Name and value node of each field of a mapping, by name."""
        if is_empty(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, key, "must be a mapping of keys to values")
        fields: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for name_node, value in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self.fail(name_node, f"a key of {key or 'the file'}", "must be a single value")
            name = str(name_node.value)
            full = f"{key}.{name}" if key else name
            if known is not None and name not in known:
                self.fail(name_node, full, unknown_key(known))
            if name in fields:
                self.fail(name_node, full, "is given twice; remove one of them")
            fields[name] = name_node, value
        return fields

    def part(self, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str) -> dict[str, yaml.Node]:
        """Fields of a mapping that must be there."""
        if key not in fields:
            self.fail(node, key, "is missing")
        return self.mapping(fields[key], key)

    def sequence(self, node: yaml.Node | None, key: str) -> list[yaml.Node]:
        """Items of a list; none where nothing is written."""
        if node is None or is_empty(node):
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, key, "must be a list")
        return list(node.value)

    def source_text(self, node: yaml.Node, key: str) -> str:
        """A single value as it is written, whatever YAML takes it for; empty for null."""
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, key, "must be a single value")
        return "" if node.tag == NULL_TAG else str(node.value)

    def text(self, node: yaml.Node, key: str) -> str:
        """A text, without surrounding blanks; numbers and the like are refused."""
        value = self.source_text(node, key)
        if node.tag != TEXT_TAG or not value.strip():
            self.fail(node, key, "must be text" if value.strip() else "is empty")
        return value.strip()

    def optional_text(self, node: yaml.Node | None, key: str) -> str:
        """A text, empty where nothing is written."""
        return "" if node is None or is_empty(node) else self.text(node, key)

    def scalar(self, node: yaml.Node, key: str) -> Any:
        """A single value as YAML reads it: text, number, boolean, day or None."""
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, key, "must be a single value")
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.fail(node, key, f"cannot be read: {node.value[:60]!r} is no such value")


def unknown_key(known: set[str]) -> str:
    """Completes the sentence about a key nobody reads."""
    return f"is not a known key; known here: {', '.join(sorted(known))}"


class _Values:
    """A document as plain values, and the node each of them came from."""

    def __init__(self, reader: YamlReader) -> None:
        self._reader = reader
        self._nodes: dict[Key, yaml.Node] = {}
        self._names: dict[Key, yaml.Node] = {}

    def of(self, node: yaml.Node, key: Key) -> Any:
        """The value of a node; fields without a value are left out."""
        self._nodes[key] = node
        if len(key) > DEEPEST or len(self._nodes) > MOST_VALUES:
            self._reader.fail(
                node, key_text(key), "is nested too deeply or repeats too much: write it out without aliases"
            )
        if isinstance(node, yaml.MappingNode):
            fields = {}
            for name, (name_node, value) in self._reader.items(node, key_text(key)).items():
                self._names[(*key, name)] = name_node
                if not (isinstance(value, yaml.ScalarNode) and value.tag == NULL_TAG):
                    fields[name] = self.of(value, (*key, name))
            return fields
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, (*key, index)) for index, item in enumerate(node.value)]
        return self._reader.scalar(node, key_text(key))

    def node(self, key: Key) -> yaml.Node:
        """Where a key stands: its value, else its name, else what it is missing from."""
        while key not in self._nodes and key not in self._names:
            key = key[:-1]
        return self._nodes[key] if key in self._nodes else self._names[key]

    def line(self, key: Key) -> int:
        """Line of a key, from 0."""
        return int(self.node(key).start_mark.line)


_PROBLEMS = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "must be text without control characters, and not blank",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "dataclass_type": "must be a mapping of keys to values",
    "bool_type": "must be true or false",
}
"""Kind of a mistake as pydantic names it -> the end of our sentence."""


def _mistake(kind: Any, error: Mapping[str, Any]) -> tuple[Key, str]:
    """Key and problem of one mistake pydantic found in a document of ``kind``."""
    key: Key = tuple(part for part in error["loc"] if part != "[key]")
    match error["type"]:
        case "unexpected_keyword_argument":
            return key, unknown_key(_fields(kind, key[:-1]))
        case "literal_error":
            return key, f"is {error['input']!r}; it can be {error['ctx']['expected'].replace(chr(39), '')}"
        case "value_error":
            cause = error["ctx"]["error"]
            return (*key, *getattr(cause, "below", ())), str(cause)
        case other:
            return key, _PROBLEMS.get(other, f"cannot be read: {error['msg']}")


def _fields(kind: Any, key: Sequence[str | int]) -> set[str]:
    """Names a mapping at ``key`` may hold."""
    for part in key:
        kind = get_args(kind)[0] if isinstance(part, int) else _field_type(kind, part)
    return {one.alias or name for name, one in _bare(kind).__pydantic_fields__.items()}


def _field_type(kind: Any, name: str) -> Any:
    return _bare(_bare(kind).__pydantic_fields__[name].annotation)


def _bare(kind: Any) -> Any:
    """A type without ``Annotated`` and ``| None``."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    others = [one for one in get_args(kind) if one is not type(None)]
    return _bare(others[0]) if type(None) in get_args(kind) and others else kind


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")


def _line_of(error: yaml.YAMLError, text: str) -> str:
    mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
    if mark is not None:
        return f", line {mark.line + 1}"
    return f", line {text.count(chr(10), 0, position) + 1}" if isinstance(position, int) else ""


def _check_depth(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ConfigurationError(
                    f"{file} is nested too deeply to be read: more than {DEEPEST} levels in line {line}"
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
