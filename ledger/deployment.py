"""Founding a network, and what governors do on chain.

Deployment uses a key that nobody keeps: it is made here, used for three transactions and forgotten, so that no two
networks share an address and no address has power. The contracts name each other, so their addresses are predicted.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

import rlp
from eth_account import Account
from web3 import Web3
from web3.exceptions import Web3Exception

from ledger import devchain
from ledger.chain import Call, Chain, Node, Receipt, artifact, sign_transaction
from ledger.config import CONTRACTS, ChainProfile, Kind
from ledger.core.identifiers import Party
from ledger.core.records import Enrolment, keccak
from ledger.core.signatures import sign
from ledger.errors import ChainMismatch, ChainUnavailable, InvalidIdentifier, InvalidProfile

_GAS_GOVERNANCE = 500_000
_GAS_CREATION = 8_000_000
# Wei for a unit of gas. Where gas is free, an account without money can offer no price at all; geth never takes less than
# 1 wei, and its base fee rises by one with each block that is over half full.
_GAS_PRICES: dict[Kind, int] = {"development": 10**9, "clique": 10**9, "qbft": 0}


def deploy(
    url: str,
    founders: Mapping[str, str],
    *,
    kind: Kind = "development",
    validators: Sequence[str] = (),
    block_seconds: int = 1,
    gas_price_wei: int | None = None,
    fund: Callable[[str], None] | None = None,
) -> ChainProfile:
    """Deploy the three contracts and return the profile that pins them.

    Args:
        url: JSON-RPC address of a node.
        founders: Governor's address by administration; at least 3 outside development.
        kind: What the network is.
        validators: Checksummed addresses of those who seal it, as the administrations agreed; none in development.
        block_seconds: Seconds between the network's blocks.
        gas_price_wei: The most paid for gas; by default 1 gwei, and nothing with QBFT.
        fund: Gives an address what the deployment costs; by default done in development, and by nobody elsewhere.

    Raises:
        ChainUnavailable: The node gave no usable answer.
        InvalidProfile: A founder is no administration, the deployment reverted, or validators are missing.
        ChainMismatch: What was deployed is not at the predicted addresses.
    """
    if bool(validators) != (kind != "development"):
        raise InvalidProfile("validators", "name those who seal the network; a development chain has none")
    with closing(Node(url)) as node:
        if fund is None and kind == "development":
            fund = partial(devchain.fund, url)
        price = _GAS_PRICES[kind] if gas_price_wei is None else gas_price_wei
        ascending = sorted(validators, key=lambda address: bytes.fromhex(address[2:]))
        return _deploy(node, founders, kind, tuple(ascending), block_seconds, price, fund)


def _confirmations(kind: Kind, validators: int) -> int:
    """Blocks on top after which a block counts as final: QBFT's are final at once, Clique's never quite (DESIGN 6)."""
    return {"development": 2, "clique": 2 * validators, "qbft": 0}[kind]


def _deploy(
    node: Node,
    founders: Mapping[str, str],
    kind: Kind,
    validators: tuple[str, ...],
    block_seconds: int,
    price: int,
    fund: Callable[[str], None] | None,
) -> ChainProfile:
    key = secrets.token_bytes(32)
    deployer = str(Account.from_key(key).address)
    if fund is not None:
        fund(deployer)
    chain_id = node.chain_id()
    genesis = node.block(0)
    if genesis is None:
        raise ChainUnavailable(node.shown, "it has no block 0")
    addresses = [_created_by(deployer, nonce) for nonce in range(3)]
    registry, log, consignments = addresses
    seats = [(_administration(code), governor) for code, governor in founders.items()]
    arguments = [
        [genesis.hash, log, consignments, seats],
        [genesis.hash, registry, consignments],
        [genesis.hash, registry, log],
    ]
    creations = [_creation_code(name, values) for name, values in zip(CONTRACTS, arguments, strict=True)]
    sent = []
    for nonce, creation in enumerate(creations):
        transaction_hash, raw = sign_transaction(
            Call("", creation, _GAS_CREATION), key, nonce, chain_id, price
        )
        node.submit(raw, transaction_hash)
        sent.append(transaction_hash)
    confirmations = _confirmations(kind, len(validators))
    # the profile names the block for ever; in development nobody takes blocks back
    receipts = _settled(node, sent, confirmations if kind != "development" else 0)
    for name, receipt in zip(CONTRACTS, receipts, strict=True):
        if not receipt.succeeded:
            raise InvalidProfile(
                name,
                "its deployment reverted: each governor needs a seat of its own, and outside development at least 3 "
                "founders are needed",
            )
    code_hashes = {}
    for name, address in zip(CONTRACTS, addresses, strict=True):
        code = node.code(address)
        if not code:
            raise ChainMismatch(f"the code of {name}", "at " + address, "missing")
        code_hashes[name] = "0x" + keccak(code).hex()
    return ChainProfile(
        kind=kind,
        rpc_url=node.url,
        chain_id=chain_id,
        genesis_hash=genesis.hash,
        registry=registry,
        manifest_log=log,
        consignment_ledger=consignments,
        code_hashes=code_hashes,
        deployment_block=min(receipt.block_number for receipt in receipts),
        block_seconds=block_seconds,
        confirmations=confirmations,
        gas_price_wei=price,
        validators=validators,
    )


def _settled(node: Node, sent: Sequence[bytes], confirmations: int) -> list[Receipt]:
    """The receipts of transactions, once that many blocks are on top of all of them."""
    while True:
        receipts = [node.wait(transaction_hash) for transaction_hash in sent]
        if max(receipt.block_number for receipt in receipts) + confirmations <= node.head().number:
            return receipts
        time.sleep(0.5)


def consent(profile: ChainProfile, account_key: bytes, party: str, roles: int, valid_until: int) -> bytes:
    """The account's own signature over its enrolment, 65 bytes; its governor puts it on chain."""
    account = bytes.fromhex(str(Account.from_key(account_key).address)[2:])
    enrolment = Enrolment(account, Party.parse(party).to_bytes(), roles, valid_until)
    return sign(enrolment.digest(profile.registry_domain), account_key)


