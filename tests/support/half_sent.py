"""A batch of which one line is sent and answered, and the rest still to come: what a service has under way."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import orjson

from ledger.messages import ManifestSubmission


class HalfSent:
    """A batch on a connection of its own."""

    def __init__(self, url: str, first: ManifestSubmission) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self._connection.putrequest("POST", "/v1/manifests/batch")
        self._connection.putheader("content-type", "application/x-ndjson")
        self._connection.putheader("transfer-encoding", "chunked")
        self._connection.endheaders()
        self._send(first)
        self._answer = self._connection.getresponse()
        self.answers: list[dict[str, Any]] = [orjson.loads(self._answer.readline())]

    def finish(self, last: ManifestSubmission) -> None:
        """Send the last line and the end, and read to the end of the answer."""
        self._send(last)
        self._connection.send(b"0\r\n\r\n")
        self.answers += [orjson.loads(line) for line in self._answer.read().splitlines()]
        self._connection.close()

    def _send(self, submission: ManifestSubmission) -> None:
        line = submission.model_dump_json(exclude_none=True).encode() + b"\n"
        self._connection.send(f"{len(line):x}\r\n".encode() + line + b"\r\n")
