"""What a client of a service does, a module each: parts of `ledger.client.LedgerClient`."""
