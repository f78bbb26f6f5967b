"""Whether the validators that a trust file names stand behind the last block, with every header in between.

The last block is what counts: every earlier one is its ancestor by hash. Changes of the set are followed header by header.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ledger.core import clique, headers
from ledger.core.findings import time_text
from ledger.core.headers import Header
from ledger.core.sealing import UNSEALED
from ledger.core.signatures import checksummed
from ledger.core.trust import Trust
from ledger.core.verdict import Check
from ledger.errors import InvalidEncoding, InvalidSignature, SealError


class Seals:
    """Follows the headers of one chain.

    Args:
        trust: Whose seals count.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._validators: list[str] = list(trust.validators)
        self._clique: clique.CliqueSigners | None = None
        self._last: Header | None = None
        self._why_not = ""

    def take(self, encoded: bytes) -> None:
        """Take the next header.

        Raises:
            SealError, InvalidEncoding, InvalidSignature: It is not sealed as it should be.
        """
        header = self._last = headers.decode(encoded)
        if self._trust.consensus == "qbft" and header.number > self._trust.from_block:
            listed = [checksummed(each) for each in headers.qbft_extra(header).validators]
            if not listed:
                self._why_not = f"Block {header.number} lists no validators (contract mode): whether they changed can't be seen."
            elif set(listed) != set(self._validators):
                self._validators = headers.next_validators(header, self._validators)
        if self._trust.consensus == "clique":
            self._follow_clique(header)

    def _follow_clique(self, header: Header) -> None:
        trust = self._trust
        if self._clique is None:
            if header.number <= trust.from_block:
                return  # an ancestor of what is followed from there on
            if header.number > trust.from_block + 1:
                self._why_not = (
                    f"The blocks begin with {header.number}; to follow Clique's signers they must begin at or before "
                    f"block {trust.from_block + 1}, from where the trust file knows them."
                )
                return
            self._clique = clique.CliqueSigners(trust.validators, trust.from_block, trust.epoch)
        self._clique.take(header)

    def judge(self, successors: Sequence[bytes]) -> Check:
        """Judge the last header taken.

        Args:
            successors: Headers on top of it, RLP, oldest first.
        """
        trust, last = self._trust, self._last
        if time.time() >= trust.expires_at:
            rule = f"The trust file ran out at {time_text(trust.expires_at)}: whom it names may seal no more. Get a new one."
            return Check("seals", "ERROR", rule)
        if trust.consensus == "development":
            return Check("seals", "SKIPPED", UNSEALED)
        if last is None:
            return Check("seals", "ERROR", "No header was read.")
        if last.number < trust.from_block:
            self._why_not = (
                f"Block {last.number} is older than block {trust.from_block}, from which on the trust file knows the "
                "validators: use one that reaches back."
            )
        if self._why_not:
            return Check("seals", "ERROR", self._why_not)
        try:
            return Check(
                "seals", "VALID", self._confirmed(last, [headers.decode(each) for each in successors])
            )
        except (SealError, InvalidEncoding, InvalidSignature) as error:
            return Check("seals", "INVALID", str(error))

    def _confirmed(self, last: Header, above: list[Header]) -> str:
        if self._trust.consensus == "qbft":
            signers = headers.require_qbft_quorum(last, self._validators)
            return f"Block {last.number} is final: {len(signers)} of {len(self._validators)} trusted validators sealed it."
        trusted = set(self._trust.validators) if self._clique is None else self._clique.signers
        count, successors = clique.confirmations([last, *above], trusted)
        needed = clique.needed(len(trusted))
        if successors < 2 * len(trusted) or count < needed:
            raise SealError(
                f"block {last.number} is confirmed by {count} of {len(trusted)} signers over {successors} blocks; "
                f"{needed} signers over {2 * len(trusted)} blocks are needed"
            )
        return f"Block {last.number} is confirmed by {count} of {len(trusted)} signers, not final: Clique has no finality."
