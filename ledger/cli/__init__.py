"""`cargo-ledger`, the command line: one file a command group, each over the library and nothing else.

Words for people, `--json` for programs, and one meaning an exit code (`outcome`). What a command needs that is slow to
import (web3, pydantic, httpx) it imports when it runs: `cargo-ledger manifest commit` answers in under 0.4 s.
"""
