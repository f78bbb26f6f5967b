"""`cargo-ledger administration`: who is in the ledger, and the motions by which administrations decide that together."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.governing import ChainReader, ChainSigner, chain_reader, chain_signer
from ledger.cli.options import address, administration, bytes32, examples, using
from ledger.cli.output import Page
from ledger.core.identifiers import Party
from ledger.errors import ChainUnavailable, InvalidIdentifier, NotFound

if TYPE_CHECKING:
    from ledger.chain import Chain

REGISTRY = "AdministrationRegistry"
NOBODY = "0x" + "00" * 20
PROPOSAL_SECONDS = 30 * 86_400  # then it can no longer be approved (DESIGN 4)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show administrations, and propose or approve admission, suspension, reinstatement and a governor's replacement.",
    epilog=examples(
        "cargo-ledger administration show",
        "cargo-ledger administration propose admission KE --governor 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A --key governor-sg",
    ),
)


class Motion(StrEnum):
    """What administrations decide on together; the order is the registry's, from 1."""

    ADMISSION = "admission"
    SUSPENSION = "suspension"
    REINSTATEMENT = "reinstatement"
    REPLACEMENT = "replacement"


_STATES = ("unknown", "active", "suspended")
_NEEDS_GOVERNOR = (Motion.ADMISSION, Motion.REPLACEMENT)


@app.command(
    epilog=examples(
        "cargo-ledger administration show",
        "cargo-ledger administration show SG --json",
        "cargo-ledger administration show 0x5a…  (the id of a proposal, 64 hex digits)",
    )
)
@using(chain_reader)
def show(
    session: ChainReader,
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE|PROPOSAL]", help="An administration, or a proposal's id; without one, all."
        ),
    ] = None,
) -> None:
    """Show one administration, all of them, or a proposal and whether it has carried."""
    chain = session.chain()
    if which is not None and which.startswith("0x"):
        _show_proposal(session, chain, bytes32(which))
        return
    codes = [administration(which).administration_bytes] if which is not None else _codes(chain)
    found = [_administration(chain, code) for code in codes]
    if which is not None and found[0]["state"] == "unknown":
        raise NotFound("administration", which)
    rows = [
        (each["administration"], each["state"], each["governor"], each["seat_offered_to"] or "")
        for each in found
    ]
    session.out.answer(
        found[0] if which is not None else {"administrations": found},
        lambda page: page.table(
            "Administrations", ("administration", "state", "governor", "seat offered to"), rows
        ),
    )


@app.command(
    epilog=examples(
        "cargo-ledger administration propose suspension NL --key governor-sg",
        "cargo-ledger administration propose admission KE --key governor-sg --governor "
        "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A --json",
    )
)
@using(chain_signer)
def propose(
    session: ChainSigner,
    motion: Annotated[
        Motion, typer.Argument(metavar="MOTION", help="admission, suspension, reinstatement or replacement.")
    ],
    code: Annotated[
        Party, typer.Argument(metavar="CODE", parser=administration, help="The administration concerned.")
    ],
    *,
    governor: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", parser=address, help="The new governor, for admission and replacement."
        ),
    ] = None,
) -> None:
    """Put a motion; as its proposer you approve it too.

    It carries with the approval of two thirds of the active administrations other than the one concerned, and of more
    than half of all. A proposal ends after 30 days, and when another motion carries.
    """
    if (governor is not None) != (motion in _NEEDS_GOVERNOR):
        rule = "name the new governor with --governor" if governor is None else "it takes no --governor"
        raise typer.BadParameter(f"for {motion.value}, {rule}")
    governance = session.governance()
    name = code.administration
    with session.out.progress("sending the proposal"):
        if motion is Motion.ADMISSION:
            proposal = governance.propose_admission(name, str(governor))
        elif motion is Motion.SUSPENSION:
            proposal = governance.propose_suspension(name)
        elif motion is Motion.REINSTATEMENT:
            proposal = governance.propose_reinstatement(name)
        else:
            proposal = governance.propose_replacement(name, str(governor))
    _say_motion(session, governance.chain, proposal, f"Proposed the {motion.value} of {name}.")


