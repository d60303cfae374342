"""A provider of charges on the loopback interface, over TLS, that answers as it is told: whole, cut, slow, or not at all."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Reply:
    """What is answered: ``says`` is the length it claims to have (None: none, with the connection's end as its own)."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    is_packed: bool = False
    says: int | None = -1
    in_chunks: bool = False
    cut_after: int | None = None
    waits: float = 0.0


@dataclass
class Asked:
    """A request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""


@dataclass
class Provider:
    """The server: where it is, what it was asked, and what it answers next; the last answer stays."""

    url: str
    answers: Callable[[Asked], Reply] = lambda asked: Reply(status=404)
    asked: list[Asked] = field(default_factory=list)

    def script(self, *replies: Reply) -> None:
        """Answers one after the other; the last one again and again."""
        left = list(replies)
        self.answers = lambda asked: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """A provider whose certificate is signed by the authority in ``folder/ca.pem``."""
    certificate = _certificate(folder)
    told = Provider("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers), self.command, body)
            told.asked.append(asked)
            self._send(told.answers(asked))

        do_POST = do_GET

        def _send(self, reply: Reply) -> None:
            time.sleep(reply.waits)
            body = gzip.compress(reply.body) if reply.is_packed else reply.body
            self.send_response(reply.status)
            if reply.is_packed:
                self.send_header("Content-Encoding", "gzip")
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.in_chunks:
                self.send_header("Transfer-Encoding", "chunked")
                body = (
                    b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (body[:7], body[7:]) if one)
                    + b"0\r\n\r\n"
                )
            elif reply.says is not None:
                self.send_header("Content-Length", str(len(body) if reply.says < 0 else reply.says))
            self.end_headers()
            self.wfile.write(body[: reply.cut_after])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"https://localhost:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def _certificate(folder: Path) -> Path:
    """Writes an authority to ``ca.pem``, and a certificate of it for this machine with its key to ``server.pem``."""
    now = datetime.now(UTC)

    def signed(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, is_ca: bool
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
            )
        )
        if not is_ca:
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(by, hashes.SHA256())

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(
        signed("test authority", authority, "test authority", authority, True).public_bytes(pem)
    )
    path = folder / "server.pem"
    path.write_bytes(
        own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed("localhost", own, "test authority", authority, False).public_bytes(pem)
    )
    return path
