"""Where an intake listens and what must stand before it: beyond this machine nobody is let in without a token and TLS.

Reads certificates; who shows which token is the gate's business.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import grpc

from models.errors import ConfigurationError
from models.loopback import is_loopback
from models.settings import FILE_NAME, IntakeSettings, TlsSettings
from pipelines.ingest.intake.token_file import TokenFile

NAME_VARIABLE = "APPFLEET_INTAKE_NAME"


class Certificate:
    """A certificate and its key for both servers; a new one in the same files counts from the next connection on."""

    def __init__(self, files: TlsSettings) -> None:
        """Reads them.

        Raises:
            ConfigurationError: one of the files cannot be read, or they are no pair.
        """
        self._files = files
        times = self._times()
        try:
            self._newest = self._read()
        except ssl.SSLError:
            raise ConfigurationError(
                f"intake.tls in {FILE_NAME}: {files.certificate} and {files.key} are no certificate and its key in PEM, "
                "without a password"
            ) from None
        except OSError as error:
            raise ConfigurationError(
                f"intake.tls in {FILE_NAME}: {error.filename} cannot be read: {error.strerror}"
            ) from None
        self._seen = {"http": times, "grpc": times}

    def context(self) -> ssl.SSLContext:
        """For HTTP: looks at the files when a connection begins."""
        context = self._read()

        def begin(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if self._is_changed("http"):
                self._newest = self._read()
            connection.context = self._newest

        context.sni_callback = begin
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """For gRPC: the same."""

        def begin() -> grpc.ServerCertificateConfiguration | None:
            return self._pair() if self._is_changed("grpc") else None

        return grpc.dynamic_ssl_server_credentials(self._pair(), begin)

    def _is_changed(self, server: str) -> bool:
        """Whether the files are others than a server has, and a pair; until they are, the ones before stay."""
        times = self._times()
        if times == self._seen[server]:
            return False
        try:
            self._read()
        except OSError:
            return False
        self._seen[server] = times
        return True

    def _read(self) -> ssl.SSLContext:
        for path in (self._files.certificate, self._files.key):
            path.open("rb").close()  # whose error names the file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._files.certificate, self._files.key, lambda: "")
        return context

    def _pair(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(self._files.key.read_bytes(), self._files.certificate.read_bytes())]
        )

    def _times(self) -> tuple[int, ...]:
        return tuple(_time(path) for path in (self._files.certificate, self._files.key))


@dataclass(frozen=True)
class Door:
    """Where an intake listens; ``is_exposed`` is whether others than this machine's users can come in."""

    host: str = "127.0.0.1"
    is_exposed: bool = False
    certificate: Certificate | None = None

    @property
    def scheme(self) -> str:
        """Of the addresses senders are given."""
        return "https" if self.certificate else "http"

    def at(self, port: int) -> str:
        """Host and port as they stand in an address."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def opened(settings: IntakeSettings, file: TokenFile, moment: datetime) -> Door:
    """The door the settings describe.

    Raises:
        ConfigurationError: it would let anybody in, or a certificate cannot be used.
    """
    refuse_unguarded(settings, file, moment)
    certificate = Certificate(settings.tls) if settings.tls else None
    return Door(settings.listen, _is_exposed(settings), certificate)


def refuse_unguarded(settings: IntakeSettings, file: TokenFile, moment: datetime) -> None:
    """Does nothing where only users of this machine can send, or tokens and TLS stand before the others.

    Raises:
        ConfigurationError: others could send without a token, or in clear.
    """
    if not _is_exposed(settings):
        return
    is_beyond = not is_loopback(settings.listen)
    why = f"intake.listen in {FILE_NAME} is {settings.listen}, beyond this machine"
    if not is_beyond:
        why = f"intake.behind_proxy in {FILE_NAME} says that others reach the intake"
    if not any(one.state(moment) == "valid" for one in file.read()):
        raise ConfigurationError(
            f"{why}, and there is no valid token: make one with `appfleet tokens make NAME --app ID`, else anybody could send"
        )
    if is_beyond and settings.tls is None and not settings.behind_proxy:
        raise ConfigurationError(
            f"{why}, and tokens would travel in clear: name a certificate under intake.tls, or say `behind_proxy: true` where "
            "a proxy ends TLS"
        )


def named(settings: IntakeSettings, environment: Mapping[str, str]) -> IntakeSettings:
    """The settings with the name the environment gives, which several intakes of one file need.

    Raises:
        ConfigurationError: it is no name.
    """
    name = environment.get(NAME_VARIABLE)
    if not name:
        return settings
    try:
        return replace(settings, name=name)
    except ValueError:
        raise ConfigurationError(
            f"{NAME_VARIABLE} is {name!r}; it may hold letters, digits, `-`, `_` and `.` only, 100 of them at most"
        ) from None


def _is_exposed(settings: IntakeSettings) -> bool:
    return settings.behind_proxy or not is_loopback(settings.listen)


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
