"""Short forms in `make test`, long ones in `make proof` (`CARGO_PROOF=1`)."""

import os

IS_PROOF = os.environ.get("CARGO_PROOF") == "1"


def form(short: int, long: int) -> int:
    """How often, how deep, how many: in this run."""
    return long if IS_PROOF else short
