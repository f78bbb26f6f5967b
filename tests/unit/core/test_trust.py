"""The trust file: one encoding, everything pinned, nothing left open."""

import json

import jsonschema
import orjson
import pytest
from evidence_maker import World, schema

from ledger.core import canonical
from ledger.core.trust import Trust
from ledger.errors import InvalidTrust


@pytest.mark.parametrize("consensus", ["qbft", "clique", "development"])
def test_what_is_decoded_is_encoded_to_the_same_bytes_and_fits_the_schema(consensus):
    trust = World(consensus, others=1).trust()
    data = trust.encode()
    assert Trust.decode(data) == trust
    assert Trust.decode(data).sha256 == trust.sha256
    schema("cargo-trust-1").validate(json.loads(data))


def change(data, place, wrong):
    value = orjson.loads(data)
    at = value
    for key in place[:-1]:
        at = at[key]
    if wrong is ...:
        del at[place[-1]]
    else:
        at[place[-1]] = wrong
    return canonical.encode(value)


@pytest.mark.parametrize(
    "place, wrong",
    [
        (("schema",), "cargo-trust/2"),
        (("administration",), "SG:ACME01"),
        (("administration",), "sg"),
        (("administration",), 7),
        (("chain", "id"), 0),
        (("chain", "genesis_hash"), "0x11"),
        (("contracts", "ManifestLog"), ...),
        (("contracts", "ManifestLog", "code_hash"), ...),
        (("consensus", "kind"), "proof of work"),
        (("consensus", "kind"), ["qbft"]),
        (("consensus", "kind"), "development"),
        (("consensus", "validators"), []),
        (("consensus", "validators"), ["0x" + "22" * 20, "0x" + "11" * 20]),
        (("consensus", "validators"), ["0x" + "22" * 20, "0x" + "22" * 20]),
        (("consensus", "epoch"), 30_000),
        (("red_lines", "old_seconds"), 0),
        (("expires_at",), 2**50),
        (("more",), 1),
    ],
)
def test_what_pins_nothing_is_refused_with_its_place(place, wrong):
    data = World(others=1).trust().encode()
    with pytest.raises(InvalidTrust) as refused:
        Trust.decode(change(data, place, wrong))
    assert refused.value.place.startswith("/" + place[0]) or refused.value.place == ""
    if wrong != "cargo-trust/2" and place[-1] not in ("validators", "kind", "administration", "epoch"):
        with pytest.raises(jsonschema.ValidationError):
            schema("cargo-trust-1").validate(json.loads(change(data, place, wrong)))
