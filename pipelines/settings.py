"""Reads ``appfleet.yaml``: every key checked, each mistake one sentence with file, line and key.

No secret is ever read from a file: credentials come from the environment or the provider's own chain.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from models.errors import ConfigurationError

FILE_NAME = "appfleet.yaml"
WORKSPACE_VARIABLE = "APPFLEET_WORKSPACE"


@dataclass(frozen=True)
class IdentityKeys:
    """Tag keys that name app, team and environment, in the order they are tried."""

    app_keys: tuple[str, ...] = ("app_id", "application", "app")
    team_keys: tuple[str, ...] = ("team", "owner")
    environment_keys: tuple[str, ...] = ("environment", "env")


@dataclass(frozen=True)
class Source:
    """One place bytes come from: a file, folder, glob or ``s3://`` location."""

    name: str
    format: str
    location: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None


@dataclass(frozen=True)
class BillingSource(Source):
    """A bill in FOCUS columns; with its Google billing account, `doctor` finds projects it is silent about."""

    google_billing_account: str | None = None


@dataclass(frozen=True)
class TelemetrySource(Source):
    """OTLP objects."""


@dataclass(frozen=True)
class Viewer:
    """The person at this machine and the teams whose rows the pages show."""

    name: str = "you"
    teams: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ports:
    """Where the services of ``appfleet up`` listen, all on loopback."""

    dashboards: int = 8501
    dagster: int = 3000
    warehouse: int = 8123
    otlp_grpc: int = 4317
    otlp_http: int = 4318


@dataclass(frozen=True)
class Settings:
    """A workspace as its ``appfleet.yaml`` describes it; paths are absolute."""

    root: Path
    catalog: Path
    teams: Path
    identity: IdentityKeys = field(default_factory=IdentityKeys)
    billing: tuple[BillingSource, ...] = ()
    telemetry: tuple[TelemetrySource, ...] = ()
    viewer: Viewer = field(default_factory=Viewer)
    ports: Ports = field(default_factory=Ports)

    @property
    def state(self) -> Path:
        """Folder of everything appfleet keeps in the workspace."""
        return self.root / ".appfleet"


def workspace_from_environment(explicit: Path | None = None) -> Path:
    """The workspace named on the command line, else by the environment, else the current folder."""
    return (explicit or Path(os.environ.get(WORKSPACE_VARIABLE, "."))).resolve()


def load_settings(workspace: Path) -> Settings:
    """Settings of a workspace.

    Raises:
        ConfigurationError: no such file, or a wrong key, type or path; names file, line and key.
    """
    path = workspace / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no {FILE_NAME} in {workspace}: make one with `appfleet init {workspace}`, or name a workspace with -w"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}, byte {error.start}: this is not UTF-8 text") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise ConfigurationError(f"{path} is nested too deeply to be read") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{path}{line}: this is not YAML ({getattr(error, 'problem', 'unreadable')})"
        ) from None
    return _Reader(path).settings(node)


