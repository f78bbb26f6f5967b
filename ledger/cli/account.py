"""`cargo-ledger account`: accounts that act for parties. An account consents, its administration's governor enrols it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.cli import files
from ledger.cli.files import UnusableFile
from ledger.cli.governing import ChainReader, ChainSigner, chain_reader, chain_signer
from ledger.cli.options import OutOption, ProofArgument, address, examples, party, roles, time, using
from ledger.cli.output import Page
from ledger.core.identifiers import Party
from ledger.core.records import Enrolment, Role
from ledger.core.signatures import recover, sign
from ledger.errors import InvalidInput, NotFound, SignerMismatch

SCHEMA = "cargo-consent/1"
REGISTRY = "AdministrationRegistry"
_A_YEAR = timedelta(days=365)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show, enrol and revoke the accounts that act for an administration, a company or an agency.",
    epilog=examples(
        "cargo-ledger account consent --key exporter --party SG:ACME01 --roles trader --out consent.json",
        "cargo-ledger account enrol consent.json --key governor-sg",
        "cargo-ledger account show 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    ),
)

AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", parser=address, help="The account's address.")
]


@app.command(epilog=examples("cargo-ledger account show 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"))
@using(chain_reader)
def show(session: ChainReader, account: AddressArgument) -> None:
    """Show for whom an account acts, in which roles, and until when."""
    found = _account(session, account)

    def show(page: Page) -> None:
        state = "It is valid now."
        if found["revoked_at"] is not None:
            state = f"It was revoked at {found['revoked_at']}; what it did from {found['revoked_from']} to then is disputed."
        elif not found["valid_now"]:
            state = "It has run out."
        page.line(
            f"Account {found['address']} acts for {found['party']} as {' and '.join(found['roles']).lower()}. {state}"
        )
        page.facts({"valid until": found["valid_until"]})

    session.out.answer(found, show)


@app.command(
    epilog=examples(
        "cargo-ledger account consent --key exporter --party SG:ACME01 --roles trader --out consent.json",
        "cargo-ledger account consent --key desk7 --party SG --roles officer,auditor --valid-until 2027-12-31T00:00:00Z --json",
    )
)
@using(chain_signer)
def consent(
    session: ChainSigner,
    *,
    for_party: Annotated[
        Party,
        typer.Option(
            "--party", metavar="PARTY", parser=party, help="For whom it shall act: SG or SG:ACME01."
        ),
    ],
    as_roles: Annotated[
        int,
        typer.Option(
            "--roles",
            metavar="ROLES",
            parser=roles,
            help="trader, officer, auditor or sequencer; with commas.",
        ),
    ],
    valid_until: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", parser=time, help="When it ends; by default in a year."),
    ] = None,
    out: OutOption = None,
) -> None:
    """Sign, with the account's own key, that it shall act for a party; hand the result to the governor.

    Nothing is sent. Nobody can enrol an account that has not consented, and each account is enrolled once, for good:
    a person who changes party or role makes a new key.
    """
    if out is not None:
        files.require_new(out)
    until = int((valid_until or datetime.now(UTC) + _A_YEAR).timestamp())
    enrolment = Enrolment(bytes.fromhex(session.key.address[2:]), for_party.to_bytes(), as_roles, until)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "chain_id": session.profile.chain_id,
        "registry": session.profile.registry,
        "account": session.key.address,
        "party": str(for_party),
        "roles": _role_names(as_roles),
        "valid_until": until,
        "signature": "0x"
        + sign(enrolment.digest(session.profile.registry_domain), session.key.private).hex(),
    }
    if out is not None:
        files.write_new(out, content)

    def show(page: Page) -> None:
        page.line(
            f"Account {session.key.address} consents to act for {for_party} as {' and '.join(content['roles']).lower()}."
        )
        page.facts(
            {"valid until": _text(until), "file": out, "signature": None if out else content["signature"]}
        )
        if out is None:
            page.line("Nothing was kept: give --out FILE, or --json, and hand that to the governor.")

    session.out.answer(content, show)


@app.command(epilog=examples("cargo-ledger account enrol consent.json --key governor-sg"))
@using(chain_signer)
def enrol(session: ChainSigner, file: ProofArgument) -> None:
    """Enrol an account, as governor of its administration, from the file that `account consent` made.

    The consent is checked before anything is sent: its signature must be the account's own, over this network.
    """
    enrolment, signature = _read_consent(file, session)
    account, acts_for = "0x" + enrolment.account.hex(), Party.from_bytes(enrolment.party)
    governance = session.governance()
    with session.out.progress("enrolling the account"):
        transaction = governance.enrol(
            address(account), str(acts_for), enrolment.roles, enrolment.valid_until, signature
        )
    found = _account(session, address(account)) | {"transaction": "0x" + transaction.hex()}

    def show(page: Page) -> None:
        page.line(
            f"Enrolled {found['address']} for {found['party']} as {' and '.join(found['roles']).lower()}."
        )
        page.facts({"valid until": found["valid_until"], "transaction": found["transaction"]})

    session.out.answer(found, show)


@app.command(
    epilog=examples(
        "cargo-ledger account revoke 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A --key governor-sg",
        "cargo-ledger account revoke 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A --since 2026-03-01T00:00:00Z --key governor-sg",
    )
)
@using(chain_signer)
def revoke(
    session: ChainSigner,
    account: AddressArgument,
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=time,
            help="What it did from then on is disputed (a stolen key); by default from now, so nothing is.",
        ),
    ] = None,
) -> None:
    """Revoke an account, as governor of its administration: it never acts again.

    What it did before the time given stands. A second revocation can only move that time earlier.
    """
    governance = session.governance()
    # the chain takes no time after its own newest block, and clocks differ
    newest = governance.chain.head().timestamp
    revoked_from = newest if since is None else int(since.timestamp())
    with session.out.progress("revoking the account"):
        transaction = governance.revoke(account, revoked_from)
    found = _account(session, account) | {"transaction": "0x" + transaction.hex()}

    def show(page: Page) -> None:
        page.line(f"Revoked {found['address']} of {found['party']}: it never acts again.")
        page.facts(
            {
                "disputed from": found["revoked_from"],
                "to": found["revoked_at"],
                "transaction": found["transaction"],
            }
        )

    session.out.answer(found, show)


def _account(session: ChainReader, account: str) -> dict[str, Any]:
    chain = session.chain()
    acts_for, bits, valid_until, revoked_from, revoked_at = chain.view(REGISTRY, "account", account)
    if bytes(acts_for) == bytes(16):
        raise NotFound("enrolled account", account)
    return {
        "address": account,
        "party": str(Party.from_bytes(bytes(acts_for))),
        "roles": _role_names(bits),
        "valid_until": _text(valid_until),
        "valid_now": not revoked_at and chain.head().timestamp < valid_until,
        "revoked_from": _text(revoked_from) if revoked_at else None,
        "revoked_at": _text(revoked_at) if revoked_at else None,
    }


def _read_consent(file: Path, session: ChainSigner) -> tuple[Enrolment, bytes]:
    content = files.read_object(file, "a consent that `cargo-ledger account consent` made")
    if content.get("schema") != SCHEMA:
        raise UnusableFile(
            str(file), f"its schema is not {SCHEMA}; `cargo-ledger account consent` makes such a file"
        )
    here = (session.profile.chain_id, session.profile.registry.lower())
    if (content.get("chain_id"), str(content.get("registry")).lower()) != here:
        raise UnusableFile(
            str(file), "the consent is for another network than the profile's; let the account consent anew"
        )
    try:
        signer = address(content["account"])
        enrolment = Enrolment(
            bytes.fromhex(signer[2:]),
            Party.parse(content["party"]).to_bytes(),
            roles(",".join(content["roles"])),
            content["valid_until"],
        )
        signature = bytes.fromhex(content["signature"].removeprefix("0x"))
    except InvalidInput as error:
        raise UnusableFile(str(file), f"{error}".rstrip(".")) from None
    except (KeyError, TypeError, ValueError, AttributeError, typer.BadParameter):
        raise UnusableFile(
            str(file), "account, party, roles, valid_until or signature is missing or malformed"
        ) from None
    found = recover(enrolment.digest(session.profile.registry_domain), signature)
    if found != signer:
        raise SignerMismatch(signer, found)
    return enrolment, signature


def _role_names(bits: int) -> list[str]:
    return [role.name for role in Role if bits & role]


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
