"""What a ledger does, a module each: parts of `ledger.ledger.Ledger`."""
