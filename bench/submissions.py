"""Signed submissions as lines, made before anything is timed: signing is the business of those who lodge."""

import secrets
import time
from collections.abc import Iterator
from itertools import islice

import orjson
from manifests import encode, generate

from ledger.core import documents, signatures
from ledger.core.identifiers import Party
from ledger.core.records import ZERO32, Domain, ManifestRecord, blind, consignment_id
from ledger.messages import ManifestRecordMessage, to_hex


class Lodger:
    """Signs what one trader lodges; no line is ever made twice.

    Args:
        domain: ManifestLog's.
        party: The trader.
        key: Of its account.
    """

    def __init__(self, domain: Domain, party: str, key: bytes) -> None:
        self._domain, self._party, self._key = domain, Party.parse(party).to_bytes(), key

    def records(self, count: int) -> list[bytes]:
        """Records whose documents stay at home."""
        return [
            orjson.dumps(self._signed(secrets.token_bytes(32), secrets.token_bytes(32))) for _ in range(count)
        ]

    def whole(self, count: int) -> list[bytes]:
        """Records with a bench manifest, its secret, a trade reference and the consignment's key."""
        return list(islice(self._whole(count), count))

    def _whole(self, count: int) -> Iterator[bytes]:
        for manifest in generate(count):
            reference, key, secret = (
                f"ucr:6SG{secrets.token_hex(8).upper()}",
                secrets.token_bytes(32),
                secrets.token_bytes(32),
            )
            document = documents.parse(encode(manifest))
            signed = self._signed(
                consignment_id(self._party, blind(key, reference)), documents.commit(document, secret).root
            )
            yield orjson.dumps(
                signed
                | {
                    "document": document.value,
                    "secret": to_hex(secret),
                    "reference": reference,
                    "consignment_key": to_hex(key),
                }
            )

    def _signed(self, consignment: bytes, root: bytes) -> dict:
        record = ManifestRecord(self._party, 1, 0, consignment, root, ZERO32, int(time.time()))
        signature = signatures.sign(record.digest(self._domain), self._key)
        return {"record": ManifestRecordMessage.of(record).model_dump(), "signature": to_hex(signature)}
