"""Downloads and AWS through a real proxy that wants a name and password, and from a server with its own authority."""

from __future__ import annotations

import base64
import datetime
import logging
import socket
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jobmajor.data import transfer
from jobmajor.data.transfer import Item, TransferOptions
from jobmajor.errors import DataError, Error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZIP = b"PK\x03\x04" + bytes(96)
NAME, SECRET = "name", "p@ss:word/1"
QUOTED = "name:p%40ss%3Aword%2F1"
CALLER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::000000000001:user/a</Arn><UserId>a</UserId><Account>000000000001</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
ONCE = TransferOptions(tries=1, wait_s=0)


class _Handler(BaseHTTPRequestHandler):
    """A file server and, for addresses of other servers, a proxy that asks for `NAME` and `SECRET`."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        if not self.path.startswith("http:") or self._known():
            self._answer(ZIP)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.startswith("http:") or self._known():
            self._answer(CALLER)

    def do_CONNECT(self) -> None:
        if not self._known():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(there, self.connection))
            back.start()
            _pump(self.connection, there)
            back.join()

    def _known(self) -> bool:
        wanted = base64.b64encode(f"{NAME}:{SECRET}".encode()).decode()
        known = self.headers.get("Proxy-Authorization") == f"Basic {wanted}"
        if not known:
            self._answer(b"", 407)
        return known

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def _serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy() -> Iterator[int]:
    with _serving() as port:
        yield port


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(name: str, key: Any, issuer: tuple[str, Any], *, authority: bool) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer[0]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()), critical=False)
    )
    if authority:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        built = built.add_extension(
            x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False), True
        )
    else:
        address = x509.IPAddress(ip_address("127.0.0.1"))
        built = built.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return built.sign(issuer[1], hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Return the port of an https server, and the certificate of the authority that vouches for it."""
    folder = tmp_path_factory.mktemp("authority")
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    trusted, own = folder / "authority.pem", folder / "server.pem"
    pem = serialization.Encoding.PEM
    trusted.write_bytes(_certificate("authority", root, ("authority", root), authority=True).public_bytes(pem))
    private = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    own.write_bytes(private + _certificate("server", leaf, ("authority", root), authority=False).public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    with _serving(context) as port:
        yield port, trusted


def test_proxy_gets_the_name_and_password_of_its_address_and_no_log_has_them(
    proxy: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", f"http://{QUOTED}@127.0.0.1:{proxy}")

    transfer.fetch(Item("a.zip", "http://example.invalid/a.zip", None), tmp_path / "part", ONCE)

    assert (tmp_path / "part").read_bytes() == ZIP
    assert not any(word in caplog.text for word in (SECRET, QUOTED, "word%2F1"))


def test_proxy_that_refuses_the_password_is_one_line_without_it(
    proxy: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", f"http://me:wrongword@127.0.0.1:{proxy}")

    with pytest.raises(DataError, match="found a proxy that refused, expected its right name and password") as caught:
        transfer.fetch(Item("a.zip", "http://example.invalid/a.zip", None), tmp_path / "part", ONCE)

    assert "wrongword" not in f"{caught.value}{caplog.text}"


def test_proxy_that_is_not_there_is_one_line_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", f"http://me:{QUOTED.rpartition(':')[2]}@127.0.0.1:9")

    with pytest.raises(DataError, match="no whole file after 1 try") as caught:
        transfer.fetch(Item("a.zip", "http://example.invalid/a.zip", None), tmp_path / "part", ONCE)

    assert "\n" not in str(caught.value)
    assert not any(word in f"{caught.value}{caplog.text}" for word in (SECRET, "word%2F1"))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("through_proxy", [False, True])
def test_server_of_an_own_authority_is_trusted_by_the_usual_variables(  # noqa: PLR0917 - four fixtures, two parameters
    proxy: int,
    authority: tuple[int, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    through_proxy: bool,
) -> None:
    port, trusted = authority
    monkeypatch.setenv(variable, str(trusted))
    if through_proxy:
        monkeypatch.setenv("https_proxy", f"http://{QUOTED}@127.0.0.1:{proxy}")

    transfer.fetch(Item("a.zip", f"https://127.0.0.1:{port}/a.zip", None), tmp_path / "part", ONCE)

    assert (tmp_path / "part").read_bytes() == ZIP


def test_server_of_an_own_authority_is_refused_without_a_variable(authority: tuple[int, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="CERTIFICATE_VERIFY_FAILED"):
        transfer.fetch(Item("a.zip", f"https://127.0.0.1:{authority[0]}/a.zip", None), tmp_path / "part", ONCE)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_variable_that_names_no_certificates_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "bundle").write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle"))

    with pytest.raises(DataError, match=r"the variable REQUESTS_CA_BUNDLE: found .*bundle .*expected certificates"):
        transfer.fetch(Item("a.zip", "https://127.0.0.1:9/a.zip", None), tmp_path / "part", ONCE)


def _account(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> Any:
    from jobmajor.aws.api import session  # noqa: PLC0415 - the other tests do without boto3

    for name, value in (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_CONFIG_FILE", "/nowhere")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "_TRIES", 1)
    return session.open_session(session.SessionOptions("us-east-1", endpoint_url=endpoint)).identity()


def test_aws_is_reached_through_the_proxy_and_no_log_has_its_password(
    proxy: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", f"http://{QUOTED}@127.0.0.1:{proxy}")

    assert _account(monkeypatch, "http://example.invalid")["Account"] == "000000000001"
    assert not any(word in caplog.text for word in (SECRET, QUOTED, "word%2F1"))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_aws_trusts_the_authority_of_the_usual_variables(
    authority: tuple[int, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority[1]))

    assert _account(monkeypatch, f"https://127.0.0.1:{authority[0]}")["Account"] == "000000000001"


def test_aws_of_an_unknown_authority_is_refused(authority: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Error, match="CERTIFICATE_VERIFY_FAILED"):
        _account(monkeypatch, f"https://127.0.0.1:{authority[0]}")


def test_aws_with_a_variable_that_names_nothing_is_one_line(
    authority: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")

    with pytest.raises(Error, match="or SSL_CERT_FILE, or correct it") as caught:
        _account(monkeypatch, f"https://127.0.0.1:{authority[0]}")

    assert "\n" not in str(caught.value)
