"""The service that one writes first: FastAPI, a model, a transaction a manifest. It keeps what it accepts as durably as ours.

`python plain_service.py URL PROFILE`; it prints where it is. It checks the signature by our own fast code, so that the
ratio tells of the service and not of the library for signatures.
"""

import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, create_engine, event, insert
from sqlalchemy.exc import IntegrityError

from ledger.config import ChainProfile
from ledger.core import signatures
from ledger.core.records import ManifestRecord

METADATA = MetaData()
manifests = Table(
    "manifests",
    METADATA,
    Column("log_index", Integer, primary_key=True),
    Column("digest", LargeBinary, unique=True),
    Column("leaf", LargeBinary),
    Column("signer", LargeBinary),
)


class Record(BaseModel):
    """A manifest record as it is sent."""

    party: str
    kind: int
    reason: int
    consignment: str
    manifest_root: str
    supersedes: str
    issued_at: int


class Submission(BaseModel):
    """A signed one."""

    record: Record
    signature: str


def make(url: str, profile: ChainProfile) -> FastAPI:
    """Make the application."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    if url.startswith("sqlite"):

        @event.listens_for(engine, "connect")
        def configure(connection, _record) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
                connection.execute(f"PRAGMA {pragma}")

    METADATA.create_all(engine)
    app = FastAPI()

    @app.post("/manifests", status_code=202)
    def lodge(submission: Submission) -> dict:
        given = submission.record
        record = ManifestRecord(
            *(bytes.fromhex(given.party[2:]), given.kind, given.reason),
            *(bytes.fromhex(part[2:]) for part in (given.consignment, given.manifest_root, given.supersedes)),
            given.issued_at,
        )
        signature, digest = bytes.fromhex(submission.signature[2:]), record.digest(profile.log_domain)
        row = {
            "digest": digest,
            "leaf": record.leaf_data(signature),
            "signer": signatures.recover_address(digest, signature),
        }
        try:
            with engine.begin() as connection:
                index = connection.execute(insert(manifests).values(row)).inserted_primary_key[0]
        except IntegrityError:
            raise HTTPException(409) from None
        return {"digest": "0x" + digest.hex(), "index": index}

    return app


if __name__ == "__main__":
    app = make(sys.argv[1], ChainProfile.load(Path(sys.argv[2])))
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])
