"""Random custody histories as the chain would take them, with the registry's events before them."""

from kept_history import ADDRESS, DOMAIN, START, WHO, party

from ledger.audit.blocks import Network
from ledger.audit.checking import Happening
from ledger.core.findings import LATE_SECONDS
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, blind, consignment_id
from ledger.rows.custody import encode_custody

K = CustodyKind
NETWORK = Network(
    DOMAIN.chain_id,
    bytes(32),
    {
        "AdministrationRegistry": b"\x03" * 20,
        "ManifestLog": b"\x02" * 20,
        "ConsignmentLedger": DOMAIN.contract,
    },
    {},
    "development",
    1,
)
BLINDS = [blind(bytes([number]) * 32, "ucr:6SG1") for number in range(4)]
OPENERS = ["exporter", "exporter", "exporter", "importer"]
IDS = [consignment_id(party(role), hidden) for role, hidden in zip(OPENERS, BLINDS, strict=True)]
KINDS = [
    *K,
    K.OFFER,
    K.ACCEPT,
    K.ACCEPT,
    K.HOLD,
    K.LIFT,
    K.LIFT,
    K.RELEASE,
    K.RELEASE,
    K.CONSOLIDATE,
    K.DEPARTURE,
]


def attempt_of(rng, model):
    """Mostly what somebody who may do it does next, so that histories get somewhere; else anything by anybody.

    Returns:
        Which consignment, kind, role, which other one, what is wrong with it, and how long ago it was observed.
    """
    which, kind = rng.randrange(4), rng.choice(KINDS)
    roles = list(WHO)
    if rng.random() < 0.8:
        wanted = model.offered_to(IDS[which]) if kind in (7, 8) else model.custodian(IDS[which])
        if kind in (4, 9, 10, 11, 13, 14):
            roles = ["officer", "officer", "health", "foreign_officer"]
        else:
            roles = [role for role in WHO if party(role) == wanted] or roles
    wrong = rng.choice([0] * 25 + [1, 2, 3, 4, 5, 6, 7])
    ago = rng.choice([0, 0, 0, 60, 90, -200, -400, LATE_SECONDS + 1])
    return which, kind, rng.choice(roles), rng.randrange(4), wrong, ago


def registry_events(fold):
    codes = sorted({party(role)[:8] for role in WHO})
    sequence = 0
    for place, code in enumerate(codes):
        sequence += 1
        values = {"administration": code, "governor": bytes([0x90 + place]) * 20}
        fold.take(event("AdministrationAdmitted", sequence, values))
    for role, (_, roles) in WHO.items():
        sequence += 1
        values = {
            "account": ADDRESS[role],
            "party": party(role),
            "roles": int(roles),
            "validUntil": START + 10**8,
        }
        fold.take(event("AccountEnrolled", sequence, values))


def event(name, sequence, values):
    return Happening("AdministrationRegistry", name, sequence, values, 1, START, sequence, 0, None, None)


def record_of(model, attempt, time):
    which, kind, role, at, wrong, ago = attempt
    consignment = IDS[which]
    on_line = kind in (6, 7, 8, 12, 15, 16)
    line = model.custody_line(consignment) if on_line else model.account_line(consignment, ADDRESS[role])
    holds = model.holds(consignment)
    subject = {
        K.ACCEPT: line,
        K.DECLINE: line,
        K.LIFT: holds[at % len(holds)].record if holds else b"\x05" * 32,
        K.RELEASE: b"\x09" * 32,
        K.CLEARANCE: b"\x09" * 32,
        K.CONSOLIDATE: IDS[at],
        K.DECONSOLIDATE: model.parent(consignment) or IDS[at],
        K.REMARK: ZERO32 if at % 2 else b"\x06" * 32,
        K.OPEN: IDS[at] if at == 3 and which != 3 else ZERO32,
    }.get(kind, ZERO32)
    observed = time - ago
    fields = {
        "consignment": consignment,
        "kind": int(kind),
        "party": party(role),
        "previous": BLINDS[which] if kind == K.OPEN else line,
        "subject": subject,
        "details": b"\x07" * 32,
        "counterpart": party(list(WHO)[at]) if kind == K.OFFER else ZERO16,
        "observed_at": observed,
        "expires_at": max(time, observed) + 60,
    }
    fields |= {
        1: {"previous": b"\x08" * 32},
        2: {"party": party("carrier")},
        3: {"subject": b"\x01" * 32 if subject == ZERO32 else ZERO32},
        4: {"counterpart": party("carrier")},
        5: {"expires_at": time - 1},
        6: {"expires_at": observed + 31 * 86_400},
        7: {"details": ZERO32},
    }.get(wrong, {})
    return CustodyRecord(**fields)


def row_of(record, sequence, digest, signer, other, time):
    return b"".join(
        (
            sequence.to_bytes(8, "big"),
            (2).to_bytes(8, "big"),
            time.to_bytes(8, "big"),
            bytes(8),
            digest,
            signer,
            other or ZERO32,
            encode_custody(record),
            bytes(27),
        )
    )
