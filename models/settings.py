"""Settings of a workspace as typed data: the text of ``appfleet.yaml`` in, values out.

Every key is checked here, each mistake one sentence with file, line and key. Nothing is read from disk: ``sql.workspace``
brings the text and says where a path leads. No secret is ever a setting: credentials come from the environment or the
provider's own chain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pydantic
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)
from pydantic.dataclasses import dataclass

from models.bill_formats import BILLING_FORMATS
from models.billing_apis import SCHEME as HTTPS
from models.billing_apis import apis, check_parameters
from models.burn_scalings import DEFAULT as DEFAULT_WINDOWS
from models.burn_scalings import scalings
from models.errors import ConfigurationError
from models.focus import currencies
from models.loopback import is_loopback
from models.people import Viewer, access_policy
from models.rates import By
from models.redaction import rule_names
from models.retention import mistake
from models.tag_rules import TagRules
from models.workspace import STATE_FOLDER
from models.yaml_reader import Misplaced, Name, Text, documents, is_empty, one_of, validated

FILE_NAME = "appfleet.yaml"
BUDGETS_FILE = "budgets.yaml"
"""Where budgets are looked for where no setting names another file."""
RULES_FILE = "rules.yaml"
"""Where shared cost rules are looked for where no setting names another file."""
MAINTENANCE_FILE = "maintenance.yaml"
"""Where maintenance windows are looked for."""
OBJECTIVES_FOLDER = "objectives"
"""Where OpenSLO files are looked for where no setting names another place."""
WELL_KNOWN = "/.well-known/openid-configuration"
"""Where OpenID Connect Discovery 1.0, section 4, has a provider's metadata, below its issuer."""

CLIENT_SECRET = "APPFLEET_OIDC_CLIENT_SECRET"
COOKIE_SECRET = "APPFLEET_COOKIE_SECRET"
BREAK_GLASS_SECRET = "APPFLEET_BREAK_GLASS"
LEAST_SECRET = 32
"""Characters of a cookie secret: 128 bits where each is one of sixteen."""
SIGN_IN_SECRETS = (CLIENT_SECRET, COOKIE_SECRET, BREAK_GLASS_SECRET)
"""Variables of the environment that hold what sign-in keeps secret; who serves the pages reads them, and nobody else."""

PAIRED_FORMATS = {"azure-actual": "azure-amortized", "azure-amortized": "azure-actual"}
"""Formats that hold one view of a bill, and the format of its other view."""

TELEMETRY_FORMATS = ("otlp",)
"""Formats telemetry can be in, by the name ``sources.telemetry[].format`` has."""

STORES = ("s3", "az", "gs", "bigquery", "https")
"""Schemes a location can have; one without a scheme is a path."""

TABLES = {"bigquery": "gcp-billing"}
"""Schemes of locations that are a table, and the format its rows have."""

_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")
_DATABASE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_INTAKE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


@pydantic.dataclasses.dataclass(frozen=True)
class SettingsPath:
    """Where a path of the settings leads: absolute, and what is there."""

    path: Path
    kind: Literal["file", "folder", "nothing"]


Locate = Callable[[str], SettingsPath]
"""Says where a path written in the settings leads, relative to their file."""


def _source_name(value: str) -> str:
    if not value.replace("-", "").replace("_", "").isalnum():
        raise ValueError("may hold letters, digits, - and _ only")
    return value


def _location(value: str) -> str:
    scheme, found, _ = value.partition("://")
    if found and scheme not in STORES:
        stores = " or ".join(f"{store}:// location" for store in STORES)
        raise ValueError(f"can be a file, folder, glob or {stores}")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError(
            "must be the name of a variable of the environment, such as VERCEL_TOKEN, never a token itself"
        )
    return value


def _month(value: str) -> str:
    if not _MONTH.fullmatch(value):
        raise ValueError(f"is {value!r}; it must be a month such as 2026-10")
    return value


def _port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ValueError("must be a port number")
    return value


def _origin(value: str) -> str:
    origin = value.lower()
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"is {value!r}; it must be an origin as a browser sends it: https://app.example.com, with a port where it has one"
        )
    return origin


