"""A node that does wrong on purpose: a real HTTP server on loopback before a real node, or before none.

`FaultyNode(upstream)` passes everything on; a test gives it a `fault`, which sees each request and its true answer and
returns what is sent instead: an object (sent as JSON), raw bytes, or `HANG_UP` for a closed connection.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from ledger.core.records import keccak

HANG_UP = object()
Fault = Callable[[dict[str, Any], Any], Any]


class FaultyNode:
    def __init__(self, upstream: str | None = None) -> None:
        self.upstream = upstream
        self.fault: Fault | None = None
        self.withheld: set[str] = set()  # methods that are not passed on
        self.status = 200
        self.asked: list[str] = []
        self._http = httpx.Client(trust_env=False, timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._http.close()

    def _answer(self, request: Any) -> Any:
        requests = request if isinstance(request, list) else [request]  # a fault sees a list as it was sent
        self.asked += [each["method"] for each in requests]
        nothing: list[Any] = [{"jsonrpc": "2.0", "id": each["id"], "result": None} for each in requests]
        answer: Any = nothing if isinstance(request, list) else nothing[0]
        if self.upstream is not None and self.withheld.isdisjoint(each["method"] for each in requests):
            answer = self.pass_on(request)
        return answer if self.fault is None else self.fault(request, answer)

    def pass_on(self, request: Any) -> Any:
        """What the true node answers now."""
        assert self.upstream is not None
        return self._http.post(self.upstream, json=request).json()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = (
                1 << 16
            )  # head and body in one packet: else each answer waits 40 ms for an acknowledgement
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                node.asked.append("GET")
                self.send_error(404)

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                answer = node._answer(json.loads(self.rfile.read(length)))
                if answer is HANG_UP:
                    self.close_connection = True
                    return
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if isinstance(answer, Iterator):
                        self._drip(answer)
                        return
                    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                    self.send_response(node.status)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def _drip(self, parts: Iterator[bytes]) -> None:
                self.send_response(node.status)
                self.send_header("connection", "close")
                self.end_headers()
                for part in parts:
                    self.wfile.write(part)
                    self.wfile.flush()
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class Swallowing:
    """A node that says it has what it was sent, and passes none of it on."""

    def __init__(self, node: FaultyNode) -> None:
        self.node = node
        self.raw: list[bytes] = []
        node.fault = self
        node.withheld = {"eth_sendRawTransaction"}

    def __call__(self, request: Any, answer_of_node: Any) -> Any:
        method = request["method"]
        if method == "eth_sendRawTransaction":
            self.raw.append(bytes.fromhex(request["params"][0][2:]))
            return {"jsonrpc": "2.0", "id": request["id"], "result": "0x" + keccak(self.raw[-1]).hex()}
        known = {"0x" + keccak(raw).hex() for raw in self.raw}
        if method == "eth_getTransactionByHash" and request["params"][0] in known:
            return {"jsonrpc": "2.0", "id": request["id"], "result": {"hash": request["params"][0]}}
        return answer_of_node


@contextlib.contextmanager
def before(upstream: str | None = None) -> Iterator[FaultyNode]:
    node = FaultyNode(upstream)
    try:
        yield node
    finally:
        node.close()
