"""A process that keeps documents and says of each that it is kept: `python documents_writer.py FOLDER HOW_MANY`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from vaults import unlocked_store


def digest_of(place: int) -> bytes:
    return place.to_bytes(32, "big")


def document_of(place: int) -> bytes:
    return b'{"text": "' + b"%d" % place * (50 * (place % 40) + 1) + b'"}'


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with unlocked_store(f"sqlite:///{folder / 'ledger.db'}", folder) as store:
        os.write(1, b"begun\n")
        for place in range(int(sys.argv[2])):
            with store.write() as session:
                session.add_content(digest_of(place), digest_of(place), document_of(place), bytes(32))
            os.write(1, b"%d\n" % place)