def _server_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL of a server: write https://clickhouse.example:8443") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "holds a user or a password, which do not belong in a file: give APPFLEET_WAREHOUSE_WRITER_USER and "
            "APPFLEET_WAREHOUSE_WRITER_PASSWORD in the environment"
        )
    is_plain = parts.path in ("", "/") and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or port == 0:
        raise ValueError("must be the address of a server's HTTP interface: https://clickhouse.example:8443")
    return value.rstrip("/")


def _database(value: str) -> str:
    if not _DATABASE.fullmatch(value):
        raise ValueError(
            f"is {value!r}; a database's name may hold letters, digits and _, and begins with a letter"
        )
    if value.lower() in ("system", "information_schema", "default", "otel"):
        raise ValueError(f"is {value!r}, which is not a database of one's own: choose another name")
    return value


def _warehouse(value: Any) -> Any:
    if value == "embedded":
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"is {value!r}; it is `embedded`, or has the `url` of a ClickHouse server")
    return value


def _place(value: Any, info: ValidationInfo) -> Path:
    """Where a path of the settings leads, whether or not anything is there; one that is known stays."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be a path")
    locate: Locate = (info.context or {})["locate"]
    return locate(value).path


def _listen_host(value: str) -> str:
    if not _HOST.fullmatch(value) and not _is_address(value):
        raise ValueError(
            f"is {value!r}; it must be an address or a host name without a port, such as 0.0.0.0 or ::1"
        )
    return value


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _intake_name(value: str) -> str:
    if not _INTAKE_NAME.fullmatch(value):
        raise ValueError("may hold letters, digits, `-`, `_` and `.` only, 100 of them at most")
    return value


def _at_least_one_each(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("must be a whole number from 1 on")
    return value


def _days(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 366:
        raise ValueError("must be a number of days from 0 to 366")
    return value


def _private(address: str, what: str) -> str:
    """An address that nobody on the way can read along: https, or http to this machine."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"is {address!r}; it must be the address of {what}: https://...")
    if parts.username or parts.password:
        raise ValueError("holds a user or a password; secrets come from the environment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"is {address!r}; over http anybody on the way reads along, so it must begin with https://"
        )
    return address


def _provider(value: str) -> str:
    if not value.endswith(WELL_KNOWN):
        raise ValueError(
            f"is {value!r}; it must be the address of the provider's metadata, which ends with {WELL_KNOWN}"
        )
    return _private(value, "the provider's metadata")


def _public_address(value: str) -> str:
    return _private(_origin(value), "these pages as people's browsers see it")


