"""Checks a proof that a manifest record is in a log: named checks, each VALID, INVALID or SKIPPED, and a verdict.

The first three are pure: the record and its signature make the leaf, the leaf and its path make the root, the signature
is by the account shown. That the chain keeps this root as a head, and that the account may act for the party, is asked
of a chain. What was not asked is SKIPPED and says so; nothing that failed ever passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.cli.outcome import Exit
from ledger.core import merkle
from ledger.core.identifiers import Party
from ledger.core.records import Domain, ManifestKind, ManifestRecord, Role, head_commitment, leaf_hash
from ledger.core.signatures import recover
from ledger.errors import InclusionError, InvalidIdentifier, InvalidInput

if TYPE_CHECKING:
    from ledger.chain import Chain
    from ledger.messages import InclusionProofView

Status = Literal["VALID", "INVALID", "SKIPPED"]
Verdict = Literal["VALID", "INVALID", "INDETERMINATE"]
EXIT_CODES: dict[Verdict, Exit] = {
    "VALID": Exit.DONE,
    "INVALID": Exit.REFUSED,
    "INDETERMINATE": Exit.INDETERMINATE,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What.
        status: How it came out.
        message: A sentence.
        needed: Whether the verdict needs it; what was not asked for is not.
    """

    name: str
    status: Status
    message: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """Where a record was signed for, as a proof file or a profile says.

    Attributes:
        chain_id: EIP-155 chain id.
        manifest_log: Address of ManifestLog, checksummed.
    """

    chain_id: int
    manifest_log: str

    @property
    def domain(self) -> Domain:
        """ManifestLog's EIP-712 domain."""
        return Domain(self.chain_id, bytes.fromhex(self.manifest_log[2:]))


def verdict(checks: list[Check]) -> Verdict:
    """INVALID if anything is; VALID if all that is needed is; else INDETERMINATE."""
    if any(check.status == "INVALID" for check in checks):
        return "INVALID"
    return "VALID" if all(check.status == "VALID" for check in checks if check.needed) else "INDETERMINATE"


def check_purely(proof: InclusionProofView, network: Network | None) -> tuple[list[Check], str | None]:
    """Check everything that needs no chain.

    Args:
        proof: The proof.
        network: What the signature is over; None if nobody says.

    Returns:
        The checks, and the signer's address if one was recovered.
    """
    try:
        record = proof.record.to_record()
        record.require_form()
        signature = _bytes(proof.signature)
        leaf = leaf_hash(record.leaf_data(signature))
    except InvalidInput as error:
        return [Check("record", "INVALID", str(error))], None
    checks = [_record(proof, record, leaf), _inclusion(proof, leaf)]
    if network is None:
        sentence = (
            "The file does not say for which network the record was signed; give the network's --profile."
        )
        return [*checks, Check("signature", "SKIPPED", sentence)], None
    try:
        signer = recover(record.digest(network.domain), signature)
    except InvalidInput as error:
        return [*checks, Check("signature", "INVALID", str(error))], None
    sentence = f"The record is signed by {signer}."
    return [*checks, Check("signature", "VALID", sentence)], signer


def check_on_chain(proof: InclusionProofView, signer: str | None, chain: Chain) -> list[Check]:
    """Ask the chain for the head, and for whom the signer acts."""
    code = Party(proof.administration).administration_bytes
    kept = bytes(chain.view("ManifestLog", "headCommitment", code, proof.epoch, proof.size))
    log = f"{proof.administration}'s log, epoch {proof.epoch}, size {proof.size}"
    if kept == head_commitment(_bytes(proof.root), int(proof.anchored_at.timestamp())):
        head = Check("head", "VALID", f"The chain keeps this root as a head of {log}, anchored {_at(proof)}.")
    elif kept == bytes(32):
        head = Check("head", "INVALID", f"The chain has no head of {log}.")
    else:
        head = Check("head", "INVALID", f"The chain keeps another root or time for {log}.")
    return [head, _authority(proof, signer, chain)]


def _record(proof: InclusionProofView, record: ManifestRecord, leaf: bytes) -> Check:
    manifest = record.manifest_id
    if proof.leaf_hash != "0x" + leaf.hex():
        return Check("record", "INVALID", "The record and its signature do not make the leaf shown.")
    if proof.id != (None if manifest is None else "0x" + manifest.hex()):
        return Check("record", "INVALID", "The record is of another manifest than the one named.")
    return Check("record", "VALID", f"It is a {ManifestKind(record.kind).name} by {_party(record.party)}.")


def _inclusion(proof: InclusionProofView, leaf: bytes) -> Check:
    path = [_bytes(each) for each in proof.path]
    try:
        merkle.verify_inclusion(leaf, proof.index, proof.size, path, _bytes(proof.root))
    except InclusionError as error:
        return Check("inclusion", "INVALID", str(error))
    return Check(
        "inclusion", "VALID", f"It is leaf {proof.index} of the {proof.size} under the root {proof.root}."
    )


def _authority(proof: InclusionProofView, signer: str | None, chain: Chain) -> Check:
    if signer is None:
        return Check("authority", "SKIPPED", "No signer is known.")
    record = proof.record.to_record()
    party, roles, valid_until, revoked_from, revoked_at = chain.view(
        "AdministrationRegistry", "account", signer
    )
    acts_for = bytes(party)
    if acts_for == bytes(16):
        return Check("authority", "INVALID", f"The registry has no account {signer}.")
    is_own_customs = acts_for == record.party[:8] + bytes(8) and bool(roles & Role.OFFICER)
    is_its_party = acts_for == record.party and bool(roles & (Role.TRADER | Role.OFFICER))
    if not is_its_party and not (record.kind != ManifestKind.LODGE and is_own_customs):
        return Check("authority", "INVALID", f"{signer} acts for {_party(acts_for)}, and may not state this.")
    anchored = int(proof.anchored_at.timestamp())
    if anchored >= valid_until:
        return Check("authority", "INVALID", f"{signer} had run out when the record was anchored.")
    if revoked_at and anchored >= revoked_from:
        return Check(
            "authority",
            "SKIPPED",
            f"Disputed: {signer} was revoked from a time before the record was anchored.",
        )
    return Check("authority", "VALID", f"The registry has {signer} for {_party(acts_for)}.")


def _at(proof: InclusionProofView) -> str:
    return proof.anchored_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _party(data: bytes) -> str:
    try:
        return str(Party.from_bytes(data))
    except InvalidIdentifier:
        return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