class _Reader:
    """Walks the composed document, so that each mistake can name its line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.parent.resolve()

    def settings(self, node: yaml.Node | None) -> Settings:
        if node is None:
            raise ConfigurationError(f"{self.path} is empty: `appfleet init` writes one to start from")
        fields = self.mapping(
            node, "", {"warehouse", "identity", "sources", "catalog", "teams", "viewer", "ports"}
        )
        if "warehouse" in fields:
            value = self.text(fields["warehouse"], "warehouse")
            if value != "embedded":
                self.fail(
                    fields["warehouse"], "warehouse", f"is {value!r}; only `embedded` exists in this version"
                )
        sources = (
            self.mapping(fields["sources"], "sources", {"billing", "telemetry"})
            if "sources" in fields
            else {}
        )
        billing = tuple(
            BillingSource(**one)
            for one in self.sources(
                sources.get("billing"), "sources.billing", {"focus"}, {"google_billing_account"}
            )
        )
        telemetry = tuple(
            TelemetrySource(**one)
            for one in self.sources(sources.get("telemetry"), "sources.telemetry", {"otlp"})
        )
        return Settings(
            root=self.root,
            catalog=self.existing(fields.get("catalog"), "catalog", "catalog"),
            teams=self.file(fields.get("teams"), "teams", "teams.yaml"),
            identity=self.identity(fields.get("identity")),
            billing=billing,
            telemetry=telemetry,
            viewer=self.viewer(fields.get("viewer")),
            ports=self.ports(fields.get("ports")),
        )

    def sources(
        self,
        node: yaml.Node | None,
        key: str,
        formats: set[str],
        own: frozenset[str] | set[str] = frozenset(),
    ) -> Iterable[dict[str, Any]]:
        names: set[str] = set()
        for index, item in enumerate(self.sequence(node, key)):
            here = f"{key}[{index}]"
            fields = self.mapping(
                item, here, {"name", "format", "location", "endpoint_url", "region", "profile", *own}
            )
            for needed in ("name", "format", "location"):
                if needed not in fields:
                    self.fail(item, f"{here}.{needed}", "is missing")
            one = {name: self.text(value, f"{here}.{name}") for name, value in fields.items()}
            if not one["name"].replace("-", "").replace("_", "").isalnum():
                self.fail(fields["name"], f"{here}.name", "may hold letters, digits, - and _ only")
            if one["name"] in names:
                self.fail(fields["name"], f"{here}.name", f"{one['name']!r} is used twice")
            names.add(one["name"])
            if one["format"] not in formats:
                self.fail(
                    fields["format"],
                    f"{here}.format",
                    f"is {one['format']!r}; it can be {', '.join(sorted(formats))}",
                )
            if "://" in one["location"] and not one["location"].startswith("s3://"):
                self.fail(
                    fields["location"], f"{here}.location", "can be a file, folder, glob or s3:// location"
                )
            yield one

    def identity(self, node: yaml.Node | None) -> IdentityKeys:
        if node is None:
            return IdentityKeys()
        fields = self.mapping(node, "identity", {"app_keys", "team_keys", "environment_keys"})
        return IdentityKeys(**{name: self.texts(value, f"identity.{name}") for name, value in fields.items()})

    def viewer(self, node: yaml.Node | None) -> Viewer:
        if node is None:
            return Viewer()
        fields = self.mapping(node, "viewer", {"name", "teams"})
        return Viewer(
            name=self.text(fields["name"], "viewer.name") if "name" in fields else Viewer.name,
            teams=self.texts(fields["teams"], "viewer.teams") if "teams" in fields else (),
        )

    def ports(self, node: yaml.Node | None) -> Ports:
        if node is None:
            return Ports()
        fields = self.mapping(node, "ports", set(Ports.__dataclass_fields__))
        return Ports(**{name: self.port(value, f"ports.{name}") for name, value in fields.items()})

    def port(self, node: yaml.Node, key: str) -> int:
        value = self.scalar(node, key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
            self.fail(node, key, "must be a port number")
        return int(value)

    def existing(self, node: yaml.Node | None, key: str, default: str) -> Path:
        value = default if node is None else self.text(node, key)
        path = (self.root / value).resolve()
        if node is not None and not path.exists() and not any(c in value for c in "*?["):
            self.fail(node, key, f"names {value}, which does not exist")
        return path

    def file(self, node: yaml.Node | None, key: str, default: str) -> Path:
        path = self.existing(node, key, default)
        if node is not None and not path.is_file():
            self.fail(node, key, f"names {path.name}, which is not a file")
        return path

    def mapping(self, node: yaml.Node, key: str, known: set[str]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, key or "the file", "must be a mapping of keys to values")
        fields: dict[str, yaml.Node] = {}
        for name_node, value in node.value:
            name = self.text(name_node, f"a key of {key or 'the file'}")
            full = f"{key}.{name}" if key else name
            if name not in known:
                self.fail(name_node, full, f"is not a known key; known here: {', '.join(sorted(known))}")
            if name in fields:
                self.fail(name_node, full, "is given twice")
            fields[name] = value
        return fields

    def sequence(self, node: yaml.Node | None, key: str) -> list[yaml.Node]:
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null")):
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, key, "must be a list")
        return list(node.value)

    def texts(self, node: yaml.Node, key: str) -> tuple[str, ...]:
        return tuple(
            self.text(item, f"{key}[{index}]") for index, item in enumerate(self.sequence(node, key))
        )

    def text(self, node: yaml.Node, key: str) -> str:
        value = self.scalar(node, key)
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            self.fail(node, key, "must be text")
        return str(value)

    def scalar(self, node: yaml.Node, key: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, key, "must be a single value")
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.fail(node, key, f"cannot be read: {node.value[:60]!r} is no such value")

    def fail(self, node: yaml.Node, key: str, problem: str) -> NoReturn:
        raise ConfigurationError(f"{self.path}, line {node.start_mark.line + 1}: {key} {problem}")
