"""The bench manifests, from the generator beside the project."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
GENERATOR = PROJECT.parent / "shared" / "bench" / "gen_manifests.py"
WORK = PROJECT / ".build" / "bench"

# OpenAttestation v2 wraps nothing without an issuer; both sides get this member, two leaves more of about a hundred.
ISSUERS = [{"name": "Bench", "certificateStore": "0x" + "11" * 20}]


def generate(count: int) -> Iterator[dict]:
    """Make the first `count` bench manifests, one after the other."""
    if not GENERATOR.is_file():
        sys.exit(f"The generator of bench manifests is not at {GENERATOR}; the benchmarks need it.")
    spec = importlib.util.spec_from_file_location("gen_manifests", GENERATOR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return (module.manifest(number) for number in range(count))


def encode(manifest: dict) -> bytes:
    """Write a manifest the shortest way."""
    return json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()


def file_for_both(count: int) -> Path:
    """Write `count` manifests with an issuer, one a line, where both sides of a comparison read them."""
    file = WORK / f"manifests-{count}.ndjson"
    if not file.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.write_bytes(b"".join(encode(one | {"issuers": ISSUERS}) + b"\n" for one in generate(count)))
        draft.rename(file)
    return file
