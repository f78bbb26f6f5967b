"""`DELETE /v1/manifests/{id}/content`, as programs call it."""

import cargo
import pytest

from ledger.core import signatures
from ledger.core.records import Erasure
from ledger.errors import ServiceError
from ledger.messages import from_hex, to_hex


@pytest.fixture
def lodged(clients, now):
    """A manifest that was lodged with its document: its id."""
    return clients("exporter").submit_manifest(cargo.whole_submission(clients("exporter"), now)).id


def test_the_client_has_a_manifest_erased(clients, lodged):
    exporter = clients("exporter")
    answer = exporter.erase(lodged)
    assert (answer.id, answer.content, answer.consignment_key) == (lodged, "erased", "erased")
    assert exporter.erase(lodged).erased_at == answer.erased_at
    view = exporter.manifest(lodged)
    assert (view.content, view.document, view.reference) == ("erased", None, None)


@pytest.mark.parametrize(
    ("role", "status"), [("carrier", 404), ("stranger", 403), ("foreign_officer", 403), ("officer", 200)]
)
def test_who_may(clients, lodged, role, status):
    if status == 200:
        assert clients(role).erase(lodged).content == "erased"
        return
    with pytest.raises(ServiceError) as refused:
        clients(role).erase(lodged)
    assert refused.value.status == status
    assert clients("exporter").manifest(lodged).content == "seen"


def test_what_is_not_well_formed_is_refused_and_nothing_is_erased(http, clients, network, lodged, now):
    digest = Erasure(from_hex(lodged), now).digest(network.profile.log_domain)
    signature = to_hex(signatures.sign(digest, network.keys["exporter"]))
    path = f"/v1/manifests/{lodged}/content"
    for query, status in (
        ({}, 422),
        ({"issued_at": now}, 422),
        ({"issued_at": "soon", "signature": signature}, 422),
        ({"issued_at": -1, "signature": signature}, 422),
        ({"issued_at": now, "signature": "0x12"}, 422),
        ({"issued_at": now, "signature": signature, "more": 1}, 422),
        ({"issued_at": now, "signature": "0x" + "00" * 65}, 400),
        ({"issued_at": now - 90_000, "signature": signature}, 400),
        ({"issued_at": now - 1, "signature": signature}, 403),
    ):
        answer = http.delete(path, params=query)
        assert answer.status_code == status, (query, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert clients("exporter").manifest(lodged).content == "seen"
    assert http.delete(path, params={"issued_at": now, "signature": signature}).status_code == 200
    assert http.get(path).status_code == 405
