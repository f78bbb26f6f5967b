"""Receivers of webhooks: real sockets that answer what a test says, and note what they were sent."""

import contextlib
import datetime
import ipaddress
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = tuple[int, dict[str, str]]  # status and headers


class Received:
    """One request, as it came."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """A server at `url`; `answer` is asked for each request, `received` has them all in the order they came."""

    def __init__(
        self, answer: Callable[[Received], Answer], server: ThreadingHTTPServer, scheme: str
    ) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self.port = server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}/hook"
        self.lock = threading.Lock()


@contextlib.contextmanager
def receiving(
    answer: Callable[[Received], Answer] = lambda _: (204, {}),
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    note: Callable[[Received], None] | None = None,
) -> Iterator[Receiver]:
    """A receiver that answers at once."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            one = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with receiver.lock:
                receiver.received.append(one)
            status, headers = receiver.answer(one)
            self.send_response(status)
            for name, value in (headers | {"content-length": "0"}).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass  # a sender that was killed

    server = Server((host, 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver = Receiver(answer, server, "http" if tls is None else "https")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Raw:
    """A listener that counts connections and does with each what a test says."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0


@contextlib.contextmanager
def listening(
    behave: Callable[[socket.socket], None] = lambda connection: None, host: str = "127.0.0.1"
) -> Iterator[Raw]:
    """A listener; `behave` has the connection in a thread of its own, and the connection stays open until the end."""
    raw = Raw()
    opened: list[socket.socket] = []
    ended = threading.Event()
    if host == "::":
        listener = socket.create_server((host, 0), family=socket.AF_INET6, dualstack_ipv6=True)
    else:
        listener = socket.create_server((host, 0))
    raw.port = listener.getsockname()[1]

    def accept() -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(listener, selectors.EVENT_READ)
            while not ended.is_set():
                if not ready.select(0.05):
                    continue
                connection, _ = listener.accept()
                raw.connections += 1
                opened.append(connection)
                threading.Thread(target=quietly, args=(connection,), daemon=True).start()

    def quietly(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            behave(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield raw
    finally:
        ended.set()
        thread.join()
        listener.close()
        for connection in opened:
            connection.close()


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for a name (or address), and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A receiver of a test")])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