class Governance:
    """What a governor does: each method sends one transaction and waits until it is mined.

    Raises (every method):
        ContractError: The registry or the log refuses, by name, before anything is sent.
        InvalidIdentifier, InvalidRecord: An argument is not of its form.
        ChainUnavailable: The node gave no usable answer, or does not take the transaction.
    """

    def __init__(self, profile: ChainProfile, key: bytes) -> None:
        self.chain = Chain(profile)
        try:
            self.chain.require_identity()
        except BaseException:
            self.chain.close()
            raise
        self._key = key
        self.address = str(Account.from_key(key).address)

    def close(self) -> None:
        """Close the connections."""
        self.chain.close()

    def enrol(self, account: str, party: str, roles: int, valid_until: int, consent: bytes) -> bytes:
        """Enrol an account that consented; returns the transaction's hash."""
        return self._send("enrol", account, Party.parse(party).to_bytes(), roles, valid_until, consent)

    def enrol_all(self, enrolments: Sequence[tuple[str, str, int, int, bytes]]) -> Iterator[bytes]:
        """Enrol many accounts without waiting for each: all are sent, then waited for in order.

        Args:
            enrolments: The arguments of `enrol`, for each account.

        Yields:
            The transaction's hash of each, once it is mined.
        """
        calls = []
        for account, party, roles, valid_until, agreed in enrolments:
            arguments = (account, Party.parse(party).to_bytes(), roles, valid_until, agreed)
            calls.append(self._checked("enrol", *arguments))
        nonce = self.chain.nonce(self.address)
        sent = [self.chain.sign(call, self._key, nonce + place) for place, call in enumerate(calls)]
        for transaction_hash, raw in sent:
            self.chain.submit(raw, transaction_hash)
        for call, (transaction_hash, _) in zip(calls, sent, strict=True):
            yield self._mined("enrol", call, transaction_hash)

    def raise_validity(self, account: str, valid_until: int) -> bytes:
        """Let an account act for longer."""
        return self._send("raiseValidity", account, valid_until)

    def revoke(self, account: str, revoked_from: int) -> bytes:
        """Revoke an account from a time on, at most now: what it did since then is disputed."""
        return self._send("revoke", account, revoked_from)

    def propose_admission(self, administration: str, governor: str) -> bytes:
        """Propose that an administration joins; returns the proposal's id."""
        code = _administration(administration)
        return self._propose("proposeAdmission", 1, code, governor)

    def propose_suspension(self, administration: str) -> bytes:
        """Propose that an administration is suspended; returns the proposal's id."""
        code = _administration(administration)
        return self._propose("proposeSuspension", 2, code)

    def propose_reinstatement(self, administration: str) -> bytes:
        """Propose that a suspended administration is active again; returns the proposal's id."""
        code = _administration(administration)
        return self._propose("proposeReinstatement", 3, code)

    def propose_replacement(self, administration: str, governor: str) -> bytes:
        """Propose that an administration's governor, who is lost, is replaced; returns the proposal's id."""
        code = _administration(administration)
        return self._propose("proposeReplacement", 4, code, governor)

    def approve(self, proposal: bytes) -> bytes:
        """Approve a proposal; the approval that makes the quorum carries it."""
        return self._send("approve", proposal)

    def offer_seat(self, governor: str) -> bytes:
        """Offer the seat to another account; the zero address takes an offer back."""
        return self._send("offerSeat", governor)

    def accept_seat(self, administration: str) -> bytes:
        """Take the seat that was offered to this account."""
        return self._send("acceptSeat", _administration(administration))

    def restart_log(self, administration: str, reason: int) -> bytes:
        """Freeze the log's epoch and open the next, after a stolen key or an old backup."""
        code = _administration(administration)
        return self._send("restart", code, reason, contract="ManifestLog")

    def _propose(self, function: str, kind: int, administration: bytes, *governor: str) -> bytes:
        # the id is of the round in which the motion is put; where it carries at once, the next round has begun after
        seat = governor[0] if governor else "0x" + "00" * 20
        proposal: bytes = self.chain.view("AdministrationRegistry", "proposalId", kind, administration, seat)
        self._send(function, administration, *governor)
        return proposal

    def _send(self, function: str, *arguments: object, contract: str = "AdministrationRegistry") -> bytes:
        call = self._checked(function, *arguments, contract=contract)
        transaction_hash, raw = self.chain.sign(call, self._key, self.chain.nonce(self.address))
        self.chain.submit(raw, transaction_hash)
        return self._mined(function, call, transaction_hash)

    def _checked(self, function: str, *arguments: object, contract: str = "AdministrationRegistry") -> Call:
        """A call that the contract would take now, and the means to send it."""
        call = self.chain.call_of(contract, function, *arguments, gas=_GAS_GOVERNANCE)
        self.chain.simulate(call, self.address)
        if self.chain.profile.kind == "development":
            devchain.fund(self.chain.profile.rpc_url, self.address)
        return call

    def _mined(self, function: str, call: Call, transaction_hash: bytes) -> bytes:
        if not self.chain.wait(transaction_hash).succeeded:
            self.chain.simulate(call, self.address)
            raise InvalidProfile(function, "the transaction reverted, though it would pass now: try again")
        return transaction_hash


def _administration(code: str) -> bytes:
    """An administration's 8 bytes; a party with an organisation is refused, not cut."""
    party = Party.parse(code)
    if not party.is_customs:
        raise InvalidIdentifier("administration", code, "2 to 8 of A-Z and 0-9 are expected")
    return party.administration_bytes


def _creation_code(contract: str, arguments: Sequence[object]) -> bytes:
    built = artifact(contract)
    factory = Web3().eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    try:
        return bytes.fromhex(str(factory.constructor(*arguments).data_in_transaction)[2:])
    except (AttributeError, Web3Exception, TypeError, ValueError):
        # what web3 raises depends on what the value is instead
        raise InvalidProfile(contract, "a founder's governor is no checksummed address") from None


def _created_by(sender: str, nonce: int) -> str:
    return str(Web3.to_checksum_address(keccak(rlp.encode([bytes.fromhex(sender[2:]), nonce]))[12:]))
