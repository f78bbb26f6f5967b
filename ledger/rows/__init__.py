"""The only SQL: each module has the rows of one thing, as a part of the session of `ledger.store`."""
