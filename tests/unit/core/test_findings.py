"""What seals, places and times show, as far as details are disclosed."""

import pytest

from ledger.core import findings
from ledger.core.findings import FindingKind, Step, kind_name, party_text, time_text
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, keccak

K = CustodyKind
CARGO, OTHER = keccak(b"cargo"), keccak(b"other")
NOW = 1_790_000_000


def steps(*given: tuple[CustodyKind, int, dict[str, object] | None], consignment: bytes = CARGO):
    """Steps of these kinds observed at these times, and the details that are disclosed of them."""
    made, documents = [], {}
    for number, (kind, observed, document) in enumerate(given):
        digest = keccak(b"%d" % number)
        record = CustodyRecord(
            consignment, kind, ZERO16, ZERO32, ZERO32, ZERO32, ZERO16, NOW + observed, NOW + observed + 60
        )
        made.append(Step(record, digest, bytes(20), NOW + 1000 + number, None))
        if document is not None:
            documents[digest] = document
    return made, documents


def passages(*given):
    made, documents = steps(*given)
    return [finding.kind for finding in findings.passages(CARGO, made, documents)]


def seals(*given):
    made, documents = steps(*given)
    return [finding.sentence for finding in findings.seals(CARGO, made, documents)]


def test_an_arrival_observed_before_its_departure_is_found():
    assert passages((K.DEPARTURE, 10, None), (K.ARRIVAL, 20, None)) == []
    found = passages((K.DEPARTURE, 20, None), (K.ARRIVAL, 10, None))
    assert found == [FindingKind.ARRIVED_BEFORE_DEPARTURE]


@pytest.mark.parametrize("name", ["place", "location", "office"])
def test_a_departure_the_day_before_the_arrival_is_found_unless_it_was_from_elsewhere(name):
    here, there = {name: "GBFXT"}, {name: "NLRTM"}
    expected = [FindingKind.DEPARTED_BEFORE_ARRIVAL]
    assert passages((K.ARRIVAL, 20, here), (K.DEPARTURE, 10, here)) == expected
    assert passages((K.ARRIVAL, 20, here), (K.DEPARTURE, 10, None)) == expected
    assert passages((K.ARRIVAL, 20, None), (K.DEPARTURE, 10, here)) == expected
    assert passages((K.ARRIVAL, 20, here), (K.DEPARTURE, 10, there)) == []
    assert passages((K.ARRIVAL, 10, here), (K.DEPARTURE, 20, here)) == []


def test_passages_are_compared_with_the_one_before_and_other_records_passed_over():
    order = ((K.ARRIVAL, 20, None), (K.ARRIVAL, 10, None), (K.REMARK, 5, None), (K.DEPARTURE, 30, None))
    assert passages(*order) == []
    made, documents = steps((K.DEPARTURE, 20, None), (K.ARRIVAL, 10, None), consignment=OTHER)
    assert findings.passages(CARGO, made, documents) == []
    assert len(findings.passages(OTHER, made, documents)) == 1


def test_a_seal_that_changed_without_a_seal_record_is_found():
    one, two = {"seals": ["S1"]}, {"seals": ["S2"]}
    assert seals((K.DEPARTURE, 0, one), (K.ARRIVAL, 1, one)) == []
    (sentence,) = seals((K.DEPARTURE, 0, one), (K.ARRIVAL, 1, two), (K.INSPECTION, 2, two))
    assert sentence == "The seal seen is S2; on record is S1, and no seal record explains it."


def test_customs_changes_a_seal_by_two_records():
    changing = (
        (K.DEPARTURE, 0, {"seals": ["S1"]}),
        (K.SEAL, 1, {"seal": "S1", "action": "removed"}),
        (K.SEAL, 2, {"seal": "S2", "action": "affixed"}),
        (K.ARRIVAL, 3, {"seals": ["S2"]}),
    )
    assert seals(*changing) == []
    assert len(seals(*changing[:2], changing[3])) == 1
    assert seals((K.SEAL, 0, {"seal": "S1", "action": "affixed"}), (K.ARRIVAL, 1, {"seals": ["S1"]})) == []
    assert seals((K.SEAL, 0, {"seal": "S1", "action": "removed"}), (K.ARRIVAL, 1, {"seals": []})) == []


def test_some_of_the_seals_are_enough_and_none_are_not():
    both = (K.DEPARTURE, 0, {"seals": ["S1", "S2"]})
    assert seals(both, (K.ARRIVAL, 1, {"seals": ["S2"]}), (K.INSPECTION, 2, {"seals": ["S1"]})) == []
    (sentence,) = seals(both, (K.ARRIVAL, 1, {"seals": []}))
    assert sentence.startswith("The seal seen is none; on record is S1, S2")


def test_what_is_not_disclosed_or_not_text_is_not_read():
    assert seals((K.DEPARTURE, 0, {"seals": ["S1"]}), (K.ARRIVAL, 1, None), (K.SEAL, 2, None)) == []
    assert seals((K.DEPARTURE, 0, {"seals": "S1"}), (K.ARRIVAL, 1, {"seals": [1, None, "S1"]})) == []
    made, documents = steps((K.DEPARTURE, 0, {"seals": ["S1"]}), (K.ARRIVAL, 1, {"seals": ["S2"]}))
    assert findings.seals(OTHER, made, documents) == []


def test_names_and_times_print_even_where_there_are_none():
    assert party_text(b"SG".ljust(8, b"\0") + b"ACME01\0\0") == "SG:ACME01"
    assert party_text(b"SG".ljust(8, b"\0")) == "SG"
    assert party_text(b"\xff" * 16) == "0x" + "ff" * 16
    assert time_text(NOW) == "2026-09-21T14:13:20Z"
    assert time_text(2**64 - 1) == str(2**64 - 1)
    assert (kind_name(9), kind_name(18)) == ("HOLD", "18")
