"""A node that serves a chain of made headers: as much of JSON-RPC as comparing two histories asks for."""

import contextlib

import faulty_node
import sealed_headers
from evidence_maker import NOW

from ledger.chain import _HEADER_FIELDS, _HEADER_INTEGERS
from ledger.config import ChainProfile
from ledger.core import headers
from ledger.core.signatures import checksummed


def line(kind, count, *, after=(), salt=0, keys=None, state=b"\x03" * 32, validators=4):
    """Headers from 0 on, each upon the one before: those of `after`, then others that `salt` makes different."""
    made = list(after)
    keys = sealed_headers.KEYS[:validators] if keys is None else keys
    listed = sealed_headers.ADDRESSES[:validators]
    consensus = "qbft" if kind == "qbft" else None
    for number in range(len(made), count):
        fields = {
            "parent": headers.block_hash(made[-1], consensus) if made else bytes(32),
            "number": number,
            "f1": bytes(31) + bytes((salt,)),
            "f3": state,
            "f11": (NOW + number).to_bytes(4, "big"),
        }
        if kind == "qbft":
            made.append(sealed_headers.qbft(listed, keys, **fields))
        else:
            made.append(sealed_headers.clique(keys[number % len(keys)], **fields))
    return made


def profile_of(world, kind, made, url, confirmations=0):
    return ChainProfile(
        rpc_url=url,
        chain_id=world.chain_id,
        genesis_hash=headers.block_hash(made[0], "qbft" if kind == "qbft" else None),
        kind=kind,
        registry=checksummed(world.addresses["AdministrationRegistry"]),
        consignment_ledger=checksummed(world.addresses["ConsignmentLedger"]),
        manifest_log=checksummed(world.addresses["ManifestLog"]),
        code_hashes={name: "0x" + each.hex() for name, each in world.code_hashes.items()},
        deployment_block=1,
        block_seconds=1,
        gas_price_wei=10**9,
        confirmations=confirmations,
        validators=tuple(sorted(sealed_headers.ADDRESSES[:4], key=str.lower)),
    )


@contextlib.contextmanager
def serving(world, kind, made, nodes=()):
    """A node of these headers; it shows ManifestLog's account by `nodes`, or has no old states."""
    code = {"0x" + world.addresses[name].hex(): "0x" + name.encode().hex() for name in world.addresses}

    def result(request):
        method, params = request["method"], request["params"]
        if method == "eth_chainId":
            return hex(world.chain_id)
        if method == "eth_getCode":
            return code[params[0].lower()]
        if method == "eth_getProof" and nodes:
            return {"accountProof": ["0x" + node.hex() for node in nodes], "storageProof": []}
        if method == "eth_getBlockByNumber":
            number = len(made) - 1 if params[0] == "latest" else int(params[0], 16)
            return as_json(made[number], kind) if number < len(made) else None
        return None

    def fault(request, _):
        if isinstance(request, list):
            return [fault(each, None) for each in request]
        return {"jsonrpc": "2.0", "id": request["id"], "result": result(request)}

    with faulty_node.before() as node:
        node.fault = fault
        yield node


def as_json(header, kind):
    """A header as a node tells it."""
    told = {
        name: hex(int.from_bytes(value, "big")) if name in _HEADER_INTEGERS else "0x" + value.hex()
        for name, value in zip(_HEADER_FIELDS, header.fields, strict=False)
    }
    consensus = "qbft" if kind == "qbft" else None
    return told | {"hash": "0x" + headers.block_hash(header, consensus).hex(), "transactions": []}