def _listening(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(
            f"is {value!r}; it must be an address of this machine: 127.0.0.1, 0.0.0.0, ::"
        ) from None


Port = Annotated[int, pydantic.PlainValidator(_port)]
Place = Annotated[Path, pydantic.PlainValidator(_place)]
Count = Annotated[int, pydantic.PlainValidator(_at_least_one_each)]
IntakeName = Annotated[Text, AfterValidator(_intake_name)]


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class IdentityKeys:
    """Tag keys that name app, team and environment, in the order they are tried."""

    app_keys: tuple[Text, ...] = ("app_id", "application", "app")
    team_keys: tuple[Text, ...] = ("team", "owner")
    environment_keys: tuple[Text, ...] = ("environment", "env")


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Source:
    """One place bytes come from: a file, folder or glob, what a store of ``STORES`` holds, or a table."""

    name: Annotated[Text, AfterValidator(_source_name)]
    format: Text
    location: Annotated[Text, AfterValidator(_location)]
    endpoint_url: Text | None = None
    region: Text | None = None
    profile: Text | None = None


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class BillingSource(Source):
    """A bill.

    ``mapping`` names the file by which one of ``format: mapping`` is read. One that is pulled over https names its ``api``
    (``models.billing_apis``), the variable of the environment that has the ``token``, ``parameters`` of the requests, and the
    month ``since`` which is asked for. With its Google billing account, `doctor` finds projects it is silent about; ``list_prices`` that its
    export lacks are asked of Google's catalogue. ``deliveries`` says for good what a
    delivery that overlaps an older one is: rows to ``add`` to it, or one that is to ``replace`` it; without it the format
    does, or a person. ``pair`` names the source that has the other view of the same bill. ``settled_after_days`` is how
    many days after a day's end its charges are final: no month is closed before, and none without it.
    """

    format: Annotated[Text, one_of(BILLING_FORMATS)]
    mapping: Text | None = None
    api: Annotated[Text, one_of(apis())] | None = None
    token: Annotated[Text, AfterValidator(_variable)] | None = None
    parameters: Mapping[Text, Text] = field(default_factory=dict)
    since: Annotated[Text, AfterValidator(_month)] | None = None
    google_billing_account: Text | None = None
    list_prices: bool = False
    deliveries: Literal["add", "replace"] | None = None
    pair: Text | None = None
    settled_after_days: Annotated[int, pydantic.PlainValidator(_days)] | None = None


def pairs_of(source: BillingSource, sources: Iterable[BillingSource]) -> list[BillingSource]:
    """The sources that have the other view of a source's bill, whichever of both names the other."""
    return [
        one
        for one in sources
        if PAIRED_FORMATS.get(one.format) == source.format
        and (one.name == source.pair or one.pair == source.name)
    ]


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class TelemetrySource(Source):
    """OTLP objects."""

    format: Annotated[Text, one_of(TELEMETRY_FORMATS)]


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Ports:
    """Where services listen: the first five are those of ``appfleet up``, all on loopback; the others are Dagster's parts as
    services of their own.
    """

    dashboards: Port = 8501
    dagster: Port = 3000
    warehouse: Port = 8123
    otlp_grpc: Port = 4317
    otlp_http: Port = 4318
    dagster_code: Port = 4000
    dagster_code_health: Port = 4001
    dagster_daemon_health: Port = 4002


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class TlsSettings:
    """Files of a certificate (with those that lead to its root) and of its key, PEM."""

    certificate: Place
    key: Place


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class SenderLimits:
    """What one token may send to one intake; None leaves a number to the policy.

    Rates refill a bucket that holds the burst; ``request_bytes`` is the unpacked size of one request.
    """

    requests_per_second: Count | None = None
    requests_burst: Count | None = None
    bytes_per_second: Count | None = None
    bytes_burst: Count | None = None
    request_bytes: Count | None = None


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class IntakeSettings:
    """How live telemetry is taken: the origins whose pages may send it from a browser, as browsers write them; where it
    listens and what protects it there; the name, the journal and the file of tokens (None: in the state folder)."""

    cors_origins: tuple[Annotated[Text, AfterValidator(_origin)], ...] = ()
    listen: Annotated[Text, AfterValidator(_listen_host)] = "127.0.0.1"
    tls: TlsSettings | None = None
    behind_proxy: StrictBool = False
    limits: SenderLimits = field(default_factory=SenderLimits)
    name: IntakeName = "live"
    journal: Place | None = None
    tokens: Place | None = None


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class ServerWarehouse:
    """A ClickHouse server or cluster that keeps the rows, in place of the embedded warehouse.

    ``database`` is ours alone; telemetry lies in the one named ``<database>_otel`` beside it. Users and passwords come from
    the environment, never from the file. ``ca`` is a file of certificates the server's is held to.
    """

    url: Annotated[Text, AfterValidator(_server_url)]
    database: Annotated[Name, AfterValidator(_database)] = "appfleet"
    cluster: Annotated[Name, AfterValidator(_database)] | None = None
    ca: Text | None = None


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class SignIn:
    """How people sign in to the pages: the provider of OpenID Connect, this client of it, and where the pages are.

    ``redirect`` is the origin of the pages as browsers see it, ``listen`` the address of this machine they are served on.
    """

    provider: Annotated[Text, AfterValidator(_provider)]
    client_id: Text
    redirect: Annotated[Text, AfterValidator(_public_address)]
    session_minutes: Annotated[int, pydantic.Field(strict=True, ge=1, le=24 * 60)] = round(
        access_policy().session.total_seconds() / 60
    )
    listen: Annotated[Text, AfterValidator(_listening)] = "127.0.0.1"
    scope: Text = "openid email profile"


def check_sign_in_secrets(environment: Mapping[str, str]) -> None:
    """Does nothing where an environment holds what sign-in needs to keep secret.

    Raises:
        ConfigurationError: a secret is missing, or too short; names the variable.
    """
    for name in (CLIENT_SECRET, COOKIE_SECRET):
        if not environment.get(name):
            raise ConfigurationError(
                f"{name} is not set: sign-in takes its secrets from the environment, never from a file"
            )
    if len(environment[COOKIE_SECRET]) < LEAST_SECRET:
        raise ConfigurationError(
            f"{COOKIE_SECRET} has fewer than {LEAST_SECRET} characters: make one with `openssl rand -hex 32`"
        )


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class DagsterSettings:
    """How Dagster works here.

    ``runs_at_once`` None leaves it to the policy. As services of their own, its parts ``listen`` at an address and find the
    code server at ``code_host``; ``url`` is the origin people see its pages under, at a proxy that lets in who may.
    """

    runs_at_once: Annotated[int, pydantic.Field(strict=True, gt=0)] | None = None
    listen: Text = "127.0.0.1"
    code_host: Text = "127.0.0.1"
    url: Annotated[Text, AfterValidator(_origin)] | None = None


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class EnvironmentSettings:
    """Which environments are production, in place of the policy's list; None leaves it to the policy."""

    production: tuple[Name, ...] | None = None

    @field_validator("production")
    @classmethod
    def _at_least_one(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError(
                "names no environment, so nothing would ever page; leave the key out to use the policy's list"
            )
        return value


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class StatementSettings:
    """Files finance owns: totals of invoices, accounts of cost centres, and a template of the journal; None: there is none,
    and the journal is written by the one that is shipped."""

    invoices: Place | None = None
    accounts: Place | None = None
    journal: Place | None = None


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class ReportingSettings:
    """The currency finance reports in beside those of the bills, and the dated table it is converted by.

    ``by`` says at which day's rate; a rate holds for ``hold_days`` days after its own, as no bank publishes one on Sundays.
    """

    currency: Annotated[Name, one_of(currencies())]
    rates: Place
    by: By = "day"
    hold_days: Annotated[int, pydantic.Field(strict=True, ge=0, le=31)] = 0


@dataclass(frozen=True)
class Settings:
    """A workspace as its ``appfleet.yaml`` describes it; paths are absolute.

    ``redact`` switches rules of the redaction policy on or off by name; a rule that is not named keeps the policy's word.
    """

    root: Path
    catalog: Path
    teams: Path
    people: Path | None = None
    budgets: Path | None = None
    rules: Path | None = None
    objectives: Path | None = None
    burn_windows: str = DEFAULT_WINDOWS
    identity: IdentityKeys = field(default_factory=IdentityKeys)
    attribution: TagRules = field(default_factory=TagRules)
    billing: tuple[BillingSource, ...] = ()
    telemetry: tuple[TelemetrySource, ...] = ()
    viewer: Viewer = field(default_factory=Viewer)
    sign_in: SignIn | None = None
    ports: Ports = field(default_factory=Ports)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    dagster: DagsterSettings = field(default_factory=DagsterSettings)
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    redact: dict[str, bool] = field(default_factory=dict)
    retention: dict[str, int] = field(default_factory=dict)
    """Days raw telemetry of a tier is kept, in place of the policy's."""
    statements: StatementSettings = field(default_factory=StatementSettings)
    reporting: ReportingSettings | None = None
    warehouse: ServerWarehouse | None = None
    """The server that keeps the rows, its ``ca`` as an absolute path; None: the embedded warehouse."""

    @property
    def state(self) -> Path:
        """Folder of everything appfleet keeps in the workspace."""
        return self.root / STATE_FOLDER


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class _Sources:
    billing: tuple[BillingSource, ...] = ()
    telemetry: tuple[TelemetrySource, ...] = ()

    @field_validator("billing", "telemetry")
    @classmethod
    def _each_name_once(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names: set[str] = set()
        for index, source in enumerate(sources):
            if source.name in names:
                raise Misplaced(f"{source.name!r} is used twice", (index, "name"))
            names.add(source.name)
            only = TABLES.get(source.location.partition("://")[0], source.format)
            if source.format != only:
                raise Misplaced(
                    f"is a table of `format: {only}`, not of {source.format}", (index, "location")
                )
        return sources

    @field_validator("billing")
    @classmethod
    def _mappings_are_named(cls, sources: tuple[BillingSource, ...]) -> tuple[BillingSource, ...]:
        for index, source in enumerate(sources):
            if source.format == "mapping" and source.mapping is None:
                raise Misplaced(
                    "is missing: `format: mapping` reads a file by the mapping it names; `appfleet map FILE` proposes one",
                    (index, "mapping"),
                )
            if source.format != "mapping" and source.mapping is not None:
                raise Misplaced(f"is for `format: mapping`, not for {source.format}", (index, "mapping"))
        return sources

    @field_validator("billing")
    @classmethod
    def _prices_are_of_google(cls, sources: tuple[BillingSource, ...]) -> tuple[BillingSource, ...]:
        google = TABLES["bigquery"]
        for index, source in enumerate(sources):
            if source.list_prices and source.format != google:
                raise Misplaced(f"is for `format: {google}`, not for {source.format}", (index, "list_prices"))
        return sources

    @field_validator("billing")
    @classmethod
    def _pulled_ones_say_from_whom(cls, sources: tuple[BillingSource, ...]) -> tuple[BillingSource, ...]:
        for index, source in enumerate(sources):
            if not source.location.startswith(HTTPS):
                for key in ("api", "token", "since", "parameters"):
                    if getattr(source, key):
                        raise Misplaced(f"is for a location that begins with {HTTPS}", (index, key))
                continue
            if urlsplit(source.location).username or urlsplit(source.location).password:
                raise Misplaced(
                    "holds a user or a password; secrets come from the environment", (index, "location")
                )
            if urlsplit(source.location).query or urlsplit(source.location).fragment:
                raise Misplaced("holds a query: write it under `parameters`", (index, "location"))
            for key in ("api", "token"):
                if getattr(source, key) is None:
                    raise Misplaced(f"is missing: a bill that is pulled over {HTTPS} needs it", (index, key))
            try:
                check_parameters(apis()[source.api or ""], source.parameters)
            except ConfigurationError as error:
                raise Misplaced(str(error), (index, "parameters")) from None
        return sources

    @field_validator("telemetry")
    @classmethod
    def _telemetry_is_not_pulled(cls, sources: tuple[TelemetrySource, ...]) -> tuple[TelemetrySource, ...]:
        for index, source in enumerate(sources):
            if source.location.startswith(HTTPS):
                raise Misplaced("is pulled over https, which is for bills", (index, "location"))
        return sources

    @field_validator("billing")
    @classmethod
    def _pairs_are_two_views(cls, sources: tuple[BillingSource, ...]) -> tuple[BillingSource, ...]:
        formats = {source.name: source.format for source in sources}
        for index, source in enumerate(sources):
            if source.pair is None:
                continue
            wanted = PAIRED_FORMATS.get(source.format)
            if wanted is None:
                raise Misplaced(
                    f"is for the formats {' and '.join(PAIRED_FORMATS)}, not for {source.format}",
                    (index, "pair"),
                )
            if formats.get(source.pair) != wanted:
                raise Misplaced(
                    f"names {source.pair!r}; it must name a source of `format: {wanted}` under sources.billing",
                    (index, "pair"),
                )
        return sources


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class _File:
    """The shape of ``appfleet.yaml``; its validators are handed ``locate``."""

    warehouse: Annotated[ServerWarehouse | None, BeforeValidator(_warehouse)] = None
    identity: IdentityKeys = field(default_factory=IdentityKeys)
    attribution: TagRules = field(default_factory=TagRules)
    sources: _Sources = field(default_factory=_Sources)
    catalog: Text = "catalog"
    teams: Text = "teams.yaml"
    people: Text = "people.yaml"
    budgets: Text = BUDGETS_FILE
    rules: Text = RULES_FILE
    objectives: Text = OBJECTIVES_FOLDER
    burn_windows: Annotated[Text, one_of(scalings())] = DEFAULT_WINDOWS
    viewer: Viewer = field(default_factory=Viewer)
    sign_in: SignIn | None = None
    ports: Ports = field(default_factory=Ports)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    dagster: DagsterSettings = field(default_factory=DagsterSettings)
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    redact: dict[Name, StrictBool] = field(default_factory=dict)
    retention: dict[Name, StrictInt] = field(default_factory=dict)
    statements: StatementSettings = field(default_factory=StatementSettings)
    reporting: ReportingSettings | None = None

    @field_validator("redact")
    @classmethod
    def _switches_rules(cls, value: dict[str, bool]) -> dict[str, bool]:
        for name in value:
            if name not in rule_names():
                raise Misplaced(f"names no rule; the rules are {', '.join(rule_names())}", (name,))
        return value

    @field_validator("retention")
    @classmethod
    def _keeps_tiers(cls, value: dict[str, int]) -> dict[str, int]:
        for name, days in value.items():
            if wrong := mistake(name, days):
                raise Misplaced(wrong, (name,))
        return value

    @field_validator("warehouse")
    @classmethod
    def _has_its_certificates(
        cls, value: ServerWarehouse | None, info: ValidationInfo
    ) -> ServerWarehouse | None:
        locate: Locate = (info.context or {})["locate"]
        if value is None or value.ca is None:
            return value
        place = locate(value.ca)
        if place.kind != "file":
            raise Misplaced(f"names {value.ca}, which is not a file", ("ca",))
        return replace(value, ca=str(place.path))

    @field_validator("budgets", "rules")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        locate: Locate = (info.context or {})["locate"]
        if locate(value).kind != "file":
            raise ValueError(f"names {value}, which is not a file")
        return value

    @field_validator("catalog", "teams", "objectives")
    @classmethod
    def _leads_somewhere(cls, value: str, info: ValidationInfo) -> str:
        locate: Locate = (info.context or {})["locate"]
        place = locate(value)
        if place.kind == "nothing" and not any(c in value for c in "*?["):
            raise ValueError(f"names {value}, which does not exist")
        if info.field_name == "teams" and place.kind != "file":
            raise ValueError(f"names {place.path.name}, which is not a file")
        return value


def parse_settings(text: str, file: str, root: Path, locate: Locate) -> Settings:
    """Settings of the workspace ``root`` from the text of its ``appfleet.yaml``, which sentences call ``file``.

    Raises:
        ConfigurationError: a wrong key, type or path; names file, line and key.
    """
    found = [one for one in documents(text, file) if not is_empty(one.node)]
    if not found:
        raise ConfigurationError(f"{file} is empty: `appfleet init` writes one to start from")
    if len(found) > 1:
        raise ConfigurationError(f"{file} holds {len(found)} documents; write all settings into one")
    given = validated(_File, found[0], {"locate": locate})
    return Settings(
        root=root,
        catalog=locate(given.catalog).path,
        teams=locate(given.teams).path,
        people=locate(given.people).path,
        budgets=locate(given.budgets).path,
        rules=locate(given.rules).path,
        objectives=locate(given.objectives).path,
        burn_windows=given.burn_windows,
        identity=given.identity,
        attribution=given.attribution,
        billing=given.sources.billing,
        telemetry=given.sources.telemetry,
        viewer=given.viewer,
        sign_in=given.sign_in,
        ports=given.ports,
        intake=given.intake,
        dagster=given.dagster,
        environments=given.environments,
        redact=given.redact,
        retention=given.retention,
        statements=given.statements,
        reporting=given.reporting,
        warehouse=given.warehouse,
    )
