"""The cargo ledger."""