@app.command(
    epilog=examples(
        "cargo-ledger administration approve 0x" + "5a" * 32 + " --key governor-nl",
    )
)
@using(chain_signer)
def approve(
    session: ChainSigner,
    proposal: Annotated[bytes, typer.Argument(metavar="PROPOSAL", parser=bytes32, help="The proposal's id.")],
) -> None:
    """Approve a proposal; the approval that makes the quorum carries it."""
    governance = session.governance()
    with session.out.progress("sending the approval"):
        governance.approve(proposal)
    _say_motion(session, governance.chain, proposal, "Approved.")


def _say_motion(session: ChainReader, chain: Chain, proposal: bytes, done: str) -> None:
    found = _proposal(chain, proposal)

    def show(page: Page) -> None:
        page.line(done)
        _print_proposal(page, found)
        if found["open"]:
            page.line(f"Others approve it with `cargo-ledger administration approve {found['proposal']}`.")

    session.out.answer(found, show)


def _show_proposal(session: ChainReader, chain: Chain, proposal: bytes) -> None:
    found = _proposal(chain, proposal)
    session.out.answer(found, lambda page: _print_proposal(page, found))


def _print_proposal(page: Page, found: dict[str, Any]) -> None:
    governor = f", governor {found['governor']}" if found["governor"] else ""
    page.line(f"The {found['motion']} of {found['administration']}{governor}: {found['state']}.")
    page.facts(
        {
            "proposal": found["proposal"],
            "approved by": ", ".join(found["approved_by"]),
            "proposed": found["proposed_at"],
        }
    )


def _administration(chain: Chain, code: bytes) -> dict[str, Any]:
    governor, state, _, offered_to = chain.view(REGISTRY, "administration", code)
    return {
        "administration": _code_text(code),
        "state": _STATES[state],
        "governor": governor,
        "seat_offered_to": None if offered_to == NOBODY else offered_to,
    }


def _proposal(chain: Chain, proposal: bytes) -> dict[str, Any]:
    kind, code, governor, proposed_at, made_in, approvals = chain.view(REGISTRY, "proposal", proposal)
    if kind == 0:
        raise NotFound("proposal", "0x" + proposal.hex())
    motion = tuple(Motion)[kind - 1]
    approved_by = [
        _code_text(each)
        for each in _codes(chain)
        if approvals >> chain.view(REGISTRY, "administration", each)[2] & 1
    ]
    carried = chain.find_events(REGISTRY, "MotionCarried", proposal=proposal)
    is_open = (
        chain.view(REGISTRY, "round") == made_in and chain.head().timestamp < proposed_at + PROPOSAL_SECONDS
    )
    state = "carried" if carried else "open" if is_open else "ended, it did not carry"
    return {
        "proposal": "0x" + proposal.hex(),
        "motion": motion.value,
        "administration": _code_text(code),
        "governor": None if governor == NOBODY else governor,
        "state": state,
        "open": is_open and not carried,
        "approved_by": approved_by,
        "proposed_at": datetime.fromtimestamp(proposed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _codes(chain: Chain) -> list[bytes]:
    """The codes of all that were ever admitted, in that order; the registry's own count shows that none is missing."""
    codes = [
        bytes(event["administration"]) for event in chain.find_events(REGISTRY, "AdministrationAdmitted")
    ]
    count = chain.view(REGISTRY, "administrations")
    if len(codes) != count:
        raise ChainUnavailable(chain.url, f"it shows {len(codes)} admissions of {count}")
    return codes


def _code_text(code: bytes) -> str:
    try:
        return Party.from_bytes(code.ljust(16, b"\0")).administration
    except InvalidIdentifier:
        return "0x" + code.hex()
