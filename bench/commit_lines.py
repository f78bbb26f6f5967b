"""Commit to the documents of a file of JSON lines and print them as `open_attestation.cjs` does.

What is timed is parse, salts, hashes, tree and root, with a secret for each document. Reading the file, starting the
processes and the first 200 documents are not, as on the other side.
"""

import json
import os
import sys
import time
from multiprocessing import Pool
from pathlib import Path

from ledger.core import documents

CHUNK = 100  # lines handed to a process at once


def commit_lines(lines: list[bytes]) -> list[bytes]:
    """Commit to each line; the roots."""
    return [documents.commit(documents.parse(line), os.urandom(32)).root for line in lines]


def main() -> None:
    """Time the file in one process, or in as many as are asked for."""
    lines = Path(sys.argv[1]).read_bytes().splitlines()
    processes = int(sys.argv[2])
    chunks = [lines[start : start + CHUNK] for start in range(0, len(lines), CHUNK)]
    if processes == 1:
        commit_lines(lines[:200])
        start, used = time.perf_counter(), time.process_time()
        roots = [root for chunk in chunks for root in commit_lines(chunk)]
        seconds, processor_seconds = time.perf_counter() - start, time.process_time() - used
    else:
        with Pool(processes) as pool:
            pool.map(commit_lines, [lines[:200]] * processes, chunksize=1)
            start = time.perf_counter()
            roots = [root for part in pool.imap(commit_lines, chunks) for root in part]
            seconds = processor_seconds = time.perf_counter() - start
    assert len(set(roots)) == len(lines)
    print(json.dumps({"documents": len(lines), "seconds": seconds, "processor_seconds": processor_seconds}))


if __name__ == "__main__":
    main()
